//! Every message survives the wire, and no bytes hurt.

use std::fmt::Debug;

use proptest::prelude::*;
use wayfarer_proto::codec::{DecodeError, FrameReader, Wire, decode, frame};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::{Acceptor, Answer, Hello, Purpose, hello};
use wayfarer_proto::id::{CallSeq, Epoch, Fd, MapId, NodeId, Pid, ProcessKey, Tid, UserAddr};
use wayfarer_proto::image::{Header, LocalWait, Record, Region, Thread, ThreadState};
use wayfarer_proto::limits;
use wayfarer_proto::linux::signal::{SigAction, SigAltStack, SigDetail, SigInfo, Signal};
use wayfarer_proto::message::{
    Action, Args, BodyMessage, ByeReason, Call, CpuTime, DeputyMessage, Envelope, ExecImage,
    FileBytes, FilePages, FileVersion, InWindow, IoCounts, Lack, MemoryReply, MemoryRequest,
    OutBytes, OutWindow, Query, RawResult, Refusal, Remembered, Reply, Requirements, StringEnd,
    Ticket, Totals, Usage,
};
use wayfarer_proto::time::Instant;

const PROCESS: ProcessKey = ProcessKey { home: NodeId(1), pid: Pid(4711) };
const ADDR: UserAddr = UserAddr(0x7fff_ffff_0000);
const TICKET: Ticket =
    Ticket { token: 1 << 63, remembered: Some(Remembered { memory: u64::MAX, epoch: Epoch(2) }) };
const TOTALS: Totals = Totals { records: 9, pages: 300, bytes: 1 << 20, hash: u64::MAX };

fn requirements() -> Requirements {
    Requirements {
        frames: 300,
        shared_frames: 0,
        features: vec![u32::MAX, 7, 0],
        xcr0: 7,
        xsave_bytes: 832,
    }
}

fn region() -> Region {
    Region {
        start: ADDR,
        len: 1 << 21,
        prot: 3,
        flags: 0x22,
        file: Some((MapId(3), 8192)),
        name: "/bin/busybox".into(),
    }
}

fn call() -> Call {
    Call {
        number: 257,
        args: Args::new(&[-100i64 as u64, ADDR.0, 0, u64::MAX]),
        ins: vec![InWindow { addr: ADDR, bytes: b"/etc/passwd\0".to_vec(), fault: false }],
        outs: vec![OutWindow { addr: ADDR, len: 144, fault: true }],
    }
}

/// As large as they can be.
fn file_pages() -> FilePages {
    let version = FileVersion { map: MapId(u32::MAX), content: u64::MAX };
    let versions = vec![version; limits::FILE_VERSIONS];
    FilePages { bytes: vec![0; limits::WINDOW], versions }
}

fn fault() -> SigInfo {
    let detail = SigDetail::Fault { address: u64::MAX };
    SigInfo { signal: Signal::SIGSEGV, code: 1, detail }
}

