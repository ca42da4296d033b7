//! What home asks about a body that is away: its mappings, for `/proc/PID/maps`.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_body::Input as BodyInput;
use wayfarer_deputy::{BodyLost, Input};
use wayfarer_proto::codec::{Reader, Wire};
use wayfarer_proto::image::Region;
use wayfarer_proto::limits;
use wayfarer_proto::message::Query;

use super::{BodyDriver, DeputyDriver};
use crate::executor::Slot;
use crate::process::Body;

/// The regions of a body, one after the other: as many as an answer holds.
fn regions(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    for region in body.memory().space.borrow().image_regions() {
        let length = bytes.len();
        region.encode(&mut bytes);
        if bytes.len() > limits::WINDOW {
            bytes.truncate(length);
            break;
        }
    }
    bytes
}

impl DeputyDriver {
    /// Asks for the body's regions; `None` if it is lost, or sends what are no regions.
    pub async fn query_regions(self: &Rc<Self>) -> Option<Vec<Region>> {
        let bytes = self.query(Query::Maps).await?;
        let mut reader = Reader::new(&bytes);
        let mut regions = Vec::new();
        while reader.remaining() > 0 {
            regions.push(Region::decode(&mut reader).ok()?);
        }
        Some(regions)
    }

    /// Asks the body and waits for its answer; `None` if it is lost.
    async fn query(self: &Rc<Self>, query: Query) -> Option<Vec<u8>> {
        let (promise, slot) = Slot::new();
        let id = self.next_query.get();
        self.next_query.set(id.wrapping_add(1));
        self.queries.borrow_mut().insert(id, promise);
        self.input(Input::Query { id, query });
        slot.take().await?.ok()
    }

    pub(super) fn answered(&self, id: u32, result: Result<Vec<u8>, BodyLost>) {
        if let Some(promise) = self.queries.borrow_mut().remove(&id) {
            promise.fulfil(result);
        }
    }
}

impl BodyDriver {
    pub(super) fn answer(self: &Rc<Self>, id: u32, query: &Query) {
        let body = self.body.borrow().clone();
        let mut bytes = match (&body, query) {
            (Some(body), Query::Maps) => regions(body),
            (Some(body), Query::Status) => {
                let resident = body.memory().space.borrow().resident_pages() as u64;
                [resident.to_le_bytes(), body.cpu.get().to_le_bytes()].concat()
            }
            (None, _) => Vec::new(),
        };
        bytes.truncate(limits::WINDOW);
        self.input(BodyInput::Answer { id, bytes });
    }
}
