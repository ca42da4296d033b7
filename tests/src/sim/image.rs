//! How a model kernel streams the image of a frozen body.

use std::collections::VecDeque;

use wayfarer_body::{ImageWriter, Input};
use wayfarer_proto::codec::FrameReader;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::{Answer, Purpose, hello};
use wayfarer_proto::id::{ChannelId, Epoch, NodeId, Tid, UserAddr};
use wayfarer_proto::image::{
    ContentHash, Header, LocalWait, Record, Thread as ThreadRecord, ThreadState,
};
use wayfarer_proto::limits::{HELLO, PAGE, RUN_PAGES};
use wayfarer_proto::linux::signal::SigAltStack;
use wayfarer_proto::message::{Args, CpuTime, Remembered, Requirements, Ticket, Usage};
use wayfarer_proto::time::Instant;

use super::body::{Body, BodyId, Departure, State, Thread};
use super::faults::Point;
use super::memory::file_page_of;
use super::net::{Owner, Port};
use super::program::register;
use super::rng::mix;
use super::world::{BodyTold, Happening, World};

impl World {
    pub(super) fn depart(&mut self, id: BodyId, node: NodeId, ticket: Ticket) {
        let name = mix(self.fresh_id() as u64);
        let channel = self.net.number();
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let mut writer = ImageWriter::default();
        body.memory.name.get_or_insert(name);
        let frames = image_of(body, ticket.remembered, &mut writer);
        let (key, from) = (body.session.process(), body.node);
        body.departure = Some(Departure { channel, ticket, frames, writer });
        self.dial(channel, from, Owner::ImageOut(id), node, Port::Image);
        self.fault_point(Point::Depart, key);
    }

    pub(super) fn image_connected(&mut self, id: BodyId, channel: ChannelId) {
        let Some(departure) = self.bodies.get(&id).and_then(|b| b.departure.as_ref()) else {
            return;
        };
        if departure.channel == channel {
            let token = departure.ticket.token;
            self.send(channel, 0, hello(Purpose::Image { token }).to_vec());
        }
    }

    /// The target's answer to the hello; it comes in one piece or is read as a refusal.
    pub(super) fn image_answered(&mut self, id: BodyId, bytes: &[u8]) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        if body.departure.is_none() {
            return;
        }
        let reader = self.checks.answers.entry(id).or_insert_with(|| FrameReader::new(HELLO));
        match reader.next_frame::<Answer>(&mut { bytes }) {
            Ok(Some(Answer::Accept { .. })) => {
                self.checks.answers.remove(&id);
                self.stream(id);
            }
            Ok(None) => {}
            _ => {
                self.checks.answers.remove(&id);
                self.image_failed(id);
            }
        }
    }

    /// Sends a few records, then plans the next.
    pub(super) fn stream(&mut self, id: BodyId) {
        let damages = self.options.damage && self.rng.one_in(40);
        let few = self.rng.range(1..6);
        let Some(departure) = self.bodies.get_mut(&id).and_then(|b| b.departure.as_mut()) else {
            return;
        };
        let channel = departure.channel;
        let take = departure.frames.len().min(few as usize);
        let mut frames: Vec<_> = departure.frames.drain(..take).collect();
        if damages && let Some(last) = frames.iter_mut().rfind(|frame| frame.len() > 4096) {
            let at = last.len() - 100;
            last[at] ^= 1;
        }
        let done = departure.frames.is_empty();
        let totals = departure.writer.totals().clone();
        for frame in frames {
            self.send(channel, 0, frame);
        }
        if done {
            self.tell_body(id, BodyTold::Input(Input::ImageSent { totals }));
        } else {
            let delay = self.rng.micros(20..200);
            self.after(delay, Happening::Stream(id));
        }
    }

    pub(super) fn image_end(&mut self, id: BodyId, bytes: Vec<u8>) {
        let Some(body) = self.bodies.get(&id) else { return };
        let key = body.session.process();
        let Some(departure) = &body.departure else { return };
        let channel = departure.channel;
        self.send(channel, 0, bytes);
        self.close_image(channel, id);
        self.fault_point(Point::Sent, key);
    }

    pub(super) fn close_image(&mut self, channel: ChannelId, id: BodyId) {
        if let Some(end) = self.end_of(channel, |o| matches!(o, Owner::ImageOut(b) if *b == id)) {
            self.close(channel, end);
        }
    }

    pub(super) fn image_failed(&mut self, id: BodyId) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        if let Some(departure) = body.departure.take() {
            self.close_image(departure.channel, id);
            let input = Input::DepartFailed { errno: Errno::ECONNRESET };
            self.tell_body(id, BodyTold::Input(input));
        }
    }
}

