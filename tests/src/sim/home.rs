//! A model home: it does what a deputy's session says, and keeps what stays: threads' names,
//! signals, handlers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wayfarer_deputy as deputy;
use wayfarer_deputy::{Event, Input, LostReason, Output, Request, Target};
use wayfarer_proto::codec::FrameReader;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, Epoch, NodeId, ProcessKey, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::linux::signal::{SA_RESTART, SigAction, SigDetail, SigInfo, Signal};
use wayfarer_proto::message::{Action, FilePages, Refusal};
use wayfarer_proto::time::Instant;

use super::faults::Point;
use super::memory::file_page;
use super::net::{Owner, Port};
use super::steps::Handler;
use super::world::{BodyTold, DeputyTold, Happening, Work, World};

/// A process at home.
#[derive(Debug)]
pub struct Home {
    /// The real thing.
    pub session: deputy::Session,
    /// What a child's body shows.
    pub token: u64,
    /// Where the body is.
    pub node: NodeId,
    /// Threads that have not ended.
    pub threads: BTreeSet<Tid>,
    /// Handlers that run.
    pub handlers: BTreeMap<Tid, Handler>,
    /// Signals that no thread has taken, by number of posting.
    pub pending: VecDeque<i32>,
    /// Threads whose handler runs: they take no signal.
    pub masked: BTreeSet<Tid>,
    /// The signal each thread took last.
    pub took: BTreeMap<Tid, i32>,
    /// The thread whose exec is ending the others.
    pub execs: Option<Tid>,
    /// Stopped by a signal.
    pub stopped: bool,
    /// The process has ended.
    pub ended: bool,
    /// When its session's timer is planned.
    pub timer: Instant,
}

impl World {
    /// A process at home around a session.
    pub fn add_home(&mut self, session: deputy::Session, token: u64, node: NodeId) {
        let key = session.process();
        let home = Home {
            session,
            token,
            node,
            threads: BTreeSet::from([key.pid.leader()]),
            handlers: BTreeMap::new(),
            pending: VecDeque::new(),
            masked: BTreeSet::new(),
            took: BTreeMap::new(),
            execs: None,
            stopped: false,
            ended: false,
            timer: Instant(0),
        };
        self.homes.insert(key, home);
    }

    pub(super) fn work_deputy(&mut self, key: ProcessKey, told: DeputyTold) {
        let now = self.now;
        let Some(home) = self.homes.get_mut(&key) else { return };
        match told {
            DeputyTold::Drain => {}
            DeputyTold::Input(input) => home.session.handle_input(now, input),
            DeputyTold::Bytes(channel, bytes) => {
                home.session.handle_input(now, Input::Received { channel, bytes: &bytes });
            }
        }
        let mut outputs = Vec::new();
        let wanted = loop {
            match home.session.poll_output() {
                Output::Timeout(at) => break at,
                output => outputs.push(output),
            }
        };
        let planned = home.timer;
        if self.plan_timer(planned, wanted, Happening::DeputyTimer(key))
            && let Some(home) = self.homes.get_mut(&key)
        {
            home.timer = wanted;
        }
        for output in outputs {
            self.deputy_says(key, output);
        }
    }

    fn deputy_says(&mut self, key: ProcessKey, output: Output) {
        match output {
            Output::Timeout(_) => {}
            Output::Transmit { channel, frame } => {
                if let Some(end) = self.deputy_end(channel, key) {
                    self.send(channel, end, frame.to_vec());
                }
            }
            Output::Here(envelope) => {
                let here = self.bodies.iter().find(|(_, body)| {
                    body.session.process() == key && body.link.is_none() && body.node == key.home
                });
                if let Some((id, _)) = here {
                    let told = BodyTold::Input(wayfarer_body::Input::Here(envelope));
                    self.work.push_back(Work::Body(*id, told));
                }
            }
            Output::Event(event) => self.deputy_event(key, event),
        }
    }

    fn deputy_end(&self, channel: wayfarer_proto::id::ChannelId, key: ProcessKey) -> Option<usize> {
        self.end_of(channel, |owner| matches!(owner, Owner::Deputy(k) if *k == key))
    }

