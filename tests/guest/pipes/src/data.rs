//! What goes through a pipe.

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use guest_common::child::{self, End, fork_later};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::pipe::{PipeFlags, pipe_with};

const SOON: Duration = Duration::from_millis(20);

/// Writes of at most this many bytes are never mixed with others.
const PIPE_BUF: usize = 4096;

fn set_blocking(pipe: &impl AsFd, blocking: bool) {
    let mut flags = fcntl_getfl(pipe).unwrap();
    flags.set(OFlags::NONBLOCK, !blocking);
    fcntl_setfl(pipe, flags).unwrap();
}

pub(crate) fn order_and_end() {
    let (mut reader, mut writer) = io::pipe().unwrap();
    for word in ["first ", "second ", "third"] {
        writer.write_all(word.as_bytes()).unwrap();
    }
    let mut part = [0; 9];
    reader.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"first sec");
    drop(writer);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "ond third");
    assert_eq!(reader.read(&mut part).unwrap(), 0, "the end stays");
}

pub(crate) fn blocking_read() {
    let (mut reader, mut writer) = io::pipe().unwrap();
    let child = fork_later(SOON, || writer.write_all(b"late").unwrap());
    let mut buffer = [0; 100];
    assert_eq!(reader.read(&mut buffer).unwrap(), 4, "returns what there is");
    assert_eq!(child::wait(child), End::Exited(0));
}

/// Fills a pipe; returns how much fits.
fn fill(writer: &io::PipeWriter) -> usize {
    set_blocking(writer, false);
    let mut filled = 0;
    while let Ok(length) = rustix::io::write(writer, &[b'.'; PIPE_BUF]) {
        filled += length;
    }
    set_blocking(writer, true);
    filled
}

pub(crate) fn blocking_write() {
    let (mut reader, writer) = io::pipe().unwrap();
    let filled = fill(&writer);
    assert_eq!(filled, 65_536, "pipe(7): the capacity is 16 pages");
    let child = child::fork(|| {
        // More than fits again in one go.
        rustix::io::write(&writer, &[b'x'; 100_000])
            .map_or(1, |length| i32::from(length != 100_000))
    });
    drop(writer);
    std::thread::sleep(SOON);
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), filled + 100_000);
    assert!(all[filled..].iter().all(|byte| *byte == b'x'));
    assert_eq!(child::wait(child), End::Exited(0));
}

pub(crate) fn small_writes_are_atomic() {
    let (mut reader, writer) = io::pipe().unwrap();
    let children: Vec<_> = (b'a'..b'e')
        .map(|letter| {
            child::fork(|| {
                let block = [letter; PIPE_BUF / 2];
                i32::from((0..40).any(|_| rustix::io::write(&writer, &block) != Ok(block.len())))
            })
        })
        .collect();
    drop(writer);
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 4 * 40 * PIPE_BUF / 2);
    let whole = |block: &[u8]| block.iter().all(|byte| *byte == block[0]);
    assert!(all.chunks(PIPE_BUF / 2).all(whole), "no write is torn");
    assert!(children.into_iter().all(|child| child::wait(child) == End::Exited(0)));
}

pub(crate) fn large_transfer() {
    let (mut reader, mut writer) = io::pipe().unwrap();
    let byte = |index: usize| (index * 31 % 257) as u8;
    let child = child::fork(|| {
        let data: Vec<u8> = (0..1 << 20).map(byte).collect();
        data.chunks(7777).try_for_each(|chunk| writer.write_all(chunk)).map_or(1, |()| 0)
    });
    drop(writer);
    let mut all = Vec::new();
    let mut buffer = [0; 5000];
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        all.extend_from_slice(&buffer[..length]);
    }
    assert!(all.iter().copied().eq((0..1 << 20).map(byte)));
    assert_eq!(child::wait(child), End::Exited(0));
}

pub(crate) fn no_reader() {
    let (reader, writer) = io::pipe().unwrap();
    rustix::io::write(&writer, b"x").unwrap();
    drop(reader);
    assert_eq!(rustix::io::write(&writer, b"x"), Err(Errno::PIPE));
    let (reader, writer) = io::pipe().unwrap();
    fill(&writer);
    let mut reader = Some(reader);
    let child = fork_later(SOON, || drop(reader.take()));
    drop(reader);
    let result = rustix::io::write(&writer, b"y");
    assert_eq!(result, Err(Errno::PIPE), "a writer that waits is told, too");
    assert_eq!(child::wait(child), End::Exited(0));
}

