//! Pseudoterminals (pty(7)): a terminal whose screen and keyboard are a file, the master.
//!
//! A master is made by opening `/dev/ptmx`; the terminal is then `/dev/pts/N`. What is written to
//! the terminal can be read at the master, what is written to the master has been typed. When the
//! last descriptor of the terminal is closed the master reads EIO; when the master is closed the
//! terminal hangs up.

use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::linux::termios::{
    TIOCGPGRP, TIOCGPKT, TIOCGPTLCK, TIOCGPTN, TIOCGSID, TIOCPKT, TIOCSCTTY, TIOCSIG, TIOCSPTLCK,
    WindowSize,
};
use wayfarer_proto::sorted::SortedMap;

use super::Terminal;
use super::screen::Screen;
use crate::executor::WaitQueue;
use crate::fs::ioctl::Ioctl;
use crate::fs::{Asker, Attributes, Clock, FileObject, Io};

/// The major number of the terminals.
const MAJOR: u32 = 136;
/// How many there may be (`kernel.pty.max`).
const MAX: u32 = 4096;
/// Permissions of a new terminal.
const PERMISSIONS: u32 = 0o620;

/// Sends a signal to a process group.
pub type SendSignal = Rc<dyn Fn(Pid, Signal)>;

/// The pseudoterminals of a node.
pub struct Ptys {
    open: RefCell<SortedMap<u32, Rc<Pty>>>,
    clock: Rc<dyn Clock>,
    send_signal: RefCell<Option<SendSignal>>,
}

/// A pseudoterminal.
pub struct Pty {
    number: u32,
    terminal: Rc<Terminal>,
    screen: Rc<Screen>,
    /// Whether the terminal cannot be opened yet (unlockpt(3)).
    locked: Cell<bool>,
    /// How often the terminal is open.
    users: Cell<usize>,
    /// Whether it was open, and is no more.
    deserted: Cell<bool>,
    /// Owner, permissions and times of the terminal.
    pub attributes: Cell<Attributes>,
}

impl Ptys {
    /// None yet. `clock` says when one was made.
    pub fn new(clock: Rc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self { open: RefCell::default(), clock, send_signal: RefCell::default() })
    }

    /// Says how signals are sent.
    pub fn set_send_signal(&self, send: SendSignal) {
        self.send_signal.replace(Some(send));
    }

    /// The numbers of those that exist.
    pub fn numbers(&self) -> Vec<u32> {
        self.open.borrow().keys().copied().collect()
    }

    /// The one with this number.
    pub fn find(&self, number: u32) -> Option<Rc<Pty>> {
        self.open.borrow().get(&number).cloned()
    }

    /// The one with this device number.
    pub fn of_device(&self, device: DeviceNumber) -> Option<Rc<Pty>> {
        if device.major() == MAJOR { self.find(device.minor()) } else { None }
    }

    /// The one that controls a session.
    pub fn of_session(&self, session: Pid) -> Option<Rc<Pty>> {
        let open = self.open.borrow();
        open.values().find(|pty| pty.terminal.session() == Some(session)).cloned()
    }

    /// Makes one, and gives its master.
    ///
    /// # Errors
    /// `ENOSPC` if there are too many.
    pub fn open_master(self: &Rc<Self>, asker: &dyn Asker) -> Result<Rc<dyn FileObject>, Errno> {
        let number = (0..MAX).find(|number| !self.open.borrow().contains_key(number));
        let number = number.ok_or(Errno::ENOSPC)?;
        let screen = Rc::<Screen>::default();
        let send = self.send_signal.borrow().clone();
        let signal_group = Box::new(move |group, signal| {
            if let Some(send) = &send {
                send(group, signal);
            }
        });
        let terminal = Terminal::new(screen.clone(), signal_group);
        terminal.set_window(WindowSize { rows: 0, columns: 0, x_pixels: 0, y_pixels: 0 });
        let (uid, gid) = asker.makes_as();
        let attributes = Attributes { uid, gid, ..Attributes::new(PERMISSIONS, self.clock.now()) };
        let pty = Rc::new(Pty {
            number,
            terminal,
            screen,
            locked: Cell::new(true),
            users: Cell::new(0),
            deserted: Cell::new(false),
            attributes: Cell::new(attributes),
        });
        self.open.borrow_mut().insert(number, pty.clone());
        Ok(Rc::new(Master { pty, all: Rc::downgrade(self) }))
    }
}

impl Pty {
    /// Its device number.
    pub const fn device(&self) -> DeviceNumber {
        DeviceNumber::new(MAJOR, self.number)
    }

    /// The terminal.
    pub const fn terminal(&self) -> &Rc<Terminal> {
        &self.terminal
    }

    /// Opens the terminal, as [`Vfs::open`](crate::fs::Vfs::open) does.
    ///
    /// # Errors
    /// `EIO` while it is locked, and when the master is gone.
    pub fn open(
        self: &Rc<Self>,
        flags: OpenFlags,
        asker: &dyn Asker,
        has_terminal: bool,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        if self.locked.get() || self.terminal.hung_up.get() {
            return Err(Errno::EIO);
        }
        self.terminal.open(flags, asker, has_terminal);
        self.users.set(self.users.get() + 1);
        self.deserted.set(false);
        Ok(Rc::new(Slave { pty: self.clone() }))
    }
}

