//! The picture of a drill, drawn from fixed samples: `tests/golden/pictures/NAME.svg`.
//!
//! `HAOSCAR_UPDATE=1 cargo test golden` writes it anew; look at it before you commit it.

use std::collections::BTreeMap;
use std::fs;

use haoscar::lab::drill::{Drill, Owners, Phases, ServiceOutage, Timeline, Writes, svg};
use haoscar::probe::{Answer, Ask, ProbeTarget, Sample, Window};

use super::root;

const SECOND_US: u64 = 1_000_000;
const FAULT_US: u64 = SECOND_US;

fn target(service: &str, tick_ms: u64) -> ProbeTarget {
    ProbeTarget { service: service.to_owned(), ask: Ask::Time { server: [192, 0, 2, 10].into() }, tick_ms }
}

/// Samples of seven seconds; none where `answer` gives none.
fn seen(service: &str, tick_ms: u64, answer: impl Fn(u64) -> Option<Answer>) -> (ProbeTarget, Vec<Sample>) {
    let sample = |at_ms: u64| {
        let asked_us = at_ms * 1_000;
        Some(Sample {
            service: service.to_owned(),
            asked_us,
            ended_us: asked_us + 300,
            answer: answer(at_ms)?,
        })
    };
    let samples = (0..7_000 / tick_ms).filter_map(|tick| sample(tick * tick_ms)).collect();
    (target(service, tick_ms), samples)
}

fn outage(service: &str, outage_s: Option<f64>, errors: usize) -> ServiceOutage {
    ServiceOutage { service: service.to_owned(), outage_s, errors, last_error: None, said: None }
}

fn drill() -> Drill {
    let phases =
        Phases { detect_s: Some(1.1), fence_s: Some(0.1), address_s: Some(0.4), service_s: Some(3.4) };
    Drill {
        fault: "power".to_owned(),
        target: "head-1".to_owned(),
        moved_to: Some("head-2".to_owned()),
        steal: 0.03,
        late_ticks: 50,
        phases,
        services: vec![
            outage("dhcp", Some(0.0), 0),
            outage("names", Some(1.6), 1),
            outage("home", Some(5.0), 0),
            outage("portal", None, 0),
        ],
        jobs: None,
        writes: Some(Writes { acknowledged: 40, missing: 0 }),
        owners: Some(Owners {
            order: vec!["head-1".to_owned(), "head-2".to_owned()],
            twice: 0,
            copies: BTreeMap::new(),
        }),
        files: None,
        hand: Some("head-1 switched on".to_owned()),
    }
}

#[test]
fn a_row_a_client_over_the_phases_with_gaps_wrong_answers_and_time_not_asked() {
    let silent = |from: u64, to: u64| {
        move |at_ms: u64| Some(if (from..to).contains(&at_ms) { Answer::Silent } else { Answer::Good })
    };
    let names = move |at_ms: u64| match at_ms {
        1_700 => Some(Answer::Wrong("NXDOMAIN".to_owned())),
        _ => silent(1_010, 2_600)(at_ms),
    };
    let home = |at_ms: u64| match at_ms {
        1_000..2_600 => Some(Answer::Silent),
        2_600..6_000 => Some(Answer::NotYet("grace".to_owned())),
        _ => Some(Answer::Good),
    };
    let late = |at_ms: u64| (!(4_000..4_500).contains(&at_ms)).then_some(Answer::Good);
    let targets = [
        seen("control/address", 10, silent(1_010, 2_600)),
        seen("dhcp", 10, late),
        seen("names", 10, names),
        seen("home", 100, home),
        seen("portal", 10, silent(1_010, 9_000)),
    ];
    let holders = [(0, "head-1".to_owned()), (2_590_000, "head-2".to_owned())];
    let drawn = svg(&Timeline {
        drill: &drill(),
        targets: &targets,
        holders: &holders,
        hand_us: Some(4 * SECOND_US),
        window: Window { from_us: 0, to_us: 7 * SECOND_US },
        fault_us: FAULT_US,
    });
    roxmltree::Document::parse(&drawn).unwrap();
    let path = root().join("tests/golden/pictures/power.svg");
    if std::env::var_os("HAOSCAR_UPDATE").is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    assert_eq!(drawn, fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}
