//! The command `run` against fake nodes: its exit status, its input and output, its terminal.

mod fake;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fake::{Fake, exit, started};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use wayfarer_proto::console::{ExitStatus, FromNode, ToNode, WindowSize};
use wayfarer_proto::errno::Errno;

/// `wayfarer run` of `true` on this fake node.
fn run(fake: &Fake) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
    // Any file will do for a kernel that no fake reads.
    command.args(["run", "--timeout", "300", "--kernel"]).arg(fake.program());
    command.arg("--qemu").arg(fake.program()).args(["busybox", "true", "--nodes"]);
    command
}

fn output(fake: &Fake) -> Output {
    run(fake).stdin(Stdio::null()).output().unwrap()
}

/// A node that answers Start with these frames, and powers off when told to.
fn answering(frames: &[FromNode]) -> Fake {
    Fake::new("cat $D/hello; frame; cat $D/answers; power_off").says("answers", frames)
}

#[test]
fn output_passes_unchanged_and_the_status_is_the_programs() {
    let bytes: Vec<u8> = (0..=255).collect();
    let fake = answering(&[
        started(Ok(())),
        FromNode::Stdout(bytes.clone()),
        FromNode::Stderr(b"\r\n\0".to_vec()),
        exit(ExitStatus::Exited(7)),
    ]);
    let output = output(&fake);
    assert_eq!(output.stdout, bytes);
    assert_eq!(output.stderr, b"\r\n\0");
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn signal_and_failures_have_their_statuses() {
    let killed = answering(&[started(Ok(())), exit(ExitStatus::Signaled(9))]);
    assert_eq!(output(&killed).status.code(), Some(137));
    for (errno, status) in [(Errno::ENOENT, 127), (Errno::EACCES, 126)] {
        let output = output(&answering(&[started(Err(errno))]));
        assert_eq!(output.status.code(), Some(status));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "one line: {text}");
    }
    let dead = Fake::new("cat $D/hello; exit 37");
    assert_eq!(output(&dead).status.code(), Some(125));
}

/// Waits until the node heard a frame that `wanted` accepts.
fn await_frame(fake: &Fake, wanted: impl Fn(&ToNode) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(100);
    while !fake.heard("heard").iter().any(&wanted) {
        assert!(Instant::now() < deadline, "the node heard {:?}", fake.heard("heard"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A node whose program runs until the file `go` appears; then it powers off when told to.
fn waiting() -> Fake {
    let script = "cat $D/hello $D/started; exec 3<&0; cat <&3 >$D/heard &\n\
                  until [ -e $D/go ]; do sleep 0.02; done; cat $D/exit\n\
                  until tail -c 1 $D/heard | od -An -tu1 | grep -qx ' *8'; do sleep 0.02; done\n\
                  exit 33";
    Fake::new(script)
        .says("started", &[started(Ok(()))])
        .says("exit", &[exit(ExitStatus::Exited(3))])
}

fn let_go(fake: &Fake) {
    File::create(fake.path("go")).unwrap();
}

#[test]
fn first_interrupt_goes_to_the_program_the_second_ends_the_command() {
    let fake = waiting();
    let mut child = run(&fake)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    await_frame(&fake, |frame| matches!(frame, ToNode::Start(_)));
    // The handler was in place before the program was started.
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    await_frame(&fake, |frame| *frame == ToNode::Signal(2));
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn closed_output_becomes_sigpipe() {
    let script = "cat $D/hello $D/started\n\
                  (until [ -e $D/go ]; do sleep 0.02; done; cat $D/out) & cat >$D/heard";
    let fake = Fake::new(script)
        .says("started", &[started(Ok(()))])
        .says("out", &[FromNode::Stdout(b"nobody reads".to_vec())]);
    let mut child = run(&fake)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let_go(&fake);
    await_frame(&fake, |frame| *frame == ToNode::Signal(13));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A pseudo-terminal of this size: the side a person sits at, and the side a program has.
fn terminal(rows: u16, cols: u16) -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    resize(&master, rows, cols);
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options().read(true).write(true).open(Path::new(name.to_str().unwrap()));
    (master, slave.unwrap())
}

fn resize(terminal: &OwnedFd, rows: u16, cols: u16) {
    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

#[test]
fn terminal_is_lent_and_given_back() {
    let (master, slave) = terminal(30, 90);
    let before = tcgetattr(&slave).unwrap();
    let fake = waiting();
    let end = || Stdio::from(slave.try_clone().unwrap());
    let mut child = run(&fake).stdin(end()).stdout(end()).stderr(Stdio::null()).spawn().unwrap();
    await_frame(&fake, |frame| match frame {
        ToNode::Start(start) => start.tty && start.size == WindowSize { rows: 30, cols: 90 },
        _ => false,
    });
    let mut person = File::from(master.try_clone().unwrap());
    while tcgetattr(&slave).unwrap().local_modes.contains(LocalModes::ISIG) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Ctrl-C is a key like any other now: the node's line discipline makes a signal of it.
    person.write_all(b"\x03").unwrap();
    await_frame(&fake, |frame| *frame == ToNode::Stdin(vec![3]));
    resize(&master, 50, 100);
    kill_process(Pid::from_child(&child), Signal::WINCH).unwrap();
    let size = ToNode::WindowSize(WindowSize { rows: 50, cols: 100 });
    await_frame(&fake, |frame| *frame == size);
    let_go(&fake);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let after = tcgetattr(&slave).unwrap();
    assert_eq!(after.local_modes, before.local_modes);
    drop(slave);
    let mut shown = Vec::new();
    // The last close of the other side is an error to this one.
    let _ = person.read_to_end(&mut shown);
    assert_eq!(shown, b"", "nothing but the program's output is shown");
}
