//! The content of a regular file: pages by index, with holes.

use alloc::collections::BTreeMap;
use core::ops::Range;

use wayfarer_machine::Frame;
use wayfarer_proto::errno::Errno;

use super::RamFs;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// Pages that fallocate(2) takes in one step.
const RESERVE_STEP: u64 = 64;
/// The largest file, as `s_maxbytes` of tmpfs.
const SIZE_MAX: u64 = i64::MAX as u64;

/// A file's bytes.
///
/// A page is found first among the frames, then in what was lent, else it is a hole and reads as
/// zeroes. Beyond the size, frames hold zeroes and nothing is lent, so growing shows no old bytes.
///
/// A frame that stands for a page lent is not counted against the file system's limit: a program
/// must be able to run when the file system is full.
#[derive(Default)]
pub(super) struct FileContent {
    size: u64,
    frames: BTreeMap<u64, Frame>,
    /// Frames of pages that are not lent.
    counted: u64,
    /// Bytes that belong to somebody else (the initial archive), from offset 0 on.
    lent: &'static [u8],
    name: Name,
}

/// What the content is called where copies of it are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Name {
    /// Nobody has asked since it changed.
    #[default]
    None,
    Given(u64),
    /// Programs store to its frames, unnoticed.
    Impossible,
}

/// One page's part of a range of bytes.
struct Part {
    index: u64,
    offset: usize,
    length: usize,
}

/// Splits a range into the parts that lie in one page each.
fn parts(start: u64, length: usize) -> impl Iterator<Item = Part> {
    let mut done = 0;
    core::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = start + done as u64;
        let offset = (at % PAGE as u64) as usize;
        let part = (length - done).min(PAGE - offset);
        done += part;
        Some(Part { index: at / PAGE as u64, offset, length: part })
    })
}

impl FileContent {
    /// Content that is read where it lies.
    pub(super) fn lent(bytes: &'static [u8]) -> Self {
        Self { size: bytes.len() as u64, lent: bytes, ..Self::default() }
    }

    /// The name of what it holds now; `fresh` makes one. `None` if changes cannot be noticed.
    pub(super) fn name(&mut self, fresh: &mut dyn FnMut() -> u64) -> Option<u64> {
        if self.name == Name::None {
            self.name = Name::Given(fresh());
        }
        if let Name::Given(name) = self.name { Some(name) } else { None }
    }

    /// From now on programs may store to its frames.
    pub(super) fn share_frames(&mut self) {
        self.name = Name::Impossible;
    }

    /// It is about to change.
    fn lose_name(&mut self) {
        if let Name::Given(_) = self.name {
            self.name = Name::None;
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Pages that have a frame, plus those lent.
    pub(super) fn pages(&self) -> u64 {
        self.lent_pages() + self.counted
    }

    /// Frames that count against the file system's limit.
    pub(super) fn counted(&self) -> u64 {
        self.counted
    }

    fn lent_pages(&self) -> u64 {
        self.lent.len().div_ceil(PAGE) as u64
    }

    /// Copies bytes out; how many there were.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let left = self.size.saturating_sub(offset);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut rest = &mut buffer[..length];
        for part in parts(offset, length) {
            let (target, after) = rest.split_at_mut(part.length);
            match self.frames.get(&part.index) {
                Some(frame) => frame.read(part.offset, target),
                None => self.read_lent(&part, target),
            }
            rest = after;
        }
        length
    }

    fn read_lent(&self, part: &Part, target: &mut [u8]) {
        let lent = self.lent_page(part.index);
        let source = lent.get(part.offset..).unwrap_or_default();
        let length = source.len().min(target.len());
        target[..length].copy_from_slice(&source[..length]);
        target[length..].fill(0);
    }

    /// The part of a page that is lent; empty for a hole.
    fn lent_page(&self, index: u64) -> &'static [u8] {
        let lent = self.lent;
        let Some(start) = usize::try_from(index).ok().and_then(|index| index.checked_mul(PAGE))
        else {
            return &[];
        };
        let end = start.saturating_add(PAGE).min(lent.len());
        lent.get(start..end).unwrap_or_default()
    }

    /// Copies bytes in and grows as needed; fewer than all if memory runs out on the way.
    ///
    /// # Errors
    /// `ENOSPC` if not one byte could be written; `EFBIG` beyond the largest size.
    pub(super) fn write(&mut self, fs: &RamFs, offset: u64, data: &[u8]) -> Result<usize, Errno> {
        self.lose_name();
        let room = SIZE_MAX.saturating_sub(offset);
        if room == 0 && !data.is_empty() {
            return Err(Errno::EFBIG);
        }
        let length = data.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let mut done = 0;
        for part in parts(offset, length) {
            let frame = match self.frame(fs, part.index) {
                Ok(frame) => frame,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            };
            frame.write(part.offset, &data[done..done + part.length]);
            done += part.length;
        }
        if done > 0 {
            self.size = self.size.max(offset + done as u64);
        }
        Ok(done)
    }

