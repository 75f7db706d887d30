//! Disks of two heads that are kept the same, as each of both sees them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::HostName;

/// A storage on a disk of each of two heads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disks {
    /// Where it is mounted.
    pub path: String,
    /// What each head says of its own disk, or why it did not.
    pub heads: BTreeMap<HostName, Result<Disk, String>>,
}

impl Disks {
    /// Each head's disk, in words.
    pub fn told(&self) -> String {
        let disk = |(head, has): (&HostName, &Result<Disk, String>)| match has {
            Ok(has) => format!("{head} {}", has.told()),
            Err(why) => format!("{head} does not say what it has: {why}"),
        };
        self.heads.iter().map(disk).collect::<Vec<_>>().join("; ")
    }
}

/// One head's disk, in DRBD's own words (drbdsetup(8)), as `ocf:haoscar:drbd told` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Primary, Secondary.
    pub role: String,
    /// How it is connected: Connected, SyncTarget, WFConnection, StandAlone, …
    pub connection: String,
    /// What is on it: UpToDate, Inconsistent, Outdated, …
    pub state: String,
    /// Percent of it that is the same already, while it is filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<String>,
}

impl Disk {
    /// `Secondary SyncTarget Inconsistent 34.5`; without a last word where nothing is filled.
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (role, connection, state) = (words.next()?, words.next()?, words.next()?);
        Some(Self { role, connection, state, filled: words.next() })
    }

    /// It has all that was ever acknowledged, and its head may serve it.
    pub fn is_whole(&self) -> bool {
        self.state == "UpToDate"
    }

    /// Both have written alone, or would not let each other in: nothing is copied until a person says whose is to go.
    pub fn stands_alone(&self) -> bool {
        self.connection == "StandAlone"
    }

    fn told(&self) -> String {
        let alone = match self.connection.as_str() {
            "StandAlone" => ", and stands alone: it copies nothing",
            "WFConnection" | "Connecting" => ", and does not see the other",
            _ => "",
        };
        match (self.state.as_str(), &self.filled) {
            ("UpToDate", _) if self.role == "Primary" => format!("has it{alone}"),
            ("UpToDate", _) => format!("has the same{alone}"),
            (_, Some(percent)) => format!("is filled, {percent} % so far{alone}"),
            (state, None) => format!("is {state}{alone}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_head_says_what_its_disk_is_good_for() {
        let told = |line: &str| Disk::read(line).unwrap().told();
        assert_eq!(told("Primary Connected UpToDate"), "has it");
        assert_eq!(told("Secondary Connected UpToDate"), "has the same");
        assert_eq!(told("Secondary SyncTarget Inconsistent 34.5"), "is filled, 34.5 % so far");
        assert_eq!(told("Primary WFConnection UpToDate"), "has it, and does not see the other");
        assert_eq!(told("Secondary StandAlone Outdated"), "is Outdated, and stands alone: it copies nothing");
        assert_eq!(Disk::read("Unconfigured"), None);
    }
}