    fn deputy_event(&mut self, key: ProcessKey, event: Event) {
        match event {
            Event::Execute { thread, seq, request } => self.execute(key, thread, seq, request),
            Event::Post { fd, bytes } => self.posted(key, fd, &bytes),
            Event::Took { fd, bytes, .. } => self.took(key, fd, bytes),
            Event::MemoryDone { op, result } => self.memory_done(key, op, result),
            Event::PageWanted { op, page, count, .. } => {
                let delay = self.rng.micros(5..800);
                self.after(delay, Happening::Pages(key, op, page, count));
            }
            Event::PageGiven { op, page, bytes, .. } => {
                let sent = self.checks.written_back(key, page, &bytes);
                if !sent {
                    self.fail(format!("{key}: page {page} came back as nobody sent it"));
                }
                let delay = self.rng.micros(5..300);
                self.after(delay, Happening::Kept(key, op));
            }
            Event::Whole => {
                let delay = self.rng.micros(1..400);
                self.after(delay, Happening::Decide(key));
            }
            Event::ReleaseMap { .. } => {}
            Event::Answer { id, .. } => self.checks.answered(key, id),
            Event::Connect { channel, node } => {
                self.dial(channel, key.home, Owner::Deputy(key), node, Port::Migration);
                self.fault_point(Point::Connect, key);
            }
            Event::Close { channel } => {
                if let Some(end) = self.deputy_end(channel, key) {
                    self.close(channel, end);
                }
            }
            Event::Admit { epoch, .. } => self.admit_home(key, epoch),
            Event::Moved { target, .. } => self.moved(key, target),
            Event::MoveFailed { target, refusal } => self.move_failed(key, target, &refusal),
            Event::Lost { reason } => self.process_lost(key, reason),
            Event::Closed { .. } => self.process_closed(key),
        }
    }

    fn execute(&mut self, key: ProcessKey, thread: Tid, seq: CallSeq, request: Request) {
        if let Some(problem) = self.checks.executed(key, thread, seq, &request) {
            return self.fail(problem);
        }
        let Some(home) = self.homes.get_mut(&key) else { return };
        if home.ended || !home.threads.contains(&thread) {
            return;
        }
        match request {
            Request::Call { number, args } => {
                home.handlers.insert(thread, Handler::new(seq, number, args));
                self.advance_handler(key, thread, None);
            }
            Request::Fault(_) => {
                self.checks.posted(key);
                let number = self.checks.signals(key);
                if let Some(home) = self.homes.get_mut(&key) {
                    home.pending.push_front(number);
                }
                self.finish(key, thread, seq, Ok(0));
            }
            Request::Null => self.finish(key, thread, seq, Ok(0)),
            Request::SigReturn { .. } => {
                home.masked.remove(&thread);
                self.finish(key, thread, seq, Ok(0));
            }
            Request::Exit { group, .. } => self.thread_exit(key, thread, group),
        }
    }

    /// Ends a transaction, taking along a signal that waits.
    pub(super) fn finish(
        &mut self,
        key: ProcessKey,
        thread: Tid,
        seq: CallSeq,
        result: Result<u64, Errno>,
    ) {
        let actions = self.take_signal(key, thread).into_iter().collect();
        self.lend_bytes(key, thread, seq);
        self.tell_deputy(key, Input::Finish { thread, seq, result, actions });
        self.lend(key, thread, seq);
    }

    fn take_signal(&mut self, key: ProcessKey, thread: Tid) -> Option<Action> {
        let home = self.homes.get_mut(&key)?;
        if home.ended || home.masked.contains(&thread) {
            return None;
        }
        let number = home.pending.pop_front()?;
        home.masked.insert(thread);
        home.took.insert(thread, number);
        let flags = if number % 2 == 0 { SA_RESTART } else { 0 };
        let action = SigAction { handler: 0x1000, flags, restorer: 0x2000, mask: 0 };
        let detail = SigDetail::Sender { pid: 1, uid: 0 };
        let info = SigInfo { signal: Signal::SIGUSR1, code: number, detail };
        Some(Action::Deliver { info, action, mask: 0 })
    }

    /// Posts a signal to a process and picks the thread that shall take it.
    pub fn post_signal(&mut self, key: ProcessKey) {
        let Some(home) = self.homes.get_mut(&key).filter(|home| !home.ended) else { return };
        self.checks.posted(key);
        home.pending.push_back(self.checks.signals(key));
        self.call_attention(key);
    }

    /// Sees that some thread takes what is pending.
    pub(super) fn call_attention(&mut self, key: ProcessKey) {
        let Some(home) = self.homes.get(&key).filter(|home| !home.ended) else { return };
        if home.pending.is_empty() {
            return;
        }
        let free: Vec<_> = home.threads.difference(&home.masked).copied().collect();
        if free.is_empty() {
            // Whoever returns from its handler takes it.
            return;
        }
        let thread = self.rng.pick(&free);
        if self.interrupt(key, thread) {
            return;
        }
        self.tell_deputy(key, Input::Attention { thread });
    }

