//! Page tables over a heap arena: no processor is involved.

use super::*;

const READ: Access = Access { write: false, execute: false };
const WRITE: Access = Access { write: true, execute: false };
const CODE: Access = Access { write: false, execute: true };

fn page(number: u64) -> UserPage {
    UserPage::new(number).unwrap()
}

fn setup(frames: usize) -> (FramePool, PageTable) {
    let pool = FramePool::arena(frames);
    let table = PageTable::new(&pool, &KernelHalf::empty()).unwrap();
    (pool, table)
}

#[test]
fn user_pages_end_at_the_canonical_hole() {
    assert_eq!(UserPage::containing(0x7fff_ffff_ffff).unwrap().number(), UserPage::LIMIT - 1);
    assert_eq!(UserPage::containing(0x8000_0000_0000), None);
    assert_eq!(UserPage::containing(u64::MAX), None);
    assert_eq!(page(UserPage::LIMIT - 1).next(), None);
}

#[test]
fn what_is_mapped_is_found_with_its_access() {
    let (pool, mut table) = setup(16);
    for (number, access) in [(0, READ), (511, WRITE), (512, CODE), (UserPage::LIMIT - 1, WRITE)] {
        let frame = pool.allocate().unwrap();
        let frame_number = frame.number();
        assert!(table.map(page(number), frame, access).unwrap().is_none());
        let mapping = table.lookup(page(number)).unwrap();
        assert_eq!(mapping.frame.number(), frame_number);
        assert_eq!(mapping.access, access);
        assert!(!mapping.shared && !mapping.hidden && !mapping.dirty && !mapping.accessed);
    }
    assert!(table.lookup(page(1)).is_none());
    assert!(table.lookup(page(1 << 30)).is_none());
}

#[test]
fn mapping_over_a_page_returns_the_old_frame() {
    let (pool, mut table) = setup(8);
    let first = pool.allocate().unwrap();
    let number = first.number();
    table.map(page(7), first, READ).unwrap();
    let old = table.map(page(7), pool.allocate().unwrap(), WRITE).unwrap().unwrap();
    assert_eq!((old.number(), old.owners()), (number, 1));
}

#[test]
fn unmapping_gives_the_frame_back() {
    let (pool, mut table) = setup(8);
    let frame = pool.allocate().unwrap();
    let kept = frame.clone();
    table.map(page(7), frame, READ).unwrap();
    assert!(table.lookup(page(7)).unwrap().shared);
    let unmapped = table.unmap(page(7)).unwrap();
    assert_eq!(unmapped.number(), kept.number());
    drop(unmapped);
    assert!(!kept.is_shared());
    assert!(table.unmap(page(7)).is_none());
    assert!(table.unmap(page(1 << 20)).is_none());
}

#[test]
fn protecting_and_hiding_keep_the_frame() {
    let (pool, mut table) = setup(8);
    assert!(!table.protect(page(3), WRITE));
    assert!(!table.hide(page(3)));
    table.map(page(3), pool.allocate().unwrap(), READ).unwrap();
    assert!(table.protect(page(3), WRITE));
    assert_eq!(table.lookup(page(3)).unwrap().access, WRITE);
    assert!(table.hide(page(3)));
    let hidden = table.lookup(page(3)).unwrap();
    assert!(hidden.hidden);
    assert_eq!(hidden.access, WRITE);
    assert!(table.protect(page(3), CODE));
    let shown = table.lookup(page(3)).unwrap();
    assert_eq!((shown.hidden, shown.access), (false, CODE));
}

#[test]
fn dirty_and_accessed_bits_are_read_and_cleared() {
    let (pool, mut table) = setup(8);
    table.map(page(9), pool.allocate().unwrap(), WRITE).unwrap();
    assert!(!table.clean(page(9)) && !table.age(page(9)));
    let leaf = table.leaf(page(9)).unwrap();
    // What the processor does at a store: SDM volume 3, section 4.8.
    // SAFETY: the frame stays the same.
    unsafe { leaf.set(leaf.get().bits() | 0x60) };
    let mapping = table.lookup(page(9)).unwrap();
    assert!(mapping.dirty && mapping.accessed);
    assert!(table.clean(page(9)) && !table.clean(page(9)));
    assert!(table.age(page(9)) && !table.age(page(9)));
}

