//! The corpus: busybox scripts, one for each feature, under `tests/corpus/`.
//!
//! Every script begins in an empty directory and must do the same each time. It runs inside a
//! wrapper that is a busybox script too, and that lists the files left behind at the end of the
//! standard output. So any place that runs busybox gives an [`Observation`], and the one made on
//! the host's Linux ([`Script::run_natively`]) is what the others must equal.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use wayfarer::artifacts::workspace;
use wayfarer::initrd::find_busybox;

use crate::native::{self, Run};

/// How long a script may take on the host's Linux.
const LIMIT: Duration = Duration::from_secs(300);

/// The line between what the script wrote and the list of its files.
const MARK: &str = "=== files ===";

/// `$1` the script, `$2` its name, `$3` where to work; ends with the script's status.
///
/// Nothing but busybox's own applets is found (`PATH`), the modes of new files are fixed
/// (`umask`), and a script that ends its own process group cannot end the wrapper (`setsid`).
const WRAPPER: &str = r#"
PATH=/none
umask 022
mkdir -p "$3" && cd "$3" || exit 125
setsid sh -c "$1" "$2"
status=$?
umask 077
echo
echo "=== files ==="
find . | sort | while IFS= read -r file; do
    if [ -L "$file" ]; then echo "link '$file' to '$(readlink "$file")'"
    elif [ -f "$file" ]; then echo "$(stat -c %a "$file") $(sha256sum < "$file") '$file'"
    else echo "$(stat -c '%a %F' "$file") '$file'"
    fi
done
cd / && rm -rf "$3"
exit $status
"#;

/// One script.
#[derive(Clone, Debug)]
pub struct Script {
    /// The feature, and the file's name without `.sh`.
    pub name: String,
    /// What the shell shall do.
    pub text: String,
}

/// What a script did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// Its exit status.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// The files it left, one a line: mode, digest or kind or target, name.
    pub files: String,
}

/// All scripts, sorted by name.
///
/// # Errors
/// Fails if the directory or a script cannot be read.
pub fn scripts() -> io::Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for entry in fs::read_dir(workspace().join("tests/corpus"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        scripts.push(Script { name, text: fs::read_to_string(&path)? });
    }
    scripts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scripts)
}

impl Script {
    /// The command line that runs it with that busybox in `directory`, which it makes and removes.
    pub fn argv<'a>(&'a self, busybox: &'a str, directory: &'a str) -> [&'a str; 8] {
        [busybox, "sh", "-c", WRAPPER, "wrapper", &self.text, &self.name, directory]
    }

    /// Runs it on the host's Linux: the oracle.
    ///
    /// # Errors
    /// Fails without a busybox, if it does not end, or if its output is not text.
    pub fn run_natively(&self) -> io::Result<Observation> {
        let busybox = find_busybox().ok_or_else(|| io::Error::other("no static busybox"))?;
        let directory = tempfile::tempdir()?;
        let work = directory.path().join("work");
        let (busybox, work) = (busybox.to_string_lossy(), work.to_string_lossy());
        let run = native::run(&self.argv(&busybox, &work), Path::new("/"), LIMIT)?;
        Observation::of(run)
    }
}

impl Observation {
    /// Takes apart what the wrapper wrote.
    ///
    /// # Errors
    /// `InvalidData` if the output is not text, or the wrapper did not get to its end.
    pub fn of(run: Run) -> io::Result<Self> {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        };
        let (stdout, stderr) = (text(run.stdout)?, text(run.stderr)?);
        match stdout.rsplit_once(&format!("\n{MARK}\n")) {
            Some((stdout, files)) => {
                let (stdout, files) = (stdout.to_owned(), files.to_owned());
                Ok(Self { status: run.status, stdout, stderr, files })
            }
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("no list of files; status {}: {stdout}{stderr}", run.status),
            )),
        }
    }

    /// What differs from what was observed natively, if anything does.
    pub fn difference(&self, native: &Self) -> Option<String> {
        if self == native {
            return None;
        }
        let parts = [
            ("stdout", &native.stdout, &self.stdout),
            ("stderr", &native.stderr, &self.stderr),
            ("files", &native.files, &self.files),
        ];
        let mut said = format!("status {}, natively {}", self.status, native.status);
        for (part, native, here) in parts.into_iter().filter(|(_, native, here)| native != here) {
            said += &format!("\n  {part}: {}", first_difference(native, here));
        }
        Some(said)
    }
}

/// The first line where two texts differ.
fn first_difference(native: &str, here: &str) -> String {
    let (mut natives, mut heres) = (native.lines(), here.lines());
    for number in 1_usize.. {
        let pair = (natives.next(), heres.next());
        match pair {
            (None, None) => break,
            (native, here) if native != here => {
                return format!("line {number}: {here:?}, natively {native:?}");
            }
            _ => {}
        }
    }
    "line ends".to_owned()
}
