//! Whether a machine can hold `ha.detect`, and what a power cut is expected to cost. Pure.
//!
//! A member whose processes are not woken for a token's time is taken for dead. corosync itself complains from 0.8 of a
//! token on ("main process was not scheduled"), and a look of some seconds sees less than an hour brings: five minutes of a
//! loaded machine had a stall of 0.38 s, and token 500 ms was never lost (knowledge/pacemaker.md 7). The margin is a choice,
//! not a measurement: the token must be three times the longest stall that was seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::finding::{About, Finding};
use crate::desired::HostName;
use crate::observed::{Examined, Observed, Stall};
use crate::spec::{Cluster, EngineKind, Span};

/// Token over longest stall.
const STALLS: u64 = 3;

/// Where the hypervisor gives that share away, corosync was seen to pause for 410 to 845 ms (the same, 9).
const STEAL: f64 = 0.3;

/// What held where a hypervisor pauses the machine: token 1000 ms and consensus 1200 ms (the same, 7).
const STOLEN_MS: u64 = 2_200;

/// Planning, and the start of a service, after fencing (the same, 8); a rehearsal knows better.
const START_S: f64 = 0.3;

/// What a power cut is expected to cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// `ha.detect`.
    pub detect_s: f64,
    /// The slowest answer of its fence devices, by the head that would ask. Switching off takes a device longer.
    pub fence_s: Option<f64>,
    /// The longest outage of its groups' last rehearsals, or 0.3 s.
    pub move_s: f64,
    /// All of it; none: no fence device answered.
    pub total_s: Option<f64>,
}

/// Hosts that cannot hold `detect`.
pub fn findings(cluster: &Cluster, examined: &Examined) -> Vec<Finding> {
    let asked = cluster.ha.detect;
    let late = |(host, stall): (&HostName, &Stall)| {
        let least = least_ms(cluster.ha.engine, stall);
        (asked.as_millis() < least).then(|| {
            let (longest, percent) = (stall.longest_ms, stall.steal * 100.0);
            let message = format!(
                "{host} cannot hold `detect` of {asked}: a process was woken up to {longest} ms late, and {percent:.0} % of its time was stolen"
            );
            let mend = format!("set ha.detect to {} or more, or give the machine its own processors", Span::from_millis(least));
            Finding::warning(About::Detect, host, message, mend)
        })
    };
    examined.stalls.iter().filter_map(late).collect()
}

/// The smallest `detect` that a machine holds, in hundreds of milliseconds.
pub fn least_ms(engine: EngineKind, stall: &Stall) -> u64 {
    let token = stall.longest_ms * STALLS;
    let detect = match engine {
        EngineKind::Pacemaker => token * 22 / 10, // and consensus, 1.2 of a token
        EngineKind::Heartbeat => token,
    };
    let stolen = if stall.steal >= STEAL { STOLEN_MS } else { 0 };
    detect.max(stolen).div_ceil(100) * 100
}

/// What a power cut of each head is expected to cost.
#[allow(clippy::cast_precision_loss)]
pub fn power_cuts(cluster: &Cluster, observed: &Observed, examined: &Examined) -> BTreeMap<HostName, Cost> {
    let detect_s = cluster.ha.detect.as_millis() as f64 / 1_000.0;
    let cost = |head: &HostName| {
        let own = examined.fences.iter().filter(|tried| tried.target == *head);
        let fence_s = own.filter_map(|tried| tried.answer.as_ref().ok().copied()).reduce(f64::max);
        let groups = cluster.groups.iter().filter(|(_, group)| group.heads.contains(head));
        let known = groups.filter_map(|(group, _)| observed.rehearsals.get(group));
        let outages = known.flat_map(|rehearsal| rehearsal.outage_s.values().flatten());
        let move_s = outages.copied().reduce(f64::max).unwrap_or(START_S);
        let total_s = fence_s.map(|fence| detect_s + fence + move_s);
        (head.clone(), Cost { detect_s, fence_s, move_s, total_s })
    };
    cluster.heads.keys().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stall(longest_ms: u64, steal: f64) -> Stall {
        Stall { longest_ms, steal, realtime: true }
    }

    #[test]
    fn the_token_is_three_times_the_longest_stall() {
        assert_eq!(least_ms(EngineKind::Pacemaker, &stall(0, 0.0)), 0);
        assert_eq!(least_ms(EngineKind::Pacemaker, &stall(166, 0.0)), 1_100, "the default outlasts 166 ms");
        assert_eq!(least_ms(EngineKind::Pacemaker, &stall(167, 0.0)), 1_200);
        assert_eq!(least_ms(EngineKind::Heartbeat, &stall(167, 0.0)), 600, "deadtime has no consensus");
    }

    #[test]
    fn a_machine_whose_time_is_stolen_gets_two_seconds() {
        assert_eq!(least_ms(EngineKind::Pacemaker, &stall(1, 0.3)), 2_200);
    }
}
