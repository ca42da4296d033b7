//! Reading cpio archives in the "new ASCII" format, which initial file systems come in.
//!
//! The format: Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`. Several
//! archives may follow each other, with zeroes between.

use core::fmt;

use wayfarer_proto::linux::fcntl::PATH_MAX;

/// Bytes of a header.
const HEADER: usize = 110;
/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// What is wrong with an archive, and at which offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpioError {
    /// No header of a known format begins here.
    BadMagic(usize),
    /// A field of the header here is no hexadecimal number.
    BadNumber(usize),
    /// The header or what it announces here reaches beyond the end.
    Truncated(usize),
    /// The name here is empty, longer than `PATH_MAX` or not terminated.
    BadName(usize),
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, at) = match self {
            Self::BadMagic(at) => ("no header", at),
            Self::BadNumber(at) => ("no number in the header", at),
            Self::Truncated(at) => ("it ends too early for what begins", at),
            Self::BadName(at) => ("no name", at),
        };
        write!(f, "damaged archive: {what} at byte {at}")
    }
}

/// One file of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CpioEntry<'a> {
    /// Its path, without the NUL.
    pub path: &'a [u8],
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names that the file has in this archive.
    pub links: u32,
    /// Seconds since 1970.
    pub modified: u32,
    /// What tells files of one archive apart: device major, minor and inode number.
    pub identity: [u32; 3],
    /// Which archive of several this is.
    pub archive: u32,
    /// Major and minor number, for a device node.
    pub special_device: [u32; 2],
    /// The content of a file, the target of a symbolic link.
    pub data: &'a [u8],
}

/// The entries of an archive, in order. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Cpio<'a> {
    bytes: &'a [u8],
    at: usize,
    archive: u32,
}

impl<'a> Cpio<'a> {
    /// Reads these bytes, which may come from anywhere.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, archive: 0 }
    }

    fn read_entry(&mut self) -> Result<Option<CpioEntry<'a>>, CpioError> {
        loop {
            self.skip_zeroes();
            if self.at == self.bytes.len() {
                return Ok(None);
            }
            let entry = self.read_record()?;
            if entry.path != TRAILER {
                return Ok(Some(entry));
            }
            self.archive += 1;
        }
    }

    fn skip_zeroes(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| *byte != 0).unwrap_or(rest.len());
    }

    fn read_record(&mut self) -> Result<CpioEntry<'a>, CpioError> {
        let start = self.at;
        let header = self.take(HEADER, start)?;
        if !matches!(&header[..6], b"070701" | b"070702") {
            return Err(CpioError::BadMagic(start));
        }
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(header[6..].chunks(8)) {
            *field = parse_hexadecimal(digits).ok_or(CpioError::BadNumber(start))?;
        }
        let [inode, mode, uid, gid, links, modified, size, major, minor, ..] = fields;
        let [.., special_major, special_minor, name_size, _check] = fields;
        let name_size = usize::try_from(name_size).unwrap_or(usize::MAX);
        if name_size > PATH_MAX {
            return Err(CpioError::BadName(start));
        }
        let name = self.take(name_size, start)?;
        let path = match name.split_last() {
            Some((0, path)) if !path.is_empty() && !path.contains(&0) => path,
            _ => return Err(CpioError::BadName(start)),
        };
        self.align();
        let data = self.take(usize::try_from(size).unwrap_or(usize::MAX), start)?;
        self.align();
        Ok(CpioEntry {
            path,
            mode,
            uid,
            gid,
            links,
            modified,
            identity: [major, minor, inode],
            archive: self.archive,
            special_device: [special_major, special_minor],
            data,
        })
    }

    fn take(&mut self, length: usize, start: usize) -> Result<&'a [u8], CpioError> {
        let end = self.at.checked_add(length).ok_or(CpioError::Truncated(start))?;
        let taken = self.bytes.get(self.at..end).ok_or(CpioError::Truncated(start))?;
        self.at = end;
        Ok(taken)
    }

    /// Names and contents are padded to a multiple of four; the last one's padding may be missing.
    fn align(&mut self) {
        self.at = self.at.next_multiple_of(4).min(self.bytes.len());
    }
}

