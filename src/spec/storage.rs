//! Where services keep their state.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a storage comes to a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// All heads have it always (a shared file system).
    Mounted,
}

/// A place for state that both heads can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// How it comes to a head.
    pub kind: StorageKind,
    /// Where it is mounted.
    #[schemars(with = "String", extend("format" = "absolute-path"), example = &"/srv/state")]
    pub path: Utf8PathBuf,
}
