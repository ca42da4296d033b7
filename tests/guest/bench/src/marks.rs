//! Marks among the packets between two guests, for who captures them: where something begins and
//! ends that is to be counted.
//!
//! A mark is a datagram to a port where nobody listens. It takes the same device as all else, so
//! that it is where it belongs whatever the clocks say.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

/// The port of marks: that of `discard`.
const PORT: u16 = 9;

/// How long what was begun may go on once a call is over, as NFS closes a file: less than an
/// acknowledgement waits for something to travel with.
const AFTERMATH: Duration = Duration::from_millis(20);

/// Marks for one capture.
pub(crate) struct Marks {
    socket: UdpSocket,
    address: String,
}

impl Marks {
    /// Marks what goes to and comes from the guest at `address`.
    pub(crate) fn to(address: &str) -> Self {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("there are ports");
        Self { socket, address: address.to_owned() }
    }

    /// What is marked from here on.
    pub(crate) fn series(&self, name: &str) {
        self.say(&format!("series {name}"));
    }

    pub(crate) fn begin(&self) {
        self.say("begin");
    }

    pub(crate) fn end(&self) {
        thread::sleep(AFTERMATH);
        self.say("end");
    }

    fn say(&self, words: &str) {
        let to = (self.address.as_str(), PORT);
        self.socket.send_to(words.as_bytes(), to).expect("the other guest can be reached");
    }
}
