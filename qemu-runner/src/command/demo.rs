//! `demo`: programs that move over three nodes, and what a run that never moved says.
//!
//! Act 1 is a program that asks to be moved: `wander` (tests/guest) walks 1 -> 2 -> 3 -> 2 -> 1 and
//! hashes a file that stays at home. Act 2 is programs that know nothing of it: busybox's
//! `sha256sum` and a pipeline of its shell, moved from outside by `/proc/PID/goto`. The reference
//! for each is the same script on this host's Linux, where nothing moves.

use std::io::{self, Cursor, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use wayfarer::artifacts::Artifact;
use wayfarer::control::ControlError;
use wayfarer::{Cluster, Initrd, InitrdError, Outcome, initrd, program};
use wayfarer_proto::console::FromNode;
use wayfarer_proto::id::NodeId;

use super::cli::{Defaults, DemoOptions};
use super::failure::Failure;
use super::progress::Progress;
use super::report::Report;
use super::{prepare, show, signals};

/// Where the demo's programs are at home.
const HOME: NodeId = NodeId(1);

/// Bytes of the file that is hashed.
const INPUT_SIZE: usize = 16 * 1024 * 1024;

/// Where the scripts find it.
const INPUT: &str = "input.bin";

/// A part of the demo.
struct Scene {
    title: &'static str,
    /// The program's name in the report.
    name: &'static str,
    /// A shell script, run in the directory of the input. `$1 PID NODE` moves a process.
    script: &'static str,
}

const SCENES: [Scene; 3] = [
    Scene {
        title: "Act 1: wander asks to be moved, 1 -> 2 -> 3 -> 2 -> 1",
        name: "wander",
        script: "wander input.bin output.txt 1,2,3,2,1 && cat output.txt",
    },
    Scene {
        title: "Act 2: an unmodified sha256sum is moved from outside, 1 -> 2 -> 3 -> 1",
        name: "sha256sum",
        // It cannot end before its last move, however slow the host is: the rest comes after that.
        script: "mkfifo feed; sha256sum <feed >sum & pid=$!\n\
                 { for node in 2 3 1; do dd bs=65536 count=8 2>/dev/null; move $pid $node; done\n\
                 cat; } <input.bin >feed\n\
                 wait $pid && cat sum",
    },
    Scene {
        title: "Act 2: a shell with its pipelines is moved from outside, 1 -> 3 -> 2",
        name: "sh pipeline",
        script: "sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do\n\
                 dd if=input.bin bs=65536 skip=$i count=1 2>/dev/null | md5sum | tr a-f A-F\n\
                 sleep 0.05; done' >sums & pid=$!\n\
                 for node in 3 2; do sleep 0.2; move $pid $node; done\n\
                 wait $pid && cat sums",
    },
];

/// `move PID NODE` on a node, and on this host, where there is nothing to move to.
const MOVE_ON_A_NODE: &str = "move() { echo $2 >/proc/$1/goto; }\n";
const MOVE_ON_THE_HOST: &str = "move() { :; }\n";

/// Runs the demo; the exit status is 0 only if it kept its promise.
pub(crate) fn demo(options: &DemoOptions) -> Result<u8, Failure> {
    let nodes = options.common.node_count(Defaults::DEMO);
    if nodes < 3 {
        return Err(Failure::TooFewNodes(nodes));
    }
    if let Some(path) = &options.json {
        prepare::writable(path)?;
    }
    let kernel = prepare::kernel(&options.common, Defaults::DEMO)?;
    let wander = prepare::build(Artifact::Guest("wander"))?;
    let progress = Progress::new("making the reference");
    let input = pseudo_random(INPUT_SIZE);
    let references = references(&wander, &input)?;
    let mut files = Initrd::new()?;
    files.add_program("/bin/wander", &wander)?;
    files.add_file(&format!("/home/{INPUT}"), 0o644, input);
    progress.say(format!("booting {nodes} nodes"));
    let mut cluster = options.common.cluster(Defaults::DEMO, &files).start(&kernel, &files)?;
    signals::interrupt(cluster.interrupter()).map_err(Failure::Terminal)?;
    cluster.serve_control().map_err(ControlError::from)?;
    let mut report = Report::new();
    for (scene, expected) in SCENES.iter().zip(&references) {
        progress.say(scene.title);
        progress.line(scene.title);
        let outcome = play(&mut cluster, scene, options.common.trace, &progress)?;
        report.add(scene.name, expected, &outcome);
    }
    progress.say("powering off");
    cluster.shutdown()?;
    drop(progress);
    report.conclude();
    print!("\n{}", report.table());
    if let Some(path) = &options.json {
        std::fs::write(path, report.json())
            .map_err(|source| Failure::Unwritable { path: path.clone(), source })?;
    }
    Ok(u8::from(!report.is_ok()))
}

/// Plays one scene on the nodes, showing its moves as they happen.
fn play(
    cluster: &mut Cluster,
    scene: &Scene,
    trace: bool,
    progress: &Progress,
) -> Result<Outcome, Failure> {
    let script = format!("{MOVE_ON_A_NODE}{}", scene.script);
    let mut start = program::command(&["sh", "-c", &script]);
    start.cwd = b"/home".to_vec();
    start.trace = trace;
    let mut said = Lines::default();
    let outcome = cluster.observe(HOME, &start, Cursor::new(Vec::new()), |sender, frame| {
        let text = match frame {
            FromNode::Stdout(bytes) => {
                said.add(bytes, |line| progress.line(&format!("  | {line}")));
                None
            }
            FromNode::Moved(moved) => Some(show::moved_line(moved)),
            frame => show::line(sender, frame, trace),
        };
        if let Some(text) = text {
            progress.line(&format!("  {text}"));
        }
    })?;
    Ok(outcome)
}

/// Whole lines out of pieces of text.
#[derive(Default)]
struct Lines {
    begun: String,
}

impl Lines {
    fn add(&mut self, bytes: &[u8], mut show: impl FnMut(&str)) {
        self.begun.push_str(&String::from_utf8_lossy(bytes));
        while let Some((line, rest)) = self.begun.split_once('\n') {
            show(line);
            self.begun = rest.to_owned();
        }
    }
}

/// What each scene says on this host.
fn references(wander: &Path, input: &[u8]) -> Result<Vec<String>, Failure> {
    let busybox = initrd::find_busybox().ok_or(InitrdError::NoBusybox)?;
    let directory = tempfile::tempdir().map_err(|source| unwritable(Path::new("/tmp"), source))?;
    let file = directory.path().join(INPUT);
    std::fs::write(&file, input).map_err(|source| unwritable(&file, source))?;
    // The scripts find busybox's applets and wander as they do on a node.
    let link = |name: &str, target: &Path| {
        let path = directory.path().join(name);
        std::os::unix::fs::symlink(target, &path).map_err(|source| unwritable(&path, source))
    };
    for applet in ["sh", "cat", "mkfifo", "sha256sum", "md5sum", "dd", "tr", "sleep"] {
        link(applet, &busybox)?;
    }
    link("wander", wander)?;
    let run = |scene: &Scene| reference(&busybox, directory.path(), scene.script);
    SCENES
        .iter()
        .map(run)
        .collect::<io::Result<_>>()
        .map_err(|source| Failure::Reference { source })
}

fn reference(busybox: &Path, directory: &Path, script: &str) -> io::Result<String> {
    let output = Command::new(busybox)
        .args(["sh", "-c", &format!("{MOVE_ON_THE_HOST}{script}")])
        .current_dir(directory)
        .env_clear()
        .env("PATH", directory)
        .stdin(Stdio::null())
        .output()?;
    io::stderr().write_all(&output.stderr)?;
    if !output.status.success() {
        return Err(io::Error::other(format!("its script ended with {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn unwritable(path: &Path, source: io::Error) -> Failure {
    Failure::Unwritable { path: path.to_owned(), source }
}

/// Bytes without a pattern, the same in every run (Marsaglia's xorshift64).
fn pseudo_random(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size.next_multiple_of(8));
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_reproducible_and_varied() {
        let bytes = pseudo_random(1001);
        assert_eq!(bytes.len(), 1001);
        assert_eq!(bytes, pseudo_random(1001));
        let zeros = bytes.iter().filter(|byte| **byte == 0).count();
        assert!(zeros < 20, "{zeros} zeros");
    }

    #[test]
    fn lines_are_shown_whole() {
        let mut lines = Lines::default();
        let mut shown = Vec::new();
        for piece in ["a", "b\nc\n", "", "d"] {
            lines.add(piece.as_bytes(), |line| shown.push(line.to_owned()));
        }
        assert_eq!(shown, ["ab", "c"]);
    }

    /// The scripts of act 2 are right where nothing moves.
    #[test]
    fn references_of_busybox_scenes() {
        let Some(busybox) = initrd::find_busybox() else {
            eprintln!("skipped: no busybox on this host");
            return;
        };
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(INPUT), pseudo_random(1 << 20)).unwrap();
        for applet in ["sh", "cat", "mkfifo", "sha256sum", "md5sum", "dd", "tr", "sleep"] {
            std::os::unix::fs::symlink(&busybox, directory.path().join(applet)).unwrap();
        }
        let sum = reference(&busybox, directory.path(), SCENES[1].script).unwrap();
        let digest = sum.trim_end().strip_suffix("  -");
        assert!(digest.is_some_and(|digest| digest.len() == 64), "{sum}");
        let sums = reference(&busybox, directory.path(), SCENES[2].script).unwrap();
        assert_eq!(sums.lines().count(), 12, "{sums}");
    }
}