fn body_messages() -> Vec<BodyMessage> {
    use BodyMessage as B;
    let memory = |reply| B::Memory { id: 77, reply };
    vec![
        B::Call { call: call() },
        B::Fault { info: fault() },
        B::Null,
        B::SigReturn { mask: 1 << 63 },
        B::Exit {
            status: -1,
            group: true,
            usage: Usage {
                cpu: CpuTime { user: 12_345_678_901, system: 5 },
                io: IoCounts { bytes_read: 1, bytes_written: 2, reads: 3, writes: 4 },
                local_calls: 7,
            },
        },
        memory(MemoryReply::Bytes { bytes: vec![0xff; 300] }),
        memory(MemoryReply::Text { bytes: b"ls".to_vec(), end: StringEnd::Nul }),
        memory(MemoryReply::Count { bytes: 65536 }),
        memory(MemoryReply::Done),
        memory(MemoryReply::Failed { errno: Errno::ENOMEM }),
        B::Surveyed { requirements: requirements() },
        B::Unmovable { refusal: Refusal { errno: Errno::EBUSY, reason: "shared".into() } },
        B::Post { fd: Fd(1), bytes: b"ahead".to_vec() },
        B::Took { fd: Fd(3), bytes: 48_000, calls: 12 },
        B::Returned,
        B::Frozen { last: CallSeq(9) },
        B::Departed { totals: TOTALS },
        B::DepartFailed { errno: Errno::ECONNRESET },
        B::Whole { totals: TOTALS },
        B::ArrivalFailed { errno: Errno::EBADMSG },
        B::Thawed,
        B::PageIn { id: 1, map: MapId(2), page: 1 << 40, count: 16 },
        B::ReleaseMap { map: MapId(2) },
        B::Answer { id: 4, bytes: b"7f00".to_vec() },
        B::ByeAck { usage: Usage::cpu(5) },
        B::PageOut { id: 2, map: MapId(2), page: 7, bytes: vec![3; 4096] },
    ]
}

fn deputy_messages() -> Vec<DeputyMessage> {
    use DeputyMessage as D;
    let memory = |request| D::Memory { id: 300, request };
    let deliver = Action::Deliver {
        info: SigInfo {
            signal: Signal::SIGCHLD,
            code: 1,
            detail: SigDetail::Child { pid: 8, uid: 0, status: 7 },
        },
        action: SigAction { handler: ADDR.0, flags: 0x1000_0004, restorer: ADDR.0, mask: 3 },
        mask: 1,
    };
    let image = ExecImage {
        regions: vec![region(), region()],
        brk: ADDR,
        entry: ADDR,
        stack: ADDR,
        name: "sh".into(),
        leader: Tid(4711),
    };
    let outs = vec![OutBytes { addr: ADDR, bytes: vec![1, 2, 3] }];
    vec![
        D::Reply { reply: Reply { result: RawResult(Ok(3)), outs, actions: vec![deliver] } },
        D::Attention,
        memory(MemoryRequest::CopyIn { addr: ADDR, len: 65536 }),
        memory(MemoryRequest::CopyInStr { addr: ADDR, max: 4096 }),
        memory(MemoryRequest::CopyOut { addr: ADDR, bytes: vec![7; limits::WINDOW] }),
        memory(MemoryRequest::ProbeIn { addr: ADDR, len: 1 }),
        memory(MemoryRequest::ProbeOut { addr: ADDR, len: 1 }),
        memory(MemoryRequest::MakeChild { child: PROCESS, token: u64::MAX, vfork: true }),
        memory(MemoryRequest::KillOthers),
        memory(MemoryRequest::Exec { image }),
        D::Lend { fd: Fd(1), room: 65_536 },
        D::ReplyAhead {
            reply: Reply { result: RawResult(Ok(2)), outs: vec![], actions: vec![] },
            next: FileBytes { fd: Fd(3), bytes: b"next".to_vec(), end: true },
        },
        D::Recall,
        D::Survey,
        D::Freeze,
        D::Depart { node: NodeId(3), ticket: TICKET },
        D::Abort { stopped: false },
        D::Commit { epoch: Epoch(7), stopped: true },
        D::PageData { id: 1, result: Ok(file_pages()) },
        D::PageData { id: 2, result: Err(Errno::EIO) },
        D::Stop,
        D::Continue,
        D::Query { id: 1, query: Query::Maps },
        D::Query { id: 1, query: Query::Status },
        D::Query {
            id: 2,
            query: Query::Memory {
                request: MemoryRequest::CopyOut { addr: UserAddr(4096), bytes: vec![1, 2] },
            },
        },
        D::ClockStep { realtime_offset_ns: i64::MIN },
        D::Bye { reason: ByeReason::Ended },
        D::Bye { reason: ByeReason::Moved },
    ]
}

