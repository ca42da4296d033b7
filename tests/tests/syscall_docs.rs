//! `docs/syscalls.md` is made from the table of system calls and from what the guests show.
//!
//! `WAYFARER_WRITE_DOCS=1 cargo test -p wayfarer-tests --test syscall_docs` writes it anew; without
//! the variable the test fails if the file is not what the table gives.

use std::fmt::Write as _;
use std::fs;

use wayfarer::artifacts::workspace;
use wayfarer_proto::linux::calls;
use wayfarer_proto::table::{Arg, ArgKind, Class, Row, Support, Sysno, TABLE};
use wayfarer_tests::coverage;

const HEAD: &str = "\
# System calls

<!-- Generated from proto/src/table and tests/coverage.txt by tests/tests/syscall_docs.rs; do not
     edit. -->

Every call of Linux for x86-64, and Wayfarer's own. A call without support answers ENOSYS, is
counted, and is named by `--trace` and at the end of `run`.

The class says where a call runs when its process is away from home; at home every call runs where
it is made.

| class | calls | away from home |
|---|---|---|
";

const COLUMNS: &str = "
Support is full (what the manual page says, as far as it means something here), partly (what is
missing or different is named), or refused (with the error and for the reason named). The guests
under `tests/guest/` that show a call make it with success: they are traced at home, and a call that
none of its guests makes fails the test `vm_guests`. Each runs on the host's Linux, at home, moved
once and roaming, and must say the same.

| number | name | class | support | shown by |
|---|---|---|---|---|
";

const ARGUMENTS: &str = "
## Arguments

An argument that names memory says which way it goes and how far: `in` is read by the handler and
travels with the request, `out` is written and travels with the reply, both up to 16 KiB a message;
`[n]` is a length in bytes, fixed or held by another argument, `iovec[n]` a vector of n buffers,
`msghdr` a message with its buffers, name and control data.
`?` is memory whose extent the row cannot tell: for a few calls the body knows it (select, execve),
otherwise the handler asks for it.

| name | arguments |
|---|---|
";

/// Calls that programs of a distribution need, by the measure of the issue tracker.
const WANTED: usize = 225;

#[test]
fn the_documentation_of_system_calls_is_what_the_table_gives() {
    let path = workspace().join("docs/syscalls.md");
    let text = page();
    if std::env::var_os("WAYFARER_WRITE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/syscalls.md is not current: run this with WAYFARER_WRITE_DOCS=1"
    );
}

#[test]
fn a_guest_shows_almost_every_call() {
    let claims = coverage::claims();
    let shown = TABLE.iter().filter(|row| is_there(row) && claims.contains_key(row.name)).count();
    let without: Vec<_> = TABLE
        .iter()
        .filter(|row| is_there(row) && !claims.contains_key(row.name))
        .map(|row| row.name)
        .collect();
    assert!(shown >= WANTED, "{shown} calls are shown, and these are not: {without:?}");
}

fn is_there(row: &Row) -> bool {
    !matches!(row.sysno.support(), Support::Refused(..))
}

fn page() -> String {
    let mut page = String::from(HEAD);
    for (class, meaning) in [
        (Class::Local, "served by the node that hosts the body; no message"),
        (Class::Remote, "one request to the deputy, which executes it, and one reply"),
        (Class::Special, "both halves take part"),
    ] {
        let count = TABLE.iter().filter(|row| row.class == class).count();
        let _ = writeln!(page, "| {} | {count} | {meaning} |", class.name());
    }
    page.push_str(COLUMNS);
    let claims = coverage::claims();
    let linux = (0..0x1000).filter_map(|number| Some((number, calls::name(number)?)));
    for (number, name) in linux.chain([(0x1000, "migrate")]) {
        let row = Sysno::from_number(number).map(Sysno::row);
        let (class, support) = row.map_or_else(|| ("", "none".to_owned()), describe);
        let guests = claims.get(name).map(|guests| guests.join(", ")).unwrap_or_default();
        let number = printed(number);
        let _ = writeln!(page, "| {number} | `{name}` | {class} | {support} | {guests} |");
    }
    page.push_str(ARGUMENTS);
    for row in TABLE {
        let _ = writeln!(page, "| `{}` | {} |", row.name, arguments(row));
    }
    page
}

fn describe(row: &Row) -> (&'static str, String) {
    let support = match row.sysno.support() {
        Support::Full => "full".to_owned(),
        Support::Partly(missing) => format!("partly: {missing}"),
        Support::Refused(errno, reason) => {
            format!("refused: {}: {reason}", errno.name().unwrap_or_default())
        }
    };
    (row.class.name(), support)
}

/// Linux's numbers as its tables print them, our own as the programs' headers do.
fn printed(number: u64) -> String {
    if number < 0x1000 { number.to_string() } else { format!("{number:#x}") }
}

fn arguments(row: &Row) -> String {
    let described: Vec<String> = row.args.iter().map(|arg| argument(row, arg)).collect();
    described.join(", ")
}

fn argument(row: &Row, arg: &Arg) -> String {
    let name = |index: u8| row.args[usize::from(index)].name;
    let kind = match arg.kind {
        ArgKind::Int => "int".to_owned(),
        ArgKind::Size => "size".to_owned(),
        ArgKind::Hex => "flags".to_owned(),
        ArgKind::Mode => "mode".to_owned(),
        ArgKind::Fd => "fd".to_owned(),
        ArgKind::DirFd => "dirfd".to_owned(),
        ArgKind::Pid => "pid".to_owned(),
        ArgKind::Signal => "signal".to_owned(),
        ArgKind::Address => "address".to_owned(),
        ArgKind::Path => "in path".to_owned(),
        ArgKind::InBuffer { len } => format!("in [{}]", name(len)),
        ArgKind::OutBuffer { len } => format!("out [{}]", name(len)),
        ArgKind::InStruct(size) => format!("in [{size}]"),
        ArgKind::OutStruct(size) => format!("out [{size}]"),
        ArgKind::InOutStruct(size) => format!("in out [{size}]"),
        ArgKind::InOutArray { count, size } => format!("in out [{size} x {}]", name(count)),
        ArgKind::OutArray { count, size } => format!("out [{size} x {}]", name(count)),
        ArgKind::InMessage => "in msghdr".to_owned(),
        ArgKind::OutMessage => "out msghdr".to_owned(),
        ArgKind::InMessages { count } => format!("in mmsghdr[{}]", name(count)),
        ArgKind::OutMessages { count } => format!("out mmsghdr[{}]", name(count)),
        ArgKind::InVector { count } => format!("in iovec[{}]", name(count)),
        ArgKind::OutVector { count } => format!("out iovec[{}]", name(count)),
        ArgKind::Opaque => "?".to_owned(),
    };
    format!("`{}` {kind}", arg.name)
}
