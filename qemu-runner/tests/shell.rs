//! `shell` on a real terminal and real nodes: what a person does with it.

mod person;

use person::Person;

const PROMPT: &str = "# ";

/// Types a command and gives what it shows, without its echo.
#[track_caller]
fn command(person: &mut Person, line: &str) -> String {
    person.types(&format!("{line}\n"));
    person.sees(&format!("{line}\r\n"));
    person.sees(PROMPT).rsplit_once("~ ").map_or_else(String::new, |(shown, _)| shown.to_owned())
}

#[test]
fn a_person_works_at_a_shell_on_two_nodes() {
    let mut person = Person::start(&["shell", "--nodes", "2", "--timeout", "600"]);
    person.sees(PROMPT);
    assert_eq!(
        command(&mut person, "stty size; tty; echo $TERM"),
        "30 90\r\n/dev/console\r\nxterm\r\n"
    );
    keys_make_signals(&mut person);
    jobs_are_controlled(&mut person);
    jobs_move(&mut person);
    person.resizes(50, 132);
    // The runner hears of it by a signal, which overtakes nothing that is typed.
    person.types("until [ \"$(stty size)\" = '50 132' ]; do :; done; echo resi''zed\n");
    person.sees("resized");
    person.sees(PROMPT);
    person.types("exit 5\n");
    assert_eq!(person.waits().code(), Some(5));
}

fn keys_make_signals(person: &mut Person) {
    // Said by the foreground job itself: before it is one, the key would be the shell's.
    person.types("sh -c 'echo rea\"\"dy; exec sleep 1000'\n");
    person.sees("ready");
    person.types("\x03");
    person.sees(PROMPT);
    assert_eq!(command(person, "echo $?"), "130\r\n");
    // End of input on an empty line ends what reads, not the shell.
    person.types("echo rea''dy; cat\n");
    person.sees("ready\r\n");
    person.types("abc\n");
    person.sees("abc\r\nabc\r\n");
    person.types("\x04");
    person.sees(PROMPT);
}

fn jobs_are_controlled(person: &mut Person) {
    command(person, "sleep 10000 &");
    assert!(command(person, "jobs").contains("Running"));
    person.types("fg\n");
    person.sees("sleep 10000\r\n");
    // The shell names the job before it is in the foreground; until then the key means nothing.
    person.presses_until("\x1a", "Stopped");
    person.sees(PROMPT);
    assert!(command(person, "jobs").contains("Stopped"));
    command(person, "bg");
    assert!(command(person, "jobs").contains("Running"));
}

/// The job, then the shell itself, which goes on from the other node.
fn jobs_move(person: &mut Person) {
    assert_eq!(command(person, "echo 2 >/proc/$!/goto; cat /proc/$!/where"), "2\r\n");
    assert_eq!(command(person, "echo 2 >/proc/$$/goto; cat /proc/$$/where"), "2\r\n");
    assert!(command(person, "echo 9 >/proc/$$/goto").contains("error"));
    // In one line: the shell tells of a job that has ended at the next prompt or the one after it.
    assert!(command(person, "kill %1; wait %1; echo $?").contains("143\r\n"));
    assert_eq!(command(person, "echo 1 >/proc/$$/goto; cat /proc/$$/where"), "1\r\n");
}