fn thread(state: ThreadState) -> Record {
    let thread = Thread {
        tid: Tid(4712),
        registers: (0..20).map(|n| u64::MAX - n).collect(),
        fpu: vec![0x5a; 832],
        alt_stack: SigAltStack { base: 1, flags: 2, padding: 0, size: 8192 },
        clear_tid: ADDR,
        robust_list: (ADDR, 24),
        cpu: CpuTime { user: 17, system: 4 },
        state,
    };
    Record::Thread { thread }
}

fn records() -> Vec<Record> {
    let header = Header {
        process: PROCESS,
        epoch: Epoch(2),
        memory: 1,
        name: "wander".into(),
        requirements: requirements(),
        usage: Usage::cpu(1),
        identity: ((0, u32::MAX), (5, 6)),
        cpu_timers: ((0, 0), (20_000_000, 5_000_000)),
        monotonic: Instant(5_000_000_000),
        realtime_offset_ns: 1_700_000_000_000_000_000,
        brk_start: ADDR,
        brk: ADDR,
        last_seq: CallSeq(300),
        regions: 1,
        threads: 3,
    };
    let args = Args::new(&[1, 2, 3]);
    let wait = LocalWait { number: 202, args, deadline: Instant::NEVER };
    vec![
        Record::Header { header },
        Record::Region { region: region() },
        thread(ThreadState::Running),
        thread(ThreadState::LocalWait { wait }),
        thread(ThreadState::AwaitReply { seq: CallSeq(8), call: Some((0, args)) }),
        Record::Pages { first: 77, count: 16, changed: Epoch(3) },
        Record::Same { first: 77, count: 512, changed: Epoch(3) },
        Record::End { totals: TOTALS },
    ]
}

fn hellos() -> Vec<Hello> {
    let epoch = Epoch(1);
    let new = Purpose::NewBody { process: PROCESS, epoch, requirements: requirements() };
    [
        new,
        Purpose::ForkChild { child: PROCESS, token: 9 },
        Purpose::InDoubt { process: PROCESS, epoch: Epoch(4) },
        Purpose::Image { token: 1 },
    ]
    .map(|purpose| decode(&hello(purpose)[1..]).expect("a hello is a hello"))
    .to_vec()
}

fn envelopes<M: Clone>(messages: Vec<M>) -> Vec<Envelope<M>> {
    let at = |message| Envelope { thread: Tid(4712), seq: CallSeq(1234), message };
    messages.into_iter().map(at).collect()
}

#[track_caller]
fn survives<T: Wire + PartialEq + Debug>(values: &[T]) {
    let mut reader = FrameReader::new(limits::FRAME);
    let stream: Vec<u8> = values.iter().flat_map(|value| frame(value).to_vec()).collect();
    let mut bytes = &stream[..];
    for value in values {
        let read = reader.next_frame::<T>(&mut bytes).expect("what was written is read");
        assert_eq!(read, Some(clone(value)));
    }
    assert_eq!(reader.next_frame::<T>(&mut bytes), Ok(None));
}

fn clone<T: Wire>(value: &T) -> T {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    decode(&bytes).expect("what was written is read")
}

#[test]
fn every_message_survives_the_wire() {
    survives(&envelopes(body_messages()));
    survives(&envelopes(deputy_messages()));
    survives(&records());
    survives(&hellos());
    let accept = Answer::Accept { version: 1, features: 0, ticket: TICKET };
    survives(&[accept, Answer::Refuse { errno: Errno::ENOMEM, reason: "full".into() }]);
}

#[test]
fn samples_hold_each_variant_once_or_more() {
    // The ordinal of an enum is its first byte: as many different ones as there are variants.
    fn ordinals<T: Wire>(values: &[T]) -> usize {
        let first = |value: &T| frame(value)[usize::from(frame(value)[0] >= 0x80) + 1];
        values.iter().map(first).collect::<std::collections::BTreeSet<_>>().len()
    }
    assert_eq!(ordinals(&records()), 6);
    let body: Vec<_> = body_messages().into_iter().filter(|m| frame(m).len() < 128).collect();
    assert!(ordinals(&body) >= 17);
    assert!(ordinals(&deputy_messages()[..2]) == 2);
}

