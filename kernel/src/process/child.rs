//! New contexts at the body: children, threads, and the new program of execve(2).

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_machine::UserContext;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Pid, ProcessKey, Tid, UserAddr};
use wayfarer_proto::linux::process::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_FS,
    CLONE_ID_SHIFT, CLONE_NAMESPACES, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS,
    CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM, CSIGNAL,
};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::message;
use wayfarer_proto::table::Sysno;

use super::{Body, BodyThread, Memory, NO_ALT_STACK, Running};
use crate::exec::ExecImage;
use crate::memory::MemorySource;
use crate::syscall::Call;

/// What a thread shares with its process, all of it or nothing.
const THREAD_FLAGS: u64 = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
/// What a child process may share with its parent.
const CHILD_FLAGS: u64 = CLONE_FS | CLONE_FILES;

/// What one of the three calls makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A thread of the same process.
    Thread,
    /// A process with a copy of the memory.
    Fork,
    /// A process that borrows the memory until it executes or exits.
    Vfork,
}

/// The arguments of fork(2), vfork(2) and clone(2), as clone(2) has them.
#[derive(Clone, Copy, Debug)]
pub struct CloneArgs {
    flags: u64,
    stack: u64,
    parent_tid: UserAddr,
    child_tid: UserAddr,
    tls: u64,
}

impl CloneArgs {
    /// Reads them from the call.
    pub fn of(call: &Call) -> Self {
        let none = Self {
            flags: Signal::SIGCHLD.number().into(),
            stack: 0,
            parent_tid: UserAddr::NULL,
            child_tid: UserAddr::NULL,
            tls: 0,
        };
        match call.sysno {
            Sysno::fork => none,
            Sysno::vfork => Self { flags: none.flags | CLONE_VM | CLONE_VFORK, ..none },
            _ => Self {
                flags: call.args[0],
                stack: call.args[1],
                parent_tid: call.addr(2),
                child_tid: call.addr(3),
                tls: call.args[4],
            },
        }
    }

    /// Whether the caller wants a descriptor of the child (`CLONE_PIDFD`). A thread has none.
    pub const fn wants_descriptor(&self) -> bool {
        self.flags & CLONE_PIDFD != 0
    }

    /// Whether the child is to be the caller's sibling (`CLONE_PARENT`).
    pub const fn is_sibling(&self) -> bool {
        self.flags & CLONE_PARENT != 0
    }

    /// Whether the child shares the caller's descriptor table (`CLONE_FILES`).
    pub const fn shares_descriptors(&self) -> bool {
        self.flags & CLONE_FILES != 0
    }

    /// Whether the child shares the caller's directory, root and umask (`CLONE_FS`).
    pub const fn shares_place(&self) -> bool {
        self.flags & CLONE_FS != 0
    }

    /// Whether the caller waits until the child executes a program or ends (`CLONE_VFORK`).
    pub const fn waits(&self) -> bool {
        self.flags & CLONE_VFORK != 0
    }

    /// What tells the parent of the child's end.
    pub const fn exit_signal(&self) -> Option<Signal> {
        Signal::new(self.flags & CSIGNAL)
    }

    /// The id that clone3(2) asks for.
    pub const fn wanted_id(&self) -> Option<i32> {
        match (self.flags >> CLONE_ID_SHIFT) as i32 {
            0 => None,
            id => Some(id),
        }
    }

    /// Whether the child's handlers are reset (`CLONE_CLEAR_SIGHAND`).
    pub const fn clears_handlers(&self) -> bool {
        self.flags & CLONE_CLEAR_SIGHAND != 0
    }

