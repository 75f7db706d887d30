//! Images that machines are built from.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An image is captured from a machine, or lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Take it from a running head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// Or a folder of the boot files (`<storage>/<boot service>`): nodes boot the `vmlinuz` and `initrd.img` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"images/compute")]
    pub path: Option<Utf8PathBuf>,
    /// What the kernel of nodes is told beside where it is; `path` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"root=live:http://10.20.0.10:4081/files/images/compute/root.squashfs console=ttyS0")]
    pub arguments: Option<String>,
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
    /// Paths that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub exclude: Vec<Utf8PathBuf>,
}
