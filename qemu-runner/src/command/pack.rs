//! What `run` puts into the initial file system, and how the program is started there.

use std::path::{Path, PathBuf};

use wayfarer::artifacts;
use wayfarer::{Initrd, program};
use wayfarer_proto::console::Start;

use super::cli::{HostFile, RunOptions};
use super::failure::Failure;
use super::prepare;

/// Where programs of a whole Linux tree are.
const SEARCH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where distributions describe terminals.
const TERMINAL_DATABASES: [&str; 3] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];

/// Where a node mounts file systems of its own.
const OF_THE_NODE: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The initial file system for the program that the options name, and its start.
pub(crate) fn program(options: &RunOptions) -> Result<(Initrd, Start), Failure> {
    let words = std::iter::once(&options.program).chain(&options.arguments);
    let argv: Vec<&str> = words.map(String::as_str).collect();
    let mut start = program::command(&argv);
    let initrd = match &options.root {
        Some(root) => in_root(root, &mut start)?,
        None => of_the_host(options, &mut start)?,
    };
    Ok((initrd, start))
}

/// Adds what `--file` names; a file takes the place of one that every node has.
pub(crate) fn add_files(initrd: &mut Initrd, files: &[HostFile]) -> Result<(), Failure> {
    for HostFile { host, guest } in files {
        match guest {
            None => initrd.add_host_path(host, true)?,
            Some(guest) if host.is_dir() => initrd.add_tree(guest, host)?,
            Some(guest) => initrd.add_host_file(guest, host)?,
        }
    }
    Ok(())
}

fn in_root(root: &Path, start: &mut Start) -> Result<Initrd, Failure> {
    let initrd = Initrd::from_root(root)?;
    let name = String::from_utf8_lossy(&start.argv[0]).into_owned();
    let path = if name.contains('/') {
        Some(name.clone()).filter(|path| initrd.has_file(path))
    } else {
        let candidates = SEARCH.iter().map(|directory| format!("{directory}/{name}"));
        candidates.into_iter().find(|path| initrd.has_file(path))
    };
    let path = path.ok_or(Failure::NotInRoot { program: name })?;
    start.path = path.into_bytes();
    start.envp.retain(|variable| !variable.starts_with(b"PATH="));
    start.envp.push(format!("PATH={}", SEARCH.join(":")).into_bytes());
    Ok(initrd)
}

fn of_the_host(options: &RunOptions, start: &mut Start) -> Result<Initrd, Failure> {
    let mut initrd = Initrd::new()?;
    add_files(&mut initrd, &options.files.file)?;
    start.path = pack(&mut initrd, &options.program)?.into_bytes();
    add_named(&mut initrd, &options.arguments)?;
    add_terminal(&mut initrd)?;
    if let Some(directory) = working_directory() {
        initrd.mirror_directory(&directory)?;
        start.cwd = directory.to_string_lossy().into_owned().into_bytes();
    }
    Ok(initrd)
}

/// Adds what the host knows of its terminal, for programs that ask (`terminfo(5)`).
fn add_terminal(initrd: &mut Initrd) -> Result<(), Failure> {
    let Ok(term) = std::env::var("TERM") else { return Ok(()) };
    let Some(letter) = term.chars().next().filter(|_| !term.contains('/')) else { return Ok(()) };
    let databases = TERMINAL_DATABASES.iter().map(|database| format!("{database}/{letter}/{term}"));
    for path in databases.map(PathBuf::from).filter(|path| path.is_file()) {
        initrd.add_host_path(&path, false)?;
    }
    Ok(())
}

/// This command's working directory, unless a node has something else there.
fn working_directory() -> Option<PathBuf> {
    std::env::current_dir().ok().filter(|path| !is_of_the_node(path))
}

fn is_of_the_node(path: &Path) -> bool {
    OF_THE_NODE.iter().any(|directory| path.starts_with(directory))
}

/// Makes sure that the program is in the file system; gives the path it is executed by. A name
/// without a slash is a busybox applet if there is one, else it is looked up in PATH.
fn pack(initrd: &mut Initrd, program: &str) -> Result<String, Failure> {
    let applet = format!("/bin/{program}");
    if !program.contains('/') && initrd.contains(&applet) {
        return Ok(applet);
    }
    let missing = || Failure::NoProgram { program: program.to_owned() };
    let host = prepare::find(program).ok_or_else(missing)?;
    prepare::readable(&host)?;
    if host.extension().is_some_and(|extension| extension == "c") {
        let compiled = artifacts::c_program(&host)?;
        let name = compiled.file_name().unwrap_or(compiled.as_os_str()).to_string_lossy();
        let path = format!("/bin/{name}");
        initrd.add_program(&path, &compiled)?;
        return Ok(path);
    }
    Ok(initrd.add_host_program(&host)?)
}

