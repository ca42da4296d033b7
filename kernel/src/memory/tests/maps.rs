//! mmap(2) and its relatives, and the text of `/proc/PID/maps`.

use super::*;
use wayfarer_proto::linux::mman::RemapFlags;

#[test]
fn placement_is_top_down_and_deterministic() {
    let mut space = setup();
    let request = anonymous(0, 3, RW, PRIVATE);
    assert_eq!(space.map(&request).unwrap().0, MMAP_BASE.0 - 3 * PAGE);
    assert_eq!(space.map(&request).unwrap().0, MMAP_BASE.0 - 6 * PAGE);
    assert_eq!(space.regions().count(), 1, "neighbours that are alike are one region");
    space.unmap(UserAddr(MMAP_BASE.0 - 3 * PAGE), 3 * PAGE).unwrap();
    let small = anonymous(0, 2, Protection::READ, PRIVATE);
    assert_eq!(space.map(&small).unwrap().0, MMAP_BASE.0 - 2 * PAGE);
    assert_eq!(space.map(&request).unwrap().0, MMAP_BASE.0 - 9 * PAGE);
    let low = anonymous(0, 1, RW, PRIVATE | MapFlags::LOW_2_GIB);
    assert_eq!(space.map(&low).unwrap().0, 1 << 30);
    let hint = anonymous(0x5000, 1, RW, PRIVATE);
    assert_eq!(space.map(&hint).unwrap(), at(0x5000));
    assert_ne!(space.map(&hint).unwrap(), at(0x5000));
}

#[test]
fn mmap_refuses_as_linux_does() {
    let mut space = setup();
    let mut refuse = |request: MapRequest| space.map(&request).unwrap_err();
    assert_eq!(refuse(anonymous(16, 0, RW, FIXED)), Errno::EINVAL);
    assert_eq!(refuse(anonymous(1, 1, RW, FIXED)), Errno::EPERM);
    assert_eq!(refuse(anonymous(16, 1, RW, MapFlags::ANONYMOUS)), Errno::EINVAL);
    assert_eq!(refuse(anonymous(END_PAGE, 1, RW, FIXED)), Errno::ENOMEM);
    assert_eq!(refuse(anonymous(0, 1 << 30, RW, PRIVATE)), Errno::ENOMEM);
    assert_eq!(
        refuse(MapRequest { length: u64::MAX, ..anonymous(16, 1, RW, FIXED) }),
        Errno::ENOMEM
    );
    assert_eq!(
        refuse(MapRequest { address: UserAddr(0x10001), ..anonymous(0, 1, RW, FIXED) }),
        Errno::EINVAL
    );
    assert_eq!(refuse(of_file(16, 1, RW, 5)), Errno::EINVAL);
    let shared = MapFlags::SHARED | MapFlags::FIXED;
    assert_eq!(refuse(MapRequest { flags: shared, ..of_file(16, 1, RW, 0) }), Errno::EACCES);
    space.map(&anonymous(16, 4, RW, FIXED)).unwrap();
    let again = anonymous(19, 2, RW, PRIVATE | MapFlags::FIXED_NOREPLACE);
    assert_eq!(space.map(&again).unwrap_err(), Errno::EEXIST);
    let sparse = anonymous(0, 1 << 30, RW, PRIVATE | MapFlags::NO_RESERVE);
    assert!(space.map(&sparse).is_ok());
}

#[test]
fn mprotect_changes_what_lies_before_an_error() {
    let mut space = setup();
    space.map(&anonymous(16, 2, RW, FIXED)).unwrap();
    space.map(&anonymous(20, 2, RW, FIXED)).unwrap();
    assert_eq!(space.protect(at(17), 4 * PAGE, Protection::READ), Err(Errno::ENOMEM));
    assert!(!write(&mut space, at(17), b"x"));
    assert!(write(&mut space, at(20), b"x"));
    assert_eq!(space.regions().count(), 3);
    space.protect(at(17), PAGE, RW).unwrap();
    assert_eq!(space.regions().count(), 2);
    assert_eq!(space.protect(at(16).offset(1), PAGE, RW), Err(Errno::EINVAL));
    assert_eq!(space.protect(at(18), PAGE, RW), Err(Errno::ENOMEM));
    assert_eq!(space.protect(at(18), 0, RW), Ok(()));
}

#[test]
fn shared_files_never_become_writable() {
    let mut space = setup();
    let flags = MapFlags::SHARED | MapFlags::FIXED;
    space.map(&MapRequest { flags, ..of_file(16, 1, Protection::READ, 0) }).unwrap();
    assert_eq!(space.protect(at(16), PAGE, RW), Err(Errno::EACCES));
    assert_eq!(space.protect(at(16), PAGE, Protection::empty()), Ok(()));
    assert!(space.maps_text().contains("---s 00000000 00:01 42 "));
}

