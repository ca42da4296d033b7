//! Random sequences of operations against a model that is too simple to be wrong: a page is a
//! protection and 4096 bytes.

use super::images::return_to;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use wayfarer_proto::linux::mman::RemapFlags;

const FIRST: u64 = 16;
const PAGES: u64 = 48;

#[derive(Clone, Debug)]
enum Step {
    Map { page: u64, pages: u64, protection: Protection },
    MapFile { page: u64, pages: u64, protection: Protection, file_page: u64 },
    Unmap { page: u64, pages: u64 },
    Protect { page: u64, pages: u64, protection: Protection },
    Drop { page: u64, pages: u64 },
    Move { page: u64, pages: u64, to: u64, new_pages: u64 },
    Write { page: u64, offset: u64, len: usize, value: u8 },
    Read { page: u64, offset: u64, len: usize },
    Fork,
    Switch,
    Exit,
    Travel { clean: bool },
}

#[derive(Clone)]
struct Page {
    protection: Protection,
    bytes: Vec<u8>,
    /// What MADV_DONTNEED makes of it.
    first: Option<u64>,
}

type Model = BTreeMap<u64, Page>;

fn file_page_bytes(page: u64) -> Vec<u8> {
    (page * PAGE..(page + 1) * PAGE).map(file_byte).collect()
}

fn first_bytes(first: Option<u64>) -> Vec<u8> {
    first.map_or_else(|| vec![0; 4096], file_page_bytes)
}

fn protection() -> impl Strategy<Value = Protection> {
    prop_oneof![
        4 => Just(RW),
        2 => Just(Protection::READ),
        1 => Just(Protection::empty()),
        1 => Just(RW | Protection::EXECUTE),
    ]
}

fn map_file((page, pages, protection, file_page): (u64, u64, Protection, u64)) -> Step {
    Step::MapFile { page, pages, protection, file_page }
}

fn step() -> impl Strategy<Value = Step> {
    let (page, pages) = (FIRST..FIRST + PAGES, 1..8u64);
    let bytes = (page.clone(), 0..PAGE, 1..9000usize);
    prop_oneof![
        3 => (page.clone(), pages.clone(), protection())
            .prop_map(|(page, pages, protection)| Step::Map { page, pages, protection }),
        3 => (page.clone(), pages.clone(), protection(), 0..12u64).prop_map(map_file),
        2 => (page.clone(), pages.clone()).prop_map(|(page, pages)| Step::Unmap { page, pages }),
        3 => (page.clone(), pages.clone(), protection())
            .prop_map(|(page, pages, protection)| Step::Protect { page, pages, protection }),
        1 => (page.clone(), pages.clone()).prop_map(|(page, pages)| Step::Drop { page, pages }),
        2 => (page.clone(), pages.clone(), page, pages)
            .prop_map(|(page, pages, to, new_pages)| Step::Move { page, pages, to, new_pages }),
        8 => (bytes.clone(), any::<u8>()).prop_map(|((page, offset, len), value)| Step::Write {
            page, offset, len, value
        }),
        4 => bytes.prop_map(|(page, offset, len)| Step::Read { page, offset, len }),
        2 => Just(Step::Fork),
        3 => Just(Step::Switch),
        1 => Just(Step::Exit),
        1 => any::<bool>().prop_map(|clean| Step::Travel { clean }),
    ]
}

/// How many of `len` bytes from `start` on can be accessed.
fn accessible(model: &Model, start: u64, len: usize, needed: Protection) -> usize {
    let allowed = |byte: &u64| {
        model
            .get(&(byte / PAGE))
            .is_some_and(|page| !page.protection.is_empty() && page.protection.contains(needed))
    };
    (start..start + len as u64).take_while(allowed).count()
}

struct World {
    source: MemorySource,
    spaces: Vec<(AddressSpace, Model)>,
    /// What address spaces left behind on each of three nodes, by their names and the node.
    remnants: BTreeMap<(u64, u32), (AddressSpace, Epoch)>,
    /// How often each has moved, by name.
    moves: BTreeMap<u64, u32>,
}

