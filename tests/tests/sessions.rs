//! The rules of a transaction, one test each (architecture section 4).

use std::time::Duration;

use wayfarer_body as body;
use wayfarer_deputy as deputy;
use wayfarer_deputy::{BodyLost, MemoryStart};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, ChannelId, MapId, NodeId, Tid, UserAddr};
use wayfarer_proto::limits;
use wayfarer_proto::linux::signal::{SigAction, SigInfo, Signal};
use wayfarer_proto::message::{
    Action, Args, ByeReason, Call, InWindow, MemoryReply, MemoryRequest, OutBytes, OutWindow,
    Query, RawResult, Refusal, Reply, Requirements, StringEnd,
};
use wayfarer_proto::message::{FilePages, FileVersion, Usage};
use wayfarer_proto::session::Mark;
use wayfarer_proto::time::Instant;
use wayfarer_tests::pair::{CHANNEL, LEADER, Pair};

const BUFFER: UserAddr = UserAddr(0x1000);

fn call(number: u16, args: &[u64]) -> body::Request {
    body::Request::Call(Call { number, args: Args::new(args), ins: vec![], outs: vec![] })
}

/// A read of `len` bytes into [`BUFFER`], of which the first `there` can be written.
fn read(len: u64, there: u32) -> body::Request {
    let fault = u64::from(there) < len;
    body::Request::Call(Call {
        number: 0,
        args: Args::new(&[3, BUFFER.0, len]),
        ins: vec![],
        outs: vec![OutWindow { addr: BUFFER, len: there, fault }],
    })
}

fn write(bytes: &[u8], fault: bool) -> body::Request {
    body::Request::Call(Call {
        number: 1,
        args: Args::new(&[3, BUFFER.0, bytes.len() as u64]),
        ins: vec![InWindow { addr: BUFFER, bytes: bytes.to_vec(), fault }],
        outs: vec![],
    })
}

/// The request that the deputy's kernel is to execute next.
fn executed(pair: &mut Pair) -> (Tid, CallSeq, deputy::Request) {
    match pair.deputy_events.pop_front() {
        Some(deputy::Event::Execute { thread, seq, request }) => (thread, seq, request),
        other => panic!("{other:?} instead of a request"),
    }
}

fn replied(pair: &mut Pair) -> Reply {
    match pair.body_events.pop_front() {
        Some(body::Event::Reply { reply, .. }) => reply,
        other => panic!("{other:?} instead of a reply"),
    }
}

fn copy_out(offset: u64, bytes: &[u8]) -> MemoryRequest {
    MemoryRequest::CopyOut { addr: BUFFER.offset(offset), bytes: bytes.to_vec() }
}

#[test]
fn a_close_is_one_request_and_one_reply() {
    let mut pair = Pair::default();
    pair.request(LEADER, call(3, &[3]));
    let (thread, _, request) = executed(&mut pair);
    assert_eq!(thread, LEADER);
    assert_eq!(request, deputy::Request::Call { number: 3, args: Args::new(&[3]) });
    pair.finish(LEADER, Ok(0));
    assert_eq!(replied(&mut pair).result, RawResult(Ok(0)));
    println!(
        "close: {:?} bytes there, {:?} back, 40 of headers each",
        pair.to_deputy, pair.to_body
    );
    assert!(pair.to_deputy.len() == 1 && pair.to_deputy[0] <= 64 - 40);
    assert!(pair.to_body.len() == 1 && pair.to_body[0] <= 68 - 40);
}

#[test]
fn a_small_read_and_a_small_write_are_one_round_trip() {
    let mut pair = Pair::default();
    pair.request(LEADER, read(100, 100));
    let (_, seq, _) = executed(&mut pair);
    let done = pair.deputy.memory(LEADER, seq, copy_out(0, b"hel"));
    assert_eq!(done, MemoryStart::Ready(MemoryReply::Count { bytes: 3 }));
    pair.deputy.memory(LEADER, seq, copy_out(3, b"lo"));
    pair.finish(LEADER, Ok(5));
    let outs = vec![OutBytes { addr: BUFFER, bytes: b"hello".to_vec() }];
    assert_eq!(replied(&mut pair).outs, outs);
    pair.request(LEADER, write(b"hello", false));
    let (_, seq, _) = executed(&mut pair);
    let request = MemoryRequest::CopyIn { addr: BUFFER.offset(1), len: 4 };
    let bytes = b"ello".to_vec();
    let done = pair.deputy.memory(LEADER, seq, request);
    assert_eq!(done, MemoryStart::Ready(MemoryReply::Bytes { bytes }));
    pair.finish(LEADER, Ok(5));
    assert_eq!((pair.to_deputy.len(), pair.to_body.len()), (2, 2));
}