#[test]
fn a_close_is_smaller_than_the_thesis_had_it() {
    let call = Call { number: 3, args: Args::new(&[3]), ins: vec![], outs: vec![] };
    let at = |message| Envelope { thread: Tid(4711), seq: CallSeq(100_000), message };
    let request = at(BodyMessage::Call { call }).to_frame();
    let reply = Reply { result: RawResult(Ok(0)), outs: vec![], actions: vec![] };
    let reply = Envelope {
        thread: Tid(4711),
        seq: CallSeq(100_000),
        message: DeputyMessage::Reply { reply },
    }
    .to_frame();
    println!("close: request {} + 40 bytes, reply {} + 40", request.len(), reply.len());
    assert!(request.len() <= 12, "request of {} bytes", request.len());
    assert!(reply.len() <= 10, "reply of {} bytes", reply.len());
}

#[test]
fn an_oversized_field_is_refused_before_it_is_read() {
    let mut reader = FrameReader::new(limits::FRAME);
    let mut bytes = &[0xff, 0xff, 0xff, 0xff, 0x0f][..];
    assert_eq!(reader.next_frame::<Hello>(&mut bytes), Err(DecodeError::TooLong));
    // A list of 2^20 elements in a message of few bytes.
    let bytes = [3, 0, 0, 0x80, 0x80, 0x40];
    assert_eq!(decode::<Call>(&bytes), Err(DecodeError::TooLong));
}

#[test]
fn what_a_node_lacks_is_named() {
    let needs = requirements();
    assert_eq!(needs.lacking(&needs), None);
    let mut offer = requirements();
    offer.features[1] = 3;
    assert_eq!(needs.lacking(&offer), Some(Lack::Feature { word: 1, bit: 2 }));
    offer.features.truncate(1);
    assert_eq!(needs.lacking(&offer), Some(Lack::Feature { word: 1, bit: 0 }));
    let offer = Requirements { frames: 299, ..requirements() };
    assert_eq!(needs.lacking(&offer), Some(Lack::Frames { needed: 300, free: 299 }));
}

/// Whatever decodes must encode to something that decodes to the same.
fn harmless<T: Wire + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes) {
        assert_eq!(value, clone(&value));
    }
}

fn harmless_everywhere(bytes: &[u8]) {
    harmless::<Envelope<BodyMessage>>(bytes);
    harmless::<Envelope<DeputyMessage>>(bytes);
    harmless::<Record>(bytes);
    harmless::<Hello>(bytes);
    harmless::<Answer>(bytes);
    let _ = Acceptor::default().receive(bytes);
}

fn samples() -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = envelopes(body_messages()).iter().map(Envelope::to_frame).collect();
    frames.extend(envelopes(deputy_messages()).iter().map(Envelope::to_frame));
    frames.extend(records().iter().map(frame));
    frames.extend(hellos().iter().map(frame));
    frames.retain(|frame| frame.len() < 2000);
    frames.iter().map(|frame| frame.to_vec()).collect()
}

proptest! {
    #[test]
    fn random_bytes_hurt_nobody(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        harmless_everywhere(&bytes);
    }

    #[test]
    fn damaged_messages_hurt_nobody(
        which in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<proptest::sample::Index>(),
    ) {
        let samples = samples();
        let mut bytes = which.get(&samples).clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        harmless_everywhere(&bytes);
        harmless_everywhere(&bytes[1..]);
    }

    #[test]
    fn numbers_survive(value in any::<i64>(), unsigned in any::<u64>()) {
        prop_assert_eq!(clone(&value), value);
        prop_assert_eq!(clone(&unsigned), unsigned);
    }
}
