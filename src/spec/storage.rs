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
    /// A disk of each of two heads, both written to at once (DRBD 8.4): the engine mounts it where its group is. Nothing that was
    /// acknowledged is lost with a head.
    Drbd,
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
    /// The disk, by a name that is the same on every head; of `drbd` each head's own, and blank at first. `exclusive` and `drbd` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "absolute-path"), example = &"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4-part1")]
    pub device: Option<Utf8PathBuf>,
    /// Options of mount(8); `exclusive` and `drbd` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"noatime")]
    pub options: Option<String>,
    /// How long after a copy the next one begins; `mirror` only, 10s unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// The network over which both disks are kept the same; `drbd` only, the first private one of both heads unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"inside")]
    pub network: Option<String>,
    /// N of /dev/drbdN and of its port 7789 + N, for a cluster with more than one; `drbd` only, 0 unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &1)]
    pub minor: Option<u8>,
}

/// What DRBD keeps the same on two heads.
#[derive(Debug, Clone, Copy)]
pub struct Replicated<'a> {
    /// The disk beneath, on each head.
    pub disk: &'a Utf8PathBuf,
    /// N of /dev/drbdN.
    pub minor: u8,
}

/// What LINBIT's documents count up from.
const PORT: u16 = 7789;

impl Replicated<'_> {
    /// What DRBD calls the storage of that name: words of its own language, and `all`, are no names.
    pub fn resource(storage: &str) -> String {
        format!("haoscar-{storage}")
    }

    /// What is mounted.
    pub fn device(&self) -> String {
        format!("/dev/drbd{}", self.minor)
    }

    /// Where the heads write to each other.
    pub fn port(&self) -> u16 {
        PORT + u16::from(self.minor)
    }
}

/// Between two copies of a mirror: what a power cut may cost, and what an idle head does in a minute, are both small.
const EVERY: Span = Span::from_millis(10_000);

impl Storage {
    /// Whether all heads have it always.
    pub fn is_shared(&self) -> bool {
        self.kind == StorageKind::Mounted
    }

    /// The disk that all heads reach and one may use; none where it is of another kind.
    pub fn exclusive(&self) -> Option<&Utf8PathBuf> {
        self.device.as_ref().filter(|_| self.kind == StorageKind::Exclusive)
    }

    /// The disk that each of two heads has of it; none where it is of another kind.
    pub fn replicated(&self) -> Option<Replicated<'_>> {
        let disk = self.device.as_ref().filter(|_| self.kind == StorageKind::Drbd)?;
        Some(Replicated { disk, minor: self.minor.unwrap_or_default() })
    }

    /// How long after a copy the next one begins; none where it is no mirror.
    pub fn mirrored(&self) -> Option<Span> {
        (self.kind == StorageKind::Mirror).then(|| self.every.unwrap_or(EVERY))
    }
}
