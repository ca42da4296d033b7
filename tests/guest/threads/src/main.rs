//! Threads: shared memory, locks, thread-local storage, and how they end.

use std::cell::Cell;
use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use guest_common::child::{self, End};
use rustix::io::Errno;
use rustix::thread::{Timespec, futex};

fn main() -> ExitCode {
    guest_common::run(&[
        ("results_of_joined_threads", results),
        ("mutex_counts_right", mutex),
        ("condition_variable_ping_pong", ping_pong),
        ("channel_between_threads", channel),
        ("barrier", barrier),
        ("readers_and_writers", readers_and_writers),
        ("initialised_once", once),
        ("thread_local_storage", local_storage),
        ("many_threads", many),
        ("busy_threads_share_the_processor", busy),
        ("park_and_unpark", park),
        ("futex_values_and_timeouts", futex_errors),
        ("futex_wakes_as_many_as_asked", futex_wake),
        ("exit_group_from_a_thread", exit_group),
        ("main_thread_exits_first", main_exits_first),
        ("kill_takes_all_threads", kill_all),
        ("fork_from_a_thread", fork_from_thread),
        ("exec_from_a_thread", exec_from_thread),
        ("shared_descriptors", shared_descriptors),
        ("thread_ids", thread_ids),
    ])
}

fn results() {
    let squares: Vec<_> = (0..8_u64).map(|number| thread::spawn(move || number * number)).collect();
    let sum: u64 = squares.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(sum, 140);
}

fn mutex() {
    let count = Mutex::new(0_u32);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5000).for_each(|_| *count.lock().unwrap() += 1));
        }
    });
    assert_eq!(count.into_inner().unwrap(), 20_000);
}

fn ping_pong() {
    let turn = (Mutex::new(0_u32), Condvar::new());
    let play = |parity: u32| {
        for _ in 0..200 {
            let mut guard = turn.1.wait_while(turn.0.lock().unwrap(), |turn| *turn % 2 != parity);
            **guard.as_mut().unwrap() += 1;
            turn.1.notify_one();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(0));
        scope.spawn(|| play(1));
    });
    assert_eq!(*turn.0.lock().unwrap(), 400);
}

fn channel() {
    let (sender, receiver) = mpsc::sync_channel(2);
    let producer = thread::spawn(move || (0..300_u32).for_each(|item| sender.send(item).unwrap()));
    assert!(receiver.iter().eq(0..300));
    producer.join().unwrap();
}

fn barrier() {
    let (barrier, arrived) = (Barrier::new(4), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 1..=10 {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    barrier.wait();
                    assert!(arrived.load(Ordering::SeqCst) >= round * 4);
                    barrier.wait();
                }
            });
        }
    });
}

fn readers_and_writers() {
    let pair = RwLock::new((0_u32, 0_u32));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let mut pair = pair.write().unwrap();
                    pair.0 += 1;
                    pair.1 += 1;
                }
            });
            scope.spawn(|| {
                for _ in 0..500 {
                    let pair = pair.read().unwrap();
                    assert_eq!(pair.0, pair.1);
                }
            });
        }
    });
    assert_eq!(*pair.read().unwrap(), (1000, 1000));
}

fn once() {
    static ONCE: Once = Once::new();
    static RUNS: AtomicU32 = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ONCE.call_once(|| _ = RUNS.fetch_add(1, Ordering::SeqCst)));
        }
    });
    assert_eq!(RUNS.load(Ordering::SeqCst), 1);
}

