//! Stacks over in-memory wires, in virtual time.

mod wire;
mod world;

mod connect;
mod cost;
mod faults;
mod frames;
mod hostile;
mod shared;
mod stream;

use super::{Connection, Kind, ReadError};

/// The port the tests listen on.
const PORT: u16 = 87;

/// Sends back what comes until the peer closes; how much that was.
async fn echo(connection: Connection) -> usize {
    let (mut buffer, mut total) = (vec![0; 4096], 0);
    loop {
        match connection.read_some(&mut buffer).await {
            Ok(count) => {
                connection.write_all(&buffer[..count]).await.unwrap();
                total += count;
            }
            Err(ReadError::Closed) => {
                connection.close().await.unwrap();
                return total;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A connection of each end.
async fn connect(network: super::Network, node: usize, kind: Kind) -> Connection {
    network.connect(world::id(node), PORT, kind).await.unwrap()
}
