//! heartbeat's known hang, and when it counts as one: its scripts talk to it through one pipe in several writes, and
//! where two of them mix, a takeover ends half way and the group is carried nowhere, for good.
//!
//! Pure: [`crate::control`] looks and mends. It must not mend what heartbeat may still do itself, and never takes a group
//! that heartbeat does not say it holds: until a dead head is fenced it says `none`, or `transition` while it starts.

use serde::{Deserialize, Serialize};

use crate::spec::Recovery;

/// Where a head's list lies.
pub const PAIR: &str = "/etc/haoscar/pair.json";

/// Where mends are counted on a head: a line each, with its time.
pub const MENDED: &str = "/var/lib/haoscar/heartbeat-mended";

/// What is being done needs less: a takeover's scripts follow each other within 0.3 s (measured).
const CLAIMED_MS: u64 = 6_000;

/// heartbeat itself waits 10 to 12 s in transition when both heads start.
const UNDECIDED_MS: u64 = 15_000;

/// What a head's mender must know of the pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Who wrote the file, for a person who opens it.
    pub made_by: String,
    /// The other head.
    pub peer: String,
    /// haresources names this head.
    pub preferred: bool,
    /// The group's first resource, by which heartbeat knows it.
    pub resource: String,
    /// The group's first address: where it is, the group is carried.
    pub address: std::net::IpAddr,
    /// Units that only the head with the group runs, in start order; haoscar answers their failures.
    #[serde(default)]
    pub units: Vec<Kept>,
}

/// A unit of the group, and how its failures are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// With its suffix.
    pub unit: String,
    /// The spec's policy, or the usual one.
    pub recovery: Recovery,
}

/// What one look saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Carried, or somebody is at it, or none of this head's business.
    Well,
    /// heartbeat says that this head holds the group, and it is carried nowhere.
    Claimed,
    /// heartbeat is in transition, its peer is well, and the group is carried nowhere.
    Undecided,
}

/// What mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// The step that was lost: start the group here.
    Take,
    /// Ask the peer to give everything up, and take it then.
    Ask,
}

/// Whether heartbeat's word means that this head holds the group.
pub fn claims(pair: &Pair, hold: &str) -> bool {
    match hold {
        "all" => true,
        "local" => pair.preferred,
        "foreign" => !pair.preferred,
        _ => false,
    }
}

/// Since when the same has been seen.
#[derive(Debug, Default)]
pub struct Hang {
    since: Option<(Seen, u64)>,
}

impl Hang {
    /// Takes a look's result, with the time since the start; what is to be done now, if anything. After a mend the
    /// whole time must pass again.
    pub fn look(&mut self, seen: Seen, now_ms: u64) -> Option<Mend> {
        let (limit_ms, mend) = match seen {
            Seen::Well => {
                self.since = None;
                return None;
            }
            Seen::Claimed => (CLAIMED_MS, Mend::Take),
            Seen::Undecided => (UNDECIDED_MS, Mend::Ask),
        };
        let begin = match self.since {
            Some((known, begin)) if known == seen => begin,
            _ => now_ms,
        };
        self.since = Some((seen, begin));
        (now_ms.saturating_sub(begin) >= limit_ms).then(|| {
            self.since = None;
            mend
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(preferred: bool) -> Pair {
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let (peer, resource) = ("b".to_owned(), "r".to_owned());
        Pair { made_by: String::new(), peer, preferred, resource, address, units: Vec::new() }
    }

    #[test]
    fn only_a_head_that_heartbeat_says_holds_the_group_takes_it() {
        let words = ["all", "local", "foreign", "none", "transition", ""];
        let held = |preferred| words.map(|word| claims(&pair(preferred), word));
        assert_eq!(held(true), [true, true, false, false, false, false]);
        assert_eq!(held(false), [true, false, true, false, false, false]);
    }

    #[test]
    fn a_claim_that_stays_unmet_is_mended_once_in_its_time() {
        let mut hang = Hang::default();
        let said: Vec<_> = (0..7).map(|n| hang.look(Seen::Claimed, n * 2_000)).collect();
        assert_eq!(said, [None, None, None, Some(Mend::Take), None, None, None]);
    }

    #[test]
    fn one_good_look_begins_the_wait_anew() {
        let mut hang = Hang::default();
        assert_eq!(hang.look(Seen::Undecided, 0), None);
        assert_eq!(hang.look(Seen::Well, 8_000), None);
        assert_eq!(hang.look(Seen::Undecided, 16_000), None);
        assert_eq!(hang.look(Seen::Claimed, 30_000), None);
        assert_eq!(hang.look(Seen::Undecided, 32_000), None);
        assert_eq!(hang.look(Seen::Undecided, 47_000), Some(Mend::Ask));
    }
}
