//! A program of the host with everything it needs: interpreters, libraries, a language's own files.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Content, Initrd, InitrdError, unreadable};
use crate::elf::{self, NotRunnable};
use crate::{languages, libraries};

/// The longest first line of a script that Linux reads (`execve(2)`).
const FIRST_LINE: usize = 256;

/// Where glibc's dynamic linker finds in which directory a library is.
const LINKER_CACHE: &str = "/etc/ld.so.cache";

impl Initrd {
    /// Adds the host's program at the same path, with what it needs to run there: for a script its
    /// interpreter, for a dynamic executable the dynamic linker and all libraries, for the
    /// interpreter of a language that language's library. Gives the path.
    ///
    /// # Errors
    /// `Unreadable`, `NotRunnable`, `MissingLibrary`, `BadPath`.
    pub fn add_host_program(&mut self, host: &Path) -> Result<String, InitrdError> {
        let host = std::path::absolute(host).map_err(unreadable(host))?;
        self.mirror(&host, true)?;
        self.add_needs(&host)?;
        Ok(host.to_string_lossy().into_owned())
    }

    /// Adds a file or directory of the host at the same path, with the libraries that the programs
    /// in it need. With `replace` a file takes the place of what is there, else that stays.
    ///
    /// # Errors
    /// As [`add_host_program`](Self::add_host_program), but a file need not be a program.
    pub fn add_host_path(&mut self, host: &Path, replace: bool) -> Result<(), InitrdError> {
        let host = std::path::absolute(host).map_err(unreadable(host))?;
        self.mirror(&host, replace)?;
        self.add_libraries_below(&host)
    }

    /// Adds what the program `host` needs besides itself.
    fn add_needs(&mut self, host: &Path) -> Result<(), InitrdError> {
        let mut head = Vec::new();
        let file = File::open(host).map_err(unreadable(host))?;
        file.take(FIRST_LINE as u64).read_to_end(&mut head).map_err(unreadable(host))?;
        if let Some(interpreter) = interpreter(&head) {
            return self.add_interpreter(host, &interpreter);
        }
        let content = fs::read(host).map_err(unreadable(host))?;
        let not_runnable = |reason| InitrdError::NotRunnable { path: host.to_owned(), reason };
        elf::needs(&content).map_err(not_runnable)?;
        let mut objects = vec![host.to_owned()];
        for directory in languages::directories(host) {
            self.mirror_part(&directory, false, languages::is_wanted)?;
            objects.extend(self.host_files_below(&directory));
        }
        self.add_libraries(&objects)
    }

    /// What a script is run by: what the node has, else the host's.
    fn add_interpreter(&mut self, script: &Path, line: &[String]) -> Result<(), InitrdError> {
        let runs = |path: &String| Path::new(path).is_file();
        let named = match line {
            [env, name, ..] if env.ends_with("/env") && !name.contains('/') => in_path(name),
            [path, ..] => Some(path.clone()).filter(runs),
            [] => None,
        };
        let here = line.last().map(|name| format!("/bin/{name}"));
        let known = [line.first().cloned(), here].into_iter().flatten();
        let known = known.filter(|path| !path.ends_with("/env"));
        if known.map(|path| self.resolve(&path)).any(|path| self.entries.contains_key(&path)) {
            return Ok(());
        }
        let reason = NotRunnable::NoInterpreter(line.join(" "));
        let missing = InitrdError::NotRunnable { path: script.to_owned(), reason };
        self.add_host_program(Path::new(&named.ok_or(missing)?)).map(drop)
    }

    fn add_libraries_below(&mut self, host: &Path) -> Result<(), InitrdError> {
        let objects = match host.is_dir() {
            true => self.host_files_below(host),
            // Under its own name: what a link leads to may have another.
            false => vec![host.to_owned()],
        };
        self.add_libraries(&objects)
    }

    fn add_libraries(&mut self, objects: &[PathBuf]) -> Result<(), InitrdError> {
        let libraries = libraries::closure(objects)?;
        for library in &libraries {
            self.mirror(library, false)?;
        }
        if !libraries.is_empty() && Path::new(LINKER_CACHE).is_file() {
            self.mirror(Path::new(LINKER_CACHE), false)?;
        }
        Ok(())
    }

    /// The files of the host that were added from `directory`.
    fn host_files_below(&self, directory: &Path) -> Vec<PathBuf> {
        let files = self.entries.values().filter_map(|entry| match &entry.content {
            Content::Host(path, _) if path.starts_with(directory) => Some(path.clone()),
            _ => None,
        });
        files.collect()
    }
}

/// The interpreter of a script and its argument.
fn interpreter(head: &[u8]) -> Option<Vec<String>> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    Some(line.split_whitespace().map(str::to_owned).collect())
}

fn in_path(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&path).map(|directory| directory.join(name));
    let found = candidates.into_iter().find(|candidate| candidate.is_file())?;
    Some(found.to_string_lossy().into_owned())
}
