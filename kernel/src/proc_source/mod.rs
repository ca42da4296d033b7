//! What `/proc` is told of the processes at home here, and of the node.

mod facts;
mod memory;

use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_machine::CpuFeatures;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, NodeId, Pid, Tid};
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::linux::time::Timespec;

use crate::executor::{LongPolls, PollKind, Priority};
use crate::fs::proc::{
    Answer, Measured, NodeFacts, ProcFs, ProcSource, ProcessFacts, ProcessState, ProgramFacts,
    Settable, SmapsForm, SocketFacts, Subject, ThreadFacts,
};
use crate::fs::{Dentry, MountKind, OpenFile};
use crate::kernel::Kernel;
use crate::net::Network;
use crate::process::Home;
use crate::runner::counts;
use crate::stdio::NOBODY;
use crate::syscall::{HOST, RELEASE, VERSION};
pub(crate) use facts::{cpu, state};
pub(crate) use memory::{UsedRegion, measure, used_regions};

/// The device number of `/proc`.
const DEVICE: DeviceNumber = DeviceNumber::new(0, 4);
/// The device number of `/sys`.
const SYS_DEVICE: DeviceNumber = DeviceNumber::new(0, 5);
/// Bytes of a page.
const PAGE: u64 = 4096;
/// The features that Linux names in `cpuinfo` and programs look for: word and bit; the words are
/// `edx` and `ecx` of CPUID leaf 1, `edx` of leaf 0x8000_0001, and `ebx` of leaf 7.
const FEATURE_NAMES: [(usize, u32, &str); 30] = [
    (0, 0, "fpu"),
    (0, 4, "tsc"),
    (0, 8, "cx8"),
    (0, 15, "cmov"),
    (0, 19, "clflush"),
    (0, 23, "mmx"),
    (0, 24, "fxsr"),
    (0, 25, "sse"),
    (0, 26, "sse2"),
    (2, 11, "syscall"),
    (2, 20, "nx"),
    (2, 29, "lm"),
    (1, 0, "pni"),
    (1, 1, "pclmulqdq"),
    (1, 9, "ssse3"),
    (1, 12, "fma"),
    (1, 13, "cx16"),
    (1, 19, "sse4_1"),
    (1, 20, "sse4_2"),
    (1, 22, "movbe"),
    (1, 23, "popcnt"),
    (1, 25, "aes"),
    (1, 26, "xsave"),
    (1, 28, "avx"),
    (1, 29, "f16c"),
    (1, 30, "rdrand"),
    (3, 3, "bmi1"),
    (3, 5, "avx2"),
    (3, 8, "bmi2"),
    (3, 9, "erms"),
];

/// Mounts `/proc` and `/sys`. The kernel was booted with `command_line`.
///
/// # Errors
/// As [`Vfs::mount`](crate::fs::Vfs::mount): there is no such directory.
pub fn mount(kernel: &Rc<Kernel>, command_line: &str) -> Result<(), Errno> {
    let clock = {
        let kernel = Rc::downgrade(kernel);
        let never = Timespec { seconds: 0, nanoseconds: 0 };
        Rc::new(move || kernel.upgrade().map_or(never, |kernel| kernel.wall_clock()))
    };
    let mut boot_id = [0; 16];
    kernel.fill_random(&mut boot_id);
    let command_line = command_line.into();
    let source = Rc::new(Source { kernel: Rc::downgrade(kernel), command_line, boot_id });
    let root = ProcFs::create(source.clone(), clock.clone(), DEVICE);
    kernel.vfs.mount(b"/proc", root, MountKind::of_the_kernel("proc"), &NOBODY)?;
    let root = ProcFs::create_sys(source, clock, SYS_DEVICE);
    kernel.vfs.mount(b"/sys", root, MountKind::of_the_kernel("sysfs"), &NOBODY)
}

/// The kernel as [`ProcFs`] sees it. Weak, for the kernel owns its file systems.
struct Source {
    kernel: Weak<Kernel>,
    command_line: String,
    boot_id: [u8; 16],
}

impl Source {
    fn kernel(&self) -> Rc<Kernel> {
        self.kernel.upgrade().expect("nobody opens a file after the kernel has gone")
    }

    /// A process at home here that has not ended.
    fn living(&self, pid: Pid) -> Option<Rc<Home>> {
        self.kernel().processes.home(pid).filter(|home| !home.is_zombie())
    }
}

