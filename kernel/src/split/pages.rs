//! Pages of mapped files between a body and its home: in, when the body needs them, and back, when
//! it has stored to them and the file shall have it.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_deputy::{Input, PageOp};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{MapId, UserAddr};
use wayfarer_proto::limits;
use wayfarer_proto::message::{FilePages, FileVersion};

use super::{BodyDriver, DeputyDriver};
use crate::executor::{Priority, Slot};
use crate::memory::Changes;
use crate::process::Body;

impl DeputyDriver {
    /// Reads pages of a mapped file. Only a file of the host keeps a reader waiting.
    pub(super) fn page_wanted(self: &Rc<Self>, op: PageOp, map: MapId, page: u64, count: usize) {
        let Some(file) = self.home.maps.get(map) else {
            return self.input(Input::PageData { op, result: Err(Errno::EBADF) });
        };
        let Some(fetches) = file.inode.fetches().cloned() else {
            let pages = file.read_run(page, count).map(|bytes| self.pages(map, bytes));
            return self.input(Input::PageData { op, result: pages });
        };
        let driver = Rc::clone(self);
        self.kernel.spawner.spawn(Priority::Service, async move {
            let bytes = fetches.settle(|| file.read_run(page, count)).await;
            let result = bytes.map(|bytes| driver.pages(map, bytes));
            driver.input(Input::PageData { op, result });
        });
    }

    /// Pages of a file, on their way to the body.
    fn pages(&self, map: MapId, bytes: Vec<u8>) -> FilePages {
        FilePages { bytes, versions: self.file_versions(map) }
    }

    /// Takes pages of a file back that the body may store to.
    pub(super) fn page_given(self: &Rc<Self>, op: PageOp, map: MapId, page: u64, bytes: &[u8]) {
        let file = self.home.maps.get(map).filter(|_| self.home.maps.may_write(map));
        let result = match file.zip(page.checked_mul(limits::PAGE as u64)) {
            Some((file, offset)) => file.inode.return_pages(offset, bytes),
            None => Err(Errno::EBADF),
        };
        if let Err(errno) = result {
            let pid = self.home.pid;
            self.kernel.console.log(format_args!(
                "process {pid}: page {page} of mapped file {map:?} is lost: {errno}"
            ));
        }
        self.input(Input::PageData {
            op,
            result: result.map(|()| FilePages { bytes: Vec::new(), versions: Vec::new() }),
        });
    }

    /// What the mapped files hold now: `map` first, then the others.
    fn file_versions(&self, map: MapId) -> Vec<FileVersion> {
        let mut fresh = || self.kernel.random.borrow_mut().next_u64();
        let mut versions = self.home.maps.versions(&mut fresh);
        if let Some(place) = versions.iter().position(|version| version.map == map) {
            versions.swap(0, place);
        }
        versions.truncate(limits::FILE_VERSIONS);
        versions
    }
}

impl BodyDriver {
    /// Gets pages of a mapped file from home. `None` if the body is frozen first.
    pub async fn page_in(
        self: &Rc<Self>,
        map: MapId,
        page: u64,
        count: usize,
    ) -> Option<Result<FilePages, Errno>> {
        let op = self.session.borrow_mut().page_in(map, page, count)?;
        let (promise, slot) = Slot::new();
        self.pages.borrow_mut().insert(op, promise);
        self.drain();
        slot.take().await
    }

    /// Gives files what they lack, and waits until they have it. False if home cannot be told.
    pub async fn give_back(self: &Rc<Self>, changes: Vec<Changes>) -> bool {
        self.giving.set(self.giving.get() + 1);
        let given = self.give_all(changes).await;
        self.giving.set(self.giving.get() - 1);
        self.served.wake_all();
        // A freeze that was called off may still be giving back what it took from us.
        self.served.wait_until(|| (self.giving.get() == 0).then_some(())).await;
        given
    }

    async fn give_all(self: &Rc<Self>, changes: Vec<Changes>) -> bool {
        for first in changes {
            let file = Rc::clone(first.file());
            let mut next = Some(first);
            // Others may have failed to return what they took.
            while let Some(mut changes) = next.take().or_else(|| file.changes_left()) {
                let on_the_way = file.begin_return().await;
                if !self.send_changes(&mut changes).await {
                    return false;
                }
                drop((on_the_way, changes));
                file.wait_returned().await;
            }
        }
        true
    }

    async fn send_changes(self: &Rc<Self>, changes: &mut Changes) -> bool {
        while let Some((page, bytes)) = changes.next_run(limits::RUN_PAGES) {
            let (map, length) = (changes.file().map(), bytes.len());
            let op = match length {
                0 => None,
                _ => self.session.borrow_mut().page_out(map, page, bytes),
            };
            let Some(op) = op else { return false };
            let (promise, slot) = Slot::new();
            self.pages.borrow_mut().insert(op, promise);
            self.drain();
            // What a file cannot take, home tells of; it would not take it later either.
            if slot.take().await.is_none() {
                return false;
            }
            changes.arrived(page, length);
        }
        true
    }

    /// Gives back everything that nobody on this node uses but this body, which has stopped.
    pub(super) async fn return_files(self: &Rc<Self>, body: &Body) -> bool {
        let changes = body.memory().space.borrow_mut().detach_all();
        self.give_back(changes).await
    }

    /// Gives files what they lack of the changes in a range of addresses (msync(2)).
    pub async fn give_back_range(self: &Rc<Self>, body: &Body, start: UserAddr, length: u64) {
        let changes = body.memory().space.borrow_mut().changes_in(start, length);
        self.give_back(changes).await;
    }
}
