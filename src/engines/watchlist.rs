//! What a head's watcher looks at, and what it tells the engine: the small file that apply lays on every head, so
//! that the watcher needs no spec.
//!
//! The engine's room writes it, [`crate::control`] reads it. It must not say how anything is watched.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// Where it lies on a head.
pub const WATCHLIST: &str = "/etc/haoscar/watch.json";

/// One head's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watchlist {
    /// Who wrote the file, for a person who opens it.
    pub made_by: String,
    /// This head, as the engine knows it.
    pub host: String,
    /// Units that the engine carries here.
    pub units: Vec<WatchedUnit>,
    /// Networks that a group here has an address in.
    pub links: Vec<WatchedLink>,
    /// Storages of the groups here.
    pub stores: Vec<WatchedStore>,
}

/// A unit whose main process is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedUnit {
    /// With its suffix.
    pub unit: String,
    /// The engine's primitive; of a clone, what is inside.
    pub resource: String,
}

/// A network: lost when none of its cards has a carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedLink {
    /// The node attribute that is 0 while it is lost.
    pub attribute: String,
    /// Interface names.
    pub cards: Vec<String>,
}

/// A storage: lost when its file system does not answer, is read-only, or is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedStore {
    /// The node attribute that is 0 while it is lost.
    pub attribute: String,
    /// Where it is mounted.
    pub path: Utf8PathBuf,
}

/// The node attribute of a network.
pub fn link_attribute(network: &str) -> String {
    format!("haoscar-link-{network}")
}

/// The node attribute of a storage.
pub fn store_attribute(storage: &str) -> String {
    format!("haoscar-storage-{storage}")
}