impl ProcSource for Source {
    fn pids(&self) -> Vec<Pid> {
        self.kernel().processes.homes().iter().map(|home| home.pid).collect()
    }

    fn process(&self, pid: Pid) -> Option<ProcessFacts> {
        let kernel = self.kernel();
        Some(facts::process(&kernel, &*kernel.processes.home(pid)?))
    }

    fn measure(&self, pid: Pid, tell: Measured) {
        let kernel = self.kernel();
        let cell = kernel.processes.home(pid).and_then(|home| home.cell());
        let Some(deputy) = cell.as_ref().and_then(|cell| cell.away()) else {
            return tell(cell.and_then(|cell| cell.body()).map(|body| memory::measure(&body)));
        };
        kernel.spawner.spawn(Priority::Service, async move { tell(deputy.query_status().await) });
    }

    fn threads(&self, pid: Pid) -> Vec<Tid> {
        let home = self.living(pid);
        home.map(|home| home.threads.borrow().keys().copied().collect()).unwrap_or_default()
    }

    fn thread(&self, pid: Pid, tid: Tid) -> Option<ThreadFacts> {
        let home = self.living(pid)?;
        let thread = home.thread(tid)?;
        Some(facts::thread(&home, Some(&thread)))
    }

    fn program(&self, pid: Pid) -> ProgramFacts {
        let Some(home) = self.living(pid) else { return ProgramFacts::default() };
        let program = home.program.borrow();
        ProgramFacts {
            path: program.path.clone().into_bytes(),
            arguments: program.arguments.clone(),
            environment: program.environment.clone(),
            auxiliary: program.auxiliary.clone(),
        }
    }

    fn directory(&self, pid: Pid) -> Option<Rc<Dentry>> {
        Some(self.living(pid)?.files.directory())
    }

    fn top_directory(&self, pid: Pid) -> Option<Rc<Dentry>> {
        let own = self.living(pid)?.files.root();
        Some(own.unwrap_or_else(|| Rc::clone(self.kernel().vfs.root())))
    }

    fn descriptors(&self, pid: Pid) -> Vec<(Fd, Rc<OpenFile>)> {
        let list = self.living(pid).map(|home| home.files.descriptors().list()).unwrap_or_default();
        list.into_iter().map(|(fd, descriptor)| (fd, descriptor.file)).collect()
    }

    fn place(&self, pid: Pid) -> Option<NodeId> {
        let kernel = self.kernel();
        let home = kernel.processes.home(pid)?;
        Some(home.cell().map_or(kernel.node, |cell| cell.place()))
    }

    fn limits(&self, pid: Pid) -> Vec<[u64; 2]> {
        let Some(home) = self.living(pid) else { return Vec::new() };
        let limits = home.limits.borrow();
        limits.all().iter().map(|limit| [limit.current, limit.maximum]).collect()
    }

    fn set(&self, subject: Subject, what: Settable, text: &str) -> Result<(), Errno> {
        let home = self.living(subject.pid).ok_or(Errno::ESRCH)?;
        match what {
            Settable::Name => {
                let tid = subject.tid.unwrap_or_else(|| subject.pid.leader());
                home.thread(tid).ok_or(Errno::ESRCH)?.set_name(text);
            }
            Settable::OomAdjustment => {
                let value = text.trim().parse().map_err(|_| Errno::EINVAL)?;
                if !(-1000..=1000).contains(&value) {
                    return Err(Errno::EINVAL);
                }
                home.oom_adjustment.set(value);
            }
        }
        Ok(())
    }

    fn maps(&self, pid: Pid, answer: Rc<Answer>) {
        let Some(home) = self.kernel().processes.home(pid) else {
            return answer.give(Err(Errno::ESRCH));
        };
        self.kernel().spawner.spawn(Priority::Service, memory::tell_maps(home, answer));
    }

    fn smaps(&self, pid: Pid, form: SmapsForm, answer: Rc<Answer>) {
        let Some(home) = self.kernel().processes.home(pid) else {
            return answer.give(Err(Errno::ESRCH));
        };
        self.kernel().spawner.spawn(Priority::Service, memory::tell_smaps(home, form, answer));
    }