/// The terminal, opened.
struct Slave {
    pty: Rc<Pty>,
}

impl Drop for Slave {
    fn drop(&mut self) {
        let users = self.pty.users.get() - 1;
        self.pty.users.set(users);
        if users == 0 {
            self.pty.deserted.set(true);
            self.pty.terminal.changes.wake_all();
        }
    }
}

impl FileObject for Slave {
    fn read(&self, offset: u64, buffer: &mut [u8], io: &Io<'_>) -> Result<usize, Errno> {
        self.pty.terminal.read(offset, buffer, io)
    }

    fn write(&self, offset: u64, data: &[u8], io: &Io<'_>) -> Result<usize, Errno> {
        self.pty.terminal.write(offset, data, io)
    }

    fn poll(&self) -> PollEvents {
        self.pty.terminal.poll()
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.pty.terminal.changes)
    }

    fn read_timeout(&self) -> Option<core::time::Duration> {
        self.pty.terminal.read_timeout()
    }

    fn bytes_readable(&self) -> Option<usize> {
        self.pty.terminal.bytes_readable()
    }

    fn ioctl(&self, request: &Ioctl<'_>, asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        self.pty.terminal.serve(request, asker)
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

/// The other side, opened.
struct Master {
    pty: Rc<Pty>,
    all: Weak<Ptys>,
}

impl Drop for Master {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            all.open.borrow_mut().remove(&self.pty.number);
        }
        self.pty.terminal.hang_up();
    }
}

impl Master {
    /// Whether nobody will write to the terminal any more, and all that was written was read.
    fn is_at_end(&self) -> bool {
        self.pty.deserted.get() && self.pty.screen.length() == 0 && !self.pty.terminal.has_output()
    }
}

