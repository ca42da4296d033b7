//! What inodes tell, in the structures of stat(2) and statx(2).

use wayfarer_proto::linux::stat::{STATX_FILLED, Stat, Statx, StatxHead, StatxTime};
use wayfarer_proto::linux::time::Timespec;

use super::Metadata;

/// The size that programs are advised to read and write in.
const BLOCK_SIZE: u32 = 4096;

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        let attributes = &metadata.attributes;
        Self {
            device: metadata.device.0,
            inode: metadata.inode,
            links: metadata.links,
            mode: metadata.mode(),
            uid: attributes.uid,
            gid: attributes.gid,
            padding: 0,
            special_device: metadata.special_device.0,
            size: metadata.size.cast_signed(),
            block_size: i64::from(BLOCK_SIZE),
            blocks: metadata.blocks.cast_signed(),
            access_seconds: attributes.accessed.seconds,
            access_nanos: attributes.accessed.nanoseconds,
            modify_seconds: attributes.modified.seconds,
            modify_nanos: attributes.modified.nanoseconds,
            change_seconds: attributes.changed.seconds,
            change_nanos: attributes.changed.nanoseconds,
            unused: [0; 24],
        }
    }
}

impl From<&Metadata> for Statx {
    fn from(metadata: &Metadata) -> Self {
        let attributes = &metadata.attributes;
        let head = StatxHead {
            mask: STATX_FILLED,
            block_size: BLOCK_SIZE,
            attributes: 0,
            links: u32::try_from(metadata.links).unwrap_or(u32::MAX),
            uid: attributes.uid,
            gid: attributes.gid,
            // Type and permissions are 16 bits.
            mode: metadata.mode() as u16,
            padding: 0,
            inode: metadata.inode,
            size: metadata.size,
            blocks: metadata.blocks,
            attributes_mask: 0,
        };
        Self {
            head,
            accessed: statx_time(attributes.accessed),
            born: statx_time(attributes.born),
            changed: statx_time(attributes.changed),
            modified: statx_time(attributes.modified),
            special_device: metadata.special_device,
            device: metadata.device,
        }
    }
}

fn statx_time(time: Timespec) -> StatxTime {
    let nanos = u32::try_from(time.nanoseconds).unwrap_or_default();
    StatxTime { seconds: time.seconds, nanos, padding: 0 }
}

#[cfg(test)]
mod tests {
    use wayfarer_proto::linux::Layout;

    use super::*;
    use crate::fs::testing::TestTree;

    #[test]
    fn both_structures_tell_the_same() {
        let tree = TestTree::new();
        tree.clock.0.set(77);
        tree.write("/file", &[0; 5000]);
        let metadata = tree.stat("/file");
        let stat = Stat::from(&metadata);
        assert_eq!((stat.size, stat.blocks, stat.mode, stat.links), (5000, 16, 0o100644, 1));
        assert_eq!((stat.modify_seconds, stat.block_size), (77, 4096));
        assert_eq!(stat.to_bytes().len(), 144);
        let statx = Statx::from(&metadata).to_bytes();
        assert_eq!(statx[0..4], 0xfffu32.to_le_bytes());
        assert_eq!(statx[28..30], 0o100644u16.to_le_bytes());
        assert_eq!(statx[40..48], 5000u64.to_le_bytes());
        assert_eq!(statx[112..120], 77i64.to_le_bytes(), "stx_mtime");
        assert_eq!(statx[136..140], 0u32.to_le_bytes(), "stx_dev_major");
        assert_eq!(statx[140..144], 20u32.to_le_bytes(), "stx_dev_minor");
    }
}
