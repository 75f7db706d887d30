//! Where services keep their state.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// How a storage comes to a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// All heads have it always (a shared file system).
    Mounted,
    /// A file system on a disk that all heads reach (SAS, Fibre Channel, iSCSI) and one may use: the engine mounts it where its
    /// group is.
    Exclusive,
    /// A folder on each head's own disk: the head that carries the group owns it, the others copy it again and again. What was
    /// written after the last copy is lost with its owner.
    Mirror,
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
    /// The disk, the same on every head; `exclusive` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "absolute-path"), example = &"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4-part1")]
    pub device: Option<Utf8PathBuf>,
    /// Options of mount(8); `exclusive` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"noatime")]
    pub options: Option<String>,
    /// How long after a copy the next one begins; `mirror` only, 10s unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
}

/// Between two copies of a mirror: what a power cut may cost, and what an idle head does in a minute, are both small.
const EVERY: Span = Span::from_millis(10_000);

impl Storage {
    /// Whether all heads have it always.
    pub fn is_shared(&self) -> bool {
        self.kind == StorageKind::Mounted
    }

    /// The disk of a storage that one head at a time has; none where all heads have it always.
    pub fn exclusive(&self) -> Option<&Utf8PathBuf> {
        self.device.as_ref().filter(|_| self.kind == StorageKind::Exclusive)
    }

    /// How long after a copy the next one begins; none where it is no mirror.
    pub fn mirrored(&self) -> Option<Span> {
        (self.kind == StorageKind::Mirror).then(|| self.every.unwrap_or(EVERY))
    }
}