#[test]
fn next_present_visits_every_mapping_in_order() {
    let (pool, mut table) = setup(64);
    let numbers = [0, 1, 511, 512, 1 << 18, (1 << 27) + 5, UserPage::LIMIT - 1];
    for number in numbers {
        table.map(page(number), pool.allocate().unwrap(), READ).unwrap();
    }
    let mut seen = alloc::vec::Vec::new();
    let mut from = Some(page(0));
    while let Some((found, _)) = from.and_then(|from| table.next_present(from)) {
        seen.push(found.number());
        from = found.next();
    }
    assert_eq!(seen, numbers);
    assert!(table.next_present(page((1 << 27) + 6)).is_some());
    assert_eq!(visited(&table, 0..u64::MAX), numbers);
    assert_eq!(visited(&table, 1..512), [1, 511]);
    assert!(visited(&table, 2..511).is_empty());
    let _ = table.visit(0..513, |found| {
        let shown = table.lookup(found.page()).unwrap().frame.number();
        assert_eq!((found.frame().number(), found.frame_number()), (shown, shown));
        ControlFlow::Continue(())
    });
}

fn visited(table: &PageTable, range: Range<u64>) -> alloc::vec::Vec<u64> {
    let mut numbers = alloc::vec::Vec::new();
    let _ = table.visit(range, |found| {
        numbers.push(found.page().number());
        ControlFlow::Continue(())
    });
    numbers
}

#[test]
fn runs_are_mapped_and_unmapped_over_the_ends_of_tables() {
    let (pool, mut table) = setup(64);
    let run = |table: &mut PageTable, first, count| {
        let frames = (0..count).map(|_| (pool.allocate().unwrap(), READ));
        table.map_run(page(first), frames)
    };
    assert_eq!(run(&mut table, 510, 4), Ok(()));
    assert_eq!(run(&mut table, 508, 4), Err(MapError::Present));
    assert_eq!(visited(&table, 0..u64::MAX), [508, 509, 510, 511, 512, 513]);
    let mut taken = alloc::vec::Vec::new();
    let ended = table.unmap_range(509..u64::MAX, |page, frame| {
        taken.push((page.number(), frame.owners()));
        if taken.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!((taken, ended), (alloc::vec![(509, 1), (510, 1), (511, 1)], ControlFlow::Break(())));
    assert_eq!(visited(&table, 0..u64::MAX), [508, 512, 513]);
    drop(table);
    assert_eq!(pool.counts().free, 64);
}

#[test]
fn running_out_of_frames_changes_nothing_and_leaks_nothing() {
    for frames in 2..6 {
        let (pool, mut table) = setup(frames);
        let frame = pool.allocate().unwrap();
        let result = table.map(page(1), frame, READ);
        assert_eq!(result.is_err(), frames < 5);
        assert_eq!(table.lookup(page(1)).is_some(), frames >= 5);
        drop(table);
        assert_eq!(pool.counts().free, frames);
    }
}

#[test]
fn dropping_a_table_leaves_shared_frames_to_the_others() {
    let (pool, mut table) = setup(32);
    let mut other = PageTable::new(&pool, &KernelHalf::empty()).unwrap();
    let frame = pool.allocate().unwrap();
    table.map(page(1), frame.clone(), READ).unwrap();
    other.map(page(2), frame, READ).unwrap();
    drop(table);
    assert!(!other.lookup(page(2)).unwrap().shared);
    drop(other);
    assert_eq!(pool.counts().free, 32);
}

#[test]
#[should_panic(expected = "own pool")]
fn a_frame_of_another_pool_is_refused() {
    let (_, mut table) = setup(8);
    let foreign = FramePool::arena(1).allocate().unwrap();
    let _ = table.map(page(1), foreign, READ);
}

#[test]
fn random_operations_agree_with_a_simple_model() {
    let (pool, mut table) = setup(400);
    let mut model = alloc::collections::BTreeMap::new();
    let mut seed = 0x5eed_u64;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let number = (seed >> 33) % 80 * 0x3001;
        match (seed >> 20) % 3 {
            0 => {
                let frame = pool.allocate().unwrap();
                let new = frame.number();
                let old = table.map(page(number), frame, WRITE).unwrap();
                assert_eq!(old.map(|frame| frame.number()), model.insert(number, new));
            }
            1 => {
                let old = table.unmap(page(number)).map(|frame| frame.number());
                assert_eq!(old, model.remove(&number));
            }
            _ => {
                let found = table
                    .next_present(page(number))
                    .map(|(page, m)| (page.number(), m.frame.number()));
                assert_eq!(found, model.range(number..).next().map(|(k, v)| (*k, *v)));
                let end = number + 0x9000;
                let present = model.range(number..end).map(|(number, _)| *number);
                assert!(visited(&table, number..end).into_iter().eq(present));
            }
        }
    }
    drop(table);
    assert_eq!(pool.counts().free, 400);
}
