//! Who a process is, and what that permits (credentials(7), capabilities(7)).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::capability::{
    ALL, CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL,
    CAP_LINUX_IMMUTABLE, CAP_MAC_OVERRIDE, CAP_MKNOD, CAP_SETGID, CAP_SETUID, CAP_SYS_NICE,
    CAP_SYS_PTRACE,
};

use wayfarer_proto::linux::fcntl::{W_OK, X_OK};
use wayfarer_proto::linux::stat::FileType;

use crate::fs::{Attributes, Inode};

/// An id that means "leave it".
const UNCHANGED: u32 = u32::MAX;
/// The capabilities that go with the user id for files.
const FILE_CAPABILITIES: u64 = CAP_CHOWN
    | CAP_DAC_OVERRIDE
    | CAP_DAC_READ_SEARCH
    | CAP_FOWNER
    | CAP_FSETID
    | CAP_LINUX_IMMUTABLE
    | CAP_MAC_OVERRIDE
    | CAP_MKNOD;

/// The four user ids, or the four group ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// Who started it.
    pub real: u32,
    /// What counts.
    pub effective: u32,
    /// What it may become again.
    pub saved: u32,
    /// What counts for files.
    pub files: u32,
}

impl Ids {
    /// setuid(2), setgid(2).
    ///
    /// # Errors
    /// `EINVAL` for no id; `EPERM` for one that is not its own.
    pub fn set(self, id: u32, privileged: bool) -> Result<Self, Errno> {
        match id {
            UNCHANGED => Err(Errno::EINVAL),
            _ if privileged => Ok(Self { real: id, effective: id, saved: id, files: id }),
            _ if id == self.real || id == self.saved => {
                Ok(Self { effective: id, files: id, ..self })
            }
            _ => Err(Errno::EPERM),
        }
    }

    /// setreuid(2), setregid(2).
    ///
    /// # Errors
    /// `EPERM` for an id that is not its own.
    pub fn set_two(self, real: u32, effective: u32, privileged: bool) -> Result<Self, Errno> {
        let real_fits = privileged || [UNCHANGED, self.real, self.effective].contains(&real);
        let own = [UNCHANGED, self.real, self.effective, self.saved];
        if !real_fits || !(privileged || own.contains(&effective)) {
            return Err(Errno::EPERM);
        }
        let new_real = if real == UNCHANGED { self.real } else { real };
        let new = if effective == UNCHANGED { self.effective } else { effective };
        let saves = real != UNCHANGED || (effective != UNCHANGED && effective != self.real);
        let saved = if saves { new } else { self.saved };
        Ok(Self { real: new_real, effective: new, saved, files: new })
    }

    /// setresuid(2), setresgid(2).
    ///
    /// # Errors
    /// `EPERM` for an id that is not its own.
    pub fn set_three(self, wanted: [u32; 3], privileged: bool) -> Result<Self, Errno> {
        let own = [UNCHANGED, self.real, self.effective, self.saved];
        if !privileged && wanted.iter().any(|id| !own.contains(id)) {
            return Err(Errno::EPERM);
        }
        let or = |id: u32, old: u32| if id == UNCHANGED { old } else { id };
        let effective = or(wanted[1], self.effective);
        Ok(Self {
            real: or(wanted[0], self.real),
            effective,
            saved: or(wanted[2], self.saved),
            files: effective,
        })
    }

    /// setfsuid(2), setfsgid(2): changes nothing if it may not.
    pub fn set_files(self, id: u32, privileged: bool) -> Self {
        let own = [self.real, self.effective, self.saved, self.files];
        if id != UNCHANGED && (privileged || own.contains(&id)) {
            Self { files: id, ..self }
        } else {
            self
        }
    }

    fn any_root(self) -> bool {
        [self.real, self.effective, self.saved].contains(&0)
    }
}

/// The capability sets of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// What counts.
    pub effective: u64,
    /// What may be made to count.
    pub permitted: u64,
    /// What a program started may keep.
    pub inheritable: u64,
    /// What no program started can exceed.
    pub bounding: u64,
}

