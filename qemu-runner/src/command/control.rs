//! `ps`, `move` and `top`: a running cluster from another terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use wayfarer::control::{Answer, Control, Node, Process, Request};

use super::cli::{ClusterOptions, MoveOptions};
use super::failure::Failure;

/// How often `top` looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Cursor home, and nothing below (ECMA-48).
const REDRAW: &str = "\x1b[H\x1b[J";

/// Shows who runs where.
pub(crate) fn ps(options: &ClusterOptions) -> Result<u8, Failure> {
    let control = Control::find(options.cluster)?;
    let (processes, _) = look(&control)?;
    print(&process_table(&processes, None))
}

/// Moves a process.
pub(crate) fn order(options: &MoveOptions) -> Result<u8, Failure> {
    let control = Control::find(options.of.cluster)?;
    let request = Request::Move { pid: options.pid, node: options.node };
    match control.ask(&request)? {
        Answer::Done(text) => print(&format!("{text}\n")),
        other => Err(unexpected(&other)),
    }
}

/// Shows nodes and processes with their load again and again; once where stdout is no terminal.
pub(crate) fn top(options: &ClusterOptions) -> Result<u8, Failure> {
    let control = Control::find(options.cluster)?;
    let mut before = Sample::take(&control)?;
    loop {
        std::thread::sleep(INTERVAL);
        let now = Sample::take(&control)?;
        let table = now.table(&before);
        if !io::stdout().is_terminal() {
            return print(&table);
        }
        print(&format!("{REDRAW}{table}"))?;
        before = now;
    }
}

fn look(control: &Control) -> Result<(Vec<Process>, Vec<Node>), Failure> {
    match control.ask(&Request::Processes)? {
        Answer::Processes { processes, nodes } => Ok((processes, nodes)),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &Answer) -> Failure {
    let error = io::Error::other(format!("it speaks otherwise: {answer:?}"));
    Failure::Control(error.into())
}

fn print(text: &str) -> Result<u8, Failure> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Terminal)?;
    Ok(0)
}

/// What a cluster did up to an instant.
struct Sample {
    at: Instant,
    processes: Vec<Process>,
    nodes: Vec<Node>,
}

impl Sample {
    fn take(control: &Control) -> Result<Self, Failure> {
        let (processes, nodes) = look(control)?;
        Ok(Self { at: Instant::now(), processes, nodes })
    }

    /// Both tables, with what was used since `before`.
    fn table(&self, before: &Self) -> String {
        let elapsed = self.at.duration_since(before.at);
        let mut text = String::from("node  load    free of memory  bodies  connections\n");
        for node in &self.nodes {
            let then = before.nodes.iter().find(|other| other.node == node.node);
            let used = node.cpu_ms.saturating_sub(then.map_or(node.cpu_ms, |then| then.cpu_ms));
            let load = percent(Duration::from_millis(used), elapsed);
            let (free, total) = (node.free_kib / 1024, node.total_kib / 1024);
            let memory = format!("{free}M of {total}M");
            let Node { node, bodies, sockets, .. } = node;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{node:4}  {load:>3}%  {memory:>15}  {bodies:6}  {sockets:11}");
        }
        text.push('\n');
        text + &process_table(&self.processes, Some((&before.processes, elapsed)))
    }
}

/// Each process in a line; with the load of each since an earlier look.
fn process_table(processes: &[Process], since: Option<(&[Process], Duration)>) -> String {
    let load = if since.is_some() { "  load" } else { "" };
    let mut text =
        format!("  pid  ppid  node  state{load}    cpu ms    local   remote  special  command\n");
    for process in processes {
        let load = since.map_or_else(String::new, |(before, elapsed)| {
            let same = |other: &&Process| (other.home, other.pid) == (process.home, process.pid);
            let then = before.iter().find(same).map_or(process.cpu_us, |then| then.cpu_us);
            let used = Duration::from_micros(process.cpu_us.saturating_sub(then));
            format!("  {:>3}%", percent(used, elapsed))
        });
        let Process { pid, parent, node, state, local, remote, special, cpu_us, command, .. } =
            process;
        let cpu = cpu_us / 1000;
        let _ = writeln!(
            text,
            "{pid:5} {parent:5}  {node:4}  {state:>5}{load}  {cpu:8} {local:8} {remote:8} \
             {special:8}  {command}"
        );
    }
    text
}

fn percent(part: Duration, whole: Duration) -> u128 {
    part.as_micros() * 100 / whole.as_micros().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, cpu_us: u64) -> Process {
        let (command, state) = ("busybox sh".to_owned(), 'S');
        let (local, remote, special) = (1, 22, 333);
        Process { home: 1, pid, parent: 1, node: 2, state, local, remote, special, cpu_us, command }
    }

    #[test]
    fn columns_line_up() {
        let text = process_table(&[process(2, 1_500_000)], None);
        let expected = [
            "  pid  ppid  node  state    cpu ms    local   remote  special  command\n",
            "    2     1     2      S      1500        1       22      333  busybox sh\n",
        ];
        assert_eq!(text, expected.concat());
    }

    #[test]
    fn load_is_what_was_used_meanwhile() {
        let node = |cpu_ms| Node {
            node: 1,
            cpu_ms,
            free_kib: 2048,
            total_kib: 4096,
            bodies: 1,
            sockets: 3,
        };
        let now = Instant::now();
        let before = Sample { at: now, processes: vec![process(2, 0)], nodes: vec![node(0)] };
        let later = Sample {
            at: now + Duration::from_secs(2),
            processes: vec![process(2, 500_000), process(3, 9)],
            nodes: vec![node(1000)],
        };
        let text = later.table(&before);
        assert!(text.contains("\n   1   50%         2M of 4M       1            3\n"), "{text}");
        assert!(text.contains("  25%       500"), "{text}");
        assert!(text.contains("   0%         0"), "new ones have no load yet: {text}");
    }
}
