//! The body's part of calls: where each runs, and what is left to do with home's reply.
//!
//! A call that home has a part in is one request and one reply; what home wants of the body in
//! between it does through [`UserMemory`](super::UserMemory). What the body does with the reply
//! ([`Running::finish`]) follows from the call and the reply alone, so that a thread can be moved
//! while it waits.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Tid;
use wayfarer_proto::table::{Class, Sysno, route};
use wayfarer_proto::time::Instant;

use super::{Call, Grant, Reply, Request, local};
use crate::process::{CloneArgs, InCall, Kind, Next, Running};
use crate::signal::frame::pop_frame;

impl Running {
    /// Executes a call. `deadline` is that of the local wait in which the thread was moved.
    pub async fn execute(&self, call: Call, deadline: Option<Instant>) -> Next {
        let class = route(call.sysno, &call.args);
        self.count_call(class);
        self.kernel.meter.subject(call.sysno.into());
        // Until home is asked or the result is in place, the call can be made again.
        self.thread.in_call.set(Some(InCall { call: Some(call), awaits: None, deadline }));
        if class == Class::Local {
            let done = local::dispatch(self, &call, deadline).await;
            let reply = Reply { result: done.result, actions: done.actions };
            return self.apply(Some(call), reply).await;
        }
        let status = call.args[0] as u8;
        match call.sysno {
            Sysno::clone | Sysno::clone3 => match local::plain_clone(self, &call).await {
                Ok(clone) => {
                    let reply = self.transact(Some(clone), Request::Call(clone)).await;
                    self.finish(Some(clone), reply).await
                }
                Err(errno) => self.apply(Some(call), errno.into()).await,
            },
            Sysno::rt_sigreturn => self.signal_return().await,
            Sysno::exit => self.exit_thread(status).await,
            Sysno::exit_group => self.leave(Request::Exit { status, group: true }).await,
            _ => {
                let reply = self.transact(Some(call), Request::Call(call)).await;
                self.finish(Some(call), reply).await
            }
        }
    }

    /// Ends a call, or an exchange without one, with home's reply.
    pub async fn finish(&self, call: Option<Call>, mut reply: Reply) -> Next {
        if let (Some(call), Ok(value)) = (call, reply.result) {
            match call.sysno {
                Sysno::mmap => {
                    reply.result = local::map_file(self, &call, Grant::from_value(value))
                }
                Sysno::clone => self.finish_clone(&call, value).await,
                Sysno::execve | Sysno::execveat => {
                    self.become_leader();
                    reply.result = self.note_ids(&call, value);
                }
                Sysno::setuid
                | Sysno::setreuid
                | Sysno::setresuid
                | Sysno::setgid
                | Sysno::setregid
                | Sysno::setresgid => reply.result = self.note_ids(&call, value),
                _ => {}
            }
        }
        self.apply(call, reply).await
    }

    /// Remembers the ids that home answers with: two in one value, real and effective, or the
    /// effective user and group of a new program.
    fn note_ids(&self, call: &Call, value: u64) -> super::SysResult {
        let both = (value as u32, (value >> 32) as u32);
        let mut identity = self.body.identity.get();
        match call.sysno {
            Sysno::execve | Sysno::execveat => (identity.user.1, identity.group.1) = both,
            Sysno::setuid | Sysno::setreuid | Sysno::setresuid => identity.user = both,
            _ => identity.group = both,
        }
        self.body.identity.set(identity);
        Ok(0)
    }

    /// A new thread needs its context; a child process has got its own already.
    async fn finish_clone(&self, call: &Call, id: u64) {
        let args = CloneArgs::of(call);
        if args.kind() == Ok(Kind::Thread) {
            self.make_thread(&args, Tid(id as i32)).await;
        }
    }

    /// exit(2): who waits for its locks, and the joining thread, are told while the memory is
    /// still there.
    async fn exit_thread(&self, status: u8) -> Next {
        self.local_memory().release_robust(&self.kernel.futexes, &self.thread).await;
        local::wake_word(self, self.thread.clear_child_tid.take()).await;
        self.leave(Request::Exit { status, group: false }).await
    }

    async fn signal_return(&self) -> Next {
        let request = match pop_frame(self).await {
            Ok(mask) => Request::SignalReturn(mask),
            Err(info) => Request::Fault(info),
        };
        let reply = self.transact(None, request).await;
        self.apply(None, reply).await
    }
}

impl From<Errno> for Reply {
    fn from(errno: Errno) -> Self {
        Self { result: Err(errno), actions: alloc::vec![] }
    }
}
