//! A drill's figures: their shapes, a table for people, and one sentence. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{Jobs, Owners, Phases};

/// What `lab drill --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The spec's path, as it was given.
    pub spec: String,
    /// Seconds between two probes, by service: no figure is finer.
    pub resolution_s: BTreeMap<String, f64>,
    /// One a fault.
    pub drills: Vec<Drill>,
}

/// One fault and what followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// Its word: `power`, `links`, `killed` …; `none` without one.
    pub fault: String,
    /// The host that it hit.
    pub target: String,
    /// The head that carries the group afterwards; none if no head does.
    pub moved_to: Option<String>,
    /// The share of the machine's time that its hypervisor took, 0 to 1.
    pub steal: f64,
    /// Probes that were left out because the machine was late.
    pub late_ticks: u64,
    /// Where the time went.
    pub phases: Phases,
    /// What each client saw.
    pub services: Vec<ServiceOutage>,
    /// What jobs saw; none where no scheduler was asked.
    pub jobs: Option<Jobs>,
    /// What was written to an export; none where nothing was.
    pub writes: Option<Writes>,
    /// Who held the group's address; none where nobody answered on the wire.
    pub owners: Option<Owners>,
    /// Which files a head came back with whose power was cut in the middle of an apply: `old`, `new`, or `mixed`, which must not
    /// be. None for other faults.
    pub files: Option<String>,
    /// What somebody had to do by hand before the services came back; none if they came back by themselves.
    pub hand: Option<String>,
}

/// What one client saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceOutage {
    /// The service's name in the spec.
    pub service: String,
    /// Seconds between two right answers; 0 where no gap shows, none if it did not come back.
    pub outage_s: Option<f64>,
    /// Wrong answers.
    pub errors: usize,
    /// The last of them, in words.
    #[serde(skip)]
    pub last_error: Option<String>,
    /// What it last said instead of serving (`grace`, `refused`, `no space left`); none if it said nothing.
    pub said: Option<String>,
}

/// Writes that the server had said to be on its disk, looked for after the drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// Acknowledged.
    pub acknowledged: usize,
    /// Of these, not there.
    pub missing: usize,
}

impl Drill {
    /// Whether every service came back, right, and nothing was lost.
    pub fn is_good(&self) -> bool {
        self.moved_to.is_some()
            && self.services.iter().all(|s| s.outage_s.is_some())
            && self.jobs.as_ref().is_none_or(|jobs| jobs.lost == 0)
            && self.writes.is_none_or(|writes| writes.missing == 0)
            && self.owners.as_ref().is_none_or(Owners::is_one)
            && self.files.as_ref().is_none_or(|files| files != "mixed")
    }
}

/// Microseconds as seconds, in steps of a millisecond.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(us: u64) -> f64 {
    (us as f64 / 1_000.0).round() / 1_000.0
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |s| format!("{s:.2} s"))
}