/// All frames of an image but the last.
fn image_of(
    body: &Body,
    remembered: Option<Remembered>,
    writer: &mut ImageWriter,
) -> VecDeque<Vec<u8>> {
    let session = &body.session;
    let header = Header {
        process: session.process(),
        epoch: Epoch(session.epoch().0 + 1),
        memory: body.memory.name.unwrap_or_default(),
        name: "model".into(),
        requirements: Requirements {
            frames: 1,
            shared_frames: 0,
            features: vec![1],
            xcr0: 7,
            xsave_bytes: 832,
        },
        usage: Usage::cpu(0),
        identity: Default::default(),
        cpu_timers: Default::default(),
        monotonic: Instant(0),
        realtime_offset_ns: 0,
        brk_start: UserAddr(0),
        brk: UserAddr(0),
        last_seq: session.last_call(),
        regions: 0,
        threads: body.threads.len() as u32,
    };
    let mut frames = VecDeque::from([writer.record(&Record::Header { header }).to_vec()]);
    for (tid, thread) in &body.threads {
        let thread = record(*tid, thread);
        frames.push_back(writer.record(&Record::Thread { thread }).to_vec());
    }
    let known = remembered.filter(|known| Some(known.memory) == body.memory.name);
    for Run { first, age, bytes } in runs(body) {
        let changed = age.unwrap_or_else(|| session.epoch());
        let is_known = known.is_some_and(|known| age.is_some() && changed <= known.epoch);
        frames.push_back(if is_known {
            writer.same(first, changed, bytes.len() / PAGE).to_vec()
        } else {
            let (pages, _) = bytes.as_chunks::<PAGE>();
            let mut hash = ContentHash::EMPTY;
            pages.iter().for_each(|page| hash.add(page));
            let head = writer.pages(first, changed, pages.len());
            [&head[..], &bytes, &writer.content(pages.len(), &hash)].concat()
        });
    }
    frames
}

fn record(tid: Tid, thread: &Thread) -> ThreadRecord {
    let registers = thread.registers;
    let state = match thread.state {
        State::Running | State::PageWait => ThreadState::Running,
        State::LocalWait => {
            let deadline = Instant(registers[register::DEADLINE]);
            let args = Args::default();
            ThreadState::LocalWait { wait: LocalWait { number: 35, args, deadline } }
        }
        State::AwaitReply(seq) => ThreadState::AwaitReply { seq, call: None },
    };
    ThreadRecord {
        tid,
        registers: registers.to_vec(),
        fpu: vec![0; 64],
        alt_stack: SigAltStack { base: 0, flags: 2, padding: 0, size: 0 },
        clear_tid: UserAddr::NULL,
        robust_list: (UserAddr::NULL, 0),
        cpu: CpuTime::default(),
        state,
    }
}

/// Pages of one age that follow each other.
struct Run {
    first: u64,
    /// The epoch in which they were changed last, if not in this one.
    age: Option<Epoch>,
    bytes: Vec<u8>,
}

/// The pages in runs, zero pages of anonymous memory left out.
fn runs(body: &Body) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (number, bytes) in &body.memory.pages {
        if file_page_of(*number).is_none() && bytes.iter().all(|byte| *byte == 0) {
            continue;
        }
        let age = body.memory.ages.get(number).copied();
        match runs.last_mut() {
            Some(run)
                if run.first + (run.bytes.len() / PAGE) as u64 == *number
                    && run.age == age
                    && run.bytes.len() < RUN_PAGES * PAGE =>
            {
                run.bytes.extend_from_slice(bytes);
            }
            _ => runs.push(Run { first: *number, age, bytes: bytes.clone() }),
        }
    }
    runs
}
