//! Measures the way to another node, for the benchmark: a round trip of frames, or of messages over
//! TCP, without any process.
//!
//! A TCP probe begins with how many bytes each request and each reply has and how many there are;
//! then the two sides take turns. One large request with a tiny reply measures the throughput.
//! Both sides are nodes booted with [`wayfarer_proto::boot::BENCH`]; others do not listen.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::console::{Carrier, FromNode, Probe, Probed};
use wayfarer_proto::handshake::PROBE_PORT;

use crate::executor::Priority;
use crate::kernel::Kernel;
use crate::net::{Connection, EchoOrder, Kind, ListenError, Network, ReadError};

/// The most round trips of a probe: their times fit one frame of the console.
const MOST_ROUND_TRIPS: usize = 30_000;

/// The longest reply in bytes.
const LONGEST_REPLY: usize = 1 << 20;

/// Bytes read or written at once.
const PIECE: usize = 64 * 1024;

/// How long frames may take; one that is lost is never sent again.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes of the first message: three numbers of 32 bits.
const PREAMBLE: usize = 12;

/// What is exchanged over a connection.
#[derive(Clone, Copy)]
struct Plan {
    request: usize,
    reply: usize,
    count: usize,
}

impl Plan {
    fn of(probe: &Probe) -> Self {
        Self {
            request: probe.request as usize,
            reply: (probe.reply as usize).min(LONGEST_REPLY),
            count: (probe.count as usize).min(MOST_ROUND_TRIPS),
        }
    }

    fn to_bytes(self) -> [u8; PREAMBLE] {
        let mut bytes = [0; PREAMBLE];
        let numbers = [self.request, self.reply, self.count];
        for (field, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            field.copy_from_slice(&(number as u32).to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; PREAMBLE]) -> Self {
        let number = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
        };
        Self { request: number(0), reply: number(4).min(LONGEST_REPLY), count: number(8) }
    }
}

/// Answers probes of other nodes.
///
/// # Errors
/// [`ListenError`] if the port is taken.
pub fn serve(kernel: &Kernel, network: &Network) -> Result<(), ListenError> {
    network.answer_echoes();
    // An image's buffers, so that one request can be a large one.
    let listener = network.listen(PROBE_PORT, Kind::Image)?;
    let spawner = kernel.spawner.clone();
    kernel.spawner.spawn(Priority::Service, async move {
        loop {
            let connection = listener.accept().await;
            spawner.spawn(Priority::Service, async move {
                // Who gives up in the middle has its reasons.
                let _ = answer(&connection).await;
            });
        }
    });
    Ok(())
}

async fn answer(connection: &Connection) -> Result<(), ReadError> {
    let mut preamble = [0; PREAMBLE];
    connection.read(&mut preamble).await?;
    let plan = Plan::from_bytes(preamble);
    let mut piece = alloc::vec![0; PIECE];
    let reply = alloc::vec![0; plan.reply];
    for _ in 0..plan.count {
        skip(connection, plan.request, &mut piece).await?;
        connection.write_all(&reply).await.map_err(|_| ReadError::Aborted)?;
    }
    // The last reply is delivered before the connection goes.
    connection.read(&mut preamble).await
}

/// Reads this many bytes.
async fn skip(
    connection: &Connection,
    mut length: usize,
    piece: &mut [u8],
) -> Result<(), ReadError> {
    while length > 0 {
        let part = length.min(piece.len());
        length -= connection.read_some(&mut piece[..part]).await?;
    }
    Ok(())
}

/// Measures what the runner asks, and tells it.
pub fn measure(kernel: &Rc<Kernel>, probe: Probe) {
    let kernel = Rc::clone(kernel);
    kernel.spawner.clone().spawn(Priority::Service, async move {
        let round_trips = match (&kernel.network, &probe.carrier) {
            (None, _) => Vec::new(),
            (Some(network), Carrier::Frames) => frames(&kernel, network, &probe).await,
            (Some(network), Carrier::Stream) => stream(&kernel, network, &probe).await,
        };
        kernel.console.send(&FromNode::Probed(Probed { round_trips }));
    });
}

async fn frames(kernel: &Kernel, network: &Network, probe: &Probe) -> Vec<u64> {
    let Plan { request, reply, count } = Plan::of(probe);
    let limit = kernel.now() + LIMIT;
    network.begin_echo(probe.peer, EchoOrder { request, reply, count }, kernel.clock());
    // What was measured until then is worth telling.
    let _ = kernel.timers.timeout(Some(limit), network.echo_over()).await;
    network.end_echo()
}

async fn stream(kernel: &Kernel, network: &Network, probe: &Probe) -> Vec<u64> {
    let plan = Plan::of(probe);
    let mut round_trips = Vec::new();
    // A peer that answers no longer ends the connection.
    exchange(kernel, network, probe, plan, &mut round_trips).await;
    round_trips
}

async fn exchange(
    kernel: &Kernel,
    network: &Network,
    probe: &Probe,
    plan: Plan,
    round_trips: &mut Vec<u64>,
) -> Option<()> {
    let connection = network.connect(probe.peer, PROBE_PORT, Kind::Image).await.ok()?;
    connection.write_all(&plan.to_bytes()).await.ok()?;
    let bytes = alloc::vec![0; plan.request.min(PIECE)];
    let mut piece = alloc::vec![0; plan.reply.clamp(1, PIECE)];
    for _ in 0..plan.count {
        let began = kernel.now();
        let mut left = plan.request;
        while left > 0 {
            let part = left.min(bytes.len());
            connection.write_all(&bytes[..part]).await.ok()?;
            left -= part;
        }
        skip(&connection, plan.reply, &mut piece).await.ok()?;
        round_trips.push(kernel.now().since(began).as_nanos() as u64);
    }
    Some(())
}
