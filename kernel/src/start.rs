//! The first process of a node, and the kernel's own parent of it.

use alloc::boxed::Box;
use alloc::rc::Rc;

use wayfarer_proto::console::{FromNode, Start};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, Pid, ProcessKey};
use wayfarer_proto::linux::fcntl::OpenFlags;

use crate::executor::{Priority, TaskHandle};
use crate::fs::{Descriptor, OpenFile};
use crate::kernel::Kernel;
use crate::process::{
    Body, BodyThread, ExecRequest, Files, Home, HomeAsker, Memory, ProcessCell, Running,
    first_context, spawn_reaper,
};
use crate::signal::Handlers;
use crate::stdio::{pump_input, pump_output};

/// A program that was started, and the tasks that carry its output.
pub struct Program {
    /// Its home half.
    pub home: Rc<Home>,
    outputs: [Option<TaskHandle>; 2],
}

impl Program {
    /// Waits until the process has ended and its output has been sent.
    pub async fn ended(&self) {
        self.home.exit_changed.wait_until(|| self.home.is_zombie().then_some(())).await;
    }
}

/// Starts a program as the leader of a new session.
///
/// # Errors
/// As execve(2), or `ENOENT` and `ENOTDIR` for the working directory.
pub fn start(kernel: &Rc<Kernel>, order: Start) -> Result<Program, Errno> {
    let pid = Pid(kernel.processes.allocate_id()?);
    let files = Files::new(Rc::clone(kernel.vfs.root()));
    let home = Home::new(pid, pid, pid, files, Handlers::default());
    let asker = HomeAsker { kernel, home: &home, thread: None };
    let directory = kernel.vfs.resolve_directory(&home.files.directory(), &order.cwd, &asker)?;
    home.files.set_directory(directory);

    let request = ExecRequest { path: order.path, arguments: order.argv, environment: order.envp };
    let program = kernel.read_program(&asker, request)?;
    let space = program.image.apply(kernel.memory())?;
    let context = first_context(program.image.entry, program.image.stack);
    home.become_program(program);
    let outputs = open_stdio(kernel, &home)?;

    let init = kernel.init();
    *home.parent.borrow_mut() = Rc::downgrade(&init);
    init.children.borrow_mut().insert(pid, Rc::clone(&home));
    kernel.processes.insert_home(&home);
    spawn_reaper(kernel, &home);

    let thread = Rc::new(BodyThread::new(pid.leader(), context));
    let key = ProcessKey { home: kernel.node, pid };
    let body = Body::new(key, home.program.borrow().comm.clone(), Memory::new(space));
    body.clocks.set(kernel.clocks());
    body.threads.borrow_mut().insert(thread.tid.get(), Rc::clone(&thread));
    let process = ProcessCell::whole(Rc::clone(&body), Rc::clone(&home));
    kernel.processes.insert(Rc::clone(&process));
    Running { kernel: Rc::clone(kernel), process, body, thread }.start();
    Ok(Program { home, outputs })
}

/// Gives the program three pipes, whose other ends are the runner's.
fn open_stdio(kernel: &Rc<Kernel>, home: &Home) -> Result<[Option<TaskHandle>; 2], Errno> {
    let (input, feeder) = kernel.vfs.make_pipe(OpenFlags::empty())?;
    insert(home, 0, input)?;
    kernel.spawner.spawn(Priority::Service, pump_input(Rc::clone(kernel), feeder));
    let frames: [fn(alloc::vec::Vec<u8>) -> FromNode; 2] = [FromNode::Stdout, FromNode::Stderr];
    let mut tasks = [None, None];
    for (index, frame) in frames.into_iter().enumerate() {
        let (drain, output) = kernel.vfs.make_pipe(OpenFlags::empty())?;
        insert(home, index as i32 + 1, output)?;
        let pump = Box::pin(pump_output(Rc::clone(kernel), drain, frame));
        tasks[index] = Some(kernel.spawner.spawn_boxed(Priority::Service, pump));
    }
    Ok(tasks)
}

fn insert(home: &Home, fd: i32, file: Rc<OpenFile>) -> Result<(), Errno> {
    let descriptor = Descriptor { file, close_on_exec: false };
    home.files.descriptors.insert(descriptor, Fd(fd), u64::MAX).map(|_| ())
}
