//! splice(2), tee(2), vmsplice(2), copy_file_range(2), sendfile(2).

use std::time::Duration;

use guest_common::{child, say};

use crate::call::{at, at_mut, call, close, content, file, path, pipe, show};

const TEXT: &[u8] = b"0123456789abcdefghij";

fn drain(fd: usize) -> String {
    let mut bytes = [0; 100];
    let count = call(libc::SYS_read, &[fd, at_mut(&mut bytes), bytes.len()]).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..count as usize]).into_owned()
}

pub(crate) fn splice() {
    let (input, output) = (file(c"in.tmp", TEXT), file(c"out.tmp", b"--------"));
    let (reader, writer) = pipe();
    let splice = libc::SYS_splice;
    show("file to pipe", splice, &[input, 0, writer, 0, 10, 0]).unwrap();
    show("the file's offset", libc::SYS_lseek, &[input, 0, 1]).unwrap();
    let mut offset = 4_i64;
    show("at an offset", splice, &[input, at_mut(&mut offset), writer, 0, 3, 0]).unwrap();
    say(&format!("which is now {offset}"));
    let mut target = 2_i64;
    show("pipe to file", splice, &[reader, 0, output, at_mut(&mut target), 8, 0]).unwrap();
    say(&format!("at {target}: {}", content(output)));
    let (other_reader, other_writer) = pipe();
    show("pipe to pipe", splice, &[reader, 0, other_writer, 0, 100, 0]).unwrap();
    say(&drain(other_reader));
    let _ = show("an empty pipe", splice, &[reader, 0, other_writer, 0, 1, 2]);
    let _ = show("the same pipe", splice, &[reader, 0, writer, 0, 1, 0]);
    let _ = show("no pipe", splice, &[input, 0, output, 0, 1, 0]);
    let _ = show("an offset in a pipe", splice, &[reader, at_mut(&mut offset), output, 0, 1, 0]);
    let _ = show("unknown flags", splice, &[reader, 0, output, 0, 1, 0x100]);
    let _ = show("nothing", splice, &[reader, 0, output, 0, 0, 0]);
    let _ = show("a wrong end", splice, &[writer, 0, output, 0, 1, 0]);
    let _ = show("no descriptor", splice, &[999, 0, output, 0, 1, 0]);
    let mut negative = -1_i64;
    let _ = show("a wrong offset", splice, &[input, at_mut(&mut negative), writer, 0, 1, 0]);
    let mut beyond = 100_i64;
    let _ = show("beyond the end", splice, &[input, at_mut(&mut beyond), writer, 0, 5, 0]);
    close(writer);
    let _ = show("the end of a pipe", splice, &[reader, 0, output, 0, 5, 0]);
    let append = libc::O_WRONLY | libc::O_APPEND;
    let append = call(libc::SYS_open, &[path(c"out.tmp"), append as usize]).unwrap() as usize;
    let _ = show("to one that appends", splice, &[other_reader, 0, append, 0, 5, 0]);
    [input, output, reader, other_reader, other_writer, append].into_iter().for_each(close);
}

pub(crate) fn tee() {
    let ((reader, writer), (copy, copies)) = (pipe(), pipe());
    call(libc::SYS_write, &[writer, at(TEXT), TEXT.len()]).unwrap();
    show("tee", libc::SYS_tee, &[reader, copies, 7, 0]).unwrap();
    show("again", libc::SYS_tee, &[reader, copies, 100, 0]).unwrap();
    say(&drain(copy));
    say(&drain(reader));
    let _ = show("nothing there", libc::SYS_tee, &[reader, copies, 7, 2]);
    let _ = show("the same pipe", libc::SYS_tee, &[reader, writer, 7, 0]);
    let plain = file(c"plain.tmp", TEXT);
    let _ = show("no pipe", libc::SYS_tee, &[plain, copies, 7, 0]);
    close(copy);
    let _ = show("nothing asked for", libc::SYS_tee, &[reader, copies, 0, 0]);
    [reader, writer, copies, plain].into_iter().for_each(close);
}

