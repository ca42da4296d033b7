//! The first process of a node, and the kernel's own parent of it.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::console::{FromNode, Start, WindowSize};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, Pid, ProcessKey};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::poll::PollEvents;

use crate::executor::Priority;
use crate::fs::{Descriptor, FileObject, OpenFile, Terminal};
use crate::kernel::Kernel;
use crate::process::{
    Body, BodyThread, Credentials, ExecRequest, Files, Home, HomeAsker, Identity, Memory,
    ProcessCell, Running, first_context, spawn_reaper,
};
use crate::signal::Handlers;
use crate::stdio::{NOBODY, Reader, pump_input, pump_output};
use crate::tty;

/// A program that was started, and where its output comes from.
pub struct Program {
    /// Its home half.
    pub home: Rc<Home>,
    /// Its standard input.
    pub input: Reader,
    output: Output,
}

/// Where a program's output waits for the runner.
enum Output {
    /// In the pipes that are its standard output and error.
    Pipes([Rc<OpenFile>; 2]),
    /// In its terminal.
    Terminal(Rc<Terminal>),
}

impl Program {
    /// Waits until the process has ended and its output has been sent. A child of it that goes on
    /// may write more.
    pub async fn ended(&self) {
        self.home.exit_changed.wait_until(|| self.home.is_zombie().then_some(())).await;
        match &self.output {
            Output::Pipes(pipes) => {
                for pipe in pipes {
                    let sent = || !pipe.poll().contains(PollEvents::IN);
                    wait_until(&**pipe.object(), sent).await;
                }
            }
            Output::Terminal(terminal) => {
                wait_until(&**terminal, || !terminal.has_output()).await;
            }
        }
    }
}

async fn wait_until(object: &dyn FileObject, condition: impl Fn() -> bool) {
    if let Some(changes) = object.changes() {
        changes.wait_until(|| condition().then_some(())).await;
    }
}

/// Starts a program as the leader of a new session, with this process id and this input.
///
/// # Errors
/// As execve(2), or `ENOENT` and `ENOTDIR` for the working directory; `EIOCBQUEUED` while the host
/// is asked for its file: nothing has been done then.
pub fn start(kernel: &Rc<Kernel>, order: Start, pid: Pid, input: Reader) -> Result<Program, Errno> {
    let files = Files::new(Rc::clone(kernel.vfs.root()));
    let home = Home::new(pid, pid, pid, files, Handlers::default());
    let asker = HomeAsker { kernel, home: &home, thread: None };
    let directory = kernel.vfs.resolve_directory(&home.files.directory(), &order.cwd, &asker)?;
    home.files.set_directory(directory);

    let request = ExecRequest::of_path(order.path, order.argv, order.envp);
    let mut credentials = Credentials::default();
    let program = kernel.read_program(&asker, request, &mut credentials)?;
    let space = program.image.apply(kernel.memory())?;
    let context = first_context(program.image.entry, program.image.stack);
    home.become_program(program);
    let identity = Identity {
        user: (credentials.user.real, credentials.user.effective),
        group: (credentials.group.real, credentials.group.effective),
    };
    *home.credentials.borrow_mut() = credentials;
    let output = match order.tty {
        true => open_terminal(kernel, &home, order.size, input)?,
        false => open_pipes(kernel, &home, input)?,
    };

    home.started.set(kernel.now());
    let init = kernel.init();
    *home.parent.borrow_mut() = Rc::downgrade(&init);
    init.children.borrow_mut().insert(pid, Rc::clone(&home));
    kernel.processes.insert_home(&home);
    spawn_reaper(kernel, &home);

    let thread = Rc::new(BodyThread::new(pid.leader(), context));
    let key = ProcessKey { home: kernel.node, pid };
    let body = Body::new(key, home.program.borrow().comm.clone(), Memory::new(space));
    body.clocks.set(kernel.clocks());
    body.identity.set(identity);
    body.threads.borrow_mut().insert(thread.tid.get(), Rc::clone(&thread));
    let process = ProcessCell::whole(Rc::clone(&body), Rc::clone(&home));
    kernel.processes.insert(Rc::clone(&process));
    Running { kernel: Rc::clone(kernel), process, body, thread }.start();
    Ok(Program { home, input, output })
}

/// Gives the program three pipes, whose other ends are the runner's.
fn open_pipes(kernel: &Rc<Kernel>, home: &Home, reader: Reader) -> Result<Output, Errno> {
    let (input, feeder) = kernel.vfs.make_pipe(OpenFlags::empty())?;
    insert(home, 0, input)?;
    kernel.spawner.spawn(Priority::Service, pump_input(Rc::clone(kernel), reader, feeder));
    let stdout = open_output(kernel, home, 1, FromNode::Stdout)?;
    let stderr = open_output(kernel, home, 2, FromNode::Stderr)?;
    Ok(Output::Pipes([stdout, stderr]))
}

/// Makes `fd` a pipe whose other end goes to the runner in these frames, and is returned.
fn open_output(
    kernel: &Rc<Kernel>,
    home: &Home,
    fd: i32,
    frame: fn(Vec<u8>) -> FromNode,
) -> Result<Rc<OpenFile>, Errno> {
    let (drain, output) = kernel.vfs.make_pipe(OpenFlags::empty())?;
    insert(home, fd, output)?;
    let pump = pump_output(Rc::clone(kernel), Rc::clone(&drain), frame);
    kernel.spawner.spawn(Priority::Service, pump);
    Ok(drain)
}

/// Gives the program the console as its controlling terminal.
fn open_terminal(
    kernel: &Rc<Kernel>,
    home: &Home,
    size: WindowSize,
    reader: Reader,
) -> Result<Output, Errno> {
    let terminal = tty::make_console(kernel, size, reader);
    terminal.control(home.session.get(), home.group.get());
    let flags = OpenFlags::READ_WRITE | OpenFlags::NO_CONTROLLING_TTY;
    let file = kernel.vfs.open(kernel.vfs.root(), b"/dev/console", flags, 0, &NOBODY)?;
    for fd in 0..3 {
        insert(home, fd, Rc::clone(&file))?;
    }
    Ok(Output::Terminal(terminal))
}

fn insert(home: &Home, fd: i32, file: Rc<OpenFile>) -> Result<(), Errno> {
    let descriptor = Descriptor { file, close_on_exec: false };
    home.files.descriptors().insert(descriptor, Fd(fd), u64::MAX).map(|_| ())
}
