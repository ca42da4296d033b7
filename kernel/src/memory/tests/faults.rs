//! Page faults, copies and fork.

use super::*;
use wayfarer_proto::linux::signal::{SEGV_ACCERR, SEGV_MAPERR, Signal};

fn segv(outcome: FaultOutcome) -> i32 {
    match outcome {
        FaultOutcome::Signal(signal) => {
            assert_eq!(signal.signal, Signal::SIGSEGV);
            signal.code
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn zero_pages_cost_a_frame_only_when_written() {
    let source = source(64);
    let mut space = AddressSpace::new(&source).unwrap();
    space.map(&anonymous(16, 8, RW, FIXED)).unwrap();
    assert_eq!(read(&mut space, at(16), 8 * 4096).unwrap(), vec![0; 8 * 4096]);
    let before = used(&source);
    assert_eq!(space.resident_pages(), 0);
    assert!(write(&mut space, at(18).offset(4094), b"abcd"));
    assert_eq!((used(&source) - before, space.resident_pages()), (2, 2));
    assert_eq!(read(&mut space, at(18).offset(4093), 6).unwrap(), b"\0abcd\0");
    space.unmap(at(16), 8 * PAGE).unwrap();
    assert_eq!((used(&source), space.resident_pages()), (before, 0));
}

#[test]
fn signals_name_the_reason() {
    let mut space = setup();
    space.map(&anonymous(16, 2, Protection::READ, FIXED)).unwrap();
    space.map(&anonymous(18, 1, Protection::empty(), FIXED)).unwrap();
    assert_eq!(segv(space.fault(at(15), AccessKind::Read)), SEGV_MAPERR);
    assert_eq!(segv(space.fault(UserAddr(u64::MAX), AccessKind::Read)), SEGV_MAPERR);
    assert_eq!(segv(space.fault(UserAddr::END, AccessKind::Read)), SEGV_MAPERR);
    assert_eq!(segv(space.fault(at(16), AccessKind::Write)), SEGV_ACCERR);
    assert_eq!(segv(space.fault(at(16), AccessKind::Execute)), SEGV_ACCERR);
    assert_eq!(segv(space.fault(at(18), AccessKind::Read)), SEGV_ACCERR);
    assert_eq!(space.fault(at(17), AccessKind::Read), FaultOutcome::Resolved);
}

#[test]
fn no_access_keeps_the_content() {
    let mut space = setup();
    space.map(&anonymous(16, 2, RW, FIXED)).unwrap();
    assert!(write(&mut space, at(16), b"kept"));
    space.protect(at(16), 2 * PAGE, Protection::empty()).unwrap();
    assert_eq!(read(&mut space, at(16), 4), None);
    space.protect(at(16), PAGE, Protection::READ).unwrap();
    assert_eq!(read(&mut space, at(16), 4).unwrap(), b"kept");
    assert!(!write(&mut space, at(16), b"x"));
    assert_eq!(read(&mut space, at(17), 1), None);
}

#[test]
fn file_pages_come_in_clusters_and_end_with_the_file() {
    let mut space = setup();
    space.map(&of_file(20, 30, RW, 4 * PAGE)).unwrap();
    let FaultOutcome::NeedsPage(request) = space.fault(at(33).offset(5), AccessKind::Read) else {
        panic!("a file page is present before it was read");
    };
    assert_eq!((request.first, request.file_page, request.count), (32, 16, 16));
    assert_eq!(page_in(&mut space, &request, 18 * PAGE + 10), Installed::Done);
    let page = read(&mut space, at(34), 4096).unwrap();
    assert!((0..10).all(|byte| page[byte as usize] == file_byte(18 * PAGE + byte)));
    assert!(page[10..].iter().all(|byte| *byte == 0), "zeroes follow the end of the file");
    let FaultOutcome::NeedsPage(beyond) = space.fault(at(35), AccessKind::Read) else {
        panic!("a page beyond the end is present");
    };
    assert_eq!(page_in(&mut space, &beyond, 18 * PAGE + 10), Installed::BeyondEnd);
}

#[test]
fn pages_that_come_too_late_change_nothing() {
    let mut space = setup();
    space.map(&of_file(32, 4, RW, 0)).unwrap();
    let FaultOutcome::NeedsPage(request) = space.fault(at(32), AccessKind::Read) else {
        panic!("a file page is present before it was read");
    };
    assert!(write(&mut space, at(33), b"mine"));
    space.unmap(at(34), PAGE).unwrap();
    space.map(&anonymous(35, 1, RW, FIXED)).unwrap();
    assert_eq!(page_in(&mut space, &request, FILE_BYTES), Installed::Done);
    assert_eq!(read(&mut space, at(33), 4).unwrap(), b"mine");
    assert_eq!(read(&mut space, at(34), 1), None);
    assert_eq!(read(&mut space, at(35), 1).unwrap(), [0]);
}

#[test]
fn the_stack_grows_to_its_limit_and_keeps_its_gap() {
    let mut space = setup();
    let top = END_PAGE;
    let flags = FIXED | MapFlags::GROWS_DOWN;
    space.map(&anonymous(top - 2, 2, RW, flags)).unwrap();
    assert!(write(&mut space, at(top - 10), b"deep"));
    assert_eq!(space.regions().next().unwrap().range.first(), top - 10);
    let limit = STACK_LIMIT / PAGE;
    assert!(!write(&mut space, at(top - limit - 1), b"x"));
    assert!(write(&mut space, at(top - limit + 300), b"x"));
    space.map(&anonymous(top - limit, 1, RW, FIXED)).unwrap();
    assert!(!write(&mut space, at(top - limit + 200), b"x"), "closer than the guard gap");
    space.set_stack_limit(1 << 20);
    assert!(!write(&mut space, at(top - limit + 290), b"x"));
}

#[test]
fn forks_share_until_one_writes() {
    let source = source(256);
    let mut parent = AddressSpace::new(&source).unwrap();
    parent.map(&anonymous(16, 4, RW, FIXED)).unwrap();
    assert!(write(&mut parent, at(16), b"before") && write(&mut parent, at(17), b"same"));
    let mut child = parent.fork().unwrap();
    let shared = used(&source);
    assert!(write(&mut child, at(16), b"child!"));
    assert_eq!(used(&source), shared + 1);
    assert!(write(&mut parent, at(16), b"parent"));
    assert_eq!(used(&source), shared + 1, "the last owner needs no copy");
    assert_eq!(read(&mut child, at(16), 6).unwrap(), b"child!");
    assert_eq!(read(&mut child, at(17), 4).unwrap(), b"same");
    drop((parent, child));
    assert_eq!(used(&source), 1, "only the frame of zeroes is left");
}

#[test]
fn advice_decides_what_a_child_gets() {
    let mut parent = setup();
    for page in [16, 18, 20] {
        parent.map(&anonymous(page, 1, RW, FIXED)).unwrap();
        assert!(write(&mut parent, at(page), b"x"));
    }
    parent.advise(at(16), PAGE, 18).unwrap();
    parent.advise(at(18), PAGE, 10).unwrap();
    let mut child = parent.fork().unwrap();
    assert_eq!(read(&mut child, at(16), 1).unwrap(), [0]);
    assert_eq!(read(&mut child, at(18), 1), None);
    assert_eq!(read(&mut child, at(20), 1).unwrap(), b"x");
    assert_eq!(read(&mut parent, at(16), 1).unwrap(), b"x");
}

#[test]
fn running_out_of_frames_is_an_answer() {
    for frames in 6..30 {
        let source = source(frames);
        let mut space = AddressSpace::new(&source).unwrap();
        let request = anonymous(16, 64, RW, FIXED | MapFlags::NO_RESERVE);
        space.map(&request).unwrap();
        let progress = space.write(at(16), &vec![1; 64 * 4096]);
        assert_eq!(progress.blocked_on, Some(Blocked::OutOfMemory));
        assert_eq!(space.fault(at(79), AccessKind::Write), FaultOutcome::OutOfMemory);
        assert!(space.fork().is_err());
        assert!(write(&mut space, at(16), b"still mine"), "frames {frames}");
        space.advise(at(16), 64 * PAGE, 4).unwrap();
        assert!(write(&mut space, at(70), b"again"));
        drop(space);
        assert_eq!(used(&source), 1);
    }
}

#[test]
fn a_fork_leaves_something_for_those_who_run() {
    let source = source(320);
    let mut space = AddressSpace::new(&source).unwrap();
    space.map(&anonymous(16, 320, RW, FIXED | MapFlags::NO_RESERVE)).unwrap();
    let mut page = 16;
    let mut free_to = |space: &mut AddressSpace, free: usize| {
        while source.pool().counts().free > free {
            assert!(write(space, at(page), b"x"));
            page += 1;
        }
    };
    free_to(&mut space, 10);
    assert!(space.begin_fork().is_ok());
    free_to(&mut space, 9);
    assert!(space.begin_fork().is_err());
    assert!(write(&mut space, at(16), b"what is left is for this"));
}

#[test]
fn strings_end_where_they_end() {
    let mut space = setup();
    space.map(&anonymous(16, 2, RW, FIXED)).unwrap();
    let start = at(17).offset(4000);
    assert!(write(&mut space, start, &[b'a'; 96]));
    let mut text = Vec::new();
    let blocked = space.read_string(start, &mut text, 4096);
    assert!(matches!(blocked, StringProgress::Blocked(Blocked::Fault(_))));
    assert_eq!(text.len(), 96);
    assert!(write(&mut space, start.offset(50), &[0]));
    text.clear();
    assert_eq!(space.read_string(start, &mut text, 4096), StringProgress::Complete);
    assert_eq!(text.len(), 50);
    text.clear();
    assert_eq!(space.read_string(start, &mut text, 50), StringProgress::TooLong);
    assert_eq!(space.read_string(start.offset(50), &mut Vec::new(), 1), StringProgress::Complete);
}

#[test]
fn futexes_are_named_by_memory() {
    let mut parent = setup();
    parent.map(&anonymous(16, 1, RW, FIXED)).unwrap();
    let child = parent.fork().unwrap();
    let key = |space: &AddressSpace, address| space.futex_key(address, false).unwrap();
    assert_ne!(key(&parent, at(16)), key(&child, at(16)));
    assert_ne!(key(&parent, at(16)), key(&parent, at(16).offset(4)));
    assert_eq!(parent.futex_key(at(16).offset(2), false), Err(Errno::EINVAL));
    assert_eq!(parent.futex_key(at(99), false), Err(Errno::EFAULT));
}

#[test]
fn shared_files_are_written_through() {
    let source = source(128);
    let frames = [(); 3].map(|()| source.pool().allocate_zeroed().unwrap());
    let mut space = AddressSpace::new(&source).unwrap();
    let mut request = of_file(32, 4, RW, 0);
    request.flags = MapFlags::SHARED | MapFlags::FIXED;
    request.file.as_mut().unwrap().writable = true;
    space.map(&request).unwrap();
    let Some(Blocked::NeedsPage(wanted)) = space.write(at(33), b"to the file").blocked_on else {
        panic!("a file page is present before it was read");
    };
    assert!(wanted.writes_file);
    assert_eq!(space.install(&wanted, &[1; 4096]).unwrap(), Installed::BeyondEnd);
    let give = |index: u64| Ok(frames.get(index as usize).cloned());
    assert_eq!(space.install_with(&wanted, give).unwrap(), Installed::Done);
    assert!(write(&mut space, at(33), b"to the file"));
    let mut text = [0; 11];
    frames[1].read(0, &mut text);
    assert_eq!(&text, b"to the file");
    assert_eq!(space.coherent_files(), [FILE]);
    let travel = Travel { epoch: Epoch(0), remembered: None, clean: CleanFilePages::Include };
    assert_eq!(space.next_run(0, &travel).map(|run| run.first), None);
    let key = space.futex_key(at(33), false).unwrap();
    assert_eq!(key, FutexKey::Shared { frame: frames[1].number(), offset: 0 });
    let mut child = space.fork().unwrap();
    let Some(Blocked::NeedsPage(wanted)) = child.read(at(33), &mut [0]).blocked_on else {
        panic!("a child pages shared files in by itself");
    };
    assert_eq!(child.install_with(&wanted, give).unwrap(), Installed::Done);
    assert_eq!(read(&mut child, at(33), 11).unwrap(), b"to the file");
    assert_eq!(child.futex_key(at(33), false), Ok(key));
}
