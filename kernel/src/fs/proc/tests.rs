//! What the process file system shows of a made-up node.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::linux::fcntl::{OpenFlags, Whence};
use wayfarer_proto::linux::mman::Protection;
use wayfarer_proto::linux::signal::{Signal, SignalSet};
use wayfarer_proto::linux::stat::FileType;
use wayfarer_proto::message::{CpuTime, IoCounts};

use super::*;
use crate::fs::testing::{TestClock, TestTree};
use crate::fs::{Dentry, OpenFile};
use crate::socket::{Address, Family, InetAddress, Kind, UnixName};

/// A move that was asked for.
type Move = (Pid, NodeId, Rc<Answer>);

/// Two processes: 1, with what tests open as its descriptors, and 7, a zombie.
struct TestSource {
    root: Rc<Dentry>,
    files: RefCell<Vec<(Fd, Rc<OpenFile>)>>,
    moves: RefCell<Vec<Move>>,
    maps: RefCell<Vec<Rc<Answer>>>,
    oom_adjustment: Cell<i32>,
}

/// What is told of any thread.
fn thread(state: ProcessState) -> ThreadFacts {
    ThreadFacts {
        name: if state == ProcessState::Zombie { "dead".into() } else { "init".into() },
        state,
        pending: SignalSet::EMPTY,
        blocked: SignalSet::only(Signal::SIGCHLD),
    }
}

impl ProcSource for TestSource {
    fn pids(&self) -> Vec<Pid> {
        vec![Pid(7), Pid(1)]
    }

    fn process(&self, pid: Pid) -> Option<ProcessFacts> {
        let zombie = pid == Pid(7);
        (zombie || pid == Pid(1)).then(|| ProcessFacts {
            leader: thread(if zombie { ProcessState::Zombie } else { ProcessState::Sleeping }),
            parent: Pid(i32::from(zombie)),
            group: Pid(1),
            session: Pid(1),
            terminal: Some((DeviceNumber::new(5, 1), Pid(1))),
            threads: 1,
            children_cpu: CpuTime::default(),
            started: Duration::from_secs(2),
            nice: 5,
            personality: 0,
            exit_signal: 17,
            oom_adjustment: self.oom_adjustment.get(),
            shared_pending: SignalSet::EMPTY,
            ignored: SignalSet::only(Signal::SIGPIPE),
            caught: SignalSet::EMPTY,
            umask: 0o22,
            descriptors: 3,
            identity: IdentityFacts { users: [0, 9, 0, 0], ..IdentityFacts::default() },
        })
    }

    fn measure(&self, _pid: Pid, tell: Measured) {
        let cpu = CpuTime { user: 1_230_000_000, system: 40_000_000 };
        let used = CpuTime { user: 20_000_000, system: 0 };
        tell(Some(BodyFacts {
            cpu,
            io: IoCounts { bytes_read: 5, reads: 1, ..IoCounts::default() },
            virtual_bytes: 8192,
            resident_pages: 1,
            threads: vec![ThreadUse { tid: Tid(3), cpu: used, waits: true }],
        }));
    }

    fn threads(&self, pid: Pid) -> Vec<Tid> {
        if pid == Pid(1) { vec![Tid(1), Tid(3)] } else { Vec::new() }
    }

    fn thread(&self, pid: Pid, tid: Tid) -> Option<ThreadFacts> {
        let known = self.threads(pid).contains(&tid);
        known.then(|| ThreadFacts {
            name: std::format!("thread{}", tid.0),
            ..thread(ProcessState::Running)
        })
    }

    fn program(&self, pid: Pid) -> ProgramFacts {
        if pid != Pid(1) {
            return ProgramFacts::default();
        }
        ProgramFacts {
            path: b"/bin/init".to_vec(),
            arguments: b"init\0-s\0".to_vec(),
            environment: b"A=B\0".to_vec(),
            auxiliary: Vec::new(),
        }
    }

    fn limits(&self, _pid: Pid) -> Vec<[u64; 2]> {
        vec![[7, u64::MAX]; 16]
    }

    fn set(&self, _subject: Subject, what: Settable, text: &str) -> Result<(), Errno> {
        assert_eq!(what, Settable::OomAdjustment);
        self.oom_adjustment.set(text.parse().map_err(|_| Errno::EINVAL)?);
        Ok(())
    }

