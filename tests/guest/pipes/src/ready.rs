//! Readiness of descriptors.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::{Duration, Instant};

use guest_common::child::{self, End, fork_later};
use guest_common::signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

const SOON: Duration = Duration::from_millis(20);
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The events of one descriptor now.
fn events_now(fd: BorrowedFd, asked: PollFlags) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(fd, asked)];
    poll(&mut fds, Some(&AT_ONCE)).unwrap();
    fds[0].revents()
}

pub(crate) fn poll_events() {
    use std::os::fd::AsFd as _;
    let (reader, writer) = io::pipe().unwrap();
    let both = PollFlags::IN | PollFlags::OUT;
    assert_eq!(events_now(reader.as_fd(), both), PollFlags::empty());
    assert_eq!(events_now(writer.as_fd(), both), PollFlags::OUT);
    rustix::io::write(&writer, b"x").unwrap();
    assert_eq!(events_now(reader.as_fd(), both), PollFlags::IN);
    drop(writer);
    assert_eq!(events_now(reader.as_fd(), both), PollFlags::IN | PollFlags::HUP);
    rustix::io::read(&reader, &mut [0]).unwrap();
    assert_eq!(events_now(reader.as_fd(), both), PollFlags::HUP);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    assert!(events_now(writer.as_fd(), both).contains(PollFlags::ERR));
}

pub(crate) fn poll_timeout() {
    let (reader, _writer) = io::pipe().unwrap();
    let limit = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
    let began = Instant::now();
    assert_eq!(poll(&mut [PollFd::new(&reader, PollFlags::IN)], Some(&limit)), Ok(0));
    assert!(began.elapsed() >= Duration::from_millis(30));
    let began = Instant::now();
    assert_eq!(poll(&mut [], Some(&limit)), Ok(0), "nothing to wait for: just a sleep");
    assert!(began.elapsed() >= Duration::from_millis(30));
}

pub(crate) fn poll_wakes() {
    let (reader, writer) = io::pipe().unwrap();
    let child = fork_later(SOON, || _ = rustix::io::write(&writer, b"x").unwrap());
    let mut fds = [PollFd::new(&reader, PollFlags::IN)];
    assert_eq!(poll(&mut fds, None), Ok(1));
    assert_eq!(fds[0].revents(), PollFlags::IN);
    assert_eq!(child::wait(child), End::Exited(0));
    let mut writer = Some(writer);
    rustix::io::read(&reader, &mut [0]).unwrap();
    let child = fork_later(SOON, || drop(writer.take()));
    drop(writer);
    let mut fds = [PollFd::new(&reader, PollFlags::IN)];
    assert_eq!(poll(&mut fds, None), Ok(1));
    assert_eq!(fds[0].revents(), PollFlags::HUP, "the last writer's exit");
    assert_eq!(child::wait(child), End::Exited(0));
}

pub(crate) fn poll_many() {
    let pipes: Vec<_> = (0..50).map(|_| io::pipe().unwrap()).collect();
    for chosen in [0, 17, 49] {
        rustix::io::write(&pipes[chosen].1, b"x").unwrap();
    }
    let mut fds: Vec<_> =
        pipes.iter().map(|(reader, _)| PollFd::new(reader, PollFlags::IN)).collect();
    assert_eq!(poll(&mut fds, None), Ok(3));
    let ready: Vec<_> = (0..50).filter(|index| !fds[*index].revents().is_empty()).collect();
    assert_eq!(ready, [0, 17, 49]);
}

pub(crate) fn poll_odd_descriptors() {
    // A closed descriptor is an event; a negative one is passed over.
    let mut fds = [
        libc::pollfd { fd: 1000, events: libc::POLLIN, revents: 0 },
        libc::pollfd { fd: -1, events: libc::POLLIN, revents: 77 },
    ];
    // SAFETY: two entries, which outlive the call.
    assert_eq!(unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) }, 1);
    assert_eq!((fds[0].revents, fds[1].revents), (libc::POLLNVAL, 0));
    let file = std::fs::File::create_new("plain.tmp").unwrap();
    std::fs::remove_file("plain.tmp").unwrap();
    let both = PollFlags::IN | PollFlags::OUT;
    let file = std::os::fd::AsFd::as_fd(&file);
    assert_eq!(events_now(file, both), both, "a regular file is always ready");
}

