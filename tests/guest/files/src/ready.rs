//! poll and select.

use guest_common::{child, say};
use libc::{O_CREAT, O_RDWR, POLLERR, POLLHUP, POLLIN, POLLOUT};

use crate::call::text;
use crate::{quiet, show};

/// `struct pollfd` as a word.
fn entry(fd: i32, events: i16) -> u64 {
    u64::from(fd.cast_unsigned()) | u64::from(events.cast_unsigned()) << 32
}

/// Names of what poll returned.
fn returned(entry: u64) -> String {
    let events = (entry >> 48) as i16;
    let names =
        [(POLLIN, "IN"), (POLLOUT, "OUT"), (POLLERR, "ERR"), (POLLHUP, "HUP"), (32, "NVAL")];
    let set = names.iter().filter(|(bit, _)| events & bit != 0).map(|(_, name)| *name);
    set.collect::<Vec<_>>().join("|")
}

fn poll(what: &str, entries: &[u64], timeout: i32) {
    let mut entries = entries.to_vec();
    let count = entries.len();
    let code = quiet!(SYS_poll, &mut entries[..], count, timeout);
    let events: Vec<_> = entries.iter().map(|entry| returned(*entry)).collect();
    say(&format!("poll {what}: {code} {events:?}"));
}

pub(crate) fn polling() {
    let mut fds = [0i32; 2];
    quiet!(SYS_pipe, &mut fds[..]);
    let both = [entry(fds[0], POLLIN), entry(fds[1], POLLOUT)];
    poll("empty pipe", &both, 0);
    poll("nothing", &both[..1], 0);
    poll("a while", &both[..1], 10);
    quiet!(SYS_write, fds[1], &b"x"[..], 1);
    poll("filled pipe", &both, -1);
    poll("skipped", &[entry(-1, POLLIN), entry(fds[0], POLLIN)], -1);
    poll("not open", &[entry(99, POLLIN), entry(fds[0], 0)], -1);
    let file = quiet!(SYS_open, text("polled"), O_CREAT | O_RDWR, 0o644).value();
    poll("file", &[entry(file as i32, POLLIN | POLLOUT)], 0);
    let mut buffer = [0u8; 10];
    quiet!(SYS_read, fds[0], &mut buffer[..], 10);
    let writer = child::fork_later(std::time::Duration::from_millis(30), || {
        quiet!(SYS_write, fds[1], &b"yz"[..], 2);
    });
    poll("until written", &both[..1], -1);
    say(&format!("{:?}", child::wait(writer)));
    quiet!(SYS_close, fds[1]);
    poll("closed writer, data left", &both[..1], 0);
    quiet!(SYS_read, fds[0], &mut buffer[..], 10);
    poll("closed writer", &both[..1], 0);
    quiet!(SYS_close, fds[0]);
    quiet!(SYS_pipe, &mut fds[..]);
    quiet!(SYS_close, fds[0]);
    poll("closed reader", &[entry(fds[1], POLLOUT)], 0);
    quiet!(SYS_close, fds[1]);
    show!(SYS_poll, 16usize, 1, 0);
    show!(SYS_poll, 0usize, 0, 5);
    show!(SYS_poll, 0usize, 1_000_000, 5);
    let negative = [-1i64, 0];
    show!(SYS_ppoll, 0usize, 0, &negative[..], 0usize, 8);
    let soon = [0i64, 5_000_000];
    show!(SYS_ppoll, 0usize, 0, &soon[..], 0usize, 8);
    show!(SYS_ppoll, 0usize, 0, &soon[..], &[0u64][..], 4);
    quiet!(SYS_close, file);
    quiet!(SYS_unlink, text("polled"));
}

fn select(what: &str, count: i32, sets: [Option<u64>; 3], timeout: Option<[i64; 2]>) {
    let mut sets = sets.map(|set| set.map(|set| [set]));
    let words: Vec<usize> = sets
        .iter_mut()
        .map(|set| set.as_mut().map_or(0, |set| set.as_mut_ptr() as usize))
        .collect();
    let mut timeout = timeout;
    let pointer = timeout.as_mut().map_or(0, |timeout| timeout.as_mut_ptr() as usize);
    let code = quiet!(SYS_select, count, words[0], words[1], words[2], pointer);
    let members: Vec<_> = sets.iter().flatten().map(|set| set[0].count_ones()).collect();
    say(&format!("select {what}: {code} {members:?}"));
}

pub(crate) fn selecting() {
    let mut fds = [0i32; 2];
    quiet!(SYS_pipe, &mut fds[..]);
    // The pipe under numbers that fit one word.
    quiet!(SYS_dup2, fds[0], 40);
    quiet!(SYS_dup2, fds[1], 41);
    let (reader, writer) = (Some(1u64 << 40), Some(1u64 << 41));
    let now = Some([0, 0]);
    select("empty pipe", 42, [reader, writer, None], now);
    select("reader only", 42, [reader, None, reader], now);
    select("a while", 42, [reader, None, None], Some([0, 10_000]));
    quiet!(SYS_write, fds[1], &b"x"[..], 1);
    select("filled pipe", 42, [reader, writer, reader], None);
    select("too few", 40, [reader, writer, None], now);
    select("not open", 64, [Some(1 << 63), None, None], now);
    select("negative", -1, [reader, None, None], now);
    select("negative time", 42, [reader, None, None], Some([-1, 0]));
    select("odd time", 42, [reader, None, None], Some([0, 2_000_000]));
    let soon = [0i64, 5_000_000];
    show!(SYS_pselect6, 0, 0usize, 0usize, 0usize, &soon[..], 0usize);
    show!(SYS_select, 42, 16usize, 0usize, 0usize, 0usize);
    let mut left = [1000i64, 0];
    let mut set = [1u64 << 41];
    quiet!(SYS_select, 42, 0usize, &mut set[..], 0usize, &mut left[..]);
    say(&format!("time is left: {}", (1..=1000).contains(&left[0])));
    for fd in [fds[0], fds[1], 40, 41] {
        quiet!(SYS_close, fd);
    }
}