    fn smaps(&self, _pid: Pid, form: SmapsForm, answer: Rc<Answer>) {
        let maps = "1000-3000 r--p 00000000 00:01 7 /file\n3000-4000 rw-p 00000000 00:00 0 \n";
        let clean = RegionUse { pages: 2, resident: 1, shared: 1, ..RegionUse::default() };
        let changed = RegionUse { pages: 1, resident: 1, changed: 1, ..RegionUse::default() };
        let both = [(Protection::READ, clean), (Protection::READ | Protection::WRITE, changed)];
        answer.give(Ok(smaps_text(maps, &both, form).into_bytes()));
    }

    fn sockets(&self) -> Vec<SocketFacts> {
        let inet = |ip, port| Address::Inet(InetAddress { ip, port });
        let socket = |inode, family, kind, local| {
            let (peer, listens, readable) = (None, true, 2);
            SocketFacts { inode, uid: 0, family, kind, local, peer, listens, readable }
        };
        let path = Address::Unix(UnixName::Path(b"/tmp/s".to_vec(), None));
        vec![
            socket(5, Family::Inet, Kind::Stream, inet([127, 0, 0, 1], 80)),
            socket(6, Family::Unix, Kind::Stream, path),
        ]
    }

    fn outside(&self) -> Option<[u8; 4]> {
        None
    }

    fn mount_info(&self) -> String {
        "1 0 0:1 / / rw - tmpfs tmpfs rw\n".into()
    }

    fn command_line(&self) -> String {
        "node=1".into()
    }

    fn uuid(&self, of_boot: bool) -> String {
        if of_boot { "boot".into() } else { "new".into() }
    }

    fn directory(&self, pid: Pid) -> Option<Rc<Dentry>> {
        (pid == Pid(1)).then(|| self.root.clone())
    }

    fn top_directory(&self, pid: Pid) -> Option<Rc<Dentry>> {
        self.directory(pid)
    }

    fn descriptors(&self, pid: Pid) -> Vec<(Fd, Rc<OpenFile>)> {
        if pid == Pid(1) { self.files.borrow().clone() } else { Vec::new() }
    }

    fn place(&self, _pid: Pid) -> Option<NodeId> {
        Some(NodeId(3))
    }

    fn maps(&self, _pid: Pid, answer: Rc<Answer>) {
        self.maps.borrow_mut().push(answer);
    }

    fn go(&self, pid: Pid, node: NodeId, answer: Rc<Answer>) {
        self.moves.borrow_mut().push((pid, node, answer));
    }

    fn node(&self) -> NodeFacts {
        NodeFacts {
            memory_total: 64 << 20,
            memory_free: 32 << 20,
            uptime: Duration::from_millis(12_345),
            idle: Duration::from_millis(10_000),
            booted: Duration::from_secs(1_000_000),
            cpu_vendor: "Vendor".into(),
            cpu_model: "Model".into(),
            cpu_flags: "fpu sse".into(),
            forks: 9,
            running: 1,
            processes: 2,
            last_pid: Pid(9),
            open_files: 4,
            host: "wayfarer",
            release: "6.1",
            version: "#1",
            node: NodeId(2),
        }
    }

    fn mounts(&self) -> String {
        "tmpfs / tmpfs rw 0 0\n".into()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("frames_free", 5), ("tasks", 2)]
    }

    fn long_polls(&self) -> Vec<String> {
        vec!["process/run.rs:51:munmap 3 400".into()]
    }
}

fn tree() -> (TestTree, Rc<TestSource>) {
    let tree = TestTree::new();
    tree.make_directory("/proc").unwrap();
    let (files, moves, maps, oom_adjustment) = Default::default();
    let root = tree.vfs.root().clone();
    let source = Rc::new(TestSource { root, files, moves, maps, oom_adjustment });
    let clock: Rc<dyn Clock> = Rc::new(TestClock::default());
    let root = ProcFs::create(source.clone(), clock, DeviceNumber::new(0, 23));
    tree.vfs
        .mount(b"/proc", root, crate::fs::MountKind::of_the_kernel("proc"), &tree.asker)
        .unwrap();
    (tree, source)
}

#[test]
fn processes_and_texts_are_listed() {
    let (tree, _source) = tree();
    let names = tree.list("/proc");
    for name in ["1", "7", "self", "meminfo", "wayfarer"] {
        assert!(names.iter().any(|found| found == name), "{name}");
    }
    assert_eq!(&names[names.len() - 2..], ["1", "7"], "in order");
    assert!(tree.list("/proc/1").iter().any(|name| name == "goto"));
    assert_eq!(tree.lstat("/proc/2").err(), Some(Errno::ENOENT));
    assert_eq!(tree.lstat("/proc/01").err(), Some(Errno::ENOENT));
    assert_eq!(tree.lstat("/proc/+1").err(), Some(Errno::ENOENT));
    assert_eq!(tree.lstat("/proc/1/nothing").err(), Some(Errno::ENOENT));
    assert_eq!(tree.lstat("/proc/1/stat/x").err(), Some(Errno::ENOTDIR));
}