/// The drill as a table: services, then phases, jobs and writes.
pub fn table(drill: &Drill, resolution_s: &BTreeMap<String, f64>) -> String {
    let mut text = format!("{:<14} {:>10} {:>11} {:>7}\n", "service", "outage", "resolution", "errors");
    for s in &drill.services {
        let outage = s.outage_s.map_or_else(|| "not back".to_owned(), |s| format!("{s:.2} s"));
        let resolution = shown(resolution_s.get(&s.service).copied());
        let error = s.last_error.as_ref().map(|e| format!("  last: {e}")).unwrap_or_default();
        let said = s.said.as_ref().map(|said| format!("  said: {said}")).unwrap_or_default();
        let _ =
            writeln!(text, "{:<14} {outage:>10} {resolution:>11} {:>7}{said}{error}", s.service, s.errors);
    }
    let Phases { detect_s, fence_s, address_s, service_s } = drill.phases;
    let phases = [("detect", detect_s), ("fence", fence_s), ("address", address_s), ("service", service_s)];
    let phases: Vec<String> =
        phases.iter().map(|(name, value)| format!("{name} {}", shown(*value))).collect();
    let _ = writeln!(text, "phases: {}", phases.join(", "));
    if let Some(jobs) = &drill.jobs {
        let (before, after) = (jobs.running_before, jobs.running_after);
        let again = if jobs.requeued == 0 {
            String::new()
        } else {
            format!(", {} of them begun again", jobs.requeued)
        };
        let _ = writeln!(text, "jobs: {before} running before, {after} after, {} lost{again}", jobs.lost);
        for job in &jobs.named {
            let _ = writeln!(text, "  {job}");
        }
    }
    if let Some(Writes { acknowledged, missing }) = drill.writes {
        let _ = writeln!(text, "writes: {acknowledged} acknowledged, {missing} missing");
    }
    if let Some(Owners { order, twice, copies }) = &drill.owners {
        let order = order.join(", then ");
        let _ = writeln!(text, "owners of the address: {order}; two at once: {twice} times");
        let units: Vec<_> = copies.iter().map(|(unit, times)| format!("{unit} {times}")).collect();
        if !units.is_empty() {
            let _ = writeln!(text, "units on two heads at once, times seen: {}", units.join(", "));
        }
    }
    if let Some(files) = &drill.files {
        let _ = writeln!(text, "files: {} came back with the {files} ones", drill.target);
    }
    if let Some(hand) = &drill.hand {
        let _ = writeln!(text, "by hand: {hand}");
    }
    let _ = writeln!(text, "late ticks: {}, steal: {:.1} %", drill.late_ticks, drill.steal * 100.0);
    text
}

