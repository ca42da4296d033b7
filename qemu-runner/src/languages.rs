//! Where interpreters of languages keep the libraries written in them: asked of the interpreter
//! itself, on this host.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An interpreter that cannot do without files of its own.
struct Language {
    /// How its executables' names begin.
    name: &'static str,
    /// Arguments that make it print its directories, one a line.
    question: &'static [&'static str],
}

const LANGUAGES: &[Language] = &[
    Language {
        name: "python3",
        question: &["-I", "-c", "import sys; print(*sys.path, sep='\\n')"],
    },
    Language { name: "perl", question: &["-e", "print \"$_\\n\" for @INC"] },
];

/// The directories without which the program `host` could run nothing; none for most programs.
/// One within another is named once.
pub(crate) fn directories(host: &Path) -> Vec<PathBuf> {
    let real = host.canonicalize().unwrap_or_else(|_| host.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(language) = LANGUAGES.iter().find(|language| name.starts_with(language.name)) else {
        return Vec::new();
    };
    let asked = Command::new(host)
        .args(language.question)
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = asked.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let named: BTreeSet<PathBuf> = said.lines().map(PathBuf::from).collect();
    let usable = named.iter().filter(|path| path.is_absolute() && path.is_dir());
    let outermost =
        usable.filter(|path| !named.iter().any(|other| path.starts_with(other) && *path != other));
    outermost.cloned().collect()
}

/// Whether a file of these directories is worth its memory. Left out are optimised copies of
/// compiled Python, Python's own tests, and what its C extensions are built with.
pub(crate) fn is_wanted(name: &str) -> bool {
    let useless = name == "test" || name.starts_with("config-3") || name.contains(".opt-");
    !useless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_tells_its_standard_library() {
        let python = Path::new("/usr/bin/python3");
        if !python.exists() {
            eprintln!("skipped: no {} on this host", python.display());
            return;
        }
        let told = directories(python);
        assert!(told.iter().any(|path| path.join("os.py").is_file()), "{told:?}");
        assert!(directories(Path::new("/bin/ls")).is_empty());
    }
}
