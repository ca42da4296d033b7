//! Everything that was measured, as it is written for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calls::Call;
use super::dissect::Dissection;
use super::figure::Figure;
use super::migrate::Move;
use super::peers::Peers;

/// The figures of each part that ran.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Results {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) calls: BTreeMap<String, Call>,
    /// The calls through shared memory; `calls` are over TCP.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) shm: BTreeMap<String, Call>,
    /// A call taken apart, by the channel it took: `tcp` and `shm`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) dissect: BTreeMap<String, Dissection>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) bulk: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) migrate: Vec<Move>,
    /// The moves through shared memory; `migrate` are over TCP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) migrate_shm: Vec<Move>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) boot: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) home: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) memory: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "Peers::is_empty")]
    pub(crate) peers: Peers,
    /// On what each part was measured, and how busy that was.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) taken: BTreeMap<String, String>,
    /// Why a part has no figures.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) failed: BTreeMap<String, String>,
}

impl Results {
    /// The JSON text.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers have a JSON form") + "\n"
    }

    /// These, and of `before` the parts that did not run again.
    pub(crate) fn over(self, before: Self) -> Self {
        fn or<K, V>(new: BTreeMap<K, V>, old: BTreeMap<K, V>) -> BTreeMap<K, V> {
            if new.is_empty() { old } else { new }
        }
        let list = |new: Vec<Move>, old| if new.is_empty() { old } else { new };
        let (peers, old_peers) = (self.peers, before.peers);
        let mut taken = before.taken;
        taken.extend(self.taken);
        Self {
            calls: or(self.calls, before.calls),
            shm: or(self.shm, before.shm),
            dissect: or(self.dissect, before.dissect),
            bulk: or(self.bulk, before.bulk),
            migrate: list(self.migrate, before.migrate),
            migrate_shm: list(self.migrate_shm, before.migrate_shm),
            boot: or(self.boot, before.boot),
            home: or(self.home, before.home),
            memory: or(self.memory, before.memory),
            peers: Peers {
                boot: or(peers.boot, old_peers.boot),
                home: or(peers.home, old_peers.home),
                wire: or(peers.wire, old_peers.wire),
                calls: or(peers.calls, old_peers.calls),
                migrate: list(peers.migrate, old_peers.migrate),
            },
            taken,
            failed: self.failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_run_again_stays() {
        let figure = |value| Figure::new(vec![value], "ms");
        let boot = |value| figure(value).map(|figure| ("first_user".to_owned(), figure));
        let before = Results {
            boot: boot(1.0).into_iter().collect(),
            memory: boot(2.0).into_iter().collect(),
            ..Results::default()
        };
        let now = Results { boot: boot(3.0).into_iter().collect(), ..Results::default() };
        let both = now.clone().over(before.clone());
        assert_eq!((both.boot, both.memory), (now.boot, before.memory));
    }
}
