//! Everything that was measured, as it is written for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calls::Call;
use super::dissect::Dissection;
use super::figure::Figure;
use super::migrate::Move;
use super::peers::Peers;

/// The figures of each part that ran.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) calls: BTreeMap<String, Call>,
    /// The calls through shared memory; `calls` are over TCP.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) shm: BTreeMap<String, Call>,
    #[serde(skip)]
    pub(crate) dissection: Option<Dissection>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) bulk: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) migrate: Vec<Move>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) boot: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) home: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) memory: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "Peers::is_empty")]
    pub(crate) peers: Peers,
}

impl Results {
    /// The JSON text.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers have a JSON form") + "\n"
    }
}