impl FileObject for Master {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        match self.pty.screen.read(buffer) {
            0 if self.is_at_end() => Err(Errno::EIO),
            0 if !buffer.is_empty() => Err(Errno::EAGAIN),
            count => {
                // There is room for more.
                self.pty.terminal.flush_output();
                Ok(count)
            }
        }
    }

    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        match self.pty.terminal.push_input(data) {
            0 if !data.is_empty() => Err(Errno::EAGAIN),
            count => Ok(count),
        }
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        let told = self.pty.screen.has_events();
        let readable = self.pty.screen.length() > 0 || told;
        events.set(PollEvents::READABLE, readable || self.pty.deserted.get());
        events.set(PollEvents::PRI, told);
        events.set(PollEvents::WRITABLE, self.pty.terminal.has_input_room());
        events.set(PollEvents::HUP, self.pty.deserted.get());
        events
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.pty.terminal.changes)
    }

    fn bytes_readable(&self) -> Option<usize> {
        Some(self.pty.screen.length())
    }

    fn ioctl(&self, request: &Ioctl<'_>, asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        let terminal = &self.pty.terminal;
        let pid = |pid: Option<Pid>| Ok(pid.unwrap_or_default().0.to_le_bytes().to_vec());
        match request.number {
            TIOCGPTN => Ok(self.pty.number.to_le_bytes().to_vec()),
            TIOCSPTLCK => {
                self.pty.locked.set(request.data != [0; 4]);
                Ok(Vec::new())
            }
            TIOCGPTLCK => Ok(i32::from(self.pty.locked.get()).to_le_bytes().to_vec()),
            TIOCPKT => {
                self.pty.screen.set_packets(request.data != [0; 4]);
                Ok(Vec::new())
            }
            TIOCGPKT => Ok(i32::from(self.pty.screen.has_packets()).to_le_bytes().to_vec()),
            TIOCSIG => match Signal::new(request.argument) {
                Some(signal @ (Signal::SIGINT | Signal::SIGQUIT | Signal::SIGTSTP)) => {
                    terminal.signal_foreground(signal);
                    Ok(Vec::new())
                }
                _ => Err(Errno::EINVAL),
            },
            // Whoever has the master need not have the terminal.
            TIOCGPGRP => pid(terminal.foreground()),
            TIOCGSID => pid(terminal.session()),
            TIOCSCTTY => Err(Errno::EPERM),
            _ => terminal.serve(request, asker),
        }
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use wayfarer_proto::linux::termios::{LocalFlags, Termios};

    use super::*;
    use crate::fs::OpenFile;
    use crate::fs::terminal::screen::CAPACITY;
    use crate::fs::testing::TestTree;

    fn open(tree: &TestTree, path: &str) -> Rc<OpenFile> {
        tree.open(path, OpenFlags::READ_WRITE | OpenFlags::NO_CONTROLLING_TTY).unwrap()
    }

    fn ask(tree: &TestTree, file: &OpenFile, number: u32, data: &[u8]) -> Result<Vec<u8>, Errno> {
        file.object().ioctl(&Ioctl { number, argument: 0, data }, &tree.asker)
    }

    fn read(tree: &TestTree, file: &OpenFile) -> Result<String, Errno> {
        let mut buffer = [0; 100];
        let count = file.read(&mut buffer, &file.io(&tree.asker))?;
        Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
    }

    fn write(tree: &TestTree, file: &OpenFile, text: &str) -> Result<usize, Errno> {
        file.write(text.as_bytes(), &file.io(&tree.asker))
    }

    #[test]
    fn what_one_side_writes_the_other_reads() {
        let tree = TestTree::new();
        let master = open(&tree, "/dev/ptmx");
        assert_eq!(ask(&tree, &master, TIOCGPTN, &[]), Ok(vec![0; 4]));
        assert_eq!(tree.list("/dev/pts"), ["0"]);
        assert_eq!(tree.open("/dev/pts/0", OpenFlags::READ_WRITE).err(), Some(Errno::EIO));
        assert_eq!(ask(&tree, &master, TIOCSPTLCK, &[0; 4]), Ok(Vec::new()));
        let slave = open(&tree, "/dev/pts/0");
        assert_eq!(tree.stat("/dev/pts/0").special_device, DeviceNumber::new(136, 0));
        assert_eq!(read(&tree, &master), Err(Errno::EAGAIN));
        assert_eq!(write(&tree, &slave, "a\n"), Ok(2));
        assert_eq!(read(&tree, &master), Ok("a\r\n".into()), "the terminal's output is changed");
        assert_eq!(write(&tree, &master, "line\r"), Ok(5));
        assert_eq!(read(&tree, &slave), Ok("line\n".into()));
        assert_eq!(read(&tree, &master), Ok("line\r\n".into()), "its echo");
    }

    #[test]
    fn each_end_learns_of_the_other() {
        let tree = TestTree::new();
        let master = open(&tree, "/dev/ptmx");
        ask(&tree, &master, TIOCSPTLCK, &[0; 4]).unwrap();
        assert!(!master.object().poll().contains(PollEvents::HUP), "nobody has come yet");
        let slave = open(&tree, "/dev/pts/0");
        write(&tree, &slave, "bye").unwrap();
        drop(slave);
        assert!(master.object().poll().contains(PollEvents::HUP));
        assert_eq!(read(&tree, &master), Ok("bye".into()));
        assert_eq!(read(&tree, &master), Err(Errno::EIO));
        let slave = open(&tree, "/dev/pts/0");
        assert_eq!(read(&tree, &master), Err(Errno::EAGAIN), "somebody is there again");
        drop(master);
        assert_eq!(read(&tree, &slave), Ok(String::new()));
        assert_eq!(write(&tree, &slave, "x"), Err(Errno::EIO));
        assert_eq!(tree.list("/dev/pts"), [""; 0]);
        let again = open(&tree, "/dev/ptmx");
        assert_eq!(ask(&tree, &again, TIOCGPTN, &[]), Ok(vec![0; 4]), "the number is free");
    }

    #[test]
    fn a_full_screen_holds_writers_up() {
        let tree = TestTree::new();
        let master = open(&tree, "/dev/ptmx");
        ask(&tree, &master, TIOCSPTLCK, &[0; 4]).unwrap();
        let slave = open(&tree, "/dev/pts/0");
        let piece = "x".repeat(1000);
        let mut written = 0;
        while let Ok(count) = write(&tree, &slave, &piece) {
            written += count;
        }
        assert!(written >= CAPACITY, "{written}");
        assert!(!slave.object().poll().contains(PollEvents::OUT));
        let mut count = 0;
        while let Ok(text) = read(&tree, &master) {
            count += text.len();
        }
        assert_eq!(count, written);
        assert!(slave.object().poll().contains(PollEvents::OUT));
    }

    #[test]
    fn settings_are_one_sides_and_the_others() {
        use wayfarer_proto::linux::Layout;
        use wayfarer_proto::linux::termios::{TCGETS, TCSETS, TIOCGWINSZ, TIOCSWINSZ};

        let tree = TestTree::new();
        let master = open(&tree, "/dev/ptmx");
        ask(&tree, &master, TIOCSPTLCK, &[0; 4]).unwrap();
        let slave = open(&tree, "/dev/pts/0");
        let size = WindowSize { rows: 10, columns: 20, x_pixels: 0, y_pixels: 0 }.to_bytes();
        ask(&tree, &master, TIOCSWINSZ, &size).unwrap();
        assert_eq!(ask(&tree, &slave, TIOCGWINSZ, &[]), Ok(size));
        let mut raw = Termios::STANDARD.to_bytes();
        raw[12..16].fill(0);
        ask(&tree, &slave, TCSETS, &raw).unwrap();
        let seen = Termios::from_bytes(&ask(&tree, &master, TCGETS, &[]).unwrap());
        assert!(!seen.local_flags().contains(LocalFlags::ECHO));
        write(&tree, &master, "k").unwrap();
        assert_eq!(read(&tree, &slave), Ok("k".into()));
        assert_eq!(read(&tree, &master), Err(Errno::EAGAIN), "no echo");
    }
}
