//! Address spaces as data.

use super::*;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::image::ContentHash;
use wayfarer_proto::limits;
use wayfarer_proto::linux::mman::RemapFlags;
use wayfarer_proto::message::Remembered;

/// Moves an address space the way an image travels.
pub(super) fn travel(
    space: &mut AddressSpace,
    target: &MemorySource,
    clean: CleanFilePages,
) -> AddressSpace {
    return_to(space, target, clean, Epoch(0), None).0
}

/// Moves an address space, at the end of an epoch, to where an earlier state of it was kept. Also
/// says how many pages were sent.
pub(super) fn return_to(
    space: &mut AddressSpace,
    target: &MemorySource,
    clean: CleanFilePages,
    epoch: Epoch,
    kept: Option<(AddressSpace, Epoch)>,
) -> (AddressSpace, u64) {
    let needed = space.footprint(clean);
    let (remnant, left) = kept.unzip();
    let mut arrival = Arrival::admit(target, needed.frames, remnant).unwrap();
    let remembered = left.and_then(|left| arrival.remembered(left));
    let layout = space.layout();
    arrival.begin(space.name(|| 7), layout.heap_start..layout.heap_end).unwrap();
    for region in space.image_regions() {
        arrival.add_region(&region).unwrap();
    }
    let travel = Travel { epoch, remembered, clean };
    let (mut from, mut sent) = (0, 0);
    while let Some(run) = space.next_run(from, &travel) {
        if run.same {
            arrival.keep_pages(run.first..run.end(), run.changed).unwrap();
        } else {
            let mut content = vec![[0; limits::PAGE]; run.count];
            let mut hashes = [ContentHash::EMPTY; 3];
            for (frame, page) in run.frames.iter().zip(&mut content) {
                frame.read_mixing(page.as_mut_slice().into(), hashes[0].lanes());
                hashes[1].add(page);
            }
            arrival.add_pages(run.first, run.changed, &content, &mut hashes[2]).unwrap();
            assert_eq!(hashes, [hashes[0]; 3]);
            sent += run.count as u64;
        }
        from = run.end();
    }
    assert_eq!(arrival.pages(), needed.pages);
    (arrival.finish().0, sent)
}

fn add_page(arrival: &mut Arrival, page: u64) -> Result<(), ImageError> {
    arrival.add_pages(page, Epoch(0), &[[1; limits::PAGE]], &mut ContentHash::EMPTY.clone())
}

#[test]
fn an_image_arrives_as_it_left() {
    let mut space = setup();
    space.set_heap(at(64), at(64)).unwrap();
    space.map(&of_file(16, 4, RW, PAGE)).unwrap();
    space.map(&anonymous(32, 40, RW, FIXED)).unwrap();
    space.map(&anonymous(END_PAGE - 2, 2, RW, FIXED | MapFlags::GROWS_DOWN)).unwrap();
    assert!(write(&mut space, at(17), &[0; 4096]), "a file's page overwritten with zeroes");
    assert!(write(&mut space, at(40), b"data") && write(&mut space, at(33), &[0; 100]));
    space.protect(at(40), PAGE, Protection::empty()).unwrap();
    assert_eq!(space.footprint(CleanFilePages::Skip).pages, 2);
    let target = source(256);
    for clean in [CleanFilePages::Skip, CleanFilePages::Include] {
        let mut arrived = travel(&mut space, &target, clean);
        // Device and inode stay at home.
        assert_eq!(arrived.maps_text(), space.maps_text().replace("00:01 42", "00:00 0 "));
        assert_eq!(read(&mut arrived, at(40), 4), None);
        arrived.protect(at(40), PAGE, RW).unwrap();
        assert_eq!(read(&mut arrived, at(40), 4).unwrap(), b"data");
        assert_eq!(read(&mut arrived, at(17), 4096).unwrap(), vec![0; 4096]);
        assert_eq!(read(&mut arrived, at(16), 1).unwrap(), [file_byte(PAGE)]);
        assert!(write(&mut arrived, at(END_PAGE - 9), b"stack"));
    }
    assert_eq!(used(&target), 1);
}

