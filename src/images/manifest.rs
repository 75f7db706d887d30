//! What an image says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::HostName;

/// Another number is not read.
pub const FORMAT: u32 = 1;

/// A manifest: everything that is known of an image but its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1: another number is not read.
    pub format: u32,
    /// The image's name in the spec.
    pub name: String,
    /// Its version: when it was taken, `20261128T035423Z`.
    pub version: String,
    /// The head that it was taken from.
    pub from: HostName,
    /// The haoscar that took it.
    pub haoscar: String,
    /// The generation that was accepted on that head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The spec's commit of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The distribution, as it calls itself.
    pub os: String,
    /// `x86_64`.
    pub architecture: String,
    /// The newest kernel in it; none: it cannot be booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Packages with their versions.
    pub packages: BTreeMap<String, String>,
    /// What was on the head and is not in the image.
    pub left_out: Vec<LeftOut>,
    /// sha256 of the list of files, in hex.
    pub files: String,
    /// Files and folders in it.
    pub file_count: u64,
    /// The size of the file system in bytes (ext4).
    pub bytes: u64,
    /// The file system, from its first byte to its last.
    pub pieces: Vec<Piece>,
}

/// A piece of a file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// sha256 of its bytes, in hex; empty where all of them are zero.
    pub sha256: String,
    /// How many bytes of the file system it is.
    pub bytes: u32,
    /// How many bytes are kept of it (zstd).
    pub kept: u32,
}

impl Piece {
    /// So many bytes of zero.
    pub fn zeros(bytes: u32) -> Self {
        Self { sha256: String::new(), bytes, kept: 0 }
    }

    /// All of its bytes are zero, and nothing is kept of it.
    pub fn is_zeros(&self) -> bool {
        self.sha256.is_empty()
    }
}

/// Something that an image does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Where it is on the head.
    pub path: String,
    /// Why.
    pub why: String,
}

impl Manifest {
    /// `NAME@VERSION`.
    pub fn title(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Bytes that are kept of it, and are not zero.
    pub fn kept(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.kept)).sum()
    }

    /// Why it cannot be what it says, if it cannot.
    pub fn wrong(&self) -> Option<String> {
        let sum: u64 = self.pieces.iter().map(|piece| u64::from(piece.bytes)).sum();
        let digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let bad = self.pieces.iter().find(|piece| !piece.is_zeros() && !digest(&piece.sha256));
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match (self.format, bad) {
            (FORMAT, None) if sum == self.bytes && plain(&self.name) && plain(&self.version) => None,
            (FORMAT, None) if sum == self.bytes => Some("its name or version is none".to_owned()),
            (FORMAT, None) => {
                Some(format!("its pieces are {sum} bytes, and its file system is {}", self.bytes))
            }
            (FORMAT, Some(piece)) => Some(format!("{} is no sha256", piece.sha256)),
            (other, _) => Some(format!("its format is {other}, and this haoscar reads {FORMAT}")),
        }
    }
}

/// One line of the list of files: `MODE UID:GID SIZE SECONDS PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// Kind and permission bits, owner, size in bytes and time of change, as they stand.
    pub facts: String,
    /// Absolute path.
    pub path: String,
}

impl FileLine {
    /// Lines of such a list; what is no line is left.
    pub fn parse(text: &str) -> impl Iterator<Item = Self> + '_ {
        text.lines().filter_map(|line| {
            let at = line.match_indices(' ').nth(3)?.0;
            Some(Self { facts: line[..at].to_owned(), path: line[at + 1..].to_owned() })
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A manifest of two pieces.
    pub fn sample(version: &str) -> Manifest {
        Manifest {
            format: FORMAT,
            name: "head".to_owned(),
            version: version.to_owned(),
            from: "head-1".to_owned(),
            haoscar: "0.1.0".to_owned(),
            generation: Some(3),
            commit: None,
            os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            architecture: "x86_64".to_owned(),
            kernel: None,
            packages: BTreeMap::from([("kea".to_owned(), "2.2.0".to_owned())]),
            left_out: Vec::new(),
            files: String::new(),
            file_count: 0,
            bytes: 0,
            pieces: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_whose_pieces_are_not_its_file_system_is_none() {
        let mut manifest = Manifest { bytes: 8, ..sample("1") };
        assert!(manifest.wrong().is_some_and(|why| why.contains("pieces are 0 bytes")));
        manifest.pieces.push(Piece::zeros(8));
        assert_eq!(manifest.wrong(), None);
        manifest.pieces[0].sha256 = "../../etc/shadow".to_owned();
        assert!(manifest.wrong().is_some_and(|why| why.contains("is no sha256")));
        let elsewhere = Manifest { version: "../1".to_owned(), bytes: 0, ..sample("1") };
        assert!(elsewhere.wrong().is_some());
    }

    #[test]
    fn a_line_of_files_may_hold_blanks_in_its_path() {
        let lines: Vec<_> = FileLine::parse("100644 0:0 12 99 /etc/a b\nnonsense\n").collect();
        assert_eq!(lines, [FileLine { facts: "100644 0:0 12 99".to_owned(), path: "/etc/a b".to_owned() }]);
    }
}
