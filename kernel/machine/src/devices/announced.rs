//! Devices announced on the command line, as Linux's `virtio_mmio.device=` parameter does
//! (`drivers/virtio/virtio_mmio.c`): `SIZE@ADDRESS:LINE`, optionally `:ID`. QEMU's microvm appends
//! such words when it has no ACPI to announce its devices with.

use crate::memory::kernel_map::{DEVICES_END, DEVICES_START};

/// One announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    /// Bytes of registers.
    pub(super) size: usize,
    /// Physical address of the registers.
    pub(super) address: u64,
    /// Interrupt line.
    pub(super) line: u32,
}

impl Announced {
    /// Whether all its registers lie where they are mapped as such.
    pub(super) fn is_among_device_registers(&self) -> bool {
        let end = self.address.checked_add(self.size as u64);
        self.address.is_multiple_of(4)
            && self.address >= DEVICES_START
            && end.is_some_and(|end| end <= DEVICES_END)
    }
}

/// The announcements on a command line; words that are malformed are left out.
pub(super) fn devices(command_line: &str) -> impl Iterator<Item = Announced> + '_ {
    command_line
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("virtio_mmio.device="))
        .filter_map(parse)
}

fn parse(text: &str) -> Option<Announced> {
    let (size, rest) = text.split_once('@')?;
    let mut parts = rest.split(':');
    let address = number(parts.next()?)?;
    let line = u32::try_from(number(parts.next()?)?).ok()?;
    Some(Announced { size: usize::try_from(size_in_bytes(size)?).ok()?, address, line })
}

/// A number of bytes, with K, M or G for powers of 1024.
fn size_in_bytes(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b'k' | b'K' => 1 << 10,
        b'm' | b'M' => 1 << 20,
        b'g' | b'G' => 1 << 30,
        _ => return number(text),
    };
    number(&text[..text.len() - 1])?.checked_mul(unit)
}

/// A decimal number, or a hexadecimal one after 0x.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn list(command_line: &str) -> Vec<(usize, u64, u32)> {
        devices(command_line).map(|d| (d.size, d.address, d.line)).collect()
    }

    #[test]
    fn qemus_words_are_understood() {
        let text =
            "node=1 virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11";
        assert_eq!(list(text), [(512, 0xfeb0_0e00, 12), (512, 0xfeb0_0c00, 11)]);
    }

    #[test]
    fn linuxs_other_forms_are_understood() {
        assert_eq!(list("virtio_mmio.device=4K@4273995776:5:2"), [(4096, 0xfec0_0000, 5)]);
    }

    #[test]
    fn malformed_words_are_left_out() {
        for word in ["", "512", "512@", "512@1", "@1:2", "x@1:2", "512@0xg:1", "1@1:-1", "é@1:2"] {
            assert_eq!(list(&alloc::format!("virtio_mmio.device={word}")), [], "{word}");
        }
        assert_eq!(list("virtio_mmio.device=99999999999999999999@1:2"), []);
        assert_eq!(list("virtio_mmio.device=18446744073709551615G@1:2"), []);
    }

    #[test]
    fn addresses_elsewhere_are_refused() {
        let at = |address, size| Announced { size, address, line: 5 }.is_among_device_registers();
        assert!(at(0xfeb0_0e00, 512));
        assert!(!at(0xfeb0_0e01, 512), "unaligned");
        assert!(!at(0x10_0000, 512), "RAM");
        assert!(!at(0xffff_ff00, 512), "across the end");
        assert!(!at(u64::MAX - 7, 512), "wraps");
    }
}
