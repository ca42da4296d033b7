//! Servers on real nodes that are moved while the host talks to them through a published port, and
//! a database whose node dies: what the home holds, connections and files, stays whole.
//!
//! A test whose client or server this host lacks is skipped, and says so.

use std::io::{Read, Seek, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wayfarer::program::command;
use wayfarer::{Cluster, Initrd, Outcome, Published};
use wayfarer_proto::console::{ExitStatus, FromNode, MoveOrder, ToNode};
use wayfarer_proto::id::{NodeId, Pid};
use wayfarer_tests::vm::{HOME, Nodes, VmError};

/// How long anything but a whole test may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Nodes of each cluster.
const NODES: u16 = 3;

/// A program on nodes, and what was seen of it.
struct Scene {
    nodes: Nodes,
    outcome: Outcome,
    /// Where each move goes.
    route: std::iter::Cycle<std::vec::IntoIter<NodeId>>,
}

impl Scene {
    /// Boots nodes on which port `guest` can be reached through the port of this host it gives.
    fn publish(initrd: &Initrd, guest: u16) -> Result<(Self, u16), VmError> {
        let mut attempts = 0..5;
        loop {
            let host = free_port()?;
            let published = vec![Published { host, guest }];
            let cluster = Cluster::builder().nodes(NODES).uplink(published).timeout(5 * LIMIT);
            match Nodes::boot(&cluster, initrd) {
                Ok(nodes) => return Ok((Self::new(nodes), host)),
                // Another program may have taken the port.
                Err(error) => attempts.next().map(drop).ok_or(error)?,
            }
        }
    }

    fn new(nodes: Nodes) -> Self {
        let route: Vec<NodeId> = [2, 3, 1].map(NodeId).into();
        Self {
            nodes,
            outcome: Outcome::new(ExitStatus::Exited(0)),
            route: route.into_iter().cycle(),
        }
    }

    fn watch<T>(
        &mut self,
        wanted: impl FnMut(NodeId, &FromNode) -> Option<T>,
    ) -> Result<T, VmError> {
        self.nodes.watch(LIMIT, &mut self.outcome, wanted)
    }

    /// Moves a process to the next node of the route.
    fn move_on(&mut self, pid: Pid) -> Result<(), VmError> {
        let node = self.route.next().expect("a cycle has no end");
        self.nodes.cluster.node(HOME).send(&ToNode::Move(MoveOrder { pid, node }))?;
        let result = self.watch(|_, frame| match frame {
            FromNode::Moved(moved) if moved.pid == pid => Some(moved.result),
            FromNode::Refused(refused) if refused.pid == pid => Some(Err(refused.errno)),
            _ => None,
        })?;
        assert_eq!(result, Ok(()), "process {pid} to node {node}");
        Ok(())
    }

    /// The first process that `parent` has forked.
    fn child(&mut self, parent: Pid) -> Result<Pid, VmError> {
        loop {
            self.nodes.cluster.node(HOME).send(&ToNode::QueryProcesses)?;
            let mut child = None;
            self.watch(|sender, frame| match frame {
                FromNode::Half(half) if sender == HOME && half.parent == parent => {
                    child = Some(half.pid);
                    None
                }
                FromNode::Counts(_) if sender == HOME => Some(()),
                _ => None,
            })?;
            if let Some(child) = child {
                return Ok(child);
            }
        }
    }
}

/// A port of this host that nobody has now.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Asks until there is an answer that begins as it should.
fn await_answer(port: u16, question: &[u8], answer: &[u8]) {
    let deadline = Instant::now() + LIMIT;
    let ask = || {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.write_all(question)?;
        let mut said = vec![0; answer.len()];
        connection.read_exact(&mut said).map(|()| said)
    };
    while !ask().is_ok_and(|said| said == answer) {
        assert!(Instant::now() < deadline, "nothing answers at port {port}");
    }
}

/// Whether the host has these programs; if not, says what the test will not do.
fn has(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| !Path::new(program).exists());
    if let Some(missing) = missing {
        println!("skipped: this host has no {missing}");
    }
    missing.is_none()
}

