//! Processes that share memory: who they are, and how home gets back what they have of a file.
//!
//! Two processes share a file if both map it shared and one of them can write to it so. Sharers are
//! on one node at any time, where they show the same pages; so they move as one group. While they
//! are away their files are *lent*: whoever at home reads or writes one finds `ELENT`
//! ([`crate::fs::Inode::change_loan`]), which brings the group home before the call is made again.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::MapId;
use wayfarer_proto::sorted::{SortedMap, SortedSet};

use super::DeputyDriver;
use crate::executor::yield_now;
use crate::kernel::Kernel;
use crate::process::{Body, Home, MappedFile, MappedFiles};

/// How often a call tries to get a file back that always leaves again.
const RECALLS: u32 = 64;

impl Kernel {
    /// Enters a file among those a process has mapped.
    pub fn enter_map(&self, maps: &MappedFiles, file: MappedFile) -> MapId {
        let name = self.processes.name_of(&file.inode);
        maps.insert(name, file);
        name
    }

    /// Has content returned that was lent, and brings home those who have some that was wanted
    /// here by `asker`.
    ///
    /// # Errors
    /// `EIO` if they cannot come, nor may while they lend their memory to `asker`.
    pub async fn recall(self: &Rc<Self>, asker: &Home) -> Result<(), Errno> {
        for home in self.processes.homes() {
            if let Some(deputy) = home.cell().and_then(|cell| cell.deputy_driver()) {
                deputy.fetch_bytes().await;
            }
            if home.maps.is_wanted() {
                if self.sharers(&home).iter().any(|sharer| lends_to(sharer, asker)) {
                    return Err(Errno::EIO);
                }
                self.fetch(&home).await.map_err(|_| Errno::EIO)?;
            }
        }
        yield_now().await;
        Ok(())
    }

    /// Brings a process home, after the move it may be in: its body is here then, and leaves in
    /// another step at the earliest. One that ends gives back what it has.
    ///
    /// # Errors
    /// Those of the refusal; `EBUSY` for a vfork child, which would take its parent's memory along.
    pub async fn fetch(self: &Rc<Self>, home: &Rc<Home>) -> Result<(), Errno> {
        for _ in 0..RECALLS {
            if home.exiting().is_some() {
                let returned = || home.maps.lent().is_empty().then_some(());
                home.maps.returned.wait_until(returned).await;
                return Ok(());
            }
            self.move_ended(home).await;
            let Some(cell) = home.cell() else { continue };
            if cell.place() == self.node {
                // The end of a move home: its body is here, or will be in this round.
                match cell.body() {
                    Some(_) => {
                        home.maps.end_loans();
                        return Ok(());
                    }
                    None => yield_now().await,
                }
                continue;
            }
            if home.borrows_memory.get() {
                return Err(Errno::EBUSY);
            }
            match self.bring_home(home).await {
                Ok(()) => return Ok(()),
                Err(refusal) if refusal.errno == Errno::EBUSY => yield_now().await,
                Err(_) if home.exiting().is_some() => {}
                Err(refusal) => return Err(refusal.errno),
            }
        }
        Err(Errno::EIO)
    }

    /// Waits until a process is in no move, and its body made.
    pub(super) async fn move_ended(&self, home: &Home) {
        let Some(deputy) = home.cell().and_then(|cell| cell.deputy_driver()) else { return };
        deputy.ordered.wait_until(|| (!deputy.is_unsettled()).then_some(())).await;
    }

    /// Lets a process map a file shared: it and those who map the file already are brought to one
    /// place, unless none of them can write to it. Then the mapping is granted.
    ///
    /// # Errors
    /// `ENODEV` if they cannot come together.
    pub async fn grant_shared(
        self: &Rc<Self>,
        home: &Rc<Home>,
        map: MapId,
        writable: bool,
    ) -> Result<(), Errno> {
        for _ in 0..RECALLS {
            let leaves = |one: &Rc<Home>| one.exiting().is_some() && one.maps.lent().contains(&map);
            if let Some(leaving) = self.processes.homes().into_iter().find(leaves) {
                self.fetch(&leaving).await?;
                continue;
            }
            let others = self.others_with(home, map);
            let coherent = writable || others.iter().any(|other| writes(other, map));
            let is_away = |one: &Rc<Home>| one.cell().is_some_and(|cell| cell.place() != self.node);
            if !coherent || others.is_empty() {
                home.maps.grant(map, writable);
                if writable && is_away(home) {
                    home.maps.lend(map);
                }
                return Ok(());
            }
            let mut scattered = false;
            for one in others.iter().chain([home]) {
                if is_away(one) || is_moving(one) {
                    if home.borrows_memory.get() {
                        return Err(Errno::ENODEV);
                    }
                    scattered = true;
                    self.fetch(one).await.map_err(|_| Errno::ENODEV)?;
                }
            }
            if !scattered {
                home.maps.grant(map, writable);
                return Ok(());
            }
        }
        Err(Errno::ENODEV)
    }