#[test]
fn self_is_whoever_asks() {
    let (mut tree, _source) = tree();
    assert_eq!(tree.read_link("/proc/self").unwrap(), "1");
    assert_eq!(tree.read_text("/proc/self/comm"), "init\n");
    tree.asker.pid = Pid(7);
    assert_eq!(tree.read_text("/proc/self/comm"), "dead\n");
    tree.asker.pid = Pid(0);
    assert_eq!(tree.read_link("/proc/self"), Err(Errno::ENOENT));
}

#[test]
fn a_process_is_described_as_proc_5_says() {
    let (tree, _source) = tree();
    let stat = tree.read_text("/proc/1/stat");
    let fields: Vec<_> = stat.trim_end().split(' ').collect();
    assert_eq!(fields.len(), 52);
    assert_eq!(fields[..8], ["1", "(init)", "S", "0", "1", "1", "1281", "1"]);
    assert_eq!((fields[13], fields[21], fields[22], fields[23]), ("123", "200", "8192", "1"));
    assert_eq!(fields[31], "65536", "SIGCHLD is blocked");
    let status = tree.read_text("/proc/1/status");
    for line in ["Name:\tinit", "State:\tS (sleeping)", "PPid:\t0", "Umask:\t0022", "Threads:\t1"] {
        assert!(status.lines().any(|found| found == line), "{line}");
    }
    assert!(status.contains("SigIgn:\t0000000000001000\n"));
    assert_eq!(tree.read("/proc/1/cmdline").unwrap(), b"init\0-s\0");
    assert_eq!(tree.read("/proc/7/cmdline").unwrap(), b"");
    assert!(tree.read_text("/proc/7/status").contains("Z (zombie)"));
    assert_eq!(tree.read_text("/proc/1/where"), "3\n");
    assert_eq!(tree.read_text("/proc/1/statm"), "2 1 0 0 0 2 0\n");
    assert!(tree.read_text("/proc/1/io").starts_with("rchar: 5\nwchar: 0\nsyscr: 1\nsyscw: 0\n"));
}

#[test]
fn threads_have_directories_of_their_own() {
    let (tree, _source) = tree();
    assert_eq!(tree.list("/proc/self/task"), ["1", "3"]);
    assert_eq!(tree.read_text("/proc/self/task/3/comm"), "thread3\n");
    assert!(tree.read_text("/proc/1/task/3/stat").starts_with("3 (thread3) S 0 1 1 "), "it waits");
    assert!(tree.read_text("/proc/1/task/1/stat").starts_with("1 (thread1) R 0 1 1 "));
    assert!(tree.read_text("/proc/1/task/3/status").contains("Tgid:\t1\nNgid:\t0\nPid:\t3\n"));
    assert_eq!(tree.lstat("/proc/1/task/7").err(), Some(Errno::ENOENT));
    assert_eq!(tree.lstat("/proc/1/task/3/goto").err(), Some(Errno::ENOENT));
    assert_eq!(tree.lstat("/proc/1/task/3/task").err(), Some(Errno::ENOENT));
    assert_eq!(tree.read_link("/proc/thread-self").unwrap(), "1/task/1");
    assert_eq!(tree.list("/proc/7/task"), [""; 0], "a zombie has none");
}

#[test]
fn what_is_written_changes_what_it_may() {
    let (tree, source) = tree();
    let flags = OpenFlags::WRITE_ONLY;
    let file = tree.open("/proc/1/oom_score_adj", flags).unwrap();
    assert_eq!(file.write(b"-17\n", &file.io(&tree.asker)), Ok(4));
    assert_eq!(file.write(b"much", &file.io(&tree.asker)), Err(Errno::EINVAL));
    assert_eq!(source.oom_adjustment.get(), -17);
    assert_eq!(tree.read_text("/proc/1/oom_score_adj"), "-17\n");
    assert_eq!(tree.lstat("/proc/1/stat").unwrap().attributes.uid, 9, "the effective user's");
    assert_eq!(tree.lstat("/proc/1/environ").unwrap().mode(), 0o100400);
    assert_eq!(tree.read_text("/proc/1/environ"), "A=B\0");
}

