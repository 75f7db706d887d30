//! What `doctor` asks of hosts beyond what a plan needs, as plain facts. What they mean is [`crate::status`]'s to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Disks;
use crate::desired::{HostName, Verdict};

/// How much later than it asked for a process was woken, and how much of its time the hypervisor gave away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// The longest delay, in milliseconds.
    pub longest_ms: u64,
    /// The share of processor time that the hypervisor gave to others, 0 to 1.
    pub steal: f64,
    /// It was measured at the real-time priority that the engine's own membership runs with.
    pub realtime: bool,
}

/// A host's clock beside that of who asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Milliseconds that it is ahead.
    pub ahead_ms: i64,
    /// Half of the time that the question took: it is known no better.
    pub within_ms: i64,
}

/// A fence device that was asked whether it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FenceTry {
    /// The device, as the engine knows it.
    pub device: String,
    /// Who it switches.
    pub target: HostName,
    /// Who asked it: a head that would fence.
    pub from: HostName,
    /// Seconds that it took, or what it said.
    pub answer: Result<f64, String>,
}

/// Everything that was asked. A host that is not in a map was not asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Examined {
    /// When, in seconds since the epoch.
    pub now_s: i64,
    /// haoscar's own version where the question was asked.
    pub version: String,
    /// haoscar's version on each host.
    pub versions: BTreeMap<HostName, String>,
    /// Versions of the packages that the spec needs there; none: not installed.
    pub packages: BTreeMap<HostName, BTreeMap<String, Option<String>>>,
    /// Each storage, by path: whether a head could write the token (the first) or read it.
    pub storages: BTreeMap<String, BTreeMap<HostName, Result<(), String>>>,
    /// Each mirrored storage, by its name in the spec.
    #[serde(default)]
    pub mirrors: BTreeMap<String, Mirror>,
    /// Each storage on disks of two heads, by its name in the spec.
    #[serde(default)]
    pub disks: BTreeMap<String, Disks>,
    /// Every fence device, asked by each head that would use it.
    pub fences: Vec<FenceTry>,
    /// What the daemons' own validators say of the files as they are.
    pub checks: BTreeMap<HostName, BTreeMap<String, Verdict>>,
    /// Clocks of heads.
    pub clocks: BTreeMap<HostName, Clock>,
    /// How late heads and witnesses were.
    pub stalls: BTreeMap<HostName, Stall>,
}

/// A mirrored storage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mirror {
    /// Where it is on every head.
    pub path: String,
    /// Seconds between two copies.
    pub every_s: u64,
    /// What each head has, or why it did not say.
    pub heads: BTreeMap<HostName, Result<Copied, String>>,
}

impl Mirror {
    /// Each head's copy, in words. What its age is, a power cut of the owner costs.
    pub fn told(&self) -> String {
        let copy = |(head, has): (&HostName, &Result<Copied, String>)| match has {
            Ok(has) if has.owner => format!("{head} owns generation {}", has.have),
            Ok(has) if has.have != has.best => {
                format!("{head} is behind, generation {} of {}", has.have, has.best)
            }
            Ok(has) => format!("the copy of {head} is {} s old", has.age_s),
            Err(why) => format!("{head} does not say what it has: {why}"),
        };
        self.heads.iter().map(copy).collect::<Vec<_>>().join("; ")
    }
}

/// What a head has of a mirrored storage, as `ocf:haoscar:mirror told` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// It is the owner, and not a copy.
    pub owner: bool,
    /// The generation that is here.
    pub have: u64,
    /// The newest that any head has owned.
    pub best: u64,
    /// Since when, in seconds.
    pub age_s: u64,
}

impl Copied {
    /// `copy 4 5 12`.
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let owner = words.next()? == "owner";
        let mut number = || words.next()?.parse().ok();
        Some(Self { owner, have: number()?, best: number()?, age_s: number()? })
    }
}

/// What heads keep of a run of `haoscar doctor`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkup {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// How many things speak against the standby.
    pub errors: usize,
    /// How many more should be looked at.
    pub warnings: usize,
    /// Seconds that each fence device took at the slowest; none: it did not answer.
    pub fences: BTreeMap<String, Option<f64>>,
}