    /// The other processes of this home that map a file shared.
    fn others_with(&self, home: &Rc<Home>, map: MapId) -> Vec<Rc<Home>> {
        let mut others = self.processes.homes();
        others.retain(|other| !Rc::ptr_eq(other, home) && shares(other, map));
        others
    }

    /// A process and all who share memory with it, with those who share memory with them, and so
    /// on; in the order of their pids.
    pub fn sharers(&self, home: &Rc<Home>) -> Vec<Rc<Home>> {
        let mut rest = self.processes.homes();
        rest.retain(|other| !Rc::ptr_eq(other, home));
        let mut group = alloc::vec![Rc::clone(home)];
        let mut next = 0;
        while let Some(member) = group.get(next).cloned() {
            let maps: Vec<(MapId, bool)> =
                shared(&member).into_iter().map(|map| (map, writes(&member, map))).collect();
            let joins = |other: &Rc<Home>| {
                let meet = |(map, written): &(MapId, bool)| {
                    shares(other, *map) && (*written || writes(other, *map))
                };
                maps.iter().any(meet)
            };
            group.extend(rest.extract_if(.., |other| joins(other)));
            next += 1;
        }
        let in_order: SortedMap<_, _> =
            group.into_iter().map(|member| (member.pid, member)).collect();
        in_order.into_values().collect()
    }

    /// A process that has ended and still has to give back what the others of its group use too.
    pub(super) fn leaving_sharer(&self, group: &[Rc<Home>]) -> Option<Rc<Home>> {
        let leaving = |home: &Rc<Home>| {
            home.exiting().is_some()
                && home.maps.lent().iter().any(|map| group.iter().any(|one| shares(one, *map)))
        };
        self.processes.homes().into_iter().find(leaving)
    }

    /// Lends a body that has just left home what it maps.
    pub(super) fn lend_files(&self, home: &Home, body: &Body) {
        for map in body.memory().space.borrow().coherent_files() {
            home.maps.lend(map);
        }
        for map in home.maps.granted() {
            if body.is_mapping() && home.maps.may_write(map) {
                home.maps.lend(map);
            }
        }
    }

    /// The shared files of a process here that somebody writes to through a mapping.
    pub(super) fn coherent_maps(&self, home: &Rc<Home>) -> Vec<MapId> {
        let mut maps = shared(home);
        maps.retain(|map| {
            writes(home, *map) || self.others_with(home, *map).iter().any(|o| writes(o, *map))
        });
        maps
    }
}

impl DeputyDriver {
    /// Whether a move goes on, or the body of a child is still to be made.
    fn is_unsettled(&self) -> bool {
        self.order.borrow().is_some() || self.session.borrow().is_awaiting()
    }
}

/// Whether a process lends its memory to `borrower` over vfork(2), or to one that lends it on.
fn lends_to(lender: &Rc<Home>, borrower: &Home) -> bool {
    let parent = borrower.parent.borrow().upgrade().filter(|_| borrower.borrows_memory.get());
    parent.is_some_and(|parent| Rc::ptr_eq(&parent, lender) || lends_to(lender, &parent))
}

/// Whether a process is in a move.
pub(super) fn is_ordered(home: &Home) -> bool {
    let deputy = home.cell().and_then(|cell| cell.deputy_driver());
    deputy.is_some_and(|deputy| deputy.order.borrow().is_some())
}

/// Whether a process is in a move, or its body still to be made.
pub(super) fn is_moving(home: &Home) -> bool {
    let deputy = home.cell().and_then(|cell| cell.deputy_driver());
    deputy.is_some_and(|deputy| deputy.is_unsettled())
}

/// The files that a process maps shared, as far as home can know: of a body away, those that are
/// lent to it. One that borrows its parent's memory has none of its own.
fn shared(home: &Home) -> Vec<MapId> {
    if home.borrows_memory.get() || home.exiting().is_some() {
        return Vec::new();
    }
    let maps = match home.cell().and_then(|cell| cell.body()) {
        Some(body) => {
            if !body.is_mapping() {
                home.maps.end_grants();
            }
            body.memory().space.borrow().shared_files()
        }
        None => home.maps.lent(),
    };
    let each_once: SortedSet<_> = maps.into_iter().chain(home.maps.granted()).collect();
    each_once.into_iter().collect()
}

fn shares(home: &Home, map: MapId) -> bool {
    home.maps.get(map).is_some() && shared(home).contains(&map)
}

/// Whether a process that shares a file can write to it.
fn writes(home: &Home, map: MapId) -> bool {
    home.maps.may_write(map)
}