#[test]
fn memory_is_told_by_region_and_in_all() {
    let (tree, _source) = tree();
    let smaps = tree.read_text("/proc/1/smaps");
    assert!(
        smaps.starts_with("1000-3000 r--p 00000000 00:01 7 /file\nSize:                  8 kB\n")
    );
    assert_eq!(smaps.matches("Rss:                   4 kB\n").count(), 2);
    assert_eq!(smaps.matches("Private_Dirty:         4 kB\n").count(), 1);
    assert!(smaps.contains("VmFlags: rd wr mr mw me \n"));
    let sum = tree.read_text("/proc/1/smaps_rollup");
    assert!(sum.starts_with("1000-4000 ---p 00000000 00:00 0 "));
    assert!(sum.contains("Rss:                   8 kB\n"));
}

#[test]
fn sockets_are_listed_by_their_inode_numbers() {
    let (tree, _source) = tree();
    let tcp = tree.read_text("/proc/net/tcp");
    let line = tcp.lines().nth(1).unwrap();
    assert!(line.starts_with("   0: 0100007F:0050 00000000:0000 0A 00000000:00000002 "), "{line}");
    assert_eq!(line.split_whitespace().nth(9), Some("5"));
    assert!(tree.read_text("/proc/1/net/unix").ends_with(" 0001 01     6 /tmp/s\n"));
    assert_eq!(tree.lstat("/proc/net/tcp6").err(), Some(Errno::ENOENT), "there is no IPv6");
}

#[test]
fn settings_of_the_kernel_are_a_tree() {
    let (tree, _source) = tree();
    assert_eq!(tree.list("/proc/sys"), ["fs", "kernel", "net", "vm"]);
    assert_eq!(
        tree.list("/proc/sys/kernel/random"),
        ["boot_id", "entropy_avail", "poolsize", "uuid"]
    );
    assert_eq!(tree.read_text("/proc/sys/kernel/osrelease"), "6.1\n");
    assert_eq!(tree.read_text("/proc/sys/fs/file-nr"), "4\t0\t1048576\n");
    assert_eq!(tree.lstat("/proc/sys/1").err(), Some(Errno::ENOENT), "processes are at the top");
    assert_eq!(tree.lstat("/proc/sys/kernel/none").err(), Some(Errno::ENOENT));
}

#[test]
fn the_node_is_described() {
    let (tree, _source) = tree();
    assert_eq!(tree.read_text("/proc/uptime"), "12.34 10.00\n");
    assert!(tree.read_text("/proc/meminfo").starts_with("MemTotal:          65536 kB\n"));
    assert!(tree.read_text("/proc/cpuinfo").contains("flags\t\t: fpu sse\n"));
    assert!(tree.read_text("/proc/stat").starts_with("cpu  234 0 0 1000 0 0 0 0 0 0\n"));
    assert_eq!(tree.read_text("/proc/loadavg"), "1.00 1.00 1.00 1/2 9\n");
    assert_eq!(
        tree.read_text("/proc/wayfarer"),
        "frames_free 5\ntasks 2\nlong_poll process/run.rs:51:munmap 3 400\n"
    );
    assert_eq!(tree.read_link("/proc/mounts").unwrap(), "self/mounts");
    assert_eq!(tree.read_text("/proc/mounts"), "tmpfs / tmpfs rw 0 0\n");
    assert_eq!(tree.read_text("/proc/version"), "Linux version 6.1 (node 2) #1\n");
}

#[test]
fn descriptors_are_links_that_open() {
    let (tree, source) = tree();
    tree.write("/file", b"content");
    let file = tree.open("/file", OpenFlags::empty()).unwrap();
    let (reader, writer) = tree.vfs.make_pipe(OpenFlags::empty()).unwrap();
    source.files.replace(vec![(Fd(0), file), (Fd(3), reader), (Fd(10), writer.clone())]);
    assert_eq!(tree.list("/proc/self/fd"), ["0", "3", "10"]);
    assert_eq!(tree.read_link("/proc/self/fd/0").unwrap(), "/file");
    assert_eq!(tree.read_link("/proc/self/fd/3").unwrap(), "pipe:[1]");
    assert_eq!(tree.read_link("/proc/self/fd/4"), Err(Errno::ENOENT));
    assert_eq!(tree.lstat("/proc/self/fd/0").unwrap().mode(), 0o120500);
    assert_eq!(tree.lstat("/proc/self/fd/10").unwrap().mode(), 0o120300);
    assert_eq!(tree.stat("/proc/self/fd/3").file_type, FileType::Fifo);
    writer.write(b"through", &writer.io(&tree.asker)).unwrap();
    let again = tree.open("/proc/self/fd/3", OpenFlags::empty()).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(again.read(&mut buffer, &again.io(&tree.asker)), Ok(7), "a new end of the pipe");
    tree.vfs.unlink(tree.vfs.root(), b"/file", &tree.asker).unwrap();
    assert_eq!(tree.read_link("/dev/stdin").unwrap(), "/proc/self/fd/0");
    assert_eq!(tree.read_link("/proc/self/fd/0").unwrap(), "/file (deleted)");
    assert_eq!(tree.read_text("/dev/stdin"), "content", "the file itself, not the name");
}

