//! The program a process executes: reading it from the files of home, and what it changes there.

use alloc::rc::Rc;

use super::{Home, HomeThread};

impl Home {
    /// Leaves `thread` as the only one, under the leader's id (execve(2)).
    pub fn keep_only(&self, thread: &Rc<HomeThread>) {
        let leader = self.pid.leader();
        let mut threads = self.threads.borrow_mut();
        threads.clear();
        if thread.tid == leader {
            threads.insert(leader, Rc::clone(thread));
            return;
        }
        let renamed = HomeThread::new(leader);
        renamed.mask.set(thread.mask.get());
        renamed.pending.swap(&thread.pending);
        threads.insert(leader, Rc::new(renamed));
    }
}
