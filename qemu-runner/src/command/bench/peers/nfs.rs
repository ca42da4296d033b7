//! File calls that another Linux guest serves over NFS: what a program would use instead of a
//! deputy that keeps its files. And what TCP between the two guests takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wayfarer::linux::{ADDRESSES, Linux, MTU};

use super::{LIMIT, Peers, ask, figures, guest_files, traffic, wire};
use crate::command::bench::calls::{self, Call, Cost, HEADERS, Sizes, Wire};
use crate::command::bench::figure::Figure;
use crate::command::bench::lab::{Lab, PROGRAM};
use crate::command::failure::Failure;

/// Memory of a guest here.
const MEMORY_MIB: u32 = 256;

/// A call on a file that the other guest serves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Elsewhere {
    /// That of the call away, by itself.
    #[serde(flatten)]
    figure: Figure,
    #[serde(flatten)]
    pub(crate) call: Call,
}

/// Serves a directory in memory by the kernel's own server, which is told of its one client and
/// its one export as `rpc.mountd` would tell it (exports(5), nfsd(7)): options 0x2402 are
/// `insecure`, `no_subtree_check` and `fsid=0`, with `sync` and `no_root_squash` what is not asked
/// otherwise. Without leases no client holds a delegation, which would let it serve itself.
fn server() -> String {
    let client = ADDRESSES[1];
    format!(
        "modprobe nfsd\nmkdir -p /export /var/lib/nfs/v4recovery\nmount -t tmpfs export /export\n\
         mount -t nfsd nfsd /proc/fs/nfsd\necho 0 > /proc/sys/fs/leases-enable\n\
         cd /proc/net/rpc\n\
         echo 'nfsd {client} 2147483647 peer' > auth.unix.ip/channel\n\
         echo 'peer /export 2147483647 0x2402 65534 65534 0' > nfsd.export/channel\n\
         echo 'peer 1 \\x00000000 2147483647 /export' > nfsd.fh/channel\n\
         cd /proc/fs/nfsd\n\
         echo '-3 +4 +4.1 +4.2' > versions\necho 'tcp 2049' > portlist\necho 1 > threads\n\
         echo Y > v4_end_grace\n{PROGRAM} serve"
    )
}

/// Mounts that by mount(2) alone, as `mount.nfs` would, and does this there.
fn mounted(command: &str) -> String {
    let [server, client] = ADDRESSES;
    let options = format!("vers=4.2,addr={server},clientaddr={client},proto=tcp,sec=sys");
    format!(
        "modprobe nfsv4\nmkdir -p /mnt\n\
         mount -t nfs4 -o {options},noac,sync {server}:/ /mnt && cd /mnt && {command}\ncd /"
    )
}

/// Times everything: the calls on files of the other guest and on the guest's own, and the wire,
/// by itself and with the bytes of each call.
fn client(count: usize, costs: &BTreeMap<String, Cost>) -> String {
    let server = ADDRESSES[0];
    let files = mounted(&format!("{PROGRAM} files away {count}"));
    let mut script = format!(
        "{PROGRAM} wire {server} {count}\ncd /tmp && {PROGRAM} files here {count}\n{files}"
    );
    for (name, sizes) in costs.iter().filter_map(|(name, cost)| Some((name, cost.sizes()?))) {
        let (Sizes { request, reply }, count) = (sizes, sizes.repetitions(count));
        script += &format!("\n{PROGRAM} tcp {server} {name} {request} {reply} {count}");
        if sizes.fit(MTU.into()) {
            let (request, reply) = (request + HEADERS, reply + HEADERS);
            script += &format!("\n{PROGRAM} raw {server} {name} {request} {reply} {count}");
        }
    }
    script
}

/// Counts what each call costs, then times it: between other guests, whose wire nobody watches.
pub(crate) fn measure(lab: &Lab<'_>, peers: &mut Peers) -> Result<(), Failure> {
    let linux = || Linux::fetched(MEMORY_MIB, lab.accel());
    let (files, server) = (guest_files(lab)?, server());
    lab.progress.say("what calls over NFS cost between two Linux guests");
    let counted = mounted(&format!("{PROGRAM} count {} {}", ADDRESSES[0], lab.repetitions(50, 5)));
    let watched = linux()?.capturing().run_pair(&files, [&server, &counted], LIMIT)?;
    let costs = traffic::costs(&watched.frames);
    if costs.is_empty() {
        return Err(Failure::Benchmark(format!("no call was captured: {:?}", watched.lines)));
    }
    lab.progress.say("calls over NFS between two Linux guests");
    let script = client(lab.repetitions(1000, 20), &costs);
    let heard = ask(&linux()?, &files, [&server, &script])?;
    let said = heard.join("\n");
    let here = figures(calls::samples_here(said.as_bytes()));
    let mut samples = calls::samples_away(said.as_bytes());
    peers.wire = wire(&mut samples);
    let away = figures(samples);
    let calls = here.into_iter().filter_map(|(name, home)| {
        let of = |carrier| away.get(&format!("{carrier}/{name}")).cloned();
        let wire = Wire { tcp: of("tcp"), raw: of("raw") };
        let away = away.get(&name)?.clone();
        let call = Call::new(home, away.clone(), *costs.get(&name)?, wire);
        Some((name, Elsewhere { figure: away, call }))
    });
    peers.calls = calls.collect();
    if peers.calls.is_empty() {
        return Err(Failure::Benchmark(format!("no call was made over NFS: {heard:?}")));
    }
    Ok(())
}