    fn thread_exit(&mut self, key: ProcessKey, thread: Tid, group: bool) {
        let Some(home) = self.homes.get_mut(&key) else { return };
        home.threads.remove(&thread);
        home.masked.remove(&thread);
        if group || home.threads.is_empty() {
            return self.end_process(key);
        }
        self.call_attention(key);
    }

    /// The process ends: exit, or a fatal signal.
    pub fn end_process(&mut self, key: ProcessKey) {
        let Some(home) = self.homes.get_mut(&key) else { return };
        if !home.ended {
            home.ended = true;
            self.tell_deputy(key, Input::End);
        }
    }

    pub(super) fn pages_read(
        &mut self,
        key: ProcessKey,
        op: deputy::PageOp,
        page: u64,
        count: usize,
    ) {
        let bytes: Vec<u8> =
            (page..).take(count.min(limits::RUN_PAGES)).flat_map(file_page).collect();
        self.tell_deputy(
            key,
            Input::PageData { op, result: Ok(FilePages { bytes, versions: Vec::new() }) },
        );
    }

    /// The file has what the body gave back.
    pub(super) fn page_kept(&mut self, key: ProcessKey, op: deputy::PageOp) {
        let pages = FilePages { bytes: Vec::new(), versions: Vec::new() };
        self.tell_deputy(key, Input::PageData { op, result: Ok(pages) });
    }

    /// The new body is whole: mostly it is to run. Another process of its group may have failed.
    pub(super) fn decide(&mut self, key: ProcessKey) {
        let reason = "another of its group cannot move".into();
        let input = match self.rng.one_in(15) {
            true => Input::CallOff(Refusal { errno: Errno::EAGAIN, reason }),
            false => Input::Commit,
        };
        self.tell_deputy(key, input);
    }

    fn admit_home(&mut self, key: ProcessKey, epoch: Epoch) {
        if self.rng.one_in(12) {
            let refusal = Refusal { errno: Errno::ENOMEM, reason: "home is full".into() };
            return self.tell_deputy(key, Input::NotAdmitted(refusal));
        }
        let reader = FrameReader::new(limits::FRAME);
        let (_, ticket) = self.arriving_body(key.home, key, epoch, reader);
        self.tell_deputy(key, Input::Admitted { ticket });
    }

    fn moved(&mut self, key: ProcessKey, target: Target) {
        self.checks.moves += 1;
        let node = match target {
            Target::Here => key.home,
            Target::Away { node, .. } => node,
        };
        if let Some(home) = self.homes.get_mut(&key) {
            home.node = node;
            self.checks.stopped_at_commit.insert(key, home.stopped);
        }
        self.migrate_done(key, Ok(0));
        self.fault_point(Point::Moved, key);
    }

    fn move_failed(&mut self, key: ProcessKey, _target: Target, refusal: &Refusal) {
        self.checks.refusals += 1;
        let ordinary = [
            Errno::EBUSY,
            Errno::ENOMEM,
            Errno::ESRCH,
            Errno::EAGAIN,
            Errno::EALREADY,
            Errno::EPERM,
        ];
        let damaged = self.options.damage && refusal.errno == Errno::EBADMSG;
        if !ordinary.contains(&refusal.errno) && !damaged && !self.checks.disturbed {
            self.fail(format!("a move failed: {refusal:?}, without any fault"));
        }
        if refusal.errno != Errno::EBUSY {
            self.migrate_done(key, Err(refusal.errno));
        }
    }

    fn process_lost(&mut self, key: ProcessKey, reason: LostReason) {
        self.checks.losses += 1;
        if reason == LostReason::Violation {
            return self.fail(format!("{key} is lost: its body broke the protocol"));
        }
        self.expect_fault(&format!("{key} is lost: {reason:?}"));
        if let Some(home) = self.homes.get_mut(&key) {
            home.ended = true;
        }
        self.checks.exited(key);
    }

    fn process_closed(&mut self, key: ProcessKey) {
        let Some(home) = self.homes.remove(&key) else { return };
        self.checks.collect(home.session.marks());
        self.checks.closed(key);
        if !home.ended {
            self.fail(format!("{key}: the session closed although the process runs"));
        }
        for (_, handler) in home.handlers {
            if let Some(child) = handler.child_unmade() {
                self.end_process(child);
            }
        }
    }
}
