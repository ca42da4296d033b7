//! Canonical mode: lines and what edits them.

use super::*;

#[test]
fn a_line_is_given_out_when_it_is_complete() {
    let tty = Fixture::new();
    assert_eq!(tty.screen("hel"), "hel");
    assert_eq!(tty.read(100), Err(Errno::EAGAIN));
    assert_eq!(tty.terminal.poll(), PollEvents::WRITABLE);
    assert_eq!(tty.screen("lo\rnext"), "lo\r\nnext");
    assert_eq!(tty.terminal.poll(), PollEvents::READABLE | PollEvents::WRITABLE);
    assert_eq!(tty.terminal.bytes_readable(), Some(6));
    assert_eq!(tty.read(3).unwrap(), "hel", "what does not fit stays");
    assert_eq!(tty.read(100).unwrap(), "lo\n");
    assert_eq!(tty.read(100), Err(Errno::EAGAIN));
}

#[test]
fn two_lines_are_two_reads() {
    let tty = Fixture::new();
    tty.type_in("one\ntwo\n");
    assert_eq!(tty.read(100).unwrap(), "one\n");
    assert_eq!(tty.read(100).unwrap(), "two\n");
}

#[test]
fn end_of_file_ends_a_read_without_being_read() {
    let tty = Fixture::new();
    assert_eq!(tty.screen("\x04"), "");
    assert_eq!(tty.read(100).unwrap(), "");
    tty.type_in("part\x04rest\n");
    assert_eq!(tty.read(100).unwrap(), "part");
    assert_eq!(tty.read(100).unwrap(), "rest\n");
    tty.type_in("abc\x04");
    assert_eq!(tty.read(3).unwrap(), "abc");
    assert_eq!(tty.read(3), Err(Errno::EAGAIN), "a full read takes the end with it");
}

#[test]
fn erasing_changes_line_and_screen() {
    let tty = Fixture::new();
    assert_eq!(tty.screen("\x7f"), "", "nothing to erase");
    assert_eq!(tty.screen("ab\x7fc\n"), "ab\x08 \x08c\r\n");
    assert_eq!(tty.read(100).unwrap(), "ac\n");
    assert_eq!(tty.screen("a\x01\x7f\n"), "a^A\x08 \x08\x08 \x08\r\n");
    assert_eq!(tty.read(100).unwrap(), "a\n");
    assert_eq!(tty.screen("one two_3  \x17"), "one two_3  ".to_owned_with(&"\x08 \x08".repeat(7)));
    tty.type_in("!\n");
    assert_eq!(tty.read(100).unwrap(), "one !\n");
    assert_eq!(tty.screen("gone\x15"), "gone".to_owned_with(&"\x08 \x08".repeat(4)));
    tty.type_in("kept\n");
    assert_eq!(tty.read(100).unwrap(), "kept\n");
}

#[test]
fn a_tab_is_rubbed_out_to_where_it_began() {
    let tty = Fixture::new();
    tty.write("$ ").unwrap();
    assert_eq!(tty.screen("abc\t\x7f"), "abc\t\x08\x08\x08", "from column 8 to 5");
    assert_eq!(tty.screen("\t\t\x7f"), "\t\t".to_owned_with(&"\x08".repeat(8)));
}

#[test]
fn whole_characters_are_erased_with_iutf8() {
    let tty = Fixture::new();
    tty.change(|termios| termios.input |= InputFlags::IUTF8.bits());
    assert_eq!(tty.screen("aä€\x7f\x7f"), "aä€\x08 \x08\x08 \x08");
    tty.type_in("\n");
    assert_eq!(tty.read(100).unwrap(), "a\n");
}

#[test]
fn echo_follows_the_flags() {
    let tty = Fixture::new();
    tty.local(LocalFlags::empty(), LocalFlags::ECHO);
    assert_eq!(tty.screen("secret\x7f\n"), "");
    assert_eq!(tty.read(100).unwrap(), "secre\n");
    tty.local(LocalFlags::ECHONL, LocalFlags::empty());
    assert_eq!(tty.screen("x\n"), "\r\n");
    tty.local(LocalFlags::ECHO, LocalFlags::ECHOE | LocalFlags::ECHOKE);
    tty.read(100).unwrap();
    assert_eq!(tty.screen("ab\x7f"), "ab^?");
    assert_eq!(tty.screen("\x15"), "^U\r\n");
    tty.local(LocalFlags::empty(), LocalFlags::ECHOCTL);
    assert_eq!(tty.screen("\x01"), "\x01");
}

#[test]
fn what_is_erased_is_printed_on_paper() {
    let tty = Fixture::new();
    tty.local(LocalFlags::ECHOPRT, LocalFlags::empty());
    assert_eq!(tty.screen("ab\x7f\x7f"), "ab\\ba/");
    assert_eq!(tty.screen("cd\x7fe"), "cd\\d/e");
}

#[test]
fn the_line_can_be_shown_again() {
    let tty = Fixture::new();
    assert_eq!(tty.screen("text\x12"), "text^R\r\ntext");
}

#[test]
fn a_literal_character_is_data() {
    let tty = Fixture::new();
    assert_eq!(tty.screen("\x16\x03"), "^\x08^C");
    assert_eq!(tty.signals(), []);
    tty.type_in("\n");
    assert_eq!(tty.read(100).unwrap(), "\x03\n");
}

#[test]
fn other_line_ends() {
    let tty = Fixture::new();
    tty.change(|termios| termios.special[Special::EndOfLine as usize] = b';');
    tty.type_in("a;b");
    assert_eq!(tty.read(100).unwrap(), "a;");
}

#[test]
fn carriage_return_and_newline_are_translated_as_asked() {
    let tty = Fixture::new();
    tty.change(|termios| termios.input = InputFlags::IGNCR.bits());
    tty.type_in("a\r\n");
    assert_eq!(tty.read(100).unwrap(), "a\n");
    tty.change(|termios| {
        termios.input = InputFlags::INLCR.bits() | InputFlags::ISTRIP.bits();
        termios.local &= !LocalFlags::ICANON.bits();
    });
    assert_eq!(tty.terminal.push_input(b"\n\xe1"), 2);
    assert_eq!(tty.read(100).unwrap(), "\ra");
}

#[test]
fn signals_go_to_the_foreground_and_clear_the_line() {
    let tty = Fixture::new();
    tty.terminal.control(Pid(1), Pid(7));
    tty.type_in("half");
    assert_eq!(tty.screen("\x03"), "^C");
    assert_eq!(tty.signals(), [(7, Signal::SIGINT)]);
    tty.type_in("\x1c\x1a");
    assert_eq!(tty.signals(), [(7, Signal::SIGQUIT), (7, Signal::SIGTSTP)]);
    tty.terminal.control(Pid(1), Pid(1));
    tty.type_in("rest\n");
    assert_eq!(tty.read(100).unwrap(), "rest\n");
    tty.local(LocalFlags::NOFLSH, LocalFlags::empty());
    tty.type_in("kept\x03\n");
    assert_eq!(tty.read(100).unwrap(), "kept\n");
    tty.local(LocalFlags::empty(), LocalFlags::ISIG);
    tty.signals();
    tty.type_in("\x03\n");
    assert_eq!(tty.signals(), []);
    assert_eq!(tty.read(100).unwrap(), "\x03\n");
}