    fn go(&self, pid: Pid, node: NodeId, answer: Rc<Answer>) {
        let kernel = self.kernel();
        kernel.spawner.clone().spawn(Priority::Service, async move {
            let outcome = kernel.order_move(pid, node).await;
            answer.give(outcome.map(|()| Vec::new()).map_err(|refusal| refusal.errno));
        });
    }

    fn node(&self) -> NodeFacts {
        let kernel = self.kernel();
        let homes = kernel.processes.homes();
        let frames = kernel.frames.counts();
        let uptime = Duration::from_nanos(kernel.now().0);
        let busy = homes.iter().map(|home| cpu(home)).sum();
        let running = homes.iter().filter(|home| state(home) == ProcessState::Running).count();
        NodeFacts {
            memory_total: frames.total as u64 * PAGE,
            memory_free: kernel.frames.available() as u64 * PAGE,
            uptime,
            idle: uptime.saturating_sub(busy),
            booted: kernel.epoch(),
            cpu_vendor: String::from("unknown"),
            cpu_model: String::from("x86-64"),
            cpu_flags: feature_names(&kernel.cpu),
            forks: homes.len() as u64,
            running,
            processes: homes.len(),
            last_pid: homes.iter().map(|home| home.pid).max().unwrap_or_default(),
            open_files: kernel.vfs.open_files().count(),
            host: HOST,
            release: RELEASE,
            version: VERSION,
            node: kernel.node,
        }
    }

    fn sockets(&self) -> Vec<SocketFacts> {
        facts::sockets(&self.kernel())
    }

    fn outside(&self) -> Option<[u8; 4]> {
        self.kernel().sockets.inet.outside()
    }

    fn mounts(&self) -> String {
        self.kernel().vfs.mounts_text()
    }

    fn mount_info(&self) -> String {
        self.kernel().vfs.mount_info_text()
    }

    fn command_line(&self) -> String {
        self.command_line.clone()
    }

    fn uuid(&self, of_boot: bool) -> String {
        let mut bytes = self.boot_id;
        if !of_boot {
            self.kernel().fill_random(&mut bytes);
        }
        uuid(bytes)
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let kernel = self.kernel();
        let counts = counts(&kernel);
        let network = kernel.network.as_ref().map(Network::totals).unwrap_or_default();
        let homes = kernel.processes.homes();
        Vec::from([
            ("node", kernel.node.0.into()),
            ("frames_total", counts.frames_total),
            ("frames_free", counts.frames_free),
            ("sockets", counts.sockets),
            ("tasks", counts.tasks),
            ("descriptors", counts.descriptors),
            ("processes", counts.processes),
            ("locks", kernel.vfs.open_files().locks().count() as u64),
            ("heap_bytes", counts.heap_used),
            ("heap_frames", counts.heap_frames),
            ("longest_poll_us", counts.longest_poll_us),
            ("polls", counts.polls),
            ("wakes", counts.wakes),
            ("unknown_calls", kernel.unknown_calls.get()),
            ("round_trips", homes.iter().map(|home| round_trips(home)).sum()),
            ("frames_in", network.frames_in),
            ("frames_out", network.frames_out),
            ("bytes_in", network.bytes_in),
            ("bytes_out", network.bytes_out),
            ("retransmissions", network.retransmissions),
        ])
    }

    fn long_polls(&self) -> Vec<String> {
        let long = self.kernel().meter.long_polls();
        let line = |(kind, polls): &(PollKind, LongPolls)| {
            format!("{kind} {} {}", polls.count, polls.longest.as_micros())
        };
        long.iter().map(line).collect()
    }
}

/// Round trips that calls of a process have made.
fn round_trips(home: &Home) -> u64 {
    let deputy = home.cell().and_then(|cell| cell.deputy_driver());
    home.away.round_trips.get() + deputy.map_or(0, |deputy| deputy.round_trips.get())
}

/// A random UUID (RFC 9562, version 4) of these bytes.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::new();
    for (index, byte) in bytes.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

fn feature_names(cpu: &CpuFeatures) -> String {
    let words = [cpu.basic[1], cpu.basic[0], cpu.amd[1], cpu.extended[0]];
    let mut names = String::new();
    for (word, bit, name) in FEATURE_NAMES {
        if words[word] >> bit & 1 != 0 {
            names += name;
            names.push(' ');
        }
    }
    names.truncate(names.trim_end().len());
    names
}