/// The service that was away for longest, and how many seconds; none where no client saw an outage that ended.
pub(super) fn slowest(drill: &Drill) -> Option<(&str, f64)> {
    let away = drill.services.iter().filter_map(|s| Some((s.service.as_str(), s.outage_s?)));
    away.filter(|(_, outage)| *outage > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The drill in one sentence.
pub fn sentence(drill: &Drill) -> String {
    let what = match drill.fault.as_str() {
        "none" => "without a fault".to_owned(),
        fault => format!("after the {fault} fault of {}", drill.target),
    };
    let gone: Vec<&str> =
        drill.services.iter().filter(|s| s.outage_s.is_none()).map(|s| s.service.as_str()).collect();
    if !gone.is_empty() {
        return format!("{what}, {} did not come back", gone.join(", "));
    }
    let Some(head) = &drill.moved_to else { return format!("{what}, no head carries the group") };
    let outage = match slowest(drill) {
        Some((service, outage)) => format!("the longest outage was {outage:.2} s ({service})"),
        None => "no client saw an outage".to_owned(),
    };
    let lost = drill.jobs.as_ref().map_or(0, |j| j.lost);
    let missing = drill.writes.map_or(0, |w| w.missing);
    let kept = match (lost, missing) {
        (0, 0) => "nothing that was accepted is lost".to_owned(),
        (jobs, writes) => format!("{jobs} jobs and {writes} writes are lost"),
    };
    if let Some(owners) = drill.owners.as_ref().filter(|owners| owners.twice > 0) {
        let order = owners.order.join(", then ");
        return format!("{what}, two heads held the address at the same time ({order})");
    }
    let copies = drill.owners.iter().flat_map(|owners| &owners.copies);
    if let Some((unit, times)) = copies.into_iter().find(|(_, times)| **times > 0) {
        return format!("{what}, {unit} ran on two heads at the same time (seen {times} times)");
    }
    let hand = drill.hand.as_ref().map(|hand| format!(" after a hand ({hand})")).unwrap_or_default();
    let files =
        drill.files.as_ref().map(|files| format!(", {} came back with its {files} files", drill.target));
    let files = files.unwrap_or_default();
    format!("{what}, {head} carries the group{hand}, {outage}{files}, and {kept}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::lab::drill) fn drill() -> Drill {
        let service = |name: &str, outage_s, errors| ServiceOutage {
            service: name.to_owned(),
            outage_s,
            errors,
            last_error: None,
            said: (name == "home").then(|| "grace".to_owned()),
        };
        Drill {
            fault: "power".to_owned(),
            target: "head-1".to_owned(),
            moved_to: Some("head-2".to_owned()),
            steal: 0.03,
            late_ticks: 2,
            phases: Phases { detect_s: Some(1.1), fence_s: None, address_s: Some(0.4), service_s: Some(4.1) },
            services: vec![service("names", Some(1.57), 3), service("home", Some(5.6), 0)],
            jobs: Some(Jobs { running_before: 1, running_after: 1, lost: 0, requeued: 0, named: Vec::new() }),
            writes: Some(Writes { acknowledged: 275, missing: 0 }),
            owners: Some(Owners {
                order: vec!["head-1".to_owned(), "head-2".to_owned()],
                twice: 0,
                copies: BTreeMap::new(),
            }),
            files: None,
            hand: None,
        }
    }

    #[test]
    fn the_shape_of_the_json_is_the_one_promised() {
        let report = Report {
            spec: "specs/ha-oscar-2004.yaml".to_owned(),
            resolution_s: BTreeMap::from([("names".to_owned(), 0.01)]),
            drills: vec![drill()],
        };
        let expected = serde_json::json!({
            "spec": "specs/ha-oscar-2004.yaml",
            "resolution_s": { "names": 0.01 },
            "drills": [{
                "fault": "power", "target": "head-1", "moved_to": "head-2", "steal": 0.03, "late_ticks": 2,
                "phases": { "detect_s": 1.1, "fence_s": null, "address_s": 0.4, "service_s": 4.1 },
                "services": [
                    { "service": "names", "outage_s": 1.57, "errors": 3, "said": null },
                    { "service": "home", "outage_s": 5.6, "errors": 0, "said": "grace" },
                ],
                "jobs": { "running_before": 1, "running_after": 1, "lost": 0, "requeued": 0 },
                "writes": { "acknowledged": 275, "missing": 0 },
                "owners": { "order": ["head-1", "head-2"], "twice": 0, "copies": {} },
                "files": null,
                "hand": null,
            }],
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
    }

    #[test]
    fn the_sentence_names_the_longest_outage() {
        let expected = "after the power fault of head-1, head-2 carries the group, the longest outage was 5.60 s \
                        (home), and nothing that was accepted is lost";
        assert_eq!(sentence(&drill()), expected);
        assert!(drill().is_good());
    }

    #[test]
    fn a_service_that_is_not_back_fails_the_drill_and_is_named() {
        let mut drill = drill();
        drill.services[0].outage_s = None;
        assert_eq!(sentence(&drill), "after the power fault of head-1, names did not come back");
        assert!(!drill.is_good());
    }

    #[test]
    fn two_owners_at_once_fail_the_drill_whatever_else_went_well() {
        let mut drill = drill();
        drill.owners = Some(Owners {
            order: ["1", "2", "1"].map(str::to_owned).to_vec(),
            twice: 1,
            copies: BTreeMap::new(),
        });
        let expected = "after the power fault of head-1, two heads held the address at the same time (1, then 2, then 1)";
        assert_eq!(sentence(&drill), expected);
        assert!(!drill.is_good());
    }

    #[test]
    fn two_copies_of_a_service_at_once_fail_it_too() {
        let mut drill = drill();
        drill.owners.as_mut().unwrap().copies = [("kea.service".to_owned(), 3)].into();
        let expected =
            "after the power fault of head-1, kea.service ran on two heads at the same time (seen 3 times)";
        assert_eq!(sentence(&drill), expected);
        assert!(!drill.is_good());
    }

    #[test]
    fn a_hand_that_was_needed_is_in_the_sentence() {
        let mut drill = drill();
        drill.hand = Some("head-1 and head-2 switched on".to_owned());
        assert!(
            sentence(&drill).contains("carries the group after a hand (head-1 and head-2 switched on), ")
        );
    }

    #[test]
    fn files_that_are_neither_old_nor_new_fail_the_drill() {
        let mut drill = drill();
        drill.files = Some("old".to_owned());
        assert!(sentence(&drill).contains(", head-1 came back with its old files, and "));
        assert!(drill.is_good());
        drill.files = Some("mixed".to_owned());
        assert!(!drill.is_good());
    }

    #[test]
    fn a_missing_write_fails_the_drill() {
        let mut drill = drill();
        drill.writes = Some(Writes { acknowledged: 275, missing: 1 });
        assert!(sentence(&drill).ends_with("0 jobs and 1 writes are lost"));
        assert!(!drill.is_good());
    }
}
