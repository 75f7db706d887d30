//! What agents on hosts say of a spec's parameters.

use std::collections::BTreeMap;

use haoscar::spec::agents::{Agent, Told, refusals};
use haoscar::spec::{Loaded, Problem, Severity, Sources, lint, load};

/// The base spec, with head-1 fenced by an agent of the site's own.
fn loaded(fence: &str) -> Loaded {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/accepts/base.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replacen("{ agent: fence_apc_snmp, ip: 10.20.1.1, port: 1 }", fence, 1);
    load(&Sources::of_text("cluster.yaml", text.into_bytes())).unwrap()
}

fn agent(parameters: &str) -> Told {
    let text =
        format!("<resource-agent name=\"fence_own\"><parameters>{parameters}</parameters></resource-agent>");
    Told::Metadata(Agent::of_metadata(&text).unwrap())
}

fn answers(told: &[(&str, Told)]) -> BTreeMap<String, BTreeMap<String, Told>> {
    let told = told.iter().map(|(host, told)| ((*host).to_owned(), told.clone())).collect();
    BTreeMap::from([("fence_own".to_owned(), told)])
}

fn said(problems: &[Problem]) -> Vec<(&str, &str, Option<&str>, usize)> {
    let row = |p: &'_ Problem| p.places[0].line;
    problems.iter().map(|p| (p.code.as_str(), p.message.as_str(), p.hint.as_deref(), row(p))).collect()
}

const OWN: &str =
    r#"<parameter name="outlet" required="1"><shortdesc>Number of the outlet</shortdesc></parameter>"#;

#[test]
fn an_agent_of_the_sites_own_refuses_what_it_does_not_know_and_says_what_it_meant() {
    let loaded = loaded("{ agent: fence_own, outlt: 1 }");
    let found = refusals(&loaded, &answers(&[("head-2", agent(OWN))]));
    let message = "the fence device of head-1: fence_own (on head-2) has no parameter `outlt`";
    let hint = "did you mean `outlet`? (Number of the outlet)";
    assert_eq!(said(&found), [("agent/parameter-unknown", message, Some(hint), 14)]);
}

#[test]
fn a_missing_parameter_is_refused_with_what_the_agent_says_of_it() {
    let loaded = loaded("{ agent: fence_own }");
    let found = refusals(&loaded, &answers(&[("head-2", agent(OWN))]));
    let message = "the fence device of head-1 lacks `outlet`, which fence_own (on head-2) requires";
    let hint = "add `outlet: ...` (Number of the outlet)";
    assert_eq!(said(&found), [("agent/parameter-missing", message, Some(hint), 14)]);
    assert_eq!(refusals(&loaded, &answers(&[("head-2", agent(""))])), [], "another version wants nothing");
}

#[test]
fn who_never_runs_a_device_is_not_asked_about_it_and_who_must_needs_it() {
    let loaded = loaded("{ agent: fence_own, outlet: 1 }");
    assert_eq!(refusals(&loaded, &answers(&[("head-1", Told::Absent), ("head-2", agent(OWN))])), []);
    let found = refusals(&loaded, &answers(&[("head-2", Told::Absent)]));
    let message = "fence_own is not installed on head-2, which is to run it for the fence device of head-1";
    let hint = "install its package there, or correct the name";
    assert_eq!(said(&found), [("agent/not-installed", message, Some(hint), 14)]);
}

#[test]
fn what_only_a_host_refuses_can_be_waived() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/accepts/base.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replacen(
        "{ agent: fence_apc_snmp, ip: 10.20.1.1, port: 1 }",
        "{ agent: fence_own, hidden: 1 }",
        1,
    );
    let text = text + "waive: [ { code: agent/parameter-unknown, reason: undocumented } ]\n";
    let loaded = load(&Sources::of_text("cluster.yaml", text.into_bytes())).unwrap();
    assert!(lint(&loaded).iter().all(|problem| problem.severity == Severity::Note));
    assert_eq!(refusals(&loaded, &answers(&[("head-2", agent(""))])), []);
}