impl<'a> Iterator for Cpio<'a> {
    type Item = Result<CpioEntry<'a>, CpioError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.read_entry().transpose();
        if matches!(entry, Some(Err(_))) {
            self.at = self.bytes.len();
        }
        entry
    }
}

fn parse_hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(number << 4 | digit)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Adds one record; `fields` are inode, mode, links.
    pub(in crate::fs) fn record(out: &mut Vec<u8>, path: &str, fields: [u32; 3], data: &[u8]) {
        let [inode, mode, links] = fields;
        let (size, name_size) = (data.len(), path.len() + 1);
        let mut header = String::from("070701");
        for field in [inode, mode, 1, 2, links, 99, size as u32, 8, 1, 1, 3, name_size as u32, 0] {
            header += &format!("{field:08X}");
        }
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(path.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(4), 0);
    }

    pub(in crate::fs) fn trailer(out: &mut Vec<u8>) {
        record(out, "TRAILER!!!", [0, 0, 1], b"");
    }

    #[test]
    fn entries_come_in_order_with_their_fields() {
        let mut archive = Vec::new();
        record(&mut archive, "bin", [1, 0o040755, 2], b"");
        record(&mut archive, "bin/hello", [2, 0o100755, 1], b"content");
        trailer(&mut archive);
        let entries: Vec<_> = Cpio::new(&archive).map(Result::unwrap).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].path, b"bin");
        let expected = CpioEntry {
            path: b"bin/hello",
            mode: 0o100755,
            uid: 1,
            gid: 2,
            links: 1,
            modified: 99,
            identity: [8, 1, 2],
            archive: 0,
            special_device: [1, 3],
            data: b"content",
        };
        assert_eq!(entries[1], expected);
    }

    #[test]
    fn archives_follow_each_other_with_zeroes_between() {
        let mut archive = Vec::new();
        record(&mut archive, "a", [1, 0o100644, 1], b"");
        trailer(&mut archive);
        archive.resize(archive.len() + 512, 0);
        record(&mut archive, "b", [1, 0o100644, 1], b"");
        trailer(&mut archive);
        let entries: Vec<_> = Cpio::new(&archive).map(Result::unwrap).collect();
        assert_eq!(entries.iter().map(|entry| entry.archive).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn damage_is_named_and_ends_the_reading() {
        let mut good = Vec::new();
        record(&mut good, "file", [1, 0o100644, 1], b"0123456789");
        let error = |bytes: &[u8]| {
            let mut entries = Cpio::new(bytes);
            let error = entries.next().unwrap().unwrap_err();
            assert_eq!(entries.next(), None);
            error
        };
        assert_eq!(error(b"junk"), CpioError::Truncated(0));
        assert_eq!(error(&[b'x'; 200]), CpioError::BadMagic(0));
        assert_eq!(error(&good[..good.len() - 4]), CpioError::Truncated(0));
        let mut damaged = good.clone();
        damaged[20] = b'g';
        assert_eq!(error(&damaged), CpioError::BadNumber(0));
        let mut unterminated = good.clone();
        unterminated[HEADER + 4] = b'x';
        assert_eq!(error(&unterminated), CpioError::BadName(0));
        let mut huge = good.clone();
        huge[6 + 11 * 8..6 + 12 * 8].copy_from_slice(b"FFFFFFFF");
        assert_eq!(error(&huge), CpioError::BadName(0));
        let mut nameless = vec![0; 4];
        record(&mut nameless, "", [1, 0o100644, 1], b"");
        assert_eq!(error(&nameless), CpioError::BadName(4));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
            keep in 0usize..600,
        ) {
            let mut archive = Vec::new();
            record(&mut archive, "bin/some", [1, 0o100755, 1], b"content");
            record(&mut archive, "other", [1, 0o100755, 1], b"content");
            archive.truncate(keep);
            archive.append(&mut bytes);
            prop_assert!(Cpio::new(&archive).count() <= archive.len());
        }

        #[test]
        fn damaged_archives_never_panic(at in 0usize..260, value in any::<u8>()) {
            let mut archive = Vec::new();
            record(&mut archive, "bin/some", [1, 0o100755, 1], b"content");
            record(&mut archive, "other", [1, 0o100755, 1], b"content");
            let at = at % archive.len();
            archive[at] = value;
            prop_assert!(Cpio::new(&archive).count() <= 3);
        }
    }
}