#[test]
fn links_lead_to_program_and_directories() {
    let (tree, source) = tree();
    assert_eq!(tree.read_link("/proc/1/exe").unwrap(), "/bin/init");
    assert_eq!(tree.read_link("/proc/7/exe"), Err(Errno::ENOENT));
    assert_eq!(tree.read_link("/proc/1/cwd").unwrap(), "/");
    assert_eq!(tree.read_link("/proc/1/root").unwrap(), "/");
    let through = tree.stat("/proc/1/cwd/proc/1/root/dev/null");
    assert_eq!(through.file_type, FileType::CharDevice);
    assert_eq!(source.pids().len(), 2);
}

#[test]
fn a_text_may_come_later() {
    let (tree, source) = tree();
    let maps = tree.open("/proc/1/maps", OpenFlags::empty()).unwrap();
    let io = maps.io(&tree.asker);
    let mut buffer = [0; 4];
    assert_eq!(maps.read(&mut buffer, &io), Err(Errno::EAGAIN));
    assert!(!maps.poll().contains(wayfarer_proto::linux::poll::PollEvents::IN));
    source.maps.borrow()[0].give(Ok(b"00400000-...".to_vec()));
    assert_eq!(maps.read(&mut buffer, &io), Ok(4));
    assert_eq!(maps.seek(8, Whence::Start), Ok(8));
    assert_eq!(maps.read(&mut buffer, &io), Ok(4));
    assert_eq!(&buffer, b"-...");
    assert_eq!(maps.read(&mut buffer, &io), Ok(0));
    let refused = tree.open("/proc/1/maps", OpenFlags::empty()).unwrap();
    source.maps.borrow()[1].give(Err(Errno::ESRCH));
    assert_eq!(refused.read(&mut buffer, &io), Err(Errno::ESRCH));
}

#[test]
fn writing_a_node_moves_the_process() {
    let (tree, source) = tree();
    let flags = OpenFlags::WRITE_ONLY | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let goto = tree.open("/proc/1/goto", flags).unwrap();
    let io = goto.io(&tree.asker);
    assert_eq!(goto.write(b"away\n", &io), Err(Errno::EINVAL));
    assert_eq!(goto.write(b"65536\n", &io), Err(Errno::EINVAL));
    assert_eq!(goto.write(b"2\n", &io), Err(Errno::EAGAIN));
    assert_eq!(goto.write(b"2\n", &io), Err(Errno::EAGAIN));
    assert_eq!(source.moves.borrow().len(), 1, "asked for once");
    let (pid, node, answer) = source.moves.take().remove(0);
    assert_eq!((pid, node), (Pid(1), NodeId(2)));
    answer.give(Ok(Vec::new()));
    assert_eq!(goto.write(b"2\n", &io), Ok(2));
    assert_eq!(goto.write(b"1\n", &io), Err(Errno::EAGAIN));
    source.moves.take().remove(0).2.give(Err(Errno::EHOSTUNREACH));
    assert_eq!(goto.write(b"1\n", &io), Err(Errno::EHOSTUNREACH));
}

#[test]
fn nothing_can_be_made_or_removed() {
    let (tree, _source) = tree();
    let root = tree.vfs.root();
    assert_eq!(tree.make_directory("/proc/x"), Err(Errno::ENOENT));
    let create = OpenFlags::CREATE | OpenFlags::WRITE_ONLY;
    assert_eq!(tree.open("/proc/x", create).err(), Some(Errno::ENOENT));
    assert_eq!(tree.vfs.unlink(root, b"/proc/uptime", &tree.asker), Err(Errno::EPERM));
    assert_eq!(tree.vfs.remove_directory(root, b"/proc/1", &tree.asker), Err(Errno::EPERM));
    let text = tree.open("/proc/uptime", OpenFlags::READ_WRITE).unwrap();
    assert_eq!(text.write(b"x", &text.io(&tree.asker)), Err(Errno::EIO));
    assert_eq!(text.seek(0, Whence::End), Err(Errno::EINVAL));
}
