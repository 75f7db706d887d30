//! Distributions: what they call themselves, and which versions they have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The distribution of heads, witnesses and nodes: it decides names of packages, units, files and users, and the versions to render for when none
/// is observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Os {
    /// Debian 12 (bookworm): corosync 3.1.7, pacemaker 2.1.5, kea 2.2.0, slurm 22.05.8.
    #[default]
    #[serde(rename = "debian-12")]
    Debian12,
    /// Debian 13 (trixie): corosync 3.1.9, pacemaker 3.0.0, kea 2.6.3, slurm 24.11.5.
    #[serde(rename = "debian-13")]
    Debian13,
    /// Ubuntu 24.04 (noble): corosync 3.1.7, pacemaker 2.1.6, kea 2.4.1, slurm 23.11.4.
    #[serde(rename = "ubuntu-24.04")]
    Ubuntu2404,
    /// Ubuntu 26.04 (resolute): corosync 3.1.9, pacemaker 3.0.1, kea 3.0.3, slurm 25.11.2.
    #[serde(rename = "ubuntu-26.04")]
    Ubuntu2604,
    /// RHEL 9, Rocky Linux 9 or AlmaLinux 9, with High Availability and EPEL. Rendered, and run by nobody here.
    #[serde(rename = "rhel-9")]
    Rhel9,
}

impl Os {
    /// Each of them.
    pub const ALL: [Self; 5] =
        [Self::Debian12, Self::Debian13, Self::Ubuntu2404, Self::Ubuntu2604, Self::Rhel9];

    /// The spec's word, and what a machine says of itself: `ID-VERSION_ID` of os-release.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debian12 => "debian-12",
            Self::Debian13 => "debian-13",
            Self::Ubuntu2404 => "ubuntu-24.04",
            Self::Ubuntu2604 => "ubuntu-26.04",
            Self::Rhel9 => "rhel-9",
        }
    }

    /// The one that a machine says to be (`ID-VERSION_ID` of os-release); none for what haoscar does not know.
    pub fn told(word: &str) -> Option<Self> {
        let (id, version) = word.split_once('-')?;
        let is_9 = version == "9" || version.starts_with("9.");
        match id {
            "rhel" | "rocky" | "almalinux" | "centos" | "ol" if is_9 => Some(Self::Rhel9),
            _ => Self::ALL.into_iter().find(|os| os.word() == word),
        }
    }

    /// The name by which apt knows the release; none where there is no apt.
    pub fn release(self) -> Option<&'static str> {
        match self {
            Self::Debian12 => Some("bookworm"),
            Self::Debian13 => Some("trixie"),
            Self::Ubuntu2404 => Some("noble"),
            Self::Ubuntu2604 => Some("resolute"),
            Self::Rhel9 => None,
        }
    }

    /// Ubuntu's packages are its own, where Debian's are Debian's.
    pub fn is_ubuntu(self) -> bool {
        matches!(self, Self::Ubuntu2404 | Self::Ubuntu2604)
    }

    /// How a person installs packages there.
    pub fn install_words(self) -> &'static str {
        match self.release() {
            Some(_) => "apt-get install --no-install-recommends",
            None => "dnf install",
        }
    }

    /// What it has of programs whose configuration is not the same in each version.
    pub fn versions(self) -> Versions {
        match self {
            Self::Debian12 | Self::Rhel9 => Versions { chrony: (4, 3), ganesha: (4, 3) },
            Self::Debian13 => Versions { chrony: (4, 6), ganesha: (6, 5) },
            Self::Ubuntu2404 => Versions { chrony: (4, 5), ganesha: (4, 3) },
            Self::Ubuntu2604 => Versions { chrony: (4, 8), ganesha: (6, 5) },
        }
    }
}

/// Versions, each its first two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// chrony.
    pub chrony: (u32, u32),
    /// NFS-Ganesha.
    pub ganesha: (u32, u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_by_what_it_says_of_itself() {
        for os in Os::ALL {
            assert_eq!(serde_json::to_value(os).unwrap(), os.word());
            assert_eq!(Os::told(os.word()), Some(os));
        }
        assert_eq!(["rocky-9.4", "almalinux-9.6", "ol-9.2"].map(Os::told), [Some(Os::Rhel9); 3]);
        assert_eq!(["rocky-90", "debian-", "ubuntu-25.10", ""].map(Os::told), [None; 4]);
    }
}