#[test]
fn a_fault_is_found_at_its_offset_without_asking() {
    let mut pair = Pair::default();
    pair.request(LEADER, read(100, 10));
    let (_, seq, _) = executed(&mut pair);
    let probe = MemoryRequest::ProbeOut { addr: BUFFER, len: 100 };
    let ten = MemoryStart::Ready(MemoryReply::Count { bytes: 10 });
    assert_eq!(pair.deputy.memory(LEADER, seq, probe), ten);
    assert_eq!(pair.deputy.memory(LEADER, seq, copy_out(0, &[1; 20])), ten);
    pair.finish(LEADER, Ok(10));
    pair.request(LEADER, write(b"unterminated", true));
    executed(&mut pair);
    let (_, seq) = (0, pair.body.open_call(LEADER).unwrap());
    let text = MemoryRequest::CopyInStr { addr: BUFFER.offset(2), max: 4096 };
    let bytes = b"terminated".to_vec();
    let reply = MemoryReply::Text { bytes, end: StringEnd::Fault };
    assert_eq!(pair.deputy.memory(LEADER, seq, text), MemoryStart::Ready(reply));
}

#[test]
fn what_came_early_of_a_large_write_is_not_asked_again() {
    let mut pair = Pair::default();
    pair.request(LEADER, write(b"hello", false));
    let (_, seq, _) = executed(&mut pair);
    assert_eq!(pair.deputy.early(LEADER, seq, BUFFER, 100), b"hello");
    assert_eq!(pair.deputy.early(LEADER, seq, BUFFER.offset(1), 3), b"ell");
    assert_eq!(pair.deputy.early(LEADER, seq, BUFFER.offset(5), 3), b"");
    assert_eq!(pair.deputy.early(LEADER, CallSeq(seq.0 + 1), BUFFER, 100), b"");
    pair.deputy.memory(LEADER, seq, copy_out(1, b"a"));
    let now = pair.deputy.early(LEADER, seq, BUFFER, 100);
    assert_eq!(now, b"hallo", "with what was written since");
}

#[test]
fn what_the_table_could_not_foresee_is_asked_in_order() {
    let mut pair = Pair::default();
    pair.request(LEADER, read(8, 8));
    let (_, seq, _) = executed(&mut pair);
    pair.deputy.memory(LEADER, seq, copy_out(0, b"kept"));
    let far = UserAddr(0x9000);
    let ask = |addr| MemoryRequest::CopyIn { addr, len: 4 };
    let MemoryStart::Asked(first) = pair.deputy.memory(LEADER, seq, ask(far)) else { panic!() };
    let MemoryStart::Asked(second) = pair.deputy.memory(LEADER, seq, ask(BUFFER)) else { panic!() };
    pair.run();
    // The kept write goes ahead; one request is with the kernel at a time.
    for expected in [copy_out(0, b"kept"), ask(far), ask(BUFFER)] {
        let Some(body::Event::Memory { op, request, .. }) = pair.body_events.pop_front() else {
            panic!("a memory request was expected");
        };
        assert_eq!(request, expected);
        assert!(pair.body_events.is_empty());
        let reply = match request {
            MemoryRequest::CopyOut { .. } => MemoryReply::Count { bytes: 4 },
            _ => MemoryReply::Bytes { bytes: vec![1; 4] },
        };
        pair.tell_body(body::Input::MemoryDone { op, reply });
    }
    let done: Vec<_> = pair.deputy_events.drain(..).collect();
    let reply = Ok(MemoryReply::Bytes { bytes: vec![1; 4] });
    let expected =
        [first, second].map(|op| deputy::Event::MemoryDone { op, result: reply.clone() }).to_vec();
    assert_eq!(done, expected);
}

#[test]
fn an_answer_that_does_not_fit_its_request_ends_the_process() {
    let mut pair = Pair::default();
    pair.request(LEADER, read(8, 8));
    let (_, seq, _) = executed(&mut pair);
    let request = MemoryRequest::CopyIn { addr: UserAddr(0x9000), len: 4 };
    let MemoryStart::Asked(asked) = pair.deputy.memory(LEADER, seq, request) else { panic!() };
    pair.run();
    let Some(body::Event::Memory { op, .. }) = pair.body_events.pop_front() else { panic!() };
    let reply = MemoryReply::Bytes { bytes: vec![1; 5] };
    pair.tell_body(body::Input::MemoryDone { op, reply });
    let events: Vec<_> = pair.deputy_events.drain(..).collect();
    let reason = deputy::LostReason::Violation;
    assert!(events.contains(&deputy::Event::Lost { reason }), "{events:?}");
    let lost = deputy::Event::MemoryDone { op: asked, result: Err(BodyLost) };
    assert!(events.contains(&lost), "{events:?}");
    assert!(events.contains(&deputy::Event::Close { channel: CHANNEL }));
}