/// Bytes that no compression or mistake reproduces.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

/// Ended with the test.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_download_from_a_server_that_moves_is_whole() {
    const CURL: &str = "/usr/bin/curl";
    const MOVES: usize = 20;
    const PIECE: usize = 1 << 20;
    // What the network between holds, in buffers, and a piece for each move.
    const SIZE: usize = (MOVES + 10) * PIECE;
    if !has(&[CURL]) {
        return;
    }
    let data = noise(SIZE);
    let mut initrd = Initrd::new().unwrap();
    initrd.add_file("/www/data", 0o644, data.clone());
    initrd.add_file("/www/ready", 0o644, Vec::new());
    let (mut scene, port) = Scene::publish(&initrd, 80).unwrap();
    let server = scene.nodes.begin(&command(&["httpd", "-f", "-h", "/www"])).unwrap();
    await_answer(port, b"GET /ready HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK");
    let url = format!("http://127.0.0.1:{port}/data");
    let mut curl = Command::new(CURL);
    let curl = curl.args(["--silent", "--show-error", "--max-time", "600", &url]);
    let mut curl = Client(curl.stdout(Stdio::piped()).spawn().unwrap());
    let mut output = curl.0.stdout.take().unwrap();
    let mut got = vec![0; PIECE];
    output.read_exact(&mut got).unwrap();
    // The child that serves lives no longer than the download.
    let child = scene.child(server).unwrap();
    for _ in 0..MOVES {
        scene.move_on(child).unwrap();
        let mut piece = vec![0; PIECE];
        output.read_exact(&mut piece).unwrap();
        got.extend(piece);
    }
    output.read_to_end(&mut got).unwrap();
    assert!(curl.0.wait().unwrap().success());
    assert_eq!(got.len(), data.len());
    assert!(got == data, "other bytes");
}

/// A connection to a redis-server.
struct Redis(TcpStream);

impl Redis {
    fn connect(port: u16) -> Self {
        let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        connection.set_read_timeout(Some(LIMIT)).unwrap();
        Self(connection)
    }

