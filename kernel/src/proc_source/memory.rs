//! What `/proc` tells of a process's memory, wherever its body is.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::image::Region;
use wayfarer_proto::linux::mman::Protection;

use crate::executor::yield_now;
use crate::fs::proc::{Answer, BodyFacts, RegionUse, SmapsForm, ThreadUse, smaps_text};
use crate::memory::{PAGE, PageRange, maps_text};
use crate::process::{Body, BodyThread, Home};

/// Pages that are counted before others may run.
const STEP: usize = 4096;

/// A region, and what is used of it.
pub(crate) type UsedRegion = (Region, RegionUse);

/// What a body has used, and its threads.
pub(crate) fn measure(body: &Body) -> BodyFacts {
    let threads = body.threads.borrow();
    let waits =
        |thread: &BodyThread| thread.in_call.get().is_some_and(|call| call.awaits.is_none());
    let used = |thread: &Rc<BodyThread>| ThreadUse {
        tid: thread.tid.get(),
        cpu: thread.cpu.get(),
        waits: waits(thread),
    };
    let memory = body.memory();
    let space = memory.space.borrow();
    BodyFacts {
        cpu: body.cpu.get(),
        io: body.io.get(),
        virtual_bytes: space.mapped_pages() * PAGE,
        resident_pages: space.resident_pages() as u64,
        threads: threads.values().map(used).collect(),
    }
}

/// The regions of a body, and what is used of each.
pub(crate) async fn used_regions(body: Rc<Body>) -> Vec<UsedRegion> {
    let memory = body.memory();
    let regions: Vec<_> = memory.space.borrow().image_regions().collect();
    let mut used = Vec::new();
    for region in regions {
        let mut sum = RegionUse { pages: region.len / PAGE, ..RegionUse::default() };
        let mut rest = PageRange::from_bytes(region.start, region.len);
        while let Some(range) = rest {
            rest = memory.space.borrow().count_pages(range, STEP, &mut sum);
            yield_now().await;
        }
        used.push((region, sum));
    }
    used
}

/// The text of `maps`: home knows the files.
pub(super) fn maps_of(home: &Home, regions: Vec<Region>) -> String {
    maps_text(regions, |map| Some(home.maps.get(map)?.describe()))
}

/// The text of `smaps`.
fn smaps_of(home: &Home, used: Vec<UsedRegion>, form: SmapsForm) -> Vec<u8> {
    let protection = |region: &Region| Protection::from_bits_truncate(region.prot);
    let uses: Vec<_> = used.iter().map(|(region, of)| (protection(region), *of)).collect();
    let maps = maps_of(home, used.into_iter().map(|(region, _)| region).collect());
    smaps_text(&maps, &uses, form).into_bytes()
}

/// Gives the text of `maps`.
pub(super) async fn tell_maps(home: Rc<Home>, answer: Rc<Answer>) {
    let Some(cell) = home.cell() else { return answer.give(Ok(Vec::new())) };
    let regions = match cell.away() {
        Some(deputy) => deputy.query_regions().await,
        None => {
            let body = cell.body();
            body.map(|body| body.memory().space.borrow().image_regions().collect())
        }
    };
    let text = regions.map(|regions| maps_of(&home, regions).into_bytes());
    answer.give(text.ok_or(Errno::ESRCH));
}

/// Gives the text of `smaps`.
pub(super) async fn tell_smaps(home: Rc<Home>, form: SmapsForm, answer: Rc<Answer>) {
    let Some(cell) = home.cell() else { return answer.give(Ok(Vec::new())) };
    let used = match (cell.away(), cell.body()) {
        (Some(deputy), _) => deputy.query_use().await,
        (None, Some(body)) => Some(used_regions(body).await),
        (None, None) => None,
    };
    answer.give(used.map(|used| smaps_of(&home, used, form)).ok_or(Errno::ESRCH));
}
