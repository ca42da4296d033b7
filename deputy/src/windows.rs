//! The memory that came with a call, and the memory its reply will write (decision D5).

use alloc::vec::Vec;

use wayfarer_proto::id::UserAddr;
use wayfarer_proto::limits;
use wayfarer_proto::message::{
    InWindow, MemoryReply, MemoryRequest, OutBytes, OutWindow, StringEnd,
};

/// What can be done about a call's memory without asking the body.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    ins: Vec<InWindow>,
    outs: Vec<OutWindow>,
    written: Vec<OutBytes>,
    /// Bytes in `written`.
    pending: usize,
}

/// How far into a window of `len` bytes at `start` an address lies; its end counts.
fn offset(start: UserAddr, len: usize, addr: UserAddr) -> Option<usize> {
    let offset = usize::try_from(addr.0.checked_sub(start.0)?).ok()?;
    (offset <= len).then_some(offset)
}

fn counted(bytes: usize) -> MemoryReply {
    MemoryReply::Count { bytes: bytes as u32 }
}

impl Windows {
    /// The windows of a request; `None` if they are larger than a body may send.
    pub(crate) fn new(ins: Vec<InWindow>, outs: Vec<OutWindow>) -> Option<Self> {
        let in_bytes: usize = ins.iter().map(|window| window.bytes.len()).sum();
        let out_bytes: u64 = outs.iter().map(|window| u64::from(window.len)).sum();
        let fits = in_bytes <= limits::EAGER && out_bytes <= limits::EAGER as u64;
        fits.then(|| Self { ins, outs, ..Self::default() })
    }

    /// Does a request, if the windows cover it or show where it faults; else it comes back.
    pub(crate) fn serve(&mut self, request: MemoryRequest) -> Result<MemoryReply, MemoryRequest> {
        let reply = match request {
            MemoryRequest::CopyOut { addr, bytes } => {
                let kept = self.write(addr, bytes);
                return kept.map_err(|bytes| MemoryRequest::CopyOut { addr, bytes });
            }
            MemoryRequest::CopyIn { addr, len } => self
                .read(addr, len as usize)
                .map(|bytes| MemoryReply::Bytes { bytes: bytes.to_vec() }),
            MemoryRequest::CopyInStr { addr, max } => self.read_text(addr, max as usize),
            MemoryRequest::ProbeIn { addr, len } => {
                self.read(addr, len as usize).map(|bytes| counted(bytes.len()))
            }
            MemoryRequest::ProbeOut { addr, len } => self.writable(addr, len as usize).map(counted),
            _ => None,
        };
        reply.ok_or(request)
    }

    /// The bytes at `addr`: all `len`, or as many as there are before a fault.
    fn read(&self, addr: UserAddr, len: usize) -> Option<&[u8]> {
        self.ins.iter().find_map(|window| {
            let from = offset(window.addr, window.bytes.len(), addr)?;
            let there = &window.bytes[from..];
            if there.len() >= len { Some(&there[..len]) } else { window.fault.then_some(there) }
        })
    }

    /// The bytes at `addr` that came early: at most `len`, and perhaps fewer than can be read.
    pub(crate) fn first(&self, addr: UserAddr, len: usize) -> &[u8] {
        let there = self.ins.iter().find_map(|window| {
            let from = offset(window.addr, window.bytes.len(), addr)?;
            Some(&window.bytes[from..]).filter(|there| !there.is_empty())
        });
        there.map_or(&[], |there| &there[..there.len().min(len)])
    }

    /// As [`first`](Self::first), for who needs them once: all that came is handed over, not
    /// copied.
    pub(crate) fn take_first(&mut self, addr: UserAddr, len: usize) -> Vec<u8> {
        self.take_all(addr, len).unwrap_or_else(|| self.first(addr, len).to_vec())
    }

    /// Hands over the bytes of a window that is just the `len` bytes at `addr`.
    pub(crate) fn take_all(&mut self, addr: UserAddr, len: usize) -> Option<Vec<u8>> {
        let is_all =
            |window: &InWindow| window.addr == addr && window.bytes.len() == len && !window.fault;
        let index = self.ins.iter().position(is_all)?;
        Some(self.ins.remove(index).bytes)
    }

    /// Takes back what was [handed over](Self::take_all).
    pub(crate) fn put_back(&mut self, addr: UserAddr, bytes: Vec<u8>) {
        self.ins.push(InWindow { addr, bytes, fault: false });
    }

    /// Whether a write of `len` bytes at `addr` would be kept for the reply, whole.
    pub(crate) fn keeps(&self, addr: UserAddr, len: usize) -> bool {
        self.writable(addr, len) == Some(len) && self.has_room(len)
    }

    fn has_room(&self, len: usize) -> bool {
        self.pending + len <= limits::EAGER && self.written.len() < limits::LIST
    }

