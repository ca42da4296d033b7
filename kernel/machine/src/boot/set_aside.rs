//! The memory that the command line sets aside: `shared=BYTES@ADDRESS`, both hexadecimal after 0x,
//! in the order of Linux's `memmap=` (kernel-parameters). Nobody announces otherwise that a range
//! of RAM is a file that another machine maps as well.

use core::ops::Range;

const PAGE: u64 = crate::memory::PAGE_SIZE as u64;

/// The range that the first such word names; `None` if there is none or it makes no sense.
pub(crate) fn range(command_line: &str) -> Option<Range<u64>> {
    let word = command_line.split_ascii_whitespace().find_map(|word| word.strip_prefix("shared="));
    let (bytes, start) = word?.split_once('@')?;
    let (bytes, start) = (hexadecimal(bytes)?, hexadecimal(start)?);
    let end = start.checked_add(bytes)?;
    let whole = start.is_multiple_of(PAGE) && end.is_multiple_of(PAGE);
    (whole && bytes > 0).then_some(start..end)
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_found_and_read() {
        assert_eq!(range("node=1 shared=0x2000@0x40000 x"), Some(0x40000..0x42000));
        assert_eq!(range("node=1"), None);
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        for text in ["0x1@0x1000", "0x1000@0x10", "0x0@0x1000", "4096@0x1000", "0x1000", ""] {
            assert_eq!(range(&std::format!("shared={text}")), None, "{text}");
        }
        assert_eq!(range("shared=0xfffffffffffff000@0x1000000000000000"), None);
    }
}
