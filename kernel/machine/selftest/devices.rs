//! Devices: two network cards on one hub, a console whose other end sends, a source of entropy.

use alloc::vec::Vec;

use wayfarer_machine::devices::{Devices, PacketPort, QueueFull};
use wayfarer_machine::{Clock, Machine, SUCCESS, exit, interrupts_taken, println};

/// Waits, halted, until `ready` says so; 5 seconds at most.
fn wait(clock: &Clock, mut ready: impl FnMut() -> bool) {
    let limit = clock.now_ns() + 5_000_000_000;
    while !ready() {
        assert!(clock.now_ns() < limit, "the device never became ready");
        clock.idle_until(Some(limit));
    }
}

pub(crate) fn test(machine: Machine) -> ! {
    let Devices { packets, console: _, entropy, shares: _ } = machine.devices;
    let [mut one, mut two] = <[PacketPort; 2]>::try_from(packets).expect("two cards");
    println!("{one:?}\n{two:?}");
    let clock = &machine.clock;

    println!("test entropy arrives");
    let mut entropy = entropy.expect("a source of entropy");
    let mut words = [0_u8; 1000];
    let mut filled = 0;
    wait(clock, || {
        filled += entropy.fill(&mut words[filled..]);
        filled == words.len()
    });
    assert!(words.chunks(100).all(|chunk| chunk.iter().any(|byte| *byte != chunk[0])));

    println!("test addresses and sizes of the cards");
    let mut addresses = [one.mac(), two.mac()];
    addresses.sort_unstable();
    assert_eq!(addresses, [[0x52, 0x54, 0, 0, 0, 1], [0x52, 0x54, 0, 0, 0, 2]]);
    assert_eq!((one.mtu(), two.mtu()), (1500, 9000));

    println!("test frames arrive whole and in order");
    for size in [60, 61, 1000, 1514] {
        // The hub drops what a card has no buffer for, and the second has 58.
        for count in [1, 2, 50] {
            exchange(clock, &mut one, &mut two, size, count);
            exchange(clock, &mut two, &mut one, size, count);
        }
    }
    flood(clock, &mut one, &mut two);
    round_trips(clock, &mut one, &mut two);
    drop(one);
    println!("all tests passed");
    exit(SUCCESS)
}

fn frame_byte(number: usize, index: usize) -> u8 {
    (number * 31 + index * 7 + (index >> 8)) as u8
}

/// Sends frames from one card and receives them at the other.
fn exchange(clock: &Clock, from: &mut PacketPort, to: &mut PacketPort, size: usize, count: usize) {
    let (mut sent, mut received) = (0, 0);
    wait(clock, || {
        while sent < count {
            let fill = |frame: &mut [u8]| {
                (0..size).for_each(|index| frame[index] = frame_byte(sent, index));
                frame[..12].copy_from_slice(&[0xff, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9]);
            };
            if from.send(size, fill) == Err(QueueFull) {
                break;
            }
            sent += 1;
        }
        from.announce();
        while received < count && to.receive(|frame| check(frame, size, received)) {
            received += 1;
        }
        received == count
    });
}

fn check(frame: &[u8], size: usize, number: usize) {
    assert_eq!(frame.len(), size);
    (12..size).for_each(|index| assert_eq!(frame[index], frame_byte(number, index)));
}

/// Fills a card's queue: it must report that, and be ready again after an interrupt.
fn flood(clock: &Clock, from: &mut PacketPort, to: &mut PacketPort) {
    println!("test a full queue is reported and empties");
    let mut frames = 0_u32;
    while from.send(1514, |frame| frame.fill(0xff)).is_ok() && frames < 100_000 {
        frames += 1;
    }
    println!("  {frames} frames until the queue was full or we had enough");
    let drained = core::cell::Cell::new(0);
    wait(clock, || {
        // A card whose buffers are full stops the other one.
        while to.receive(|_| drained.set(drained.get() + 1)) {}
        from.can_send()
    });
    let limit = clock.now_ns() + 50_000_000;
    while clock.now_ns() < limit {
        while to.receive(|_| drained.set(drained.get() + 1)) {}
        clock.idle_until(Some(limit));
    }
    println!("  {} of them received", drained.get());
    assert!(drained.get() > 0);
}

/// What a frame to the other card and back costs.
fn round_trips(clock: &Clock, one: &mut PacketPort, two: &mut PacketPort) {
    const COUNT: usize = 300;
    println!("test round trips");
    let before = interrupts_taken();
    let mut times: Vec<u64> = Vec::with_capacity(COUNT);
    for number in 0..COUNT {
        let start = clock.now_ns();
        exchange(clock, one, two, 64, 1);
        exchange(clock, two, one, 64, 1);
        if number >= COUNT / 3 {
            times.push(clock.now_ns() - start);
        }
    }
    times.sort_unstable();
    let interrupts = interrupts_taken() - before;
    println!(
        "  {} us at least, {} us median, {interrupts} interrupts in {COUNT} round trips",
        times[0] / 1000,
        times[times.len() / 2] / 1000,
    );
}

/// Sends back everything the console delivers, up to and including a line of one dot.
pub(crate) fn echo(machine: Machine) -> ! {
    let mut console = machine.devices.console.expect("a console");
    let clock = machine.clock;
    let mut buffer = alloc::vec![0; 100_000];
    let (mut total, mut start) = (0, 0);
    loop {
        let count = console.receive(&mut buffer);
        if count == 0 {
            clock.idle_until(None);
            continue;
        }
        if total == 0 {
            start = clock.now_ns();
        }
        total += count;
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let taken = console.send(rest);
            rest = &rest[taken..];
            if taken == 0 {
                clock.idle_until(None);
            }
        }
        if buffer[..count].ends_with(b"\n.\n") {
            let us = (clock.now_ns() - start) / 1000;
            println!("{total} bytes echoed in {us} us, {} interrupts", interrupts_taken());
            wait(&clock, || console.is_flushed());
            exit(SUCCESS)
        }
    }
}