#[test]
fn the_break_moves_between_heap_start_and_the_next_region() {
    let mut space = setup();
    space.set_heap(at(32), at(32)).unwrap();
    assert_eq!(space.set_break(UserAddr::NULL), at(32));
    let end = at(34).offset(100);
    assert_eq!(space.set_break(end), end);
    assert!(write(&mut space, at(34), &[1; 4096]));
    assert_eq!(space.set_break(at(33)), at(33));
    assert_eq!(read(&mut space, at(33), 1), None);
    assert_eq!(space.set_break(end), end);
    assert_eq!(read(&mut space, at(34), 1).unwrap(), [0]);
    space.map(&anonymous(40, 1, RW, FIXED)).unwrap();
    assert_eq!(space.set_break(at(41)), end);
    assert_eq!(space.set_break(UserAddr(u64::MAX)), end);
    assert!(space.maps_text().contains("[heap]"));
}

#[test]
fn mremap_grows_in_place_or_moves_with_content() {
    let mut space = setup();
    space.map(&anonymous(16, 2, RW, FIXED)).unwrap();
    space.map(&anonymous(20, 1, Protection::READ, FIXED)).unwrap();
    assert!(write(&mut space, at(17), b"content"));
    let (none, may_move) = (RemapFlags::empty(), RemapFlags::MAY_MOVE);
    let null = UserAddr::NULL;
    assert_eq!(space.remap(at(16), 2 * PAGE, 4 * PAGE, none, null), Ok(at(16)));
    assert_eq!(space.remap(at(16), 4 * PAGE, 5 * PAGE, none, null), Err(Errno::ENOMEM));
    let moved = space.remap(at(16), 4 * PAGE, 5 * PAGE, may_move, null).unwrap();
    assert_eq!(moved.0, MMAP_BASE.0 - 5 * PAGE);
    assert_eq!(read(&mut space, moved.offset(PAGE), 7).unwrap(), b"content");
    assert_eq!(read(&mut space, at(17), 1), None);
    let fixed = may_move | RemapFlags::FIXED;
    assert_eq!(space.remap(moved, 5 * PAGE, 2 * PAGE, fixed, at(19)), Ok(at(19)));
    assert_eq!(read(&mut space, at(20), 7).unwrap(), b"content");
    assert_eq!(space.regions().count(), 1);
    assert_eq!(space.remap(at(19), 2 * PAGE, PAGE, none, null), Ok(at(19)));
    assert_eq!(space.remap(at(19), 2 * PAGE, 3 * PAGE, none, null), Err(Errno::EFAULT));
    assert_eq!(space.remap(at(19), PAGE, PAGE, fixed, at(19)), Err(Errno::EINVAL));
    assert_eq!(space.remap(at(19), PAGE, 0, none, null), Err(Errno::EINVAL));
    assert_eq!(space.remap(at(20), PAGE, PAGE, none, null), Err(Errno::EFAULT), "nothing there");
}

#[test]
fn files_are_released_with_their_last_region() {
    let mut space = setup();
    space.map(&of_file(16, 4, RW, 0)).unwrap();
    space.unmap(at(17), PAGE).unwrap();
    assert_eq!(space.take_released_files(), []);
    space.unmap(at(16), 4 * PAGE).unwrap();
    assert_eq!(space.take_released_files(), [FILE]);
    assert_eq!(space.take_released_files(), []);
}

#[test]
fn mincore_tells_what_is_present() {
    let mut space = setup();
    space.map(&anonymous(16, 3, RW, FIXED)).unwrap();
    assert!(write(&mut space, at(17), b"x"));
    assert_eq!(space.resident_map(at(16), 3 * PAGE).unwrap(), [0, 1, 0]);
    assert_eq!(space.resident_map(at(16), 4 * PAGE), Err(Errno::ENOMEM));
}

/// Linux's own lines, of the process that runs this test, are what ours must look like.
#[test]
fn maps_lines_look_like_linux() {
    let text = std::fs::read_to_string("/proc/self/maps").unwrap();
    for line in text.lines().filter(|line| line.contains(" /")) {
        let fields: Vec<&str> = line.splitn(6, ' ').collect();
        let number = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
        let (start, end) = fields[0].split_once('-').unwrap();
        let (major, minor) = fields[3].split_once(':').unwrap();
        let (inode, path) = (fields[4], fields[5].trim_start());
        let mut protection = Protection::empty();
        for (bit, letter) in
            [(Protection::READ, 'r'), (Protection::WRITE, 'w'), (Protection::EXECUTE, 'x')]
        {
            protection.set(bit, fields[1].contains(letter));
        }
        let file = MappedFile {
            path: path.to_string(),
            device: (number(major) as u32, number(minor) as u32),
            inode: inode.parse().unwrap(),
        };
        let mut space = setup();
        space
            .map(&MapRequest {
                address: UserAddr(number(start)),
                length: number(end) - number(start),
                protection,
                flags: MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NO_RESERVE,
                file: Some(FileMapping {
                    map: FILE,
                    offset: number(fields[2]),
                    writable: false,
                    file,
                }),
            })
            .unwrap();
        assert_eq!(space.maps_text().trim_end_matches('\n'), line);
    }
}
