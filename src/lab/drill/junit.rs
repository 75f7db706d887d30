//! A report as JUnit XML: one test case a service, one for the owners of the address, for jobs, and for writes. Pure.

use std::fmt::Write;

use super::{Drill, Report};

/// The report as CI reads it.
pub fn junit(report: &Report) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for drill in &report.drills {
        let cases = cases_of(drill);
        let failed = cases.iter().filter(|case| case.failure.is_some()).count();
        let name = escaped(&format!("drill {} of {}", drill.fault, drill.target));
        let _ =
            writeln!(text, "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\">", cases.len());
        cases.iter().for_each(|case| text.push_str(&case.shown()));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

struct Case {
    name: String,
    time_s: f64,
    failure: Option<String>,
}

impl Case {
    fn shown(&self) -> String {
        let start = format!("    <testcase name=\"{}\" time=\"{:.3}\"", escaped(&self.name), self.time_s);
        match &self.failure {
            None => format!("{start}/>\n"),
            Some(why) => format!("{start}><failure message=\"{}\"/></testcase>\n", escaped(why)),
        }
    }
}

fn cases_of(drill: &Drill) -> Vec<Case> {
    let services = drill.services.iter().map(|s| Case {
        name: format!("{} comes back", s.service),
        time_s: s.outage_s.unwrap_or(0.0),
        failure: s.outage_s.is_none().then(|| format!("{} did not come back", s.service)),
    });
    let jobs = drill.jobs.iter().map(|jobs| Case {
        name: "no job is lost".to_owned(),
        time_s: 0.0,
        failure: (jobs.lost > 0).then(|| jobs.named.join("; ")),
    });
    let writes = drill.writes.iter().map(|writes| Case {
        name: "no acknowledged write is lost".to_owned(),
        time_s: 0.0,
        failure: (writes.missing > 0).then(|| format!("{} writes are missing", writes.missing)),
    });
    let owners = drill.owners.iter().map(|owners| Case {
        name: "one owner of the address".to_owned(),
        time_s: 0.0,
        failure: (owners.twice > 0).then(|| format!("two at once, {} times", owners.twice)),
    });
    let copies = drill.owners.iter().flat_map(|owners| &owners.copies).map(|(unit, times)| Case {
        name: format!("one copy of {unit}"),
        time_s: 0.0,
        failure: (*times > 0).then(|| format!("on two heads at once, seen {times} times")),
    });
    let files = drill.files.iter().map(|files| Case {
        name: "all files old or all new".to_owned(),
        time_s: 0.0,
        failure: (files == "mixed").then(|| "some files are old and some are new".to_owned()),
    });
    services.chain(owners).chain(copies).chain(files).chain(jobs).chain(writes).collect()
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::drill;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_service_is_a_case_and_what_did_not_come_back_failed() {
        let mut drill = drill();
        drill.services[1].outage_s = None;
        let report = Report { spec: "s".into(), resolution_s: BTreeMap::new(), drills: vec![drill] };
        let text = junit(&report);
        let tree = roxmltree::Document::parse(&text).unwrap();
        let suite = tree.descendants().find(|n| n.has_tag_name("testsuite")).unwrap();
        assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("5"), Some("1")));
        let failure = tree.descendants().find(|n| n.has_tag_name("failure")).unwrap();
        assert_eq!(failure.attribute("message"), Some("home did not come back"));
    }
}
