//! The sockets of programs, without programs.

mod inet;
mod unix;

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::socket::Credentials;

use super::{Outgoing, Protocol, Receive};
use crate::fs::OpenFile;

const ME: Credentials = Credentials { pid: 7, uid: 0, gid: 0 };

fn send(socket: &dyn Protocol, data: &[u8], files: &[Rc<OpenFile>]) -> Result<usize, Errno> {
    socket.send(&Outgoing { data, target: None, credentials: ME, files })
}

fn receive(socket: &dyn Protocol, max: usize) -> Result<Vec<u8>, Errno> {
    socket.receive(&Receive { max, peek: false }).map(|incoming| incoming.data)
}
