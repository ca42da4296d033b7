//! What programs see of eventfd, timerfd, signalfd and pidfd objects.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::event::{EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EpollEvent};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::time::Instant;

use super::{Epoll, EventFd, TimerBase, TimerFd};
use crate::executor::{Executor, Timers};
use crate::fs::nameless::Nameless;
use crate::fs::testing::{TestClock, TestTree};
use crate::fs::{FileObject, Io, OpenFile};

const IN: u32 = 1;
const OUT: u32 = 4;
const HUP: u32 = 16;

struct World {
    tree: TestTree,
    nameless: Nameless,
    epoll: Rc<Epoll>,
}

impl World {
    fn new() -> Self {
        let nameless = Nameless::new(Rc::new(TestClock::default()));
        Self { tree: TestTree::new(), nameless, epoll: Epoll::new() }
    }

    fn pipe(&self) -> (Rc<OpenFile>, Rc<OpenFile>) {
        self.tree.vfs.make_pipe(OpenFlags::NONBLOCK).unwrap()
    }

    fn open(&self, object: Rc<dyn FileObject>) -> Rc<OpenFile> {
        let all = self.tree.vfs.open_files();
        self.nameless.open_event("test", object, OpenFlags::READ_WRITE, all)
    }

    fn add(&self, fd: i32, file: &Rc<OpenFile>, events: u32) -> Result<(), Errno> {
        self.epoll.add(Fd(fd), file, EpollEvent { events, data: fd.unsigned_abs().into() })
    }

    /// What one wait finds: data and events.
    fn found(&self, max: usize) -> Vec<(u64, u32)> {
        self.epoll.collect(max).iter().map(|event| (event.data, event.events)).collect()
    }

    fn write(&self, file: &OpenFile, data: &[u8]) {
        assert_eq!(file.write(data, &file.io(&self.tree.asker)), Ok(data.len()));
    }

    fn read(&self, file: &OpenFile, count: usize) {
        assert_eq!(file.read(&mut std::vec![0; count], &file.io(&self.tree.asker)), Ok(count));
    }
}

#[test]
fn a_level_is_told_until_it_is_gone() {
    let world = World::new();
    let (reader, writer) = world.pipe();
    world.add(3, &reader, IN).unwrap();
    assert_eq!(world.found(8), []);
    world.write(&writer, b"ab");
    assert_eq!(world.found(8), [(3, IN)]);
    world.read(&reader, 1);
    assert_eq!(world.found(8), [(3, IN)]);
    world.read(&reader, 1);
    assert_eq!(world.found(8), []);
    drop(writer);
    assert_eq!(world.found(8), [(3, HUP)], "unasked");
}

#[test]
fn an_edge_is_told_once_and_reading_makes_none() {
    let world = World::new();
    let (reader, writer) = world.pipe();
    world.write(&writer, b"abc");
    world.add(3, &reader, IN | EPOLLET).unwrap();
    assert_eq!(world.found(8), [(3, IN)]);
    assert_eq!(world.found(8), []);
    world.read(&reader, 1);
    assert_eq!(world.found(8), [], "what is left is no edge");
    world.write(&writer, b"d");
    assert_eq!(world.found(8), [(3, IN)]);
}

#[test]
fn one_shot_waits_to_be_armed_again() {
    let world = World::new();
    let (reader, writer) = world.pipe();
    world.add(3, &reader, IN | EPOLLONESHOT).unwrap();
    world.write(&writer, b"a");
    assert_eq!(world.found(8), [(3, IN)]);
    world.write(&writer, b"b");
    assert_eq!(world.found(8), []);
    let event = EpollEvent { events: IN | EPOLLONESHOT, data: 9 };
    world.epoll.modify(Fd(3), &reader, event).unwrap();
    assert_eq!(world.found(8), [(9, IN)]);
}

#[test]
fn a_short_wait_goes_round() {
    let world = World::new();
    let pipes: Vec<_> = (0..3).map(|_| world.pipe()).collect();
    for (fd, (reader, writer)) in pipes.iter().enumerate() {
        world.add(fd as i32, reader, IN).unwrap();
        world.write(writer, b"x");
    }
    assert_eq!(world.found(2), [(0, IN), (1, IN)]);
    assert_eq!(world.found(2), [(2, IN), (0, IN)], "the first go to the end");
}

#[test]
fn closed_files_are_forgotten_and_deleted_ones_silent() {
    let world = World::new();
    let (reader, writer) = world.pipe();
    world.add(3, &reader, IN).unwrap();
    world.add(4, &writer, OUT).unwrap();
    assert_eq!(world.add(4, &writer, OUT), Err(Errno::EEXIST));
    assert_eq!(world.add(5, &writer, OUT), Ok(()), "another descriptor of the same file");
    world.epoll.delete(Fd(5), &writer).unwrap();
    assert_eq!(world.epoll.delete(Fd(5), &writer), Err(Errno::ENOENT));
    world.write(&writer, b"x");
    drop(reader);
    let found = world.found(8);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 4);
}