    fn read_text(&self, addr: UserAddr, max: usize) -> Option<MemoryReply> {
        self.ins.iter().find_map(|window| {
            let from = offset(window.addr, window.bytes.len(), addr)?;
            let there = &window.bytes[from..window.bytes.len().min(from.saturating_add(max))];
            let (len, end) = match there.iter().position(|byte| *byte == 0) {
                Some(nul) => (nul, StringEnd::Nul),
                None if there.len() == max => (max, StringEnd::Max),
                None if window.fault => (there.len(), StringEnd::Fault),
                None => return None,
            };
            Some(MemoryReply::Text { bytes: there[..len].to_vec(), end })
        })
    }

    /// How many of `len` bytes can be written at `addr`.
    fn writable(&self, addr: UserAddr, len: usize) -> Option<usize> {
        self.outs.iter().find_map(|window| {
            let size = window.len as usize;
            let there = size - offset(window.addr, size, addr)?;
            if there >= len { Some(len) } else { window.fault.then_some(there) }
        })
    }

    /// Keeps a write for the reply, or gives its bytes back.
    fn write(&mut self, addr: UserAddr, mut bytes: Vec<u8>) -> Result<MemoryReply, Vec<u8>> {
        let Some(len) = self.writable(addr, bytes.len()) else { return Err(bytes) };
        if !self.has_room(len) {
            return Err(bytes);
        }
        bytes.truncate(len);
        self.pending += len;
        self.patch(addr, &bytes);
        match self.written.last_mut() {
            Some(last) if last.addr.offset(last.bytes.len() as u64) == addr => {
                last.bytes.append(&mut bytes);
            }
            _ => self.written.push(OutBytes { addr, bytes }),
        }
        Ok(counted(len))
    }

    /// What was read early must not be older than what is written since.
    pub(crate) fn patch(&mut self, addr: UserAddr, bytes: &[u8]) {
        for window in &mut self.ins {
            let start = addr.0.max(window.addr.0);
            let window_end = window.addr.0.saturating_add(window.bytes.len() as u64);
            let end = window_end.min(addr.0.saturating_add(bytes.len() as u64));
            if start < end {
                let len = (end - start) as usize;
                let (to, from) = ((start - window.addr.0) as usize, (start - addr.0) as usize);
                window.bytes[to..to + len].copy_from_slice(&bytes[from..from + len]);
            }
        }
    }

    /// Takes the kept writes, to be sent before a request that the body must answer.
    pub(crate) fn take_written(&mut self) -> Vec<OutBytes> {
        self.pending = 0;
        core::mem::take(&mut self.written)
    }

    /// The kept writes, for the reply.
    pub(crate) fn into_written(self) -> Vec<OutBytes> {
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UserAddr = UserAddr(0x1000);

    fn out(len: u32, fault: bool) -> Windows {
        Windows::new(Vec::new(), alloc::vec![OutWindow { addr: AT, len, fault }]).unwrap()
    }

    #[test]
    fn bytes_that_are_put_back_are_found_again() {
        let bytes = Vec::from(*b"all of it");
        let window = InWindow { addr: AT, bytes: bytes.clone(), fault: false };
        let mut windows = Windows::new(alloc::vec![window], Vec::new()).unwrap();
        assert_eq!(windows.take_all(AT, 3), None, "part of a window stays");
        assert_eq!(windows.take_all(AT, 9).as_deref(), Some(&bytes[..]));
        assert_eq!(windows.first(AT, 9), b"");
        windows.put_back(AT, bytes);
        assert_eq!(windows.first(AT.offset(7), 9), b"it");
        assert_eq!(windows.take_first(AT, 9), b"all of it");
    }

    #[test]
    fn bytes_before_a_fault_are_not_all() {
        let window = InWindow { addr: AT, bytes: Vec::from(*b"all"), fault: true };
        let mut windows = Windows::new(alloc::vec![window], Vec::new()).unwrap();
        assert_eq!(windows.take_all(AT, 3), None);
    }

    #[test]
    fn what_is_said_to_be_kept_is_kept() {
        for (windows, at, len, kept) in [
            (out(8, false), AT, 8, true),
            (out(8, false), AT.offset(3), 5, true),
            (out(8, false), AT, 9, false),
            (out(8, true), AT, 9, false),
            (out(8, true), AT.offset(9), 1, false),
        ] {
            let mut windows = windows;
            assert_eq!(windows.keeps(at, len), kept);
            let whole = counted(len);
            assert_eq!(windows.write(at, alloc::vec![1; len]) == Ok(whole), kept);
        }
        let mut full = out(limits::EAGER as u32, false);
        assert!(full.keeps(AT, limits::EAGER));
        full.write(AT, alloc::vec![1; limits::EAGER]).unwrap();
        assert!(!full.keeps(AT, 1), "a reply has no room for more");
    }
}