    /// The frame of a page, if it has one.
    pub(super) fn present(&self, index: u64) -> Option<Frame> {
        self.frames.get(&index).cloned()
    }

    /// The frame of a page, made if there is none.
    ///
    /// # Errors
    /// `ENOSPC`; `ENOMEM` for a page lent, which needs memory but no room.
    pub(super) fn frame(&mut self, fs: &RamFs, index: u64) -> Result<&Frame, Errno> {
        if !self.frames.contains_key(&index) {
            let frame = if index < self.lent_pages() {
                let frame = fs.pool.allocate_zeroed().map_err(|_| Errno::ENOMEM)?;
                frame.write(0, self.lent_page(index));
                frame
            } else {
                let frame = fs.allocate_page()?;
                self.counted += 1;
                frame
            };
            self.frames.insert(index, frame);
        }
        Ok(&self.frames[&index])
    }

    /// Makes it `size` bytes long.
    ///
    /// # Errors
    /// `EFBIG` beyond the largest size.
    pub(super) fn set_size(&mut self, fs: &RamFs, size: u64) -> Result<(), Errno> {
        if size > SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        self.lose_name();
        if size < self.size {
            let mut cut = self.frames.split_off(&size.div_ceil(PAGE as u64));
            let counted = cut.split_off(&self.lent_pages()).len() as u64;
            self.counted -= counted;
            fs.release_pages(counted);
            let kept = usize::try_from(size).unwrap_or(usize::MAX).min(self.lent.len());
            self.lent = &self.lent[..kept];
            let tail = (size % PAGE as u64) as usize;
            if let Some(frame) = self.frames.get(&(size / PAGE as u64)) {
                frame.fill_zero_range(tail, PAGE - tail);
            }
        }
        self.size = size;
        Ok(())
    }

    /// Takes frames for a range, as many as one step goes; how far it came. Fails before it takes
    /// any if there are not enough for all.
    ///
    /// # Errors
    /// `EFBIG` beyond the largest size; `ENOSPC`.
    pub(super) fn reserve(&mut self, fs: &RamFs, bytes: Range<u64>) -> Result<u64, Errno> {
        if bytes.end > SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        let pages = bytes.start / PAGE as u64..bytes.end.div_ceil(PAGE as u64);
        let absent = || pages.end - pages.start - self.frames.range(pages.clone()).count() as u64;
        if pages.end - pages.start > fs.room() && absent() > fs.room() {
            return Err(Errno::ENOSPC);
        }
        let step = pages.start..pages.end.min(pages.start + RESERVE_STEP);
        for index in step.clone() {
            self.frame(fs, index)?;
        }
        Ok(bytes.end.min(step.end * PAGE as u64))
    }

    /// Makes a range a hole. What is lent cannot be given back in part: it is hidden by zeroes.
    ///
    /// # Errors
    /// `ENOMEM` for want of zeroes.
    pub(super) fn punch(&mut self, fs: &RamFs, bytes: Range<u64>) -> Result<(), Errno> {
        self.lose_name();
        let end = bytes.end.min(self.size);
        if bytes.start >= end {
            return Ok(());
        }
        let page = PAGE as u64;
        let whole = bytes.start.div_ceil(page)..end / page;
        for index in whole.start..whole.end.min(self.lent_pages()) {
            self.frame(fs, index)?.fill_zero();
        }
        let first = whole.start.max(self.lent_pages());
        if first < whole.end {
            let mut cut = self.frames.split_off(&first);
            self.frames.append(&mut cut.split_off(&whole.end));
            self.counted -= cut.len() as u64;
            fs.release_pages(cut.len() as u64);
        }
        if whole.start > whole.end {
            return self.clear(fs, bytes.start..end);
        }
        self.clear(fs, bytes.start..whole.start * page)?;
        self.clear(fs, whole.end * page..end)
    }

    /// Zeroes bytes of one page, if it holds any.
    fn clear(&mut self, fs: &RamFs, bytes: Range<u64>) -> Result<(), Errno> {
        let Range { start, end } = bytes;
        let (index, offset) = (start / PAGE as u64, (start % PAGE as u64) as usize);
        let exists = index < self.lent_pages() || self.frames.contains_key(&index);
        if start < end && exists {
            let length = ((end - start) as usize).min(PAGE - offset);
            self.frame(fs, index)?.fill_zero_range(offset, length);
        }
        Ok(())
    }

    /// The first offset from `offset` on that holds data (or is a hole, if `data` is false); the
    /// size at the latest.
    pub(super) fn seek(&self, offset: u64, data: bool) -> u64 {
        let mut index = offset / PAGE as u64;
        let lent_pages = self.lent_pages();
        let end = self.size.div_ceil(PAGE as u64);
        while index < end {
            let present = index < lent_pages || self.frames.contains_key(&index);
            if present == data {
                return offset.max(index * PAGE as u64).min(self.size);
            }
            index = if data {
                // Skip a hole at once: it may be as large as an offset can say.
                self.frames.range(index..).next().map_or(end, |(next, _)| *next)
            } else {
                index + 1
            };
        }
        self.size
    }
}