fn deliver() -> Action {
    let action = SigAction { handler: 0x40_0000, flags: 0, restorer: 0x40_1000, mask: 0 };
    Action::Deliver { info: SigInfo::kernel(Signal::SIGUSR1), action, mask: 0 }
}

#[test]
fn attention_is_answered_by_a_null_request() {
    let mut pair = Pair::default();
    pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
    pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
    assert_eq!(pair.to_body.len(), 1, "one attention is enough");
    let attention = body::Event::Attention { thread: LEADER };
    assert_eq!(pair.body_events.pop_front(), Some(attention));
    assert!(pair.body.attention_pending(LEADER));
    pair.request(LEADER, body::Request::Null);
    assert!(!pair.body.attention_pending(LEADER));
    let (thread, seq, request) = executed(&mut pair);
    assert_eq!(request, deputy::Request::Null);
    let actions = vec![deliver()];
    pair.tell_deputy(deputy::Input::Finish { thread, seq, result: Ok(0), actions });
    assert_eq!(replied(&mut pair).actions, [deliver()]);
}

#[test]
fn a_call_that_crosses_an_attention_answers_it() {
    let mut pair = Pair::default();
    pair.stalled = true;
    pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
    pair.request(LEADER, call(3, &[3]));
    pair.stalled = false;
    pair.run();
    assert!(pair.body_events.is_empty(), "the body ignores the attention");
    assert!(pair.body.marks().contains(Mark::AttentionCrossedCall));
    executed(&mut pair);
    // The deputy takes the event along; no second attention is due.
    pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
    assert_eq!(pair.to_body.len(), 1);
    pair.finish(LEADER, Ok(0));
    replied(&mut pair);
    pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
    assert_eq!(pair.to_body.len(), 3, "a new event, a new attention");
}

#[test]
fn page_ins_pass_between_the_messages_of_a_call() {
    let mut pair = Pair::default();
    pair.request(LEADER, read(8, 8));
    executed(&mut pair);
    let op = pair.body.page_in(MapId(2), 5, 100).expect("the body runs");
    pair.run();
    let Some(deputy::Event::PageWanted { op: wanted, map, page, count }) =
        pair.deputy_events.pop_front()
    else {
        panic!("a page-in was expected");
    };
    assert_eq!((map, page, count), (MapId(2), 5, limits::RUN_PAGES));
    let versions = vec![FileVersion { map: MapId(2), content: 7 }];
    let result = Ok(FilePages { bytes: vec![9; limits::PAGE], versions });
    pair.tell_deputy(deputy::Input::PageData { op: wanted, result: result.clone() });
    assert_eq!(pair.body_events.pop_front(), Some(body::Event::PageData { op, result }));
}

#[test]
fn queries_stop_and_clock_travel_on_the_control_stream() {
    let mut pair = Pair::default();
    pair.tell_deputy(deputy::Input::Stop);
    pair.tell_deputy(deputy::Input::Stop);
    pair.tell_deputy(deputy::Input::Continue);
    pair.tell_deputy(deputy::Input::ClockStep { realtime_offset_ns: -5 });
    pair.tell_deputy(deputy::Input::Query { id: 9, query: Query::Maps });
    let expected = [
        body::Event::Stop,
        body::Event::Continue,
        body::Event::ClockStep { realtime_offset_ns: -5 },
        body::Event::Query { id: 9, query: Query::Maps },
    ];
    assert_eq!(pair.body_events.drain(..).collect::<Vec<_>>(), expected);
    pair.tell_body(body::Input::Answer { id: 9, bytes: b"maps".to_vec() });
    let answer = deputy::Event::Answer { id: 9, result: Ok(b"maps".to_vec()) };
    assert_eq!(pair.deputy_events.pop_front(), Some(answer));
}

#[test]
fn a_reply_for_a_dead_thread_is_discarded() {
    let mut pair = Pair::default();
    let other = Tid(8);
    pair.request(other, call(3, &[3]));
    let (thread, seq, _) = executed(&mut pair);
    pair.tell_body(body::Input::ThreadGone { thread: other });
    pair.tell_deputy(deputy::Input::Finish { thread, seq, result: Ok(0), actions: vec![] });
    assert!(pair.body_events.is_empty());
    assert!(pair.body.marks().contains(Mark::DeadReply));
    // And at home: the process has ended before its handler.
    pair.request(LEADER, call(3, &[3]));
    let (thread, seq, _) = executed(&mut pair);
    pair.tell_deputy(deputy::Input::ThreadGone { thread });
    pair.tell_deputy(deputy::Input::Finish { thread, seq, result: Ok(0), actions: vec![] });
    assert!(pair.deputy.marks().contains(Mark::DeadReply));
}