impl World {
    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Fork if self.spaces.len() < 4 => {
                let (parent, model) = self.spaces.last_mut().expect("one space is left");
                let child = (parent.fork().unwrap(), model.clone());
                self.spaces.push(child);
            }
            Step::Switch => self.spaces.rotate_left(1),
            Step::Exit if self.spaces.len() > 1 => drop(self.spaces.pop()),
            Step::Travel { clean } => {
                let (space, _) = self.spaces.last_mut().expect("one space is left");
                let clean = if clean { CleanFilePages::Include } else { CleanFilePages::Skip };
                let name = space.name(|| self.moves.len() as u64);
                let moves = self.moves.entry(name).or_default();
                let (epoch, here, there) = (Epoch(*moves), *moves % 3, (*moves + 1) % 3);
                *moves += 1;
                let kept = self.remnants.remove(&(name, there));
                let (arrived, _) = return_to(space, &self.source, clean, epoch, kept);
                let left = core::mem::replace(space, arrived);
                self.remnants.insert((name, here), (left, epoch));
            }
            _ => self.change(step),
        }
    }

    /// Applies a step that concerns one address space.
    fn change(&mut self, step: &Step) {
        let (space, model) = self.spaces.last_mut().expect("one space is left");
        match *step {
            Step::Map { page, pages, protection } => {
                space.map(&anonymous(page, pages, protection, FIXED)).unwrap();
                for number in page..page + pages {
                    model.insert(number, Page { protection, bytes: vec![0; 4096], first: None });
                }
            }
            Step::MapFile { page, pages, protection, file_page } => {
                space.map(&of_file(page, pages, protection, file_page * PAGE)).unwrap();
                for index in 0..pages {
                    let first = Some(file_page + index);
                    let bytes = first_bytes(first);
                    model.insert(page + index, Page { protection, bytes, first });
                }
            }
            Step::Unmap { page, pages } => {
                space.unmap(at(page), pages * PAGE).unwrap();
                model.retain(|number, _| !(page..page + pages).contains(number));
            }
            Step::Protect { page, pages, protection } => {
                let mapped = (page..page + pages).take_while(|n| model.contains_key(n)).count();
                let result = space.protect(at(page), pages * PAGE, protection);
                assert_eq!(result.is_ok(), mapped as u64 == pages);
                for number in page..page + mapped as u64 {
                    model.get_mut(&number).unwrap().protection = protection;
                }
            }
            Step::Drop { page, pages } => {
                let _ = space.advise(at(page), pages * PAGE, 4);
                for (_, page) in model.range_mut(page..page + pages) {
                    page.bytes = first_bytes(page.first);
                }
            }
            Step::Move { page, pages, to, new_pages } => {
                remap(space, model, page, pages, to, new_pages)
            }
            Step::Write { page, offset, len, value } => {
                let start = page * PAGE + offset;
                let can = accessible(model, start, len, Protection::WRITE);
                assert_eq!(write(space, UserAddr(start), &vec![value; len]), can == len);
                for byte in start..start + can as u64 {
                    model.get_mut(&(byte / PAGE)).unwrap().bytes[(byte % PAGE) as usize] = value;
                }
            }
            Step::Read { page, offset, len } => check(space, model, page * PAGE + offset, len),
            Step::Fork | Step::Switch | Step::Exit | Step::Travel { .. } => {}
        }
    }
}

/// mremap(2) with MREMAP_FIXED, where it must succeed; elsewhere that it fails.
fn remap(space: &mut AddressSpace, model: &mut Model, page: u64, pages: u64, to: u64, new: u64) {
    let flags = RemapFlags::MAY_MOVE | RemapFlags::FIXED;
    let one = space
        .regions()
        .any(|region| region.range.contains(page) && region.range.end() >= page + pages);
    let overlap = page < to + new && to < page + pages;
    let result = space.remap(at(page), pages * PAGE, new * PAGE, flags, at(to));
    assert_eq!(result.is_ok(), one && !overlap);
    if result.is_err() {
        return;
    }
    let old: Vec<Page> = (page..page + pages).map(|n| model.remove(&n).unwrap()).collect();
    model.retain(|number, _| !(to..to + new).contains(number));
    for index in 0..new {
        let moved = old.get(index as usize).cloned().unwrap_or_else(|| {
            let first = old[0].first.map(|first| first + index);
            Page { protection: old[0].protection, bytes: first_bytes(first), first }
        });
        model.insert(to + index, moved);
    }
}

