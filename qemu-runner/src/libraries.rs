//! The libraries a program needs, found where its dynamic linker would look (`ld.so(8)`).
//!
//! For a name without a slash: the `DT_RPATH` of the object and of those that led to it, unless the
//! object has a `DT_RUNPATH`; then that; then the directories of `/etc/ld.so.conf`; then the usual
//! ones. The environment is the node's, so `LD_LIBRARY_PATH` has no say.
//!
//! musl's linker is its C library too, whatever name of its parts a program needs, and has a list
//! of directories of its own instead of the configured ones.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use crate::elf::{self, Needs};

/// Where glibc looks in the end.
const USUAL: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// Where musl looks instead, unless there is its list.
const MUSL_USUAL: [&str; 3] = ["/lib", "/usr/local/lib", "/usr/lib"];

/// musl's list of directories.
const MUSL_LIST: &str = "/etc/ld-musl-x86_64.path";

/// How the names of libraries begin that are part of musl's linker.
const MUSL_PARTS: [&str; 7] =
    ["libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."];

/// What glibc itself loads when a thread is cancelled; no program names it.
const UNNAMED: &str = "libgcc_s.so.1";

/// How deep `include` in ld.so.conf may go.
const CONF_DEPTH: u32 = 8;

/// A library that is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{needed_by} needs {name}, which is nowhere that the dynamic linker looks")]
pub struct MissingLibrary {
    /// The program or library that needs it.
    pub needed_by: PathBuf,
    /// Its name.
    pub name: String,
}

/// An object to be looked at.
struct Object {
    path: PathBuf,
    needs: Needs,
    /// The `DT_RPATH`s that led here, the nearest first.
    inherited: Vec<PathBuf>,
    /// Whether musl's linker loads it.
    by_musl: bool,
}

/// The dynamic linker and all libraries that these programs and libraries need, as paths that the
/// linker would open. Files that are no ELF file for this processor need nothing.
///
/// # Errors
/// [`MissingLibrary`].
pub fn closure(files: &[PathBuf]) -> Result<BTreeSet<PathBuf>, MissingLibrary> {
    let mut glibc = configured();
    glibc.extend(USUAL.map(PathBuf::from));
    let musl = musl_directories();
    let mut found = BTreeSet::new();
    let mut waiting: VecDeque<Object> =
        files.iter().filter_map(|path| object(path, Vec::new(), false)).collect();
    while let Some(object) = waiting.pop_front() {
        let by_musl = object.by_musl || object.needs.names_musl();
        if let Some(interpreter) = &object.needs.interpreter {
            found.insert(PathBuf::from(interpreter));
        }
        if by_musl && Path::new(MUSL_LIST).is_file() {
            found.insert(PathBuf::from(MUSL_LIST));
        }
        let rpath = directories(object.needs.rpath.as_deref(), &object.path);
        let runpath = directories(object.needs.runpath.as_deref(), &object.path);
        let chain = [rpath, object.inherited.clone()].concat();
        let by_rpath = if runpath.is_empty() { chain.clone() } else { Vec::new() };
        let places = [&by_rpath[..], &runpath, if by_musl { &musl } else { &glibc }].concat();
        let is_part = |name: &str| MUSL_PARTS.iter().any(|part| name.starts_with(part));
        for name in object.needs.libraries.iter().filter(|name| !by_musl || !is_part(name)) {
            let missing = || MissingLibrary { needed_by: object.path.clone(), name: name.clone() };
            let path = find(name, &places).ok_or_else(missing)?;
            if name.starts_with("libc.so") {
                found.extend(find(UNNAMED, &places));
            }
            if found.insert(path.clone()) {
                waiting.extend(self::object(&path, chain.clone(), by_musl));
            }
        }
    }
    Ok(found)
}

fn object(path: &Path, inherited: Vec<PathBuf>, by_musl: bool) -> Option<Object> {
    let needs = elf::needs(&fs::read(path).ok()?).ok()?;
    Some(Object { path: path.to_owned(), needs, inherited, by_musl })
}

impl Needs {
    /// Whether the program asks for musl's linker.
    fn names_musl(&self) -> bool {
        let name = self.interpreter.as_deref().and_then(|path| path.rsplit('/').next());
        name.is_some_and(|name| name.starts_with("ld-musl-"))
    }
}

/// The directories in which musl's linker looks.
fn musl_directories() -> Vec<PathBuf> {
    let Ok(list) = fs::read_to_string(MUSL_LIST) else {
        return MUSL_USUAL.map(PathBuf::from).to_vec();
    };
    list.split(['\n', ':']).filter(|place| !place.is_empty()).map(PathBuf::from).collect()
}

/// The first file of this name for this processor.
fn find(name: &str, places: &[PathBuf]) -> Option<PathBuf> {
    let fits = |path: &PathBuf| object(path, Vec::new(), false).is_some();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(fits);
    }
    places.iter().map(|place| place.join(name)).find(fits)
}