pub(crate) fn not_blocking() {
    let (reader, writer) = io::pipe().unwrap();
    set_blocking(&reader, false);
    assert_eq!(rustix::io::read(&reader, &mut [0; 4]), Err(Errno::AGAIN));
    fill(&writer);
    set_blocking(&writer, false);
    assert_eq!(rustix::io::write(&writer, b"x"), Err(Errno::AGAIN));
    let mut page = [0; PIPE_BUF];
    assert_eq!(rustix::io::read(&reader, &mut page), Ok(PIPE_BUF));
    assert_eq!(rustix::io::write(&writer, &page), Ok(PIPE_BUF));
}

pub(crate) fn vectors() {
    let (mut reader, mut writer) = io::pipe().unwrap();
    let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
    assert_eq!(writer.write_vectored(&parts).unwrap(), 7);
    let (mut first, mut second) = ([0; 2], [0; 10]);
    let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(reader.read_vectored(&mut parts).unwrap(), 7);
    assert_eq!((&first, &second[..5]), (b"on", &b"e two"[..]));
}

pub(crate) fn no_seeking() {
    let (reader, writer) = io::pipe().unwrap();
    let mut file = File::from(std::os::fd::OwnedFd::from(reader));
    assert_eq!(file.stream_position().unwrap_err().raw_os_error(), Some(libc::ESPIPE));
    assert_eq!(rustix::io::pread(&file, &mut [0], 0), Err(Errno::SPIPE));
    assert_eq!(rustix::io::read(&writer, &mut [0]), Err(Errno::BADF), "the wrong end");
    assert_eq!(rustix::io::write(&file, &[0]), Err(Errno::BADF), "the wrong end");
}

pub(crate) fn duplicates() {
    let (mut reader, writer) = io::pipe().unwrap();
    let copy = rustix::io::dup(&writer).unwrap();
    drop(writer);
    rustix::io::write(&copy, b"via copy").unwrap();
    drop(copy);
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert_eq!(all, "via copy");
}

/// Three processes between two ends, each adding its letter.
pub(crate) fn pipeline() {
    let (mut input, mut feed) = io::pipe().unwrap();
    let mut children = Vec::new();
    let mut held = Some(feed.try_clone().unwrap());
    for letter in ["a", "b", "c"] {
        let (next_input, mut output) = io::pipe().unwrap();
        let mut feed_too = held.take();
        children.push(child::fork(|| {
            drop(feed_too.take());
            // SAFETY: the child's copy of `feed`, which it never uses again.
            unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(&feed)) };
            let mut text = String::new();
            input.read_to_string(&mut text).unwrap();
            output.write_all((text + letter).as_bytes()).map_or(1, |()| 0)
        }));
        input = next_input;
    }
    feed.write_all(b">").unwrap();
    drop(feed);
    let mut text = String::new();
    input.read_to_string(&mut text).unwrap();
    assert_eq!(text, ">abc");
    assert!(children.into_iter().all(|child| child::wait(child) == End::Exited(0)));
}

pub(crate) fn flags() {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    assert_eq!(fcntl_getfd(&reader), Ok(FdFlags::CLOEXEC));
    assert!(fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
    assert_eq!(fcntl_getfl(&reader).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
    assert_eq!(fcntl_getfl(&writer).unwrap() & OFlags::ACCMODE, OFlags::WRONLY);
    let (plain, _) = pipe_with(PipeFlags::empty()).unwrap();
    assert_eq!(fcntl_getfd(&plain), Ok(FdFlags::empty()));
}

/// fifo(7): opening waits for the other end.
pub(crate) fn named_pipe() {
    let path = "fifo.tmp";
    let mode = Mode::from_raw_mode(0o600);
    mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let child = child::fork(|| {
        std::thread::sleep(SOON);
        fs::write(path, "through a name").map_or(1, |()| 0)
    });
    assert_eq!(fs::read_to_string(path).unwrap(), "through a name");
    assert_eq!(child::wait(child), End::Exited(0));
    fs::remove_file(path).unwrap();
}