#[test]
fn a_channel_ends_with_bye_and_its_answer() {
    let mut pair = Pair::default();
    pair.request(LEADER, body::Request::Exit { status: 3, group: true, usage: Usage::cpu(5) });
    let (_, _, request) = executed(&mut pair);
    assert_eq!(request, deputy::Request::Exit { status: 3, group: true, usage: Usage::cpu(5) });
    pair.tell_deputy(deputy::Input::End);
    let reason = body::DestroyReason::Bye(ByeReason::Ended);
    assert_eq!(pair.body_events.pop_front(), Some(body::Event::Destroy { reason }));
    assert!(!pair.body.may_run());
    pair.tell_body(body::Input::Destroyed { usage: Usage::cpu(6) });
    assert_eq!(pair.body_events.pop_front(), Some(body::Event::Closed));
    let expected = [
        deputy::Event::Close { channel: CHANNEL },
        deputy::Event::Closed { usage: Some(Usage::cpu(6)) },
    ];
    assert_eq!(pair.deputy_events.drain(..).collect::<Vec<_>>(), expected);
}

#[test]
fn a_bye_without_an_answer_is_given_up() {
    let mut pair = Pair::default();
    pair.stalled = true;
    pair.tell_deputy(deputy::Input::End);
    pair.now = pair.now + limits::BYE + Duration::from_millis(1);
    pair.tell_deputy(deputy::Input::Timeout);
    let closed = deputy::Event::Closed { usage: None };
    assert_eq!(pair.deputy_events.pop_back(), Some(closed));
}

#[test]
fn a_broken_channel_ends_both_halves() {
    let mut pair = Pair::default();
    pair.request(LEADER, read(8, 8));
    let (thread, seq, _) = executed(&mut pair);
    pair.tell_body(body::Input::Broken);
    let lost = body::Event::Destroy { reason: body::DestroyReason::Lost };
    assert_eq!(pair.body_events.pop_front(), Some(lost));
    assert_eq!(pair.body.request(LEADER, call(3, &[3])), None, "no further remote call");
    pair.tell_deputy(deputy::Input::Broken { channel: CHANNEL });
    let reason = deputy::LostReason::Broken;
    assert_eq!(pair.deputy_events.pop_front(), Some(deputy::Event::Lost { reason }));
    assert_eq!(pair.deputy.memory(thread, seq, copy_out(0, b"x")), MemoryStart::Lost);
    pair.tell_deputy(deputy::Input::Finish {
        thread,
        seq,
        result: Err(Errno::EINTR),
        actions: vec![],
    });
    assert!(pair.to_body.is_empty());
}

/// However many processes sleep away, their sessions are nobody's work.
#[test]
fn sessions_of_a_process_that_sleeps_ask_for_no_timer() {
    let mut pair = Pair::default();
    pair.request(LEADER, call(3, &[3]));
    executed(&mut pair);
    pair.finish(LEADER, Ok(0));
    replied(&mut pair);
    let (body, deputy) = (pair.body.poll_output(), pair.deputy.poll_output());
    assert!(matches!(body, body::Output::Timeout(Instant::NEVER)), "{body:?}");
    assert!(matches!(deputy, deputy::Output::Timeout(Instant::NEVER)), "{deputy:?}");
}

#[test]
fn a_connection_to_a_target_that_is_given_up_meanwhile_is_closed() {
    let mut pair = Pair::default();
    let channel = ChannelId(7);
    pair.tell_deputy(deputy::Input::Move {
        target: deputy::Target::Away { node: NodeId(3), channel },
    });
    let little =
        Requirements { frames: 1, shared_frames: 0, features: vec![], xcr0: 0, xsave_bytes: 0 };
    pair.tell_body(body::Input::Surveyed(Ok(little)));
    pair.tell_deputy(deputy::Input::CallOff(Refusal { errno: Errno::EAGAIN, reason: "".into() }));
    pair.deputy_events.clear();
    pair.tell_deputy(deputy::Input::Connected { channel });
    assert_eq!(pair.deputy_events, [deputy::Event::Close { channel }]);
}

#[test]
fn garbage_from_either_side_ends_the_channel_and_nothing_else() {
    let mut pair = Pair::default();
    let bytes = [0xff; 10];
    pair.tell_deputy(deputy::Input::Received { channel: CHANNEL, bytes: &bytes });
    assert!(pair.deputy.is_dead());
    pair.tell_body(body::Input::Received(&bytes));
    assert!(!pair.body.may_run());
}
