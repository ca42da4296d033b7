//! Writes the archive that the kernel unpacks into its RAM file system: cpio's "newc" format
//! (`cpio(5)`; the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::io::{self, Read, Write};

/// Bytes of a header.
const HEADER: usize = 110;

/// Every header, name and content begins at a multiple of this.
const ALIGN: u64 = 4;

/// What an entry says of a file besides its name and content (`inode(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970 at the last change of the content.
    pub modified: u32,
    /// Major and minor number of a device node.
    pub device: [u32; 2],
}

/// An archive being written. Paths are relative to the root and have no leading slash; a directory
/// comes before what it contains.
#[derive(Debug)]
pub struct Archive<W> {
    out: W,
    written: u64,
    entries: u32,
}

impl<W: Write> Archive<W> {
    /// An archive that is written to `out`.
    pub fn new(out: W) -> Self {
        Self { out, written: 0, entries: 0 }
    }

    /// Adds an entry with these bytes: a file's content or a symbolic link's target.
    ///
    /// # Errors
    /// As [`entry_from`](Self::entry_from).
    pub fn entry(&mut self, path: &[u8], attributes: Attributes, bytes: &[u8]) -> io::Result<()> {
        self.entry_from(path, attributes, &mut &*bytes, bytes.len() as u64)
    }

    /// Adds an entry with `size` bytes of `source`.
    ///
    /// # Errors
    /// Those of reading and writing; `FileTooLarge` from 4 GiB on, `UnexpectedEof` when the source
    /// has fewer bytes.
    pub fn entry_from(
        &mut self,
        path: &[u8],
        attributes: Attributes,
        source: &mut dyn Read,
        size: u64,
    ) -> io::Result<()> {
        let fit = |size| u32::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge);
        self.entries += 1;
        let name_size = fit(path.len() as u64 + 1)?;
        self.header(self.entries, attributes, fit(size)?, name_size)?;
        self.put(path)?;
        self.put(&[0])?;
        self.pad()?;
        let copied = io::copy(&mut source.take(size), &mut self.out)?;
        self.written += copied;
        if copied < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.pad()
    }

    /// Ends the archive and gives back what it was written to.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<W> {
        self.header(0, Attributes::default(), 0, 11)?;
        self.put(b"TRAILER!!!\0")?;
        self.pad()?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// The magic, then thirteen numbers of eight hexadecimal digits.
    fn header(
        &mut self,
        inode: u32,
        attributes: Attributes,
        file_size: u32,
        name_size: u32,
    ) -> io::Result<()> {
        let Attributes { mode, uid, gid, modified, device: [major, minor] } = attributes;
        let (links, disk) = (1, 0);
        let numbers = [
            inode, mode, uid, gid, links, modified, file_size, disk, disk, major, minor, name_size,
            0,
        ];
        let mut header = String::with_capacity(HEADER);
        header.push_str("070701");
        for number in numbers {
            header.push_str(&format!("{number:08X}"));
        }
        self.put(header.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> io::Result<()> {
        let zeroes = self.written.next_multiple_of(ALIGN) - self.written;
        io::copy(&mut io::repeat(0).take(zeroes), &mut self.out)?;
        self.written += zeroes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new(Vec::new());
        let mut add = |path: &str, mode, bytes: &[u8]| {
            let attributes = Attributes { mode, ..Attributes::default() };
            archive.entry(path.as_bytes(), attributes, bytes).unwrap();
        };
        add("bin", 0o040_755, b"");
        add("bin/tool", 0o100_755, b"12345");
        add("empty", 0o100_600, b"");
        add("bin/sh", 0o120_777, b"tool");
        archive.finish().unwrap()
    }

    #[test]
    fn first_header_is_as_cpio_5_says() {
        let bytes = sample();
        let header = std::str::from_utf8(&bytes[..110]).unwrap();
        assert_eq!(&header[..14], "07070100000001", "magic and inode");
        assert_eq!(&header[14..22], "000041ED", "directory, rwxr-xr-x");
        assert_eq!(&header[94..102], "00000004", "\"bin\" and its NUL");
        assert_eq!(&bytes[110..116], b"bin\0\0\0", "name, padded to a multiple of four");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn source_that_shrinks_is_an_error() {
        let mut archive = Archive::new(Vec::new());
        let error = archive.entry_from(b"a", Attributes::default(), &mut &b"12"[..], 3);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    /// busybox's cpio is an independent reader.
    #[test]
    fn busybox_lists_what_was_packed() {
        let Some(busybox) = crate::initrd::find_busybox() else {
            eprintln!("skipped: no busybox on this host");
            return;
        };
        let mut child = Command::new(busybox)
            .args(["cpio", "-itv"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&sample()).unwrap();
        let listing = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = listing.lines().collect();
        assert_eq!(lines.len(), 4, "{listing}");
        assert!(lines[0].starts_with("drwxr-xr-x") && lines[0].ends_with(" bin"), "{listing}");
        assert!(lines[1].starts_with("-rwxr-xr-x") && lines[1].ends_with(" bin/tool"), "{listing}");
        assert!(lines[2].starts_with("-rw-------"), "{listing}");
        assert!(lines[3].ends_with("bin/sh -> tool"), "{listing}");
    }
}