    /// What they ask for.
    ///
    /// # Errors
    /// `EINVAL` for flags that make neither a thread, a vfork child nor a fork child.
    pub fn kind(&self) -> Result<Kind, Errno> {
        if self.flags & CLONE_NAMESPACES != 0 {
            return Err(Errno::EPERM);
        }
        let shared = self.flags & THREAD_FLAGS;
        match shared & !CHILD_FLAGS {
            _ if shared == THREAD_FLAGS && !self.wants_descriptor() => Ok(Kind::Thread),
            0 => Ok(Kind::Fork),
            CLONE_VM if self.waits() => Ok(Kind::Vfork),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Running {
    /// Makes a thread and starts it; home has given it its id.
    pub async fn make_thread(&self, args: &CloneArgs, tid: Tid) {
        let thread = self.duplicate(args, tid);
        self.body.threads.borrow_mut().insert(tid, Rc::clone(&thread));
        let child = Self { thread, ..self.clone() };
        child.store_ids(self, args, tid).await;
        // A freeze that was called off meanwhile has started all threads.
        if child.thread.rest() {
            child.start();
        }
    }

    /// Makes the body of a child process; whoever calls joins it with its other half.
    ///
    /// # Errors
    /// `ENOMEM` if there is no memory for its page tables.
    pub async fn make_body(
        &self,
        args: &CloneArgs,
        pid: Pid,
        kind: Kind,
    ) -> Result<Rc<Body>, Errno> {
        let _pinned = self.body.pin();
        let parent = self.body.memory();
        let memory = match kind {
            Kind::Vfork => parent,
            _ => {
                let _copying = self.body.begin_copy();
                parent.fork().await.map_err(|_| Errno::ENOMEM)?
            }
        };
        let key = ProcessKey { home: self.body.key.home, pid };
        let body = Body::new(key, self.body.name.borrow().clone(), memory);
        body.clocks.set(self.body.clocks.get());
        body.identity.set(self.body.identity.get());
        let thread = self.duplicate(args, pid.leader());
        if kind == Kind::Fork {
            thread.alt_stack.set(self.thread.alt_stack.get());
        }
        body.threads.borrow_mut().insert(pid.leader(), thread);
        Ok(body)
    }

    /// The caller's context, with what the child sees different.
    fn duplicate(&self, args: &CloneArgs, tid: Tid) -> Rc<BodyThread> {
        let mut context = self.thread.context.borrow().clone();
        context.registers.rax = 0;
        if args.stack != 0 {
            context.registers.rsp = args.stack;
        }
        if args.flags & CLONE_SETTLS != 0 {
            context.registers.fs_base = args.tls;
        }
        let thread = BodyThread::new(tid, context);
        if args.flags & CLONE_CHILD_CLEARTID != 0 {
            thread.clear_child_tid.set(args.child_tid);
        }
        Rc::new(thread)
    }

    /// Makes the only thread the leader, after execve(2).
    pub fn become_leader(&self) {
        let leader = self.body.key.pid.leader();
        let old = self.thread.tid.replace(leader);
        if old == leader {
            return;
        }
        let mut threads = self.body.threads.borrow_mut();
        threads.remove(&old);
        threads.insert(leader, Rc::clone(&self.thread));
        drop(threads);
        // Home may have wanted the leader's attention when there was none.
        self.thread.attention.set(true);
        if let Some(driver) = self.process.body_driver() {
            driver.input(wayfarer_body::Input::ThreadGone { thread: old });
        }
    }

    /// Stores the new id where the flags say. clone(2) has no error for a bad address.
    pub async fn store_ids(&self, parent: &Self, args: &CloneArgs, tid: Tid) {
        let id = tid.0.to_le_bytes();
        if args.flags & CLONE_CHILD_SETTID != 0 {
            let _ = self.local_memory().write(args.child_tid, &id).await;
        }
        if args.flags & CLONE_PARENT_SETTID != 0 {
            let _ = parent.local_memory().write(args.parent_tid, &id).await;
        }
    }
}

impl Body {
    /// Ends the body halves of all threads but one (execve(2), rule 8); says which.
    pub fn end_others(&self, spared: Tid) -> Vec<Tid> {
        let others: Vec<_> =
            self.threads.borrow_mut().extract_if(|tid, _| *tid != spared).collect();
        for (_, thread) in &others {
            thread.halt();
            thread.stopped.wake_all();
        }
        others.into_iter().map(|(tid, _)| tid).collect()
    }

    /// Puts a new program in place of the old one, in the thread that called execve(2). It takes
    /// the leader's id when its call ends, and not before: that is how home knows it. Gives the
    /// old program's memory, to be [dissolved](Memory::dissolve).
    ///
    /// # Errors
    /// `ENOMEM` if there is no memory for it, `EINVAL` for regions that make no address space.
    pub fn become_program(
        &self,
        source: &MemorySource,
        caller: &Rc<BodyThread>,
        image: &message::ExecImage,
    ) -> Result<Rc<Memory>, Errno> {
        let mut space = ExecImage::from(image).apply(source)?;
        space.set_guest_of(self.memory().space.borrow().guest_of());
        *caller.context.borrow_mut() = first_context(image.entry, image.stack);
        caller.clear_child_tid.take();
        caller.robust_list.take();
        caller.alt_stack.set(NO_ALT_STACK);
        *self.name.borrow_mut() = image.name.clone();
        Ok(self.replace_memory(Memory::new(space)))
    }
}

/// The context a new program starts with.
pub fn first_context(entry: UserAddr, stack: UserAddr) -> UserContext {
    let mut context = UserContext::new();
    context.registers.rip = entry.0;
    context.registers.rsp = stack.0;
    context
}