pub(crate) fn vmsplice() {
    let (reader, writer) = pipe();
    let parts = [(at(TEXT), 5_usize), (at(&TEXT[10..]), 4)];
    show("in", libc::SYS_vmsplice, &[writer, at(&parts), 2, 0]).unwrap();
    let mut bytes = [0_u8; 20];
    let room = [(at_mut(&mut bytes), 20_usize)];
    show("out", libc::SYS_vmsplice, &[reader, at(&room), 1, 0]).unwrap();
    say(&String::from_utf8_lossy(&bytes[..9]));
    let _ = show("unknown flags", libc::SYS_vmsplice, &[writer, at(&parts), 2, 0x100]);
    let plain = file(c"plain.tmp", TEXT);
    let _ = show("no pipe", libc::SYS_vmsplice, &[plain, at(&parts), 2, 0]);
    [reader, writer, plain].into_iter().for_each(close);
}

/// A splice waits for what another process writes, and for room.
pub(crate) fn waits() {
    let mut ends = [0_i32; 2];
    call(libc::SYS_pipe2, &[at_mut(&mut ends), 0]).unwrap();
    let (reader, writer) = (ends[0] as usize, ends[1] as usize);
    let output = file(c"out.tmp", b"");
    let late = child::fork_later(Duration::from_millis(20), || {
        call(libc::SYS_write, &[writer, at(TEXT), 6]).unwrap();
    });
    show("a splice that waits", libc::SYS_splice, &[reader, 0, output, 0, 100, 0]).unwrap();
    say(&content(output));
    child::wait(late);
    let large = file(c"large.tmp", &[b'x'; 100_000]);
    let reads = child::fork(|| {
        close(writer);
        let (mut bytes, mut total) = (vec![0_u8; 8192], 0);
        while let Ok(count @ 1..) =
            call(libc::SYS_read, &[reader, at_mut(&mut bytes[..]), bytes.len()])
        {
            total += count;
        }
        i32::from(total != 100_000)
    });
    let mut left = 100_000;
    while left > 0 {
        left -= call(libc::SYS_splice, &[large, 0, writer, 0, left as usize, 0]).unwrap();
    }
    [reader, writer].into_iter().for_each(close);
    say(&format!("{:?}", child::wait(reads)));
    [output, large].into_iter().for_each(close);
}

pub(crate) fn copy_file_range() {
    let copy = libc::SYS_copy_file_range;
    let (input, output) = (file(c"in.tmp", TEXT), file(c"out.tmp", b"--"));
    show("by offsets of the files", copy, &[input, 0, output, 0, 5, 0]).unwrap();
    let (mut from, mut to) = (10_i64, 12_i64);
    show("by given ones", copy, &[input, at_mut(&mut from), output, at_mut(&mut to), 50, 0])
        .unwrap();
    say(&format!("{from} {to} {}", content(output)));
    show("at the end", copy, &[input, at_mut(&mut from), output, 0, 50, 0]).unwrap();
    let (mut from, mut to) = (0_i64, 3_i64);
    let within = [input, at_mut(&mut from), input, at_mut(&mut to), 10, 0];
    let _ = show("overlapping", copy, &within);
    let _ = show("flags", copy, &[input, 0, output, 0, 5, 1]);
    let (reader, writer) = pipe();
    let _ = show("from a pipe", copy, &[reader, 0, output, 0, 5, 0]);
    let directory = call(libc::SYS_open, &[path(c"."), 0]).unwrap() as usize;
    let _ = show("from a directory", copy, &[directory, 0, output, 0, 5, 0]);
    let reads = call(libc::SYS_open, &[path(c"out.tmp"), 0]).unwrap() as usize;
    let _ = show("to one that reads", copy, &[input, 0, reads, 0, 5, 0]);
    [input, output, reader, writer, directory, reads].into_iter().for_each(close);
}

pub(crate) fn sendfile() {
    let (input, output) = (file(c"in.tmp", TEXT), file(c"out.tmp", b""));
    let (reader, writer) = pipe();
    let send = libc::SYS_sendfile;
    show("to a pipe", send, &[writer, input, 0, 6]).unwrap();
    let mut offset = 15_i64;
    show("at an offset", send, &[writer, input, at_mut(&mut offset), 100]).unwrap();
    say(&format!("{offset} {}", drain(reader)));
    show("to a file", send, &[output, input, 0, 4]).unwrap();
    say(&content(output));
    let _ = show("from a pipe", send, &[output, reader, 0, 4]);
    let _ = show("to a wrong end", send, &[reader, input, 0, 4]);
    [input, output, reader, writer].into_iter().for_each(close);
}