/// The directories of a `DT_RPATH` or `DT_RUNPATH`, with what stands for others replaced.
fn directories(list: Option<&str>, object: &Path) -> Vec<PathBuf> {
    let real = fs::canonicalize(object).unwrap_or_else(|_| object.to_owned());
    let origin = real.parent().unwrap_or_else(|| Path::new("/")).to_string_lossy().into_owned();
    let stands_for =
        [("ORIGIN", &*origin), ("LIB", "lib/x86_64-linux-gnu"), ("PLATFORM", "x86_64")];
    let replaced = |directory: &str| {
        stands_for.iter().fold(directory.to_owned(), |text, (token, value)| {
            text.replace(&format!("${{{token}}}"), value).replace(&format!("${token}"), value)
        })
    };
    let named = list.unwrap_or_default().split(':').filter(|directory| !directory.is_empty());
    named.map(replaced).map(PathBuf::from).collect()
}

/// The directories that `/etc/ld.so.conf` adds.
fn configured() -> Vec<PathBuf> {
    let mut found = Vec::new();
    read_conf(Path::new("/etc/ld.so.conf"), CONF_DEPTH, &mut found);
    found
}

fn read_conf(file: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let text = fs::read_to_string(file).unwrap_or_default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.strip_prefix("include") {
            Some(patterns) if depth > 0 => {
                let files = patterns.split_whitespace().flat_map(|pattern| matching(file, pattern));
                files.for_each(|file| read_conf(&file, depth - 1, found));
            }
            Some(_) => {}
            None => {
                found.extend(
                    line.split([' ', '\t', ':', ','])
                        .filter(|p| p.starts_with('/'))
                        .map(PathBuf::from),
                );
            }
        }
    }
}

/// The files of an `include`, whose last name may hold one `*`.
fn matching(file: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = file.parent().unwrap_or_else(|| Path::new("/")).join(pattern);
    let name = pattern.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((before, after)) = name.split_once('*') else { return vec![pattern] };
    let directory = pattern.parent().unwrap_or_else(|| Path::new("/"));
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.len() >= before.len() + after.len()
            && name.starts_with(before)
            && name.ends_with(after)
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(fits).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The host's dynamic linker is the oracle: what it lists of this very program.
    #[test]
    fn closure_is_what_the_dynamic_linker_loads() {
        let this = std::env::current_exe().unwrap();
        let interpreter = object(&this, Vec::new(), false).unwrap().needs.interpreter.unwrap();
        let output = Command::new(&interpreter).arg("--list").arg(&this).output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        let expected: BTreeSet<PathBuf> = listed
            .lines()
            .filter_map(|line| line.split_once("=> ").map(|(_, right)| right))
            .filter_map(|right| right.split_whitespace().next())
            .map(|path| fs::canonicalize(path).unwrap())
            .collect();
        assert!(!expected.is_empty(), "{listed}");
        let found = closure(&[this]).unwrap();
        assert!(found.contains(Path::new(&interpreter)));
        let found: BTreeSet<PathBuf> =
            found.iter().map(|path| fs::canonicalize(path).unwrap()).collect();
        assert!(expected.is_subset(&found), "{expected:?} {found:?}");
    }

    #[test]
    fn origin_is_the_directory_of_the_real_file() {
        let list =
            directories(Some("$ORIGIN/../lib:${ORIGIN}:/x/$LIB:"), Path::new("/no/such/file"));
        let expected = ["/no/such/../lib", "/no/such", "/x/lib/x86_64-linux-gnu"];
        assert_eq!(list, expected.map(PathBuf::from));
    }

    #[test]
    fn musl_is_its_own_linker_and_library() {
        let compiler = Path::new("/usr/bin/musl-gcc");
        if !compiler.exists() {
            eprintln!("skipped: no {} on this host", compiler.display());
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (source, program) = (directory.path().join("it.c"), directory.path().join("it"));
        fs::write(&source, "int main(void) { return 0; }").unwrap();
        assert!(
            Command::new(compiler).arg("-o").args([&program, &source]).status().unwrap().success()
        );
        let found = closure(&[program]).unwrap();
        assert!(found.contains(Path::new("/lib/ld-musl-x86_64.so.1")), "{found:?}");
        assert!(!found.iter().any(|path| path.ends_with("libc.so")), "{found:?}");
    }

    #[test]
    fn conf_files_include_others() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("conf.d")).unwrap();
        fs::write(at("conf"), "/first # words\ninclude conf.d/*.conf\ninclude conf\n/last\n")
            .unwrap();
        fs::write(at("conf.d/b.conf"), "/b\n").unwrap();
        fs::write(at("conf.d/a.conf"), "/a,/aa\n").unwrap();
        fs::write(at("conf.d/other"), "/other\n").unwrap();
        let mut found = Vec::new();
        read_conf(&at("conf"), 0, &mut found);
        assert_eq!(found, ["/first", "/last"].map(PathBuf::from));
        found.clear();
        read_conf(&at("conf"), 1, &mut found);
        let inner = ["/first", "/a", "/aa", "/b", "/first", "/last", "/last"];
        assert_eq!(found, inner.map(PathBuf::from));
    }

    #[test]
    fn missing_library_is_named() {
        let error =
            MissingLibrary { needed_by: PathBuf::from("/bin/x"), name: "liby.so".to_owned() };
        assert!(error.to_string().contains("liby.so") && find("libnone.so", &[]).is_none());
    }
}