#[test]
fn what_was_promised_is_enough_and_nothing_more_is_taken() {
    let mut space = setup();
    for page in [16, 600, 1 << 20, 1 << 30] {
        space.map(&anonymous(page, 2, RW, FIXED)).unwrap();
        assert!(write(&mut space, at(page), &[1; 8192]));
    }
    let needed = space.footprint(CleanFilePages::Skip);
    assert_eq!(needed.pages, 8);
    let frames = needed.frames as usize;
    assert!(Arrival::admit(&source(frames), needed.frames, None).is_err(), "one is for the zeroes");
    let target = source(frames + 1);
    let arrived = travel(&mut space, &target, CleanFilePages::Skip);
    assert_eq!(used(&target), frames + 1);
    drop(arrived);
}

/// A space away from home that shows 8 pages of a file, to share them with others of its node.
fn sharer(source: &MemorySource) -> AddressSpace {
    let mut space = AddressSpace::new(source).unwrap();
    space.set_guest_of(Some(NodeId(1)));
    let mut request = of_file(16, 8, RW, 0);
    request.flags = MapFlags::SHARED | MapFlags::FIXED;
    request.file.as_mut().unwrap().writable = true;
    space.map(&request).unwrap();
    space
}

#[test]
fn shared_pages_count_once_whoever_shows_them() {
    let source = source(4096);
    let shared = |space: &AddressSpace| space.footprint(CleanFilePages::Skip).shared;
    let (mut one, mut other) = (sharer(&source), sharer(&source));
    assert_eq!(shared(&one), 0, "nothing is there yet");
    for page in 16..24 {
        assert!(write(&mut one, at(page), b"stored"));
    }
    assert_eq!((shared(&one), shared(&other)), (8, 0));
    let needed = one.footprint(CleanFilePages::Skip);
    assert_eq!((needed.pages, needed.frames), (0, 4 + 8), "the page tables, and the pages");
    for page in 16..20 {
        assert_eq!(read(&mut other, at(page), 6).unwrap(), b"stored");
    }
    assert_eq!((shared(&one), shared(&other)), (4 + 2, 2));
    drop(one);
    assert_eq!(shared(&other), 4, "it has them for itself");
}

#[test]
fn a_process_may_grow_until_it_is_frozen_but_not_without_bound() {
    let mut space = setup();
    space.map(&anonymous(16, 3000, RW, FIXED)).unwrap();
    assert!(write(&mut space, at(16), &[1; 4096]));
    let needed = space.footprint(CleanFilePages::Skip).frames;
    let target = source(4000);
    let mut arrival = Arrival::admit(&target, needed, None).unwrap();
    arrival.add_region(&space.image_regions().next().unwrap()).unwrap();
    let add = |page| add_page(&mut arrival, page);
    let arrived = (16..3000).map(add).take_while(Result::is_ok).count() as u64;
    assert_eq!(arrived, 1 + needed + 1024);
    drop(arrival);
    let scarce = source(needed as usize + 2);
    let mut arrival = Arrival::admit(&scarce, needed, None).unwrap();
    arrival.add_region(&space.image_regions().next().unwrap()).unwrap();
    assert_eq!(add_page(&mut arrival, 16), Ok(()));
    assert_eq!(add_page(&mut arrival, 17), Ok(()));
    assert_eq!(add_page(&mut arrival, 18), Err(ImageError::OutOfFrames));
}

#[test]
fn hostile_images_are_refused() {
    let mut arrival = Arrival::admit(&source(64), 20, None).unwrap();
    let mut sender = setup();
    sender.map(&anonymous(16, 2, RW, FIXED)).unwrap();
    let good = sender.image_regions().next().unwrap();
    let with = |change: fn(&mut wayfarer_proto::image::Region)| {
        let mut region = good.clone();
        change(&mut region);
        region
    };
    let bad = [
        with(|region| region.start.0 += 1),
        with(|region| region.len = 0),
        with(|region| region.len += 1),
        with(|region| region.len = !0xfff),
        with(|region| region.prot = 8),
        with(|region| region.start = UserAddr::END),
        with(|region| region.file = Some((FILE, 77))),
        with(|region| (region.file, region.flags) = (Some((FILE, 0)), 0x1000_0001)),
        with(|region| region.flags = 0x2000_0002),
        with(|region| region.flags = 1),
        with(|region| region.flags = 0x101),
    ];
    for region in bad {
        assert_eq!(arrival.add_region(&region), Err(ImageError::BadRegion), "{region:?}");
    }
    arrival.add_region(&good).unwrap();
    assert_eq!(arrival.add_region(&good), Err(ImageError::Overlap));
    assert_eq!(add_page(&mut arrival, 17), Ok(()));
    assert_eq!(add_page(&mut arrival, 17), Err(ImageError::BadPage));
    assert_eq!(add_page(&mut arrival, 18), Err(ImageError::BadPage));
    assert_eq!(add_page(&mut arrival, u64::MAX), Err(ImageError::BadPage));
    assert!(arrival.begin(1, at(2)..at(1)).is_err());
    assert_eq!(arrival.keep_pages(16..17, Epoch(0)), Err(ImageError::BadPage));
}