/// Who a process is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// User ids.
    pub user: Ids,
    /// Group ids.
    pub group: Ids,
    /// Other groups.
    pub groups: Vec<u32>,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// Whether capabilities stay when no user id is root's any more (`PR_SET_KEEPCAPS`).
    pub keeps_capabilities: bool,
    /// Whether no program it starts is more than it is (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: bool,
}

impl Default for Credentials {
    /// Root's.
    fn default() -> Self {
        let capabilities =
            Capabilities { effective: ALL, permitted: ALL, inheritable: 0, bounding: ALL };
        Self {
            user: Ids::default(),
            group: Ids::default(),
            groups: Vec::new(),
            capabilities,
            keeps_capabilities: false,
            no_new_privileges: false,
        }
    }
}

impl Credentials {
    /// Whether it may do what needs this capability.
    pub const fn has(&self, capability: u64) -> bool {
        self.capabilities.effective & capability != 0
    }

    /// Whether it may do this with a file: `R_OK`, `W_OK`, `X_OK` (path_resolution(7),
    /// "Permissions").
    pub fn permit(&self, inode: &dyn Inode, wanted: u32) -> bool {
        let directory = inode.file_type() == FileType::Directory;
        if directory && self.has(CAP_DAC_OVERRIDE) {
            return true;
        }
        let attributes = inode.metadata().attributes;
        let shift = match attributes {
            Attributes { uid, .. } if uid == self.user.files => 6,
            Attributes { gid, .. } if self.in_group(gid) => 3,
            _ => 0,
        };
        if wanted & !(attributes.permissions >> shift) & 7 == 0 {
            return true;
        }
        let read_only = wanted & W_OK == 0 && (directory || wanted & X_OK == 0);
        let executable = wanted & X_OK == 0 || attributes.permissions & 0o111 != 0;
        (self.has(CAP_DAC_OVERRIDE) && executable) || (self.has(CAP_DAC_READ_SEARCH) && read_only)
    }

    /// As its real ids (access(2)).
    pub fn as_real(mut self) -> Self {
        self.user.files = self.user.real;
        self.group.files = self.group.real;
        let capabilities = &mut self.capabilities;
        capabilities.effective = if self.user.real == 0 { capabilities.permitted } else { 0 };
        self
    }

    /// Whether it may send signals to a process of these credentials (kill(2)).
    pub fn may_signal(&self, other: &Self) -> bool {
        let own = [self.user.real, self.user.effective];
        self.has(CAP_KILL) || own.contains(&other.user.real) || own.contains(&other.user.saved)
    }

    /// Whether it may say how processes of these credentials are scheduled (setpriority(2)).
    pub fn may_schedule(&self, other: &Self) -> bool {
        let own = self.user.effective;
        self.has(CAP_SYS_NICE) || own == other.user.real || own == other.user.effective
    }

    /// Whether it may look into a process of these credentials (ptrace(2), "Ptrace access mode
    /// checking").
    pub fn may_trace(&self, other: &Self) -> bool {
        let all = |ids: Ids, id| [ids.real, ids.effective, ids.saved] == [id; 3];
        let same = all(other.user, self.user.real) && all(other.group, self.group.real);
        same || self.has(CAP_SYS_PTRACE)
    }

    /// Whether it may say that a message comes from this user and group (unix(7)).
    pub fn may_claim(&self, uid: u32, gid: u32) -> bool {
        let has = |ids: Ids, id| [ids.real, ids.effective, ids.saved].contains(&id);
        (has(self.user, uid) || self.sets_user()) && (has(self.group, gid) || self.sets_group())
    }

    /// Whether it may become any user.
    pub const fn sets_user(&self) -> bool {
        self.has(CAP_SETUID)
    }

    /// Whether it may become any group.
    pub const fn sets_group(&self) -> bool {
        self.has(CAP_SETGID)
    }

    /// Whether it is in a group, for files.
    pub fn in_group(&self, gid: u32) -> bool {
        self.group.files == gid || self.groups.contains(&gid)
    }

