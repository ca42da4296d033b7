//! The text of `/proc/PID/smaps` (proc_pid_smaps(5)).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use wayfarer_proto::linux::mman::Protection;

use super::process_text::add;

/// KiB of a page.
const PAGE_KIB: u64 = 4;

/// How much of it all is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SmapsForm {
    /// Each region: `smaps`.
    Regions,
    /// Their sum: `smaps_rollup`.
    Sum,
}

/// What a body uses of a region, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegionUse {
    /// All of them.
    pub pages: u64,
    /// In memory.
    pub resident: u64,
    /// Of these, held by somebody else too.
    pub shared: u64,
    /// Of these, not what a file holds.
    pub changed: u64,
    /// Of these, both.
    pub shared_changed: u64,
}

impl RegionUse {
    fn plus(&self, other: &Self) -> Self {
        Self {
            pages: self.pages + other.pages,
            resident: self.resident + other.resident,
            shared: self.shared + other.shared,
            changed: self.changed + other.changed,
            shared_changed: self.shared_changed + other.shared_changed,
        }
    }

    /// The lines about it. A page that others have too counts as whole: nobody knows how many.
    fn lines(&self, text: &mut String) {
        let clean = self.resident - self.changed;
        let shared_clean = self.shared - self.shared_changed;
        let lines = [
            ("Rss", self.resident),
            ("Pss", self.resident),
            ("Pss_Dirty", self.changed),
            ("Shared_Clean", shared_clean),
            ("Shared_Dirty", self.shared_changed),
            ("Private_Clean", clean - shared_clean),
            ("Private_Dirty", self.changed - self.shared_changed),
            ("Referenced", self.resident),
            ("Anonymous", self.changed),
            ("LazyFree", 0),
            ("AnonHugePages", 0),
            ("ShmemPmdMapped", 0),
            ("FilePmdMapped", 0),
            ("Shared_Hugetlb", 0),
            ("Private_Hugetlb", 0),
            ("Swap", 0),
            ("SwapPss", 0),
            ("Locked", 0),
        ];
        for (name, pages) in lines {
            add(text, format_args!("{:15} {:8} kB\n", format!("{name}:"), pages * PAGE_KIB));
        }
    }
}

/// The text, made of the lines of `maps` and what each region uses.
pub fn smaps_text(maps: &str, uses: &[(Protection, RegionUse)], form: SmapsForm) -> String {
    let mut text = String::new();
    if form == SmapsForm::Sum {
        let ends: Vec<&str> =
            maps.lines().map(|line| &line[..line.find(' ').unwrap_or(0)]).collect();
        let part = |text: Option<&&str>, index| {
            text.and_then(|range| range.split('-').nth(index)).map(String::from).unwrap_or_default()
        };
        let (first, last) = (part(ends.first(), 0), part(ends.last(), 1));
        add(
            &mut text,
            format_args!("{:73}[rollup]\n", format!("{first}-{last} ---p 00000000 00:00 0 ")),
        );
        uses.iter().fold(RegionUse::default(), |sum, (_, of)| sum.plus(of)).lines(&mut text);
        return text;
    }
    for (line, (protection, of)) in maps.lines().zip(uses) {
        add(&mut text, format_args!("{line}\nSize:           {:8} kB\n", of.pages * PAGE_KIB));
        text += "KernelPageSize:        4 kB\nMMUPageSize:           4 kB\n";
        of.lines(&mut text);
        text += "THPeligible:           0\nVmFlags:";
        let flags = [(Protection::READ, " rd"), (Protection::WRITE, " wr")];
        for (flag, name) in flags.into_iter().chain([(Protection::EXECUTE, " ex")]) {
            text += if protection.contains(flag) { name } else { "" };
        }
        text += " mr mw me \n";
    }
    text
}
