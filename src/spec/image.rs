//! Images that machines are built from.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Disk;

/// An image is captured from a machine, or lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Take it from a running head, or from a folder of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// Or a folder of the boot files (`<storage>/<boot service>`): nodes boot the `vmlinuz` and `initrd.img` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"images/compute")]
    pub path: Option<Utf8PathBuf>,
    /// What the kernel of nodes is told beside where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"root=live:http://10.20.0.10:4081/files/images/compute/root.squashfs console=ttyS0")]
    pub arguments: Option<String>,
    /// The version that nodes boot, of an image that is captured; none: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"20261130T060200Z")]
    pub version: Option<String>,
    /// Where nodes run it, of an image that is captured: on this disk of theirs, which is written when it holds another version.
    /// None: in memory, and whatever they write is gone when they start again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// Files of nodes with secrets in them come with this image too: whoever can pretend to be a node's card on their
    /// network can read those. Else `haoscar apply` brings them by ssh.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secrets: bool,
    /// Where its pieces lie too, of an image that is captured: a copy of the store's folder `pieces`, behind any web server. Machines ask these first,
    /// each another one, and the heads for what none of them has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = &["http://10.20.0.50/haoscar-images/pieces"])]
    pub servers: Vec<String>,
    /// How many versions to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
}

/// How an image is captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The head to take it from.
    pub from: String,
    /// A folder of that head with a whole system in it, as `mmdebstrap` or `dnf --installroot` makes it: what nodes run.
    /// None: the head's own system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"/srv/images/compute")]
    pub root: Option<Utf8PathBuf>,
    /// Paths that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub exclude: Vec<Utf8PathBuf>,
}
