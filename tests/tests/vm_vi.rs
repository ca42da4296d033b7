//! vi, driven by a recorded key sequence: after each step its screen is what it is on the host's
//! Linux, at home, moved once and roaming.

use std::time::{Duration, Instant};

use wayfarer::initrd::find_busybox;
use wayfarer::program::command;
use wayfarer::{Initrd, Outcome};
use wayfarer_proto::console::{ExitStatus, FromNode, ToNode};
use wayfarer_tests::screen::Screen;
use wayfarer_tests::terminal::Session;
use wayfarer_tests::vm::{HOME, Nodes, Start, Way};

/// What is edited.
const FILE: &str = "notes.txt";

const TEXT: &str = "A body moves.\nA deputy stays where it was made.\n\n\tlast line\n";

/// What is typed, step by step. An escape ends a step: with a key close behind it would be another.
const KEYS: &[&[u8]] = &[
    b"Oa new first line\x1b",
    b"jyyp",
    b"/deputy\r",
    b"cwservant\x1b",
    b"xxxu",
    b"A And there it ends.\x1b",
    b"Go1\r2\r3\x1b",
    b"kdd",
    b"gg",
    b":%s/e/E/g\r",
    b":set list\r",
    b"3J",
    b"mzG'z",
    b"r-5l~",
    b":3,4d\r",
    b"ONe more\x7f\x7fst\x1b",
    b":nonsense\r",
    b":w\r",
    b":q\r",
];

/// How long one step may take.
const LIMIT: Duration = Duration::from_secs(300);

/// The screens after the start and after each step, and the file in the end.
fn natively() -> (Vec<String>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::fs::write(&path, TEXT).unwrap();
    let busybox = find_busybox().expect("a static busybox");
    let argv = [&*busybox.to_string_lossy(), "vi", FILE];
    let mut session = Session::start(&argv, directory.path()).unwrap();
    let mut screen = Screen::default();
    screen.show(&session.shown(LIMIT).unwrap());
    let mut screens = vec![screen.text()];
    for keys in KEYS {
        session.press(keys).unwrap();
        screen.show(&session.shown(LIMIT).unwrap());
        screens.push(screen.text());
    }
    assert!(screen.unknown().is_empty(), "{:?}", screen.unknown());
    (screens, std::fs::read_to_string(path).unwrap())
}

/// Waits until the screen shows that.
fn await_screen(nodes: &mut Nodes, screen: &mut Screen, wanted: &str, step: &str) {
    let mut outcome = Outcome::new(ExitStatus::Exited(0));
    let deadline = Instant::now() + LIMIT;
    while screen.text() != wanted {
        let left = deadline.saturating_duration_since(Instant::now());
        let shown = nodes.watch(left, &mut outcome, |_, frame| match frame {
            FromNode::Stdout(bytes) => Some(bytes.clone()),
            _ => None,
        });
        let shown = shown.unwrap_or_else(|error| {
            panic!("{error}\nafter {step:?}\n{}\nnatively\n{wanted}", screen.text())
        });
        screen.show(&shown);
    }
}

/// Plays all on nodes and compares.
fn play(way: Way) {
    let (screens, file) = natively();
    let mut initrd = Initrd::new().unwrap();
    initrd.add_file(&format!("/root/{FILE}"), 0o644, TEXT.into());
    let cluster = way.cluster().timeout(3 * LIMIT);
    let mut nodes = Nodes::boot(&cluster, &initrd).unwrap();
    let at = |words: &[&str]| Start { cwd: b"/root".into(), ..command(words) };
    nodes.begin(&Start { tty: true, ..at(&["vi", FILE]) }).unwrap();
    let mut screen = Screen::default();
    await_screen(&mut nodes, &mut screen, &screens[0], "the start");
    for (keys, wanted) in KEYS.iter().zip(&screens[1..]) {
        nodes.cluster.node(HOME).send(&ToNode::Stdin(keys.to_vec())).unwrap();
        await_screen(&mut nodes, &mut screen, wanted, &String::from_utf8_lossy(keys));
    }
    let ended = nodes.finish(LIMIT).unwrap();
    assert_eq!(ended.status, ExitStatus::Exited(0));
    let outcome = nodes.run(&at(&["cat", FILE]), LIMIT).unwrap();
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), file);
}

#[test]
fn vi_at_home_shows_what_it_shows_natively() {
    play(Way::Home);
}

#[test]
fn vi_moved_once_shows_what_it_shows_natively() {
    play(Way::Once);
}

#[test]
fn roaming_vi_shows_what_it_shows_natively() {
    play(Way::Roaming);
}
