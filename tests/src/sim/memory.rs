//! Memory of a model process: a few pages per thread, some of them of a mapped file.

use std::collections::BTreeMap;

use wayfarer_proto::id::{Epoch, MapId, UserAddr};
use wayfarer_proto::limits::PAGE;

use super::rng::mix;

/// Threads a process may have.
pub const SLOTS: u64 = 8;
/// Bytes between the areas of two threads.
const AREA: u64 = 0x10_0000;
/// Where the first begins.
const BASE: u64 = 0x10_0000;
/// Pages of a thread's buffer: more than one window.
const BUFFER_PAGES: u64 = 18;
/// Where the pages of the mapped file begin in an area.
const FILE: u64 = 0x8_0000;
/// How many there are.
pub const FILE_PAGES: u64 = 6;
/// The mapped file.
pub const MAP: MapId = MapId(1);

/// The words of thread `slot` that count its signals and its operations.
pub const fn counters(slot: u64) -> UserAddr {
    UserAddr(BASE + slot * AREA)
}

/// The anonymous buffer of thread `slot`.
pub const fn buffer(slot: u64) -> UserAddr {
    UserAddr(BASE + slot * AREA + PAGE as u64)
}

/// The file pages of thread `slot`.
pub const fn file_area(slot: u64) -> UserAddr {
    UserAddr(BASE + slot * AREA + FILE)
}

/// Bytes of the buffer.
pub const BUFFER: u64 = BUFFER_PAGES * PAGE as u64;

/// Byte `index` of what reading descriptor `fd` gives.
pub fn content(fd: u64, len: usize) -> Vec<u8> {
    (0..len.div_ceil(8) as u64)
        .flat_map(|word| mix(fd ^ word << 32).to_le_bytes())
        .take(len)
        .collect()
}

/// The pages of the mapped file. Some are zero, as pages of files are.
pub fn file_page(page: u64) -> Vec<u8> {
    if page % 4 == 3 { vec![0; PAGE] } else { content(!page, PAGE) }
}

/// The page of the file behind a page number, if it is one of a file area.
pub fn file_page_of(number: u64) -> Option<u64> {
    let address = number * PAGE as u64;
    let slot = address.checked_sub(BASE)? / AREA;
    let offset = number.checked_sub(file_area(slot).0 / PAGE as u64)?;
    (slot < SLOTS && offset < FILE_PAGES).then(|| slot * FILE_PAGES + offset)
}

/// Whether a page may be touched at all.
fn is_mapped(number: u64) -> bool {
    let address = number * PAGE as u64;
    let Some(offset) = address.checked_sub(BASE) else { return false };
    let (slot, page) = (offset / AREA, offset % AREA / PAGE as u64);
    slot < SLOTS && (page <= BUFFER_PAGES || file_page_of(number).is_some())
}

/// Why memory cannot be accessed now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Miss {
    /// This page number is of a file and must come from home.
    Absent(u64),
    /// Nothing is mapped there.
    Fault,
}

/// Pages that are present; what is anonymous and absent is zero.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// By page number.
    pub pages: BTreeMap<u64, Vec<u8>>,
    /// In which epoch pages that came with an image were changed last.
    pub ages: BTreeMap<u64, Epoch>,
    /// Names it in the cluster, once it has left a node.
    pub name: Option<u64>,
}

impl Memory {
    /// The same content for another process.
    pub fn forked(&self) -> Self {
        Self { pages: self.pages.clone(), ..Self::default() }
    }

    /// How many of `len` bytes can be accessed from `addr` on before nothing is mapped.
    pub fn accessible(addr: UserAddr, len: usize) -> usize {
        let mut end = addr.0;
        let limit = addr.0.saturating_add(len as u64);
        while end < limit && is_mapped(end / PAGE as u64) {
            end = (end / PAGE as u64 + 1) * PAGE as u64;
        }
        end.min(limit).saturating_sub(addr.0) as usize
    }

    /// The first page of a range that must come from home first.
    pub fn absent(&self, addr: UserAddr, len: usize) -> Option<u64> {
        let last = addr.0 + (len as u64).max(1) - 1;
        (addr.0 / PAGE as u64..=last / PAGE as u64)
            .find(|page| file_page_of(*page).is_some() && !self.pages.contains_key(page))
    }

    /// Reads mapped memory, absent pages being what they would be.
    pub fn read(&self, addr: UserAddr, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len);
        let mut at = addr.0;
        while bytes.len() < len {
            let (page, offset) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let take = (PAGE - offset).min(len - bytes.len());
            match (self.pages.get(&page), file_page_of(page)) {
                (Some(there), _) => bytes.extend_from_slice(&there[offset..offset + take]),
                (None, Some(file)) => bytes.extend(&file_page(file)[offset..offset + take]),
                (None, None) => bytes.resize(bytes.len() + take, 0),
            }
            at += take as u64;
        }
        bytes
    }

    /// Writes mapped memory.
    pub fn write(&mut self, addr: UserAddr, bytes: &[u8]) {
        let mut at = addr.0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (page, offset) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            self.ages.remove(&page);
            let (now, later) = rest.split_at((PAGE - offset).min(rest.len()));
            let fresh = || file_page_of(page).map_or_else(|| vec![0; PAGE], file_page);
            let there = self.pages.entry(page).or_insert_with(fresh);
            there[offset..offset + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            rest = later;
        }
    }

    /// A word.
    pub fn word(&self, addr: UserAddr) -> u64 {
        let mut raw = [0; 8];
        raw.copy_from_slice(&self.read(addr, 8));
        u64::from_le_bytes(raw)
    }

    /// Writes a word.
    pub fn set_word(&mut self, addr: UserAddr, value: u64) {
        self.write(addr, &value.to_le_bytes());
    }

    /// Where the area of a thread differs from that of another memory.
    pub fn difference(&self, other: &Self, slot: u64) -> Option<UserAddr> {
        let ranges = [
            (counters(slot), PAGE + BUFFER as usize),
            (file_area(slot), FILE_PAGES as usize * PAGE),
        ];
        ranges.into_iter().find_map(|(addr, len)| {
            let (mine, theirs) = (self.read(addr, len), other.read(addr, len));
            let at = mine.iter().zip(&theirs).position(|(a, b)| a != b)?;
            Some(addr.offset(at as u64))
        })
    }
}
