//! Operations in steps.

use super::*;
use crate::memory::steps::STEP_PAGES;

const PAGES: u64 = 3 * STEP_PAGES as u64 + 5;

/// A region of which every second page is used.
fn half_used(source: &MemorySource) -> AddressSpace {
    let mut space = AddressSpace::new(source).unwrap();
    space.map(&anonymous(100, 2 * PAGES, RW, FIXED)).unwrap();
    for page in 0..PAGES {
        assert!(write(&mut space, at(100 + 2 * page), &page.to_le_bytes()));
    }
    space
}

#[test]
fn a_step_is_of_so_many_used_pages() {
    let source = source(4096);
    let space = half_used(&source);
    let step = 2 * STEP_PAGES as u64;
    let (mut done, length, mut steps) = (0, 2 * PAGES * PAGE, Vec::new());
    while done < length {
        steps.push(space.step(at(100).offset(done), length - done) / PAGE);
        done += steps.last().unwrap() * PAGE;
    }
    assert_eq!(steps, [step - 1, step, step, 2 * PAGES - 3 * step + 1]);
    assert_eq!(space.step(at(1 << 20), 1 << 40), 1 << 40, "nothing is used there");
    assert_eq!(space.step(UserAddr(5), 100), 100, "no range of pages");
}

#[test]
fn a_fork_in_steps_has_what_each_step_found() {
    let source = source(4096);
    let mut parent = half_used(&source);
    let mut child = parent.begin_fork().unwrap();
    let ForkStep::At(next) = parent.fork_step(&mut child, 0).unwrap() else { panic!() };
    assert_eq!(next, 100 + 2 * STEP_PAGES as u64 - 1);
    assert!(write(&mut parent, at(100), b"late"));
    assert!(write(&mut parent, at(100 + 2 * PAGES - 2), b"soon"));
    parent.map(&anonymous(100 + 2 * PAGES, 10, RW, FIXED)).unwrap();
    let mut step = ForkStep::At(next);
    while let ForkStep::At(page) = step {
        step = parent.fork_step(&mut child, page).unwrap();
    }
    assert_eq!(read(&mut child, at(100), 8).unwrap(), 0u64.to_le_bytes());
    assert_eq!(read(&mut child, at(100 + 2 * PAGES - 2), 4).unwrap(), b"soon");
    assert_eq!(read(&mut child, at(102), 8).unwrap(), 1u64.to_le_bytes());
    assert!(write(&mut child, at(104), b"child"));
    assert_eq!(read(&mut parent, at(104), 8).unwrap(), 2u64.to_le_bytes());
}

#[test]
fn shedding_frees_all_pages() {
    let source = source(4096);
    let before = used(&source);
    let mut space = half_used(&source);
    let mut steps = 0;
    while space.shed() {
        steps += 1;
    }
    assert_eq!((steps, space.resident_pages()), (3, 0));
    drop(space);
    assert_eq!(used(&source), before);
}
