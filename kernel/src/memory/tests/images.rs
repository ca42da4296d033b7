//! Address spaces as data.

use super::*;
use wayfarer_proto::limits;

/// Moves an address space the way an image travels.
pub(super) fn travel(
    space: &AddressSpace,
    target: &MemorySource,
    clean: CleanFilePages,
) -> AddressSpace {
    let needed = space.footprint(clean);
    let mut arrival = Arrival::admit(target, needed.frames).unwrap();
    let layout = space.layout();
    arrival.set_heap(layout.heap_start, layout.heap_end).unwrap();
    for region in space.image_regions() {
        arrival.add_region(&region).unwrap();
    }
    let mut from = 0;
    while let Some(run) = space.next_run(from, limits::RUN_PAGES, clean) {
        arrival.add_pages(run.first, &run.bytes()).unwrap();
        from = run.end();
    }
    assert_eq!(arrival.pages(), needed.pages);
    arrival.finish()
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
        let mut arrived = travel(&space, &target, clean);
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
    assert!(Arrival::admit(&source(frames), needed.frames).is_err(), "one is for the zeroes");
    let target = source(frames + 1);
    let arrived = travel(&space, &target, CleanFilePages::Skip);
    assert_eq!(used(&target), frames + 1);
    drop(arrived);
}

#[test]
fn a_process_may_grow_until_it_is_frozen_but_not_without_bound() {
    let mut space = setup();
    space.map(&anonymous(16, 3000, RW, FIXED)).unwrap();
    assert!(write(&mut space, at(16), &[1; 4096]));
    let needed = space.footprint(CleanFilePages::Skip).frames;
    let target = source(4000);
    let mut arrival = Arrival::admit(&target, needed).unwrap();
    arrival.add_region(&space.image_regions().next().unwrap()).unwrap();
    let add = |page| arrival.add_pages(page, &[1; 4096]);
    let arrived = (16..3000).map(add).take_while(Result::is_ok).count() as u64;
    assert_eq!(arrived, 1 + needed + 1024);
    drop(arrival);
    let scarce = source(needed as usize + 2);
    let mut arrival = Arrival::admit(&scarce, needed).unwrap();
    arrival.add_region(&space.image_regions().next().unwrap()).unwrap();
    assert_eq!(arrival.add_pages(16, &[1; 4096]), Ok(()));
    assert_eq!(arrival.add_pages(17, &[1; 4096]), Ok(()));
    assert_eq!(arrival.add_pages(18, &[1; 4096]), Err(ImageError::OutOfFrames));
}

#[test]
fn hostile_images_are_refused() {
    let mut arrival = Arrival::admit(&source(64), 20).unwrap();
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
    assert_eq!(arrival.add_pages(17, &[1; 4096]), Ok(()));
    assert_eq!(arrival.add_pages(17, &[1; 4096]), Err(ImageError::BadPage));
    assert_eq!(arrival.add_pages(18, &[1; 4096]), Err(ImageError::BadPage));
    assert_eq!(arrival.add_pages(u64::MAX, &[1; 8192]), Err(ImageError::BadPage));
    assert_eq!(arrival.add_pages(16, &[1; 4095]), Err(ImageError::BadPage));
    assert!(arrival.set_heap(at(2), at(1)).is_err());
}