    /// Changes the user ids; capabilities follow (capabilities(7), "Effect of user ID changes").
    pub fn change_user(&mut self, new: Ids) {
        let old = self.user;
        self.user = new;
        let capabilities = &mut self.capabilities;
        if old.any_root() && !new.any_root() && !self.keeps_capabilities {
            capabilities.permitted = 0;
            capabilities.effective = 0;
        }
        if old.effective == 0 && new.effective != 0 {
            capabilities.effective = 0;
        } else if old.effective != 0 && new.effective == 0 {
            capabilities.effective = capabilities.permitted;
        } else {
            self.follow_files(old.files, new.files);
        }
    }

    /// setfsuid(2).
    pub fn change_file_user(&mut self, new: Ids) {
        let old = self.user.files;
        self.user = new;
        self.follow_files(old, new.files);
    }

    fn follow_files(&mut self, old: u32, new: u32) {
        let capabilities = &mut self.capabilities;
        if old == 0 && new != 0 {
            capabilities.effective &= !FILE_CAPABILITIES;
        } else if old != 0 && new == 0 {
            capabilities.effective |= FILE_CAPABILITIES & capabilities.permitted;
        }
    }

    /// Begins a program, with the owner and group of its file if it is to run as them. Says
    /// whether it is more than its caller was (`AT_SECURE`).
    pub fn begin_program(&mut self, owner: Option<u32>, group: Option<u32>) -> bool {
        let (owner, group) = if self.no_new_privileges { (None, None) } else { (owner, group) };
        let before = (self.user.effective, self.group.effective);
        let effective = owner.unwrap_or(self.user.effective);
        self.user = Ids { effective, saved: effective, files: effective, ..self.user };
        let effective = group.unwrap_or(self.group.effective);
        self.group = Ids { effective, saved: effective, files: effective, ..self.group };
        self.keeps_capabilities = false;
        let capabilities = &mut self.capabilities;
        let root = self.user.effective == 0 || self.user.real == 0;
        capabilities.permitted =
            if root { capabilities.bounding | capabilities.inheritable } else { 0 };
        capabilities.effective = if self.user.effective == 0 { capabilities.permitted } else { 0 };
        before != (self.user.effective, self.group.effective)
            && (owner.is_some() || group.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Ids = Ids { real: 1, effective: 2, saved: 3, files: 2 };

    #[test]
    fn who_is_not_root_becomes_only_who_he_was() {
        assert_eq!(ME.set(3, false), Ok(Ids { effective: 3, files: 3, ..ME }));
        assert_eq!(ME.set(2, false), Err(Errno::EPERM));
        assert_eq!(ME.set_three([3, 1, 2], false).map(|ids| (ids.real, ids.saved)), Ok((3, 2)));
        assert_eq!(ME.set_three([4, 1, 2], false), Err(Errno::EPERM));
        assert_eq!(ME.set_two(2, 3, false).map(|ids| (ids.real, ids.saved)), Ok((2, 3)));
        assert_eq!(ME.set_two(3, UNCHANGED, false), Err(Errno::EPERM));
        assert_eq!(ME.set_files(9, false), ME);
        assert_eq!(ME.set_files(3, false).files, 3);
    }

    #[test]
    fn capabilities_go_with_root() {
        let mut one = Credentials::default();
        one.change_user(one.user.set_three([UNCHANGED, 5, UNCHANGED], true).unwrap());
        assert_eq!((one.capabilities.effective, one.capabilities.permitted), (0, ALL));
        one.change_user(one.user.set_three([UNCHANGED, 0, UNCHANGED], false).unwrap());
        assert_eq!(one.capabilities.effective, ALL);
        one.change_file_user(one.user.set_files(7, true));
        assert!(!one.has(CAP_DAC_OVERRIDE) && one.has(CAP_SETUID));
        one.change_user(one.user.set(5, true).unwrap());
        assert_eq!(one.capabilities.permitted, 0);
    }

    #[test]
    fn a_program_runs_as_its_owner() {
        let mut one = Credentials::default();
        one.change_user(one.user.set(5, true).unwrap());
        assert!(!one.begin_program(None, None));
        assert!(one.begin_program(Some(0), None));
        assert_eq!((one.user.real, one.user.effective, one.user.saved), (5, 0, 0));
        assert!(one.has(CAP_CHOWN));
    }
}