#[test]
fn files_that_are_always_ready_cannot_be_watched() {
    let world = World::new();
    let null = world.tree.open_null();
    assert_eq!(world.add(3, &null, IN), Err(Errno::EPERM));
    let (reader, _writer) = world.pipe();
    assert_eq!(world.add(3, &reader, IN | EPOLLEXCLUSIVE | EPOLLONESHOT), Err(Errno::EINVAL));
    assert_eq!(world.add(3, &reader, IN | EPOLLEXCLUSIVE), Ok(()));
    let event = EpollEvent { events: IN, data: 0 };
    assert_eq!(world.epoll.modify(Fd(3), &reader, event), Err(Errno::EINVAL));
}

#[test]
fn nesting_tells_upwards_and_refuses_circles() {
    let world = World::new();
    let outer = Epoll::new();
    let (inner_file, outer_file) = (world.open(world.epoll.clone()), world.open(outer.clone()));
    let event = EpollEvent { events: IN, data: 1 };
    outer.add(Fd(7), &inner_file, event).unwrap();
    assert_eq!(world.epoll.add(Fd(8), &outer_file, event), Err(Errno::ELOOP));
    assert_eq!(outer.add(Fd(9), &outer_file, event), Err(Errno::EINVAL));

    let (reader, writer) = world.pipe();
    world.add(3, &reader, IN).unwrap();
    assert_eq!(outer.collect(8), []);
    world.write(&writer, b"x");
    assert_eq!(outer.collect(8), [event]);
    world.read(&reader, 1);
    assert_eq!(outer.collect(8), []);
}

/// Builds a chain of epoll descriptors, each new one above or below the last; how many it takes
/// until one is refused.
fn longest_chain(upwards: bool) -> usize {
    let world = World::new();
    let event = EpollEvent { events: IN, data: 1 };
    let mut chain = std::vec![(world.epoll.clone(), world.open(world.epoll.clone()))];
    loop {
        let new = Epoll::new();
        let file = world.open(new.clone());
        let (last, last_file) = &chain[chain.len() - 1];
        let (above, below) = if upwards { (&new, last_file) } else { (last, &file) };
        if above.add(Fd(3), below, event) == Err(Errno::ELOOP) {
            return chain.len();
        }
        chain.push((new, file));
    }
}

#[test]
fn nesting_has_a_limit_in_both_directions() {
    assert_eq!(longest_chain(true), 5);
    assert_eq!(longest_chain(false), 5);
}

#[test]
fn a_counter_counts_and_a_semaphore_is_taken_one_by_one() {
    let world = World::new();
    let io = Io { asker: &world.tree.asker, nonblock: true, timed_out: false };
    let mut buffer = [0; 8];
    let counter = EventFd::new(2, false);
    counter.write(0, &3_u64.to_le_bytes(), &io).unwrap();
    assert_eq!(counter.read(0, &mut buffer, &io), Ok(8));
    assert_eq!(u64::from_le_bytes(buffer), 5);
    assert_eq!(counter.read(0, &mut buffer, &io), Err(Errno::EAGAIN));
    assert_eq!(counter.read(0, &mut buffer[..7], &io), Err(Errno::EINVAL));
    assert_eq!(counter.write(0, &u64::MAX.to_le_bytes(), &io), Err(Errno::EINVAL));
    counter.write(0, &(u64::MAX - 1).to_le_bytes(), &io).unwrap();
    assert_eq!(counter.write(0, &1_u64.to_le_bytes(), &io), Err(Errno::EAGAIN));
    assert_eq!(counter.poll(), PollEvents::IN);

    let semaphore = EventFd::new(2, true);
    for _ in 0..2 {
        semaphore.read(0, &mut buffer, &io).unwrap();
        assert_eq!(u64::from_le_bytes(buffer), 1);
    }
    assert_eq!(semaphore.read(0, &mut buffer, &io), Err(Errno::EAGAIN));
}

#[test]
fn a_timer_counts_what_nobody_read() {
    let world = World::new();
    let (executor, timers) = (Executor::new(), Timers::new());
    let timer = TimerFd::new(TimerBase::Boot, executor.spawner(), timers.clone());
    let io = Io { asker: &world.tree.asker, nonblock: true, timed_out: false };
    let (at, second) = (|s: u64| Instant(s * 1_000_000_000), Duration::from_secs(1));
    let pass = |now| {
        timers.fire(now);
        executor.run_round();
    };
    timer.arm(Some(at(2)), second, at(0));
    pass(at(1));
    assert_eq!(timer.setting(at(1)).value, second);
    let mut buffer = [0; 8];
    assert_eq!(timer.read(0, &mut buffer, &io), Err(Errno::EAGAIN));
    pass(at(2));
    pass(at(5));
    assert_eq!(timer.poll(), PollEvents::READABLE);
    assert_eq!(timer.setting(at(5)).value, second);
    timer.read(0, &mut buffer, &io).unwrap();
    assert_eq!(u64::from_le_bytes(buffer), 4);
    assert_eq!(timer.poll(), PollEvents::empty());
    pass(at(6));
    assert_eq!(timer.poll(), PollEvents::READABLE, "it goes on");
    timer.arm(None, Duration::ZERO, at(6));
    assert_eq!(timer.setting(at(7)).value, Duration::ZERO);
    assert_eq!(timer.read(0, &mut buffer, &io), Err(Errno::EAGAIN));
}
