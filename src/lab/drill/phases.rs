//! Where an outage's time went: detect, fence, address, service, one after the other. Pure.
//!
//! The first two instants are read from the survivor's journal, by its monotonic timestamps; the last two are what
//! clients saw. An instant that nobody saw stays unknown; nothing is guessed.

use serde::{Deserialize, Serialize};

use crate::probe::{ADDRESS_SUFFIX, View};

use super::report::seconds;

/// What the survivor's journal says, in microseconds of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instants {
    /// Corosync formed a membership without the target.
    pub detected_us: Option<u64>,
    /// The fence device said that the target is off.
    pub fenced_us: Option<u64>,
}

/// Seconds of each phase; their sum is the time from the fault to the last service's return. One that nobody saw
/// is none, and its time is in the next one that was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// From the fault until the survivor's membership is without the target.
    pub detect_s: Option<f64>,
    /// From then until the target is proven off.
    pub fence_s: Option<f64>,
    /// From then until the group's address answers a client.
    pub address_s: Option<f64>,
    /// From then until the last service answers.
    pub service_s: Option<f64>,
}

/// Finds the two instants in `journalctl -o json`, after `fault_us`.
pub fn instants_of(journal: &str, target: &str, fault_us: u64) -> Instants {
    let mut instants = Instants::default();
    for (at_us, message) in journal.lines().filter_map(entry).filter(|(at_us, _)| *at_us >= fault_us) {
        // "… was formed. Members left: 1", and "Members joined: 2 left: 1"
        if message.contains("A new membership") && message.contains(" left:") {
            instants.detected_us.get_or_insert(at_us);
        }
        let fence = message.contains(&format!("targeting {target} "))
            || message.contains(&format!("Peer {target} was terminated"));
        if fence && message.contains(": OK") {
            instants.fenced_us.get_or_insert(at_us);
        }
    }
    instants
}

fn entry(line: &str) -> Option<(u64, String)> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let at_us = value.get("__MONOTONIC_TIMESTAMP")?.as_str()?.parse().ok()?;
    Some((at_us, value.get("MESSAGE")?.as_str()?.to_owned()))
}

impl Phases {
    /// Puts the instants and the clients' views (by target name) in a row.
    pub fn of<'a>(
        fault_us: u64,
        instants: Instants,
        views: impl Iterator<Item = (&'a str, &'a View)> + Clone,
    ) -> Self {
        let end = |(_, view): (_, &View)| view.gap.and_then(|(_, end)| end);
        let address = |(name, _): &(&str, &View)| name.ends_with(ADDRESS_SUFFIX);
        let addressed_us = views.clone().filter(address).filter_map(end).max();
        let served_us = views.filter(|v| !address(v)).filter_map(end).max();
        let mut before = fault_us;
        let mut step = |at: Option<u64>| {
            let at = at?.max(before);
            let took = at - before;
            before = at;
            Some(seconds(took))
        };
        Self {
            detect_s: step(instants.detected_us),
            fence_s: step(instants.fenced_us),
            address_s: step(addressed_us),
            service_s: step(served_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_us: u64, message: &str) -> String {
        format!("{}\n", serde_json::json!({ "__MONOTONIC_TIMESTAMP": at_us.to_string(), "MESSAGE": message }))
    }

    fn journal() -> String {
        [
            line(900, "[TOTEM ] A new membership (1.1b) was formed. Members left: 7"),
            line(1_101_000, "  [TOTEM ] A new membership (1.2f) was formed. Members left: 1"),
            line(1_300_000, "Operation 'off' targeting head-10 by head-2 for x@head-2: OK (complete)"),
            line(
                1_310_000,
                "Operation 'off' targeting head-1 by arbiter for x@head-2: Timer expired (failed)",
            ),
            line(1_400_000, "Operation 'off' targeting head-1 by head-2 for x@head-2: OK (complete)"),
            "no json\n".to_owned(),
        ]
        .concat()
    }

    #[test]
    fn only_what_followed_the_fault_and_concerns_the_target_counts() {
        let expected = Instants { detected_us: Some(1_101_000), fenced_us: Some(1_400_000) };
        assert_eq!(instants_of(&journal(), "head-1", 1_000), expected);
        assert_eq!(instants_of("", "head-1", 0), Instants::default());
    }

    fn view(end: u64) -> View {
        View { asked: 1, answered: 1, errors: 0, last_error: None, said: None, gap: Some((1_000, Some(end))) }
    }

    #[test]
    fn phases_follow_each_other_and_add_up_to_the_whole() {
        let (address, names, home) = (view(1_501_000), view(1_511_000), view(6_001_000));
        let views = [("control/address", &address), ("names", &names), ("home", &home)];
        let phases = Phases::of(1_000, instants_of(&journal(), "head-1", 1_000), views.into_iter());
        let expected = Phases {
            detect_s: Some(1.1),
            fence_s: Some(0.299),
            address_s: Some(0.101),
            service_s: Some(4.5),
        };
        assert_eq!(phases, expected);
    }

    #[test]
    fn a_phase_that_nobody_saw_is_none_and_its_time_is_in_the_next() {
        let address = view(1_501_000);
        let phases = Phases::of(1_000, Instants::default(), [("control/address", &address)].into_iter());
        assert_eq!(phases, Phases { address_s: Some(1.5), ..Phases::default() });
    }
}
