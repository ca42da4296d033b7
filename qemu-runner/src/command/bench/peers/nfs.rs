//! File calls that another Linux guest serves over NFS: what a program would use instead of a
//! deputy that keeps its files. And what TCP between the two guests takes.

use wayfarer::linux::{ADDRESSES, Linux};

use super::{Peers, ask, figures, guest_files, wire};
use crate::command::bench::calls;
use crate::command::bench::lab::{Lab, PROGRAM};
use crate::command::failure::Failure;

/// Memory of a guest here.
const MEMORY_MIB: u32 = 256;

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

/// Mounts that by mount(2) alone, as `mount.nfs` would, and measures.
fn client(count: usize) -> String {
    let [server, client] = ADDRESSES;
    let options = format!("vers=4.2,addr={server},clientaddr={client},proto=tcp,sec=sys");
    format!(
        "modprobe nfsv4\nmkdir -p /mnt\n{PROGRAM} wire {server} {count}\n\
         mount -t nfs4 -o {options},noac,sync {server}:/ /mnt && cd /mnt \
         && {PROGRAM} files {count}\n\
         cd /"
    )
}

/// Measures both.
pub(crate) fn measure(lab: &Lab<'_>, peers: &mut Peers) -> Result<(), Failure> {
    lab.progress.say("calls over NFS between two Linux guests");
    let scripts = [&*server(), &*client(lab.repetitions(1000, 20))];
    let heard = ask(&Linux::fetched(MEMORY_MIB, lab.accel())?, &guest_files(lab)?, scripts)?;
    let mut samples = calls::samples_away(heard.join("\n").as_bytes());
    peers.wire = wire(&mut samples);
    peers.nfs = figures(samples);
    if peers.nfs.is_empty() {
        return Err(Failure::Benchmark(format!("no call was made over NFS: {heard:?}")));
    }
    Ok(())
}
