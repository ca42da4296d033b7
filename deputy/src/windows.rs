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

impl Windows {
    /// The windows of a request; `None` if they are larger than a body may send.
    pub(crate) fn new(ins: Vec<InWindow>, outs: Vec<OutWindow>) -> Option<Self> {
        let in_bytes: usize = ins.iter().map(|window| window.bytes.len()).sum();
        let out_bytes: u64 = outs.iter().map(|window| u64::from(window.len)).sum();
        let fits = in_bytes <= limits::EAGER && out_bytes <= limits::EAGER as u64;
        fits.then(|| Self { ins, outs, ..Self::default() })
    }

    /// Does a request, if the windows cover it or show where it faults.
    pub(crate) fn serve(&mut self, request: &MemoryRequest) -> Option<MemoryReply> {
        match request {
            MemoryRequest::CopyIn { addr, len } => {
                let bytes = self.read(*addr, *len as usize)?.to_vec();
                Some(MemoryReply::Bytes { bytes })
            }
            MemoryRequest::CopyInStr { addr, max } => self.read_text(*addr, *max as usize),
            MemoryRequest::CopyOut { addr, bytes } => self.write(*addr, bytes),
            MemoryRequest::ProbeIn { addr, len } => {
                let bytes = self.read(*addr, *len as usize)?.len() as u32;
                Some(MemoryReply::Count { bytes })
            }
            MemoryRequest::ProbeOut { addr, len } => {
                let bytes = self.writable(*addr, *len as usize)? as u32;
                Some(MemoryReply::Count { bytes })
            }
            _ => None,
        }
    }

    /// The bytes at `addr`: all `len`, or as many as there are before a fault.
    fn read(&self, addr: UserAddr, len: usize) -> Option<&[u8]> {
        self.ins.iter().find_map(|window| {
            let from = offset(window.addr, window.bytes.len(), addr)?;
            let there = &window.bytes[from..];
            if there.len() >= len { Some(&there[..len]) } else { window.fault.then_some(there) }
        })
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

    /// Keeps a write for the reply.
    fn write(&mut self, addr: UserAddr, bytes: &[u8]) -> Option<MemoryReply> {
        let len = self.writable(addr, bytes.len())?;
        if self.pending + len > limits::EAGER || self.written.len() >= limits::LIST {
            return None;
        }
        let bytes = &bytes[..len];
        self.pending += len;
        self.patch(addr, bytes);
        match self.written.last_mut() {
            Some(last) if last.addr.offset(last.bytes.len() as u64) == addr => {
                last.bytes.extend_from_slice(bytes);
            }
            _ => self.written.push(OutBytes { addr, bytes: bytes.to_vec() }),
        }
        Some(MemoryReply::Count { bytes: len as u32 })
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
