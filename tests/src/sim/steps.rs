//! What a handler of a call does at each of its steps.

use std::collections::VecDeque;

use wayfarer_deputy::MemoryOp;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, ProcessKey, Tid, UserAddr};
use wayfarer_proto::limits::{EAGER, STRETCH, WINDOW};
use wayfarer_proto::message::{Args, ExecImage, MemoryReply, MemoryRequest, StringEnd};
use wayfarer_proto::table::Sysno;

use super::memory::content;
use super::outcome::{STACK, stack};

/// A handler between two steps.
#[derive(Clone, Debug)]
pub struct Handler {
    /// The call it serves.
    pub seq: CallSeq,
    pub(super) sysno: Option<Sysno>,
    pub(super) args: Args,
    pub(super) step: u32,
    /// Bytes done, and bytes of the window that is under way.
    done: usize,
    window: usize,
    /// It sleeps until something happens outside, and a signal may interrupt it.
    pub(super) sleeping: bool,
    /// What it has asked of the memory, in order.
    pub(super) asked: VecDeque<Asked>,
    pub(super) child: Option<ProcessKey>,
}

/// A request of a handler.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// It is on the way.
    Open(MemoryOp),
    /// And this came back, which nobody has looked at.
    Answered(MemoryReply),
}

/// What a handler wants next.
pub(super) enum Want {
    Memory(MemoryRequest),
    /// Several requests at once, none if the answer to one of them is still to come.
    Windows(Vec<MemoryRequest>),
    Sleep(u64),
    /// Another handler step will be caused by somebody else.
    Nothing,
    Done(Result<u64, Errno>),
    Fail(String),
}

impl Handler {
    /// The handler of a call.
    pub fn new(seq: CallSeq, number: u16, args: Args) -> Self {
        Self {
            seq,
            sysno: Sysno::from_number(number.into()),
            args,
            step: 0,
            done: 0,
            window: 0,
            sleeping: false,
            asked: VecDeque::new(),
            child: None,
        }
    }

    /// Takes the oldest answer, if it is there.
    pub(super) fn next_answer(&mut self) -> Option<MemoryReply> {
        match self.asked.pop_front_if(|asked| matches!(asked, Asked::Answered(_)))? {
            Asked::Answered(reply) => Some(reply),
            Asked::Open(_) => None,
        }
    }

    /// A child that no body was made for.
    pub fn child_unmade(&self) -> Option<ProcessKey> {
        self.child.filter(|_| self.step == 1)
    }

    pub(super) fn copied(&self) -> Result<u64, Errno> {
        if self.done == 0 { Err(Errno::EFAULT) } else { Ok(self.done as u64) }
    }

    pub(super) fn address(&self) -> UserAddr {
        UserAddr(self.args.get(1)).offset(self.done as u64)
    }

    pub(super) fn left(&self) -> usize {
        self.args.get(2) as usize - self.done
    }

    /// read(2), of a pipe that may be empty for a while: reserve, consume, copy.
    pub(super) fn read(&mut self, answer: Option<MemoryReply>, nap: u64) -> Want {
        let fd = self.args.get(0);
        match (self.step, answer) {
            (0, _) if fd.is_multiple_of(3) => {
                self.step = 1;
                Want::Sleep(nap)
            }
            (0 | 1, _) => self.next_window(),
            (2, Some(MemoryReply::Count { bytes: 0 })) => Want::Done(self.copied()),
            (2, Some(MemoryReply::Count { bytes })) => self.copy_out(bytes as usize),
            (3, Some(MemoryReply::Count { bytes })) => {
                self.done += bytes as usize;
                if (bytes as usize) < self.window || self.left() == 0 {
                    return Want::Done(self.copied());
                }
                self.next_window()
            }
            (step, answer) => Want::Fail(format!("read at step {step} got {answer:?}")),
        }
    }

    pub(super) fn next_window(&mut self) -> Want {
        if self.left() <= EAGER {
            return self.copy_out(self.left());
        }
        self.step = 2;
        let len = self.left().min(WINDOW) as u32;
        Want::Memory(MemoryRequest::ProbeOut { addr: self.address(), len })
    }

    pub(super) fn copy_out(&mut self, len: usize) -> Want {
        self.step = 3;
        self.window = len;
        let all = content(self.args.get(0), self.done + len);
        let bytes = all[self.done..].to_vec();
        Want::Memory(MemoryRequest::CopyOut { addr: self.address(), bytes })
    }

    /// write(2): the bytes must be those of the memory that never moved.
    pub(super) fn write(
        &mut self,
        answer: Option<MemoryReply>,
        expected: impl Fn(UserAddr, usize) -> Vec<u8>,
    ) -> Want {
        if let Some(answer) = answer {
            let MemoryReply::Bytes { bytes } = answer else {
                return Want::Fail(format!("write got {answer:?}"));
            };
            if bytes != expected(self.address(), bytes.len()) {
                return Want::Fail(format!("write got other bytes at {:?}", self.address()));
            }
            self.done += bytes.len();
            if bytes.len() < self.window || self.left() == 0 {
                return Want::Done(self.copied());
            }
        }
        self.window = self.left().min(WINDOW);
        if !self.asked.is_empty() {
            return Want::Windows(Vec::new());
        }
        let (first, stretch) = (self.address(), self.left().min(STRETCH));
        let window = |offset: usize| MemoryRequest::CopyIn {
            addr: first.offset(offset as u64),
            len: (stretch - offset).min(WINDOW) as u32,
        };
        Want::Windows((0..stretch).step_by(WINDOW).map(window).collect())
    }

    pub(super) fn path(answer: Option<MemoryReply>, addr: UserAddr) -> Result<(), Want> {
        match answer {
            None => Err(Want::Memory(MemoryRequest::CopyInStr { addr, max: 4096 })),
            Some(MemoryReply::Text { bytes, end: StringEnd::Nul }) if bytes == b"wander" => Ok(()),
            Some(answer) => Err(Want::Fail(format!("a path is {answer:?}"))),
        }
    }

    /// execve(2): path, the other threads, the new map, its stack.
    pub(super) fn exec(&mut self, answer: Option<MemoryReply>, leader: Tid) -> Want {
        self.step += 1;
        match self.step {
            1 => Want::Memory(MemoryRequest::CopyInStr {
                addr: UserAddr(self.args.get(0)),
                max: 4096,
            }),
            2 => match Self::path(answer, UserAddr::NULL) {
                Ok(()) => Want::Memory(MemoryRequest::KillOthers),
                Err(want) => want,
            },
            3 => {
                let image = ExecImage {
                    regions: Vec::new(),
                    brk: UserAddr::NULL,
                    entry: UserAddr::NULL,
                    stack: stack(),
                    name: "wander".into(),
                    leader,
                };
                Want::Memory(MemoryRequest::Exec { image })
            }
            4 => {
                let bytes = content(leader.0.unsigned_abs().into(), STACK);
                Want::Memory(MemoryRequest::CopyOut { addr: stack(), bytes })
            }
            _ => Want::Done(Ok(0)),
        }
    }
}