#[test]
fn a_body_that_returns_brings_what_has_changed() {
    let (home, away) = (source(512), source(512));
    let mut first = AddressSpace::new(&home).unwrap();
    first.map(&anonymous(16, 100, RW, FIXED)).unwrap();
    for page in 16..116 {
        assert!(write(&mut first, at(page), &[page as u8; 64]));
    }
    let skip = CleanFilePages::Skip;
    let (mut second, sent) = return_to(&mut first, &away, skip, Epoch(0), None);
    assert_eq!(sent, 100);
    assert!(write(&mut second, at(20), b"changed"));
    second.unmap(at(30), PAGE).unwrap();
    second.map(&anonymous(30, 1, RW, FIXED)).unwrap();
    let to = RemapFlags::MAY_MOVE | RemapFlags::FIXED;
    let moved = second.remap(at(40), PAGE, PAGE, to, at(50)).unwrap();
    assert_eq!(moved, at(50));
    let kept = Some((first, Epoch(0)));
    let (mut third, sent) = return_to(&mut second, &home, skip, Epoch(1), kept);
    assert_eq!(sent, 2, "the changed page and the one that was moved");
    for page in (16..116).filter(|page| ![20, 30, 40, 50].contains(page)) {
        assert_eq!(read(&mut third, at(page), 64).unwrap(), [page as u8; 64]);
    }
    assert_eq!(read(&mut third, at(20), 7).unwrap(), b"changed");
    assert_eq!(read(&mut third, at(30), 64).unwrap(), [0; 64]);
    assert_eq!(read(&mut third, at(50), 64).unwrap(), [40; 64]);
    assert_eq!(read(&mut third, at(40), 1), None);
    // What changed in an epoch that the target has not seen is sent, and only that.
    let kept = Some((second, Epoch(1)));
    let (fourth, sent) = return_to(&mut third, &away, skip, Epoch(2), kept);
    assert_eq!(
        (sent, fourth.remembered(Epoch(3))),
        (0, Some(Remembered { memory: 7, epoch: Epoch(3) }))
    );
}

#[test]
fn what_was_kept_is_no_use_to_another_program() {
    let target = source(256);
    let mut old = AddressSpace::new(&target).unwrap();
    old.map(&anonymous(16, 4, RW, FIXED)).unwrap();
    assert!(write(&mut old, at(16), &[1; 4 * 4096]));
    old.name(|| 8);
    let mut space = setup();
    space.map(&anonymous(16, 4, RW, FIXED)).unwrap();
    assert!(write(&mut space, at(16), &[2; 4 * 4096]));
    let (space, _) = return_to(&mut space, &source(64), CleanFilePages::Skip, Epoch(0), None);
    let mut space = space;
    let kept = Some((old, Epoch(9)));
    let (_, sent) = return_to(&mut space, &target, CleanFilePages::Skip, Epoch(1), kept);
    assert_eq!(sent, 4);
}

#[test]
fn a_frame_that_a_forked_relative_has_is_copied_before_a_store() {
    let home = source(256);
    let mut parent = AddressSpace::new(&home).unwrap();
    parent.map(&anonymous(16, 1, RW, FIXED)).unwrap();
    assert!(write(&mut parent, at(16), b"before"));
    let mut child = parent.fork().unwrap();
    let skip = CleanFilePages::Skip;
    let (mut away, _) = return_to(&mut parent, &source(64), skip, Epoch(0), None);
    let kept = Some((parent, Epoch(0)));
    let (mut back, sent) = return_to(&mut away, &home, skip, Epoch(1), kept);
    assert_eq!(sent, 0);
    assert!(write(&mut back, at(16), b"after!"));
    assert_eq!(read(&mut child, at(16), 6).unwrap(), b"before");
}