fn local_storage() {
    thread_local!(static NUMBER: Cell<u32> = const { Cell::new(7) });
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    thread_local!(static LAST: Last = const { Last });
    NUMBER.set(1);
    let threads: Vec<_> = (10..14)
        .map(|number| {
            thread::spawn(move || {
                assert_eq!(NUMBER.replace(number), 7, "a new thread has a new one");
                LAST.with(|_| thread::yield_now());
                NUMBER.get() == number
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    assert_eq!(NUMBER.get(), 1);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 4, "destructors ran at the threads' ends");
}

fn many() {
    for _ in 0..3 {
        let threads: Vec<_> = (0..32_u32)
            .map(|number| {
                thread::Builder::new().stack_size(64 * 1024).spawn(move || number).unwrap()
            })
            .collect();
        let sum: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(sum, 31 * 32 / 2);
    }
}

/// Threads that never make a call are still taken turns with.
fn busy() {
    let stop = AtomicBool::new(false);
    let turns = [const { AtomicU64::new(0) }; 3];
    thread::scope(|scope| {
        for counter in &turns {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let began = Instant::now();
        let all_ran = || turns.iter().all(|counter| counter.load(Ordering::Relaxed) > 0);
        while !all_ran() && began.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(all_ran());
    });
}

fn park() {
    let parked = thread::spawn(|| {
        let began = Instant::now();
        thread::park_timeout(Duration::from_secs(1000));
        began.elapsed() < Duration::from_secs(500)
    });
    thread::sleep(Duration::from_millis(10));
    parked.thread().unpark();
    assert!(parked.join().unwrap());
}

fn futex_errors() {
    let word = AtomicU32::new(5);
    let private = futex::Flags::PRIVATE;
    assert_eq!(futex::wait(&word, private, 4, None), Err(Errno::AGAIN));
    let limit = Duration::from_millis(15);
    let began = Instant::now();
    let timeout = Timespec { tv_sec: 0, tv_nsec: 15_000_000 };
    assert_eq!(futex::wait(&word, private, 5, Some(&timeout)), Err(Errno::TIMEDOUT));
    assert!(began.elapsed() >= limit);
    assert_eq!(futex::wake(&word, private, 10), Ok(0), "nobody waits");
}

fn futex_wake() {
    let (word, woken) = (AtomicU32::new(0), AtomicU32::new(0));
    let private = futex::Flags::PRIVATE;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                futex::wait(&word, private, 0, None).unwrap();
                woken.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut told = 0;
        while told < 3 {
            let now = futex::wake(&word, private, 1).unwrap();
            assert!(now <= 1);
            told += now;
            thread::sleep(Duration::from_millis(1));
            assert!(woken.load(Ordering::SeqCst) as usize <= told);
        }
    });
    assert_eq!(woken.load(Ordering::SeqCst), 3);
}

fn exit_group() {
    let end = child::fork_and_wait(|| {
        thread::spawn(|| std::process::exit(41));
        loop {
            thread::park();
        }
    });
    assert_eq!(end, End::Exited(41));
}

/// The process lives until its last thread has ended.
fn main_exits_first() {
    let end = child::fork_and_wait(|| {
        thread::spawn(|| {
            thread::sleep(Duration::from_millis(30));
            child::exit_now(5)
        });
        // SAFETY: ends this thread only; it holds nothing that the other uses.
        unsafe { libc::syscall(libc::SYS_exit, 3) };
        unreachable!("exit returned")
    });
    assert_eq!(end, End::Exited(5));
}

fn kill_all() {
    let child = child::fork(|| {
        for _ in 0..3 {
            thread::spawn(|| while black_box(true) {});
        }
        loop {
            thread::park();
        }
    });
    thread::sleep(Duration::from_millis(20));
    guest_common::signal::kill(child.as_raw_pid(), libc::SIGKILL);
    assert_eq!(child::wait(child), End::Killed(libc::SIGKILL));
}

/// Only the thread that forks goes on in the child.
fn fork_from_thread() {
    let ticks = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let (ticks_too, stop_too) = (Arc::clone(&ticks), Arc::clone(&stop));
    let ticking = thread::spawn(move || {
        while !stop_too.load(Ordering::SeqCst) {
            ticks_too.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(1));
        }
    });
    let forking = thread::spawn(move || {
        child::fork_and_wait(|| {
            let before = ticks.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20));
            i32::from(ticks.load(Ordering::SeqCst) == before)
        })
    });
    assert_eq!(forking.join().unwrap(), End::Exited(1));
    stop.store(true, Ordering::SeqCst);
    ticking.join().unwrap();
}

/// A thread that executes ends all others; the process keeps its pid.
fn exec_from_thread() {
    use std::os::unix::process::CommandExt as _;
    let child = child::fork(|| {
        thread::spawn(|| {
            let itself = std::env::current_exe().unwrap();
            let null = fs::File::create("/dev/null").unwrap();
            std::process::Command::new(itself).arg("results_of_joined_threads").stdout(null).exec()
        });
        while black_box(true) {}
        1
    });
    assert_eq!(child::wait(child), End::Exited(0));
}

fn shared_descriptors() {
    let path = "shared.tmp";
    let file = thread::spawn(move || fs::File::create_new(path).unwrap()).join().unwrap();
    rustix::io::write(&file, b"from main").unwrap();
    thread::spawn(move || drop(file)).join().unwrap();
    assert_eq!(fs::read(path).unwrap(), b"from main");
    fs::remove_file(path).unwrap();
}

fn thread_ids() {
    let own = rustix::thread::gettid();
    assert_eq!(own, rustix::process::getpid(), "the first thread's id is the pid");
    let ids: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(|| (rustix::thread::gettid(), rustix::process::getpid())).join().unwrap()
        })
        .collect();
    assert!(ids.iter().all(|(tid, pid)| *pid == own && *tid != own));
}