/// ppoll(2): the mask holds only while it waits.
pub(crate) fn poll_with_a_mask() {
    let (reader, _writer) = io::pipe().unwrap();
    signal::count(libc::SIGUSR1, libc::SA_RESTART);
    let before = signal::block(&[libc::SIGUSR1]);
    signal::raise(libc::SIGUSR1);
    let mut fds = [libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    // SAFETY: all zeroes is the empty set; everything outlives the call.
    let result = unsafe {
        let empty: libc::sigset_t = std::mem::zeroed();
        libc::ppoll(fds.as_mut_ptr(), 1, ptr::null(), &empty)
    };
    let error = Errno::from_io_error(&io::Error::last_os_error());
    assert_eq!((result, error), (-1, Some(Errno::INTR)));
    assert_eq!(signal::caught(libc::SIGUSR1), 1);
    assert!(signal::set_mask(&before).has(libc::SIGUSR1), "blocked again");
}

/// select(2) for reading on `read` and for writing on `write`.
fn select(read: &[i32], write: &[i32], limit: Option<Duration>) -> (i32, Vec<i32>, Vec<i32>) {
    let mut limit = limit.map(|limit| libc::timeval {
        tv_sec: i64::try_from(limit.as_secs()).unwrap(),
        tv_usec: i64::from(limit.subsec_micros()),
    });
    let limit = limit.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: all zeroes is the empty set, descriptors are small, and all outlive the call.
    unsafe {
        let mut sets: [libc::fd_set; 2] = std::mem::zeroed();
        for (set, fds) in sets.iter_mut().zip([read, write]) {
            fds.iter().for_each(|fd| libc::FD_SET(*fd, set));
        }
        let [reading, writing] = &mut sets;
        let top = 1 + read.iter().chain(write).max().copied().unwrap_or(-1);
        let ready = libc::select(top, reading, writing, ptr::null_mut(), limit);
        let chosen = |fds: &[i32], set: &libc::fd_set| {
            fds.iter().copied().filter(|fd| libc::FD_ISSET(*fd, set)).collect()
        };
        (ready, chosen(read, reading), chosen(write, writing))
    }
}

pub(crate) fn select_sets() {
    let (first, first_writer) = io::pipe().unwrap();
    let (second, second_writer) = io::pipe().unwrap();
    let readers = [first.as_raw_fd(), second.as_raw_fd()];
    let writers = [first_writer.as_raw_fd(), second_writer.as_raw_fd()];
    rustix::io::write(&second_writer, b"x").unwrap();
    let expected = (3, vec![readers[1]], writers.to_vec());
    assert_eq!(select(&readers, &writers, None), expected);
    let child = fork_later(SOON, || _ = rustix::io::write(&first_writer, b"x").unwrap());
    assert_eq!(select(&readers[..1], &[], None), (1, vec![readers[0]], vec![]));
    assert_eq!(child::wait(child), End::Exited(0));
    let closed = readers[1];
    drop(second);
    assert_eq!(select(&[closed], &[], None).0, -1, "EBADF");
}

pub(crate) fn select_timeout() {
    let (reader, _writer) = io::pipe().unwrap();
    let began = Instant::now();
    let result = select(&[reader.as_raw_fd()], &[], Some(Duration::from_millis(30)));
    assert_eq!(result, (0, vec![], vec![]));
    assert!(began.elapsed() >= Duration::from_millis(30));
    let now = Some(Duration::ZERO);
    assert_eq!(select(&[reader.as_raw_fd()], &[], now), (0, vec![], vec![]));
}
