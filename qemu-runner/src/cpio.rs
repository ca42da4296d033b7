//! Writes the archive that the kernel unpacks into its RAM file system: cpio's "newc" format
//! (`cpio(5)`; the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`).

/// File type bits of a mode (`inode(7)`).
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

/// Every header, name and content begins at a multiple of this.
const ALIGN: usize = 4;

/// An entry whose content or name does not fit the format's 32-bit sizes.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path}: {size} bytes, and an initial file system holds files below 4 GiB")]
pub struct TooLarge {
    /// The entry.
    pub path: String,
    /// Its size in bytes.
    pub size: usize,
}

/// An archive being written. Paths are relative to the root and have no leading slash; a directory
/// comes before what it contains.
#[derive(Default, Debug)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory with these permission bits.
    ///
    /// # Errors
    /// [`TooLarge`] for an endless name.
    pub fn directory(&mut self, path: &str, permissions: u32) -> Result<(), TooLarge> {
        self.entry(path, DIRECTORY | permissions, &[])
    }

    /// Adds a regular file with these permission bits.
    ///
    /// # Errors
    /// [`TooLarge`] from 4 GiB on.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<(), TooLarge> {
        self.entry(path, REGULAR | permissions, content)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// [`TooLarge`] for an endless name.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), TooLarge> {
        self.entry(path, SYMLINK | 0o777, target.as_bytes())
    }

    /// Ends the archive and gives its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.header(0, 0, 11);
        self.bytes.extend_from_slice(b"TRAILER!!!\0");
        self.pad();
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), TooLarge> {
        let fit =
            |size: usize| u32::try_from(size).map_err(|_| TooLarge { path: path.to_owned(), size });
        self.entries += 1;
        self.header(mode, fit(content.len())?, fit(path.len() + 1)?);
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    /// The magic, then thirteen numbers of eight hexadecimal digits. Owner, time and devices are
    /// 0: the same input makes the same archive.
    fn header(&mut self, mode: u32, file_size: u32, name_size: u32) {
        let links = 1;
        let (owner, time, device) = (0, 0, 0);
        let numbers = [
            self.entries,
            mode,
            owner,
            owner,
            links,
            time,
            file_size,
            device,
            device,
            device,
            device,
            name_size,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for number in numbers {
            self.bytes.extend_from_slice(format!("{number:08X}").as_bytes());
        }
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new();
        archive.directory("bin", 0o755).unwrap();
        archive.file("bin/tool", 0o755, b"12345").unwrap();
        archive.file("empty", 0o600, b"").unwrap();
        archive.symlink("bin/sh", "tool").unwrap();
        archive.finish()
    }

    #[test]
    fn first_header_is_as_cpio_5_says() {
        let bytes = sample();
        let header = std::str::from_utf8(&bytes[..110]).unwrap();
        assert_eq!(&header[..14], "07070100000001", "magic and inode");
        assert_eq!(&header[14..22], "000041ED", "directory, rwxr-xr-x");
        assert_eq!(&header[94..102], "00000004", "\"bin\" and its NUL");
        assert_eq!(&bytes[110..116], b"bin\0\0\0", "name, padded to a multiple of four");
        assert_eq!(bytes.len() % ALIGN, 0);
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
