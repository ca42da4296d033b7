//! The ports where others call: deputies of this home, the migration daemon, images.
//!
//! A caller is believed nothing: it has a bounded time to say what it wants, and the name, token
//! and epoch it shows must be known here (decision D13).

use alloc::rc::Rc;
use alloc::string::String;
use core::time::Duration;

use wayfarer_body::{Arrival, Input as BodyInput, Session};
use wayfarer_proto::codec::FrameReader;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::{
    Acceptor, DEPUTY_PORT, IMAGE_PORT, MIGRATION_PORT, Purpose, refuse,
};
use wayfarer_proto::id::{Epoch, ProcessKey};
use wayfarer_proto::limits;
use wayfarer_proto::message::{Lack, Refusal, Requirements, Ticket};

use super::arrive::Parts;
use super::berths::Berth;
use super::body::BodyDriver;
use super::wire::Wire;
use crate::executor::Priority;
use crate::kernel::Kernel;
use crate::net::{Connection, Kind, ListenError, Network, ReadError};

/// How long a caller may take to say what it wants.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// Opens the doors.
///
/// # Errors
/// [`ListenError`] if a port is taken.
pub fn open(kernel: &Rc<Kernel>, network: &Network) -> Result<(), ListenError> {
    let doors =
        [(DEPUTY_PORT, Kind::Call), (MIGRATION_PORT, Kind::Call), (IMAGE_PORT, Kind::Image)];
    for (port, kind) in doors {
        let listener = network.listen(port, kind)?;
        let kernel = Rc::clone(kernel);
        kernel.spawner.clone().spawn(Priority::Service, async move {
            loop {
                let connection = listener.accept().await;
                let greeted = greet(Rc::clone(&kernel), connection);
                kernel.spawner.spawn(Priority::Service, greeted);
            }
        });
    }
    Ok(())
}

/// Hears what a caller wants and hands the connection on. One that says nothing is dropped.
async fn greet(kernel: Rc<Kernel>, connection: Connection) {
    let mut acceptor = Acceptor::default();
    let mut buffer = [0; limits::HELLO];
    let deadline = kernel.now() + HELLO_LIMIT;
    let purpose = loop {
        let read = kernel.timers.timeout(Some(deadline), connection.read_some(&mut buffer)).await;
        let Ok(Ok(length)) = read else { return };
        match acceptor.receive(&buffer[..length]) {
            Ok(Some(purpose)) => break purpose,
            Ok(None) => {}
            Err(error) => {
                let peer = connection.peer();
                return kernel.console.log(format_args!("node {peer}: no greeting: {error:?}"));
            }
        }
    };
    let caller = Caller { kernel, connection, reader: acceptor.into_reader() };
    match purpose {
        Purpose::NewBody { process, epoch, requirements } => {
            caller.new_body(process, epoch, &requirements).await;
        }
        Purpose::ForkChild { child, token } => caller.fork_child(child, token).await,
        Purpose::InDoubt { process, epoch } => caller.in_doubt(process, epoch).await,
        Purpose::Image { token } => caller.image(token),
    }
}

struct Caller {
    kernel: Rc<Kernel>,
    connection: Connection,
    reader: FrameReader,
}

impl Caller {
    async fn refuse(self, refusal: &Refusal) {
        let bytes = refuse(refusal.errno, &refusal.reason);
        if self.connection.write_all(&bytes).await.is_ok() {
            // The peer need not hear it: it will find the connection gone.
            let _ = self.connection.close().await;
        }
    }

    async fn new_body(self, process: ProcessKey, epoch: Epoch, requirements: &Requirements) {
        // A caller that gives up meanwhile is found to be gone by the session.
        let berth = self.kernel.berths.take().await;
        match self.kernel.admit(process, requirements, berth) {
            Ok(parts) => {
                let token = self.kernel.random.borrow_mut().next_u64();
                let ticket = Ticket { token, remembered: parts.remembered() };
                let reader = self.reader;
                let arrival = Arrival { process, epoch, ticket, home: false, reader };
                let driver = arriving(&self.kernel, arrival, parts);
                driver.attach(self.connection);
                driver.drain();
            }
            Err(refusal) => self.refuse(&refusal).await,
        }
    }