/// Adds the files of this host that arguments name, alone or behind a `=`. What a node has by that
/// name stays.
fn add_named(initrd: &mut Initrd, arguments: &[String]) -> Result<(), Failure> {
    let names = arguments.iter().flat_map(|word| {
        let value = word.split_once('=').map(|(_, value)| value);
        [Some(word.as_str()), value].into_iter().flatten()
    });
    for name in names {
        let path = std::path::absolute(name).unwrap_or_else(|_| PathBuf::from(name));
        if !is_of_the_node(&path) && prepare::readable(&path).is_ok() && path.is_file() {
            initrd.add_host_path(&path, false)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_would() {
        let mut initrd = Initrd::bare();
        initrd.add_link("/bin/ls", "busybox");
        assert_eq!(pack(&mut initrd, "ls").unwrap(), "/bin/ls");
        let missing = pack(&mut initrd, "no-such-program-anywhere").unwrap_err();
        assert_eq!(missing.status(), 127);
        let unreadable = pack(&mut initrd, "./no-such-file").unwrap_err();
        assert!(unreadable.to_string().starts_with("cannot read ./no-such-file"), "{unreadable}");
        assert_eq!(unreadable.status(), 127);
    }

    #[test]
    fn dynamic_programs_come_with_their_libraries() {
        let mut initrd = Initrd::bare();
        // This test itself is one.
        let this = std::env::current_exe().unwrap();
        let path = pack(&mut initrd, &this.to_string_lossy()).unwrap();
        assert_eq!(path, this.to_string_lossy());
        assert!(initrd.has_file(&path));
        let libraries = wayfarer::libraries::closure(&[this]).unwrap();
        assert!(libraries.len() >= 2, "{libraries:?}");
        for library in libraries {
            assert!(initrd.has_file(&library.to_string_lossy()), "{library:?}");
        }
    }

    #[test]
    fn links_to_programs_come_with_libraries() {
        let directory = tempfile::tempdir().unwrap();
        let this = std::env::current_exe().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&this, &link).unwrap();
        let mut initrd = Initrd::bare();
        add_files(&mut initrd, &[HostFile { host: link, guest: None }]).unwrap();
        for library in wayfarer::libraries::closure(&[this]).unwrap() {
            assert!(initrd.has_file(&library.to_string_lossy()), "{library:?}");
        }
    }

    #[test]
    fn scripts_come_with_their_interpreter() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        let this = std::env::current_exe().unwrap();
        std::fs::write(&script, format!("#!{} -x\n", this.display())).unwrap();
        let mut initrd = Initrd::bare();
        pack(&mut initrd, &script.to_string_lossy()).unwrap();
        assert!(initrd.has_file(&this.to_string_lossy()));
        std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
        let error = pack(&mut initrd, &script.to_string_lossy()).unwrap_err();
        assert!(error.to_string().contains("/no/such/interpreter"), "{error}");
        assert_eq!(error.status(), 126);
        // What a node has is not looked for on the host.
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        initrd.add_file("/bin/sh", 0o755, b"ours".to_vec());
        pack(&mut initrd, &script.to_string_lossy()).unwrap();
    }

    #[test]
    fn files_that_are_asked_for_replace_what_a_node_has() {
        let mut initrd = Initrd::new().unwrap();
        let named = |name: &str| HostFile { host: PathBuf::from(name), guest: None };
        add_named(&mut initrd, &["/etc/passwd".to_owned()]).unwrap();
        assert!(initrd.size() == Initrd::new().unwrap().size(), "a node has one already");
        add_files(&mut initrd, &[named("/etc/passwd")]).unwrap();
        assert!(initrd.size() != Initrd::new().unwrap().size());
    }

    #[test]
    fn named_files_come_along() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let name = file.to_string_lossy().into_owned();
        for word in [name.clone(), format!("--input={name}")] {
            let mut initrd = Initrd::bare();
            add_named(&mut initrd, &["-x".to_owned(), word, "/proc/self/stat".to_owned()]).unwrap();
            assert!(initrd.has_file(&name) && !initrd.contains("/proc/self"));
        }
    }
}