fn check(space: &mut AddressSpace, model: &Model, start: u64, len: usize) {
    let can = accessible(model, start, len, Protection::empty());
    assert_eq!(read(space, UserAddr(start), len).is_some(), can == len);
    let bytes = read(space, UserAddr(start), can).unwrap();
    for (index, byte) in bytes.iter().enumerate() {
        let place = start + index as u64;
        let expected = model[&(place / PAGE)].bytes[(place % PAGE) as usize];
        assert_eq!(*byte, expected, "at {place:#x}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let source = source(4096);
        let first = AddressSpace::new(&source).unwrap();
        let mut world = World {
            source: source.clone(),
            spaces: vec![(first, Model::new())],
            remnants: BTreeMap::new(),
            moves: BTreeMap::new(),
        };
        for step in &steps {
            world.apply(step);
        }
        for (space, model) in &mut world.spaces {
            for page in FIRST..FIRST + PAGES + 16 {
                check(space, model, page * PAGE, 4096);
            }
            let mapped: Vec<u64> =
                space.regions().flat_map(|r| r.range.first()..r.range.end()).collect();
            prop_assert_eq!(mapped, model.keys().copied().collect::<Vec<_>>());
            let alike = |pair: &[&Region]| pair[0].joined(pair[1]).is_some();
            let regions: Vec<&Region> = space.regions().collect();
            prop_assert!(!regions.windows(2).any(alike), "regions that could be one");
        }
        drop(world);
        prop_assert_eq!(used(&source), 1);
    }

    #[test]
    fn never_panics_and_never_leaks_when_frames_run_out(
        frames in 8..40usize,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let source = source(frames);
        let mut spaces = vec![AddressSpace::new(&source).unwrap()];
        for step in &steps {
            apply_starved(&mut spaces, step);
        }
        drop(spaces);
        prop_assert_eq!(used(&source), 1);
    }
}

/// Applies a step whose result does not matter.
fn apply_starved(spaces: &mut Vec<AddressSpace>, step: &Step) {
    let count = spaces.len();
    let space = spaces.last_mut().expect("one space is left");
    match *step {
        Step::Map { page, pages, protection } => {
            let _ = space.map(&anonymous(page, pages, protection, FIXED));
        }
        Step::MapFile { page, pages, protection, file_page } => {
            let _ = space.map(&of_file(page, pages, protection, file_page * PAGE));
        }
        Step::Unmap { page, pages } => drop(space.unmap(at(page), pages * PAGE)),
        Step::Protect { page, pages, protection } => {
            let _ = space.protect(at(page), pages * PAGE, protection);
        }
        Step::Drop { page, pages } => drop(space.advise(at(page), pages * PAGE, 4)),
        Step::Move { page, pages, to, new_pages } => {
            let flags = RemapFlags::MAY_MOVE | RemapFlags::FIXED;
            let _ = space.remap(at(page), pages * PAGE, new_pages * PAGE, flags, at(to));
        }
        Step::Write { page, offset, len, value } => {
            let progress = space.write(at(page).offset(offset), &vec![value; len]);
            install_some(space, progress);
        }
        Step::Read { page, offset, len } => {
            let progress = space.read(at(page).offset(offset), &mut vec![0; len]);
            install_some(space, progress);
        }
        Step::Fork if count < 4 => {
            let child = space.fork();
            spaces.extend(child);
        }
        Step::Switch => spaces.rotate_left(1),
        Step::Exit if count > 1 => drop(spaces.pop()),
        _ => {}
    }
}

fn install_some(space: &mut AddressSpace, progress: Progress) {
    if let Some(Blocked::NeedsPage(request)) = progress.blocked_on {
        let _ = space.install(&request, &vec![1; (request.count * PAGE) as usize]);
    }
}