    async fn fork_child(self, child: ProcessKey, token: u64) {
        match self.kernel.take_child(token) {
            Some(deputy) if deputy.home.pid == child.pid => {
                deputy.child_called(self.connection, self.reader);
            }
            _ => self.refuse(&unknown(child)).await,
        }
    }

    async fn in_doubt(self, process: ProcessKey, epoch: Epoch) {
        let deputy = self.kernel.processes.get(process).and_then(|cell| cell.deputy_driver());
        match deputy {
            Some(deputy) => deputy.doubt_called(self.connection, epoch, self.reader),
            None => self.refuse(&unknown(process)).await,
        }
    }

    fn image(self, token: u64) {
        let Some(driver) = self.kernel.arrival(token) else { return };
        let hearers = (Rc::downgrade(&driver), Rc::downgrade(&driver));
        let take = move |bytes: &[u8]| {
            if let Some(driver) = hearers.0.upgrade() {
                driver.image_received(bytes);
            }
        };
        let then = move |read: Result<(), ReadError>| match (hearers.1.upgrade(), read) {
            (None, _) => {}
            (Some(driver), Ok(())) => driver.drain(),
            (Some(driver), Err(_)) => driver.input(BodyInput::ImageBroken),
        };
        let early = self.reader.into_rest();
        let wire = Wire::start_in_place(&self.kernel.spawner, self.connection, take, then);
        *driver.image.borrow_mut() = Some(wire);
        driver.image_received(&early);
        driver.drain();
    }
}

fn unknown(process: ProcessKey) -> Refusal {
    Refusal { errno: Errno::ESRCH, reason: alloc::format!("no such body of {process} is expected") }
}

/// Makes the driver of a body that was admitted.
pub(super) fn arriving(kernel: &Rc<Kernel>, arrival: Arrival, parts: Parts) -> Rc<BodyDriver> {
    let token = arrival.ticket.token;
    let session = Session::arriving(kernel.session_config(), kernel.now(), arrival);
    let driver = BodyDriver::new(kernel, session, None);
    *driver.arrival.borrow_mut() = Some(parts);
    kernel.expect_image(token, &driver);
    driver
}

impl Kernel {
    /// Whether this node can host a body: frames and CPU features, each named if it is lacking.
    ///
    /// # Errors
    /// The refusal, for the program and for people.
    pub fn admit(
        &self,
        process: ProcessKey,
        wanted: &Requirements,
        berth: Berth,
    ) -> Result<Parts, Refusal> {
        // What caches hold counts, too, but to find out how much that is takes long.
        let free = match self.frames.counts().free as u64 {
            enough if enough >= wanted.frames => enough,
            _ => self.frames.available() as u64,
        };
        if let Some(lack) = wanted.lacking(&self.offer(free)) {
            let (errno, what) = describe(lack);
            let reason = alloc::format!("node {} lacks {what} for {process}", self.node);
            return Err(Refusal { errno, reason });
        }
        Parts::admit(self, process, wanted.frames, berth).map_err(|_| Refusal {
            errno: Errno::ENOMEM,
            reason: alloc::format!("node {} is full: {process} needs {}", self.node, wanted.frames),
        })
    }
}

/// What is lacking, for the program and for people.
fn describe(lack: Lack) -> (Errno, String) {
    match lack {
        Lack::Frames { needed, free } => {
            (Errno::ENOMEM, alloc::format!("memory ({needed} frames needed, {free} free)"))
        }
        Lack::Feature { word, bit } => {
            (Errno::ENOEXEC, alloc::format!("CPU feature bit {bit} of CPUID word {word}"))
        }
        Lack::Xcr0 { missing } => {
            (Errno::ENOEXEC, alloc::format!("CPU state components {missing:#x} (XCR0)"))
        }
        Lack::Xsave { needed } => {
            (Errno::ENOEXEC, alloc::format!("a CPU state area of {needed} bytes"))
        }
    }
}