    /// A number among those the server knows of itself (`INFO`).
    fn number(&mut self, name: &str) -> u64 {
        self.0.write_all(b"INFO\r\n").unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let length = String::from_utf8_lossy(&head).trim().trim_start_matches('$').parse();
        let mut text = vec![0; length.unwrap_or(0_usize) + 2];
        self.0.read_exact(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
    }

    /// Requests that were answered in a second while something is done.
    fn rate(&mut self, act: impl FnOnce()) -> f64 {
        let (before, began) = (self.number("total_commands_processed"), Instant::now());
        act();
        let after = self.number("total_commands_processed");
        (after - before) as f64 / began.elapsed().as_secs_f64()
    }
}

#[test]
fn a_hundred_clients_of_redis_notice_no_move() {
    const SERVER: &str = "/usr/bin/redis-server";
    const BENCHMARK: &str = "/usr/bin/redis-benchmark";
    const MOVES: usize = 100;
    const A_WHILE: Duration = Duration::from_secs(1);
    if !has(&[SERVER, BENCHMARK]) {
        return;
    }
    let mut initrd = Initrd::new().unwrap();
    initrd.add_host_program(Path::new(SERVER)).unwrap();
    let (mut scene, port) = Scene::publish(&initrd, 6379).unwrap();
    let options = [SERVER, "--save", "", "--protected-mode", "no"];
    let server = scene.nodes.begin(&command(&options)).unwrap();
    await_answer(port, b"PING\r\n", b"+PONG");
    let mut redis = Redis::connect(port);
    let mut errors = tempfile::tempfile().unwrap();
    let mut benchmark = Command::new(BENCHMARK);
    benchmark.args(["-p", &port.to_string(), "-c", "100", "-n", "1000000000", "-t", "set", "-q"]);
    let stderr = errors.try_clone().unwrap();
    let benchmark = benchmark.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut benchmark = Client(benchmark.spawn().unwrap());
    let deadline = Instant::now() + LIMIT;
    while redis.number("connected_clients") < 101 {
        assert!(Instant::now() < deadline, "not all clients come");
    }
    let connections = redis.number("total_connections_received");
    let home = redis.rate(|| std::thread::sleep(A_WHILE));
    scene.move_on(server).unwrap();
    let away = redis.rate(|| std::thread::sleep(A_WHILE));
    let moving = redis.rate(|| (1..MOVES).for_each(|_| scene.move_on(server).unwrap()));
    println!("requests a second: {home:.0} at home, {away:.0} away, {moving:.0} moving");
    assert!(benchmark.0.try_wait().unwrap().is_none(), "it has ended");
    assert_eq!(redis.number("connected_clients"), 101);
    assert_eq!(redis.number("total_connections_received"), connections);
    assert_eq!(redis.number("total_error_replies"), 0);
    drop(benchmark);
    let mut said = String::new();
    errors.rewind().unwrap();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

/// What a writer does before it is interrupted; `cache_size` lets it write in the middle of a
/// transaction, not only at its end.
const PREPARE: &str = "pragma locking_mode = exclusive; pragma cache_size = 10;
create table t(id integer primary key, text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
insert into t select i, hex(randomblob(100)) from n;
select 'prepared';\n";

/// The transaction in the middle of which it is interrupted.
const INTERRUPT: &str = "begin; update t set text = 'changed' where id % 2;
delete from t where id % 3 = 0;
select 'inside';
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000000)
insert into t(text) select hex(i) from n; commit;\n";

/// Kills the node of sqlite3's body in the middle of a transaction.
fn interrupt_writer(journal: &str) -> Result<Nodes, VmError> {
    let mut initrd = Initrd::new()?;
    initrd.add_host_program(Path::new(SQLITE))?;
    let cluster = Cluster::builder().nodes(2).keepalive(Duration::from_secs(3)).timeout(LIMIT);
    let mut scene = Scene::new(Nodes::boot(&cluster, &initrd)?);
    let writer = scene.nodes.begin(&command(&[SQLITE, "-batch", DATABASE]))?;
    let keyboard = scene.nodes.cluster.node(HOME).clone();
    let mut said = Vec::new();
    let mut await_word = |scene: &mut Scene, word: &str| {
        scene.watch(|_, frame| match frame {
            FromNode::Stdout(bytes) => {
                said.extend(bytes);
                String::from_utf8_lossy(&said).contains(word).then_some(())
            }
            _ => None,
        })
    };
    let begin = format!("pragma journal_mode = {journal};{PREPARE}");
    keyboard.send(&ToNode::Stdin(begin.into_bytes()))?;
    await_word(&mut scene, "prepared")?;
    scene.move_on(writer)?;
    keyboard.send(&ToNode::Stdin(INTERRUPT.into()))?;
    await_word(&mut scene, "inside")?;
    scene.nodes.cluster.kill(NodeId(2));
    let status = scene.watch(|_, frame| match frame {
        FromNode::Exit(exit) if exit.pid == writer => Some(exit.status.clone()),
        _ => None,
    })?;
    assert_eq!(status, ExitStatus::Signaled(9), "{:?}", scene.outcome.log);
    Ok(scene.nodes)
}

const SQLITE: &str = "/usr/bin/sqlite3";
const DATABASE: &str = "/tmp/database";

#[test]
fn a_database_survives_the_node_of_its_writer() {
    if !has(&[SQLITE]) {
        return;
    }
    for (journal, left) in [("delete", "journal"), ("wal", "wal")] {
        let mut nodes = interrupt_writer(journal).unwrap();
        let left = format!("{DATABASE}-{left}");
        let found = nodes.run(&command(&["test", "-s", &left]), LIMIT).unwrap();
        assert_eq!(found.status, ExitStatus::Exited(0), "{left} is gone: nothing was interrupted");
        let check = "pragma integrity_check; select count(*), min(length(text)) from t";
        let checked = nodes.run(&command(&[SQLITE, DATABASE, check]), LIMIT).unwrap();
        assert_eq!(String::from_utf8_lossy(&checked.stdout), "ok\n2000|200\n", "{journal}");
    }
}
