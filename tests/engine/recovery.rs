//! What a recovery policy becomes in the CIB; docs/book/recovery.md has the same table.

use haoscar::desired::{Surroundings, resolve};
use haoscar::recovery::usual;
use haoscar::spec::{Sources, load};
use haoscar::templates::Templates;

const WRITTEN: &str = "recovery: { restarts: 3, within: 5m, then: failover }";

fn cib(policy: &str) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/qnetd.yaml")).unwrap();
    assert!(text.contains(WRITTEN));
    let cluster = load(&Sources::of_text("cluster.yaml", text.replace(WRITTEN, policy))).unwrap().cluster;
    let desired = resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap();
    desired.engine.unwrap().cib
}

/// The policy of the service `portal`.
const META: &str = "control-portal-meta";

/// Values of a set of pairs, in its own order.
fn values(cib: &str, set: &str) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(cib).unwrap();
    let set = document.descendants().find(|node| node.attribute("id") == Some(set)).unwrap();
    let pair = |node: roxmltree::Node<'_, '_>| {
        Some((node.attribute("name")?.to_owned(), node.attribute("value")?.to_owned()))
    };
    set.children().filter_map(pair).collect()
}

#[test]
fn a_policy_is_compiled_to_a_threshold_a_time_and_whether_the_group_follows() {
    for (policy, [critical, timeout, threshold]) in [
        ("recovery: { restarts: 3, within: 5m, then: failover }", ["true", "300s", "4"]),
        ("recovery: { restarts: 3, within: 5m, then: stop }", ["false", "300s", "4"]),
        ("recovery: { restarts: 3, within: 5m, then: alert }", ["false", "300s", "INFINITY"]),
        ("recovery: { restarts: 0, within: 1500ms }", ["true", "2s", "1"]),
    ] {
        let expected =
            [("critical", critical), ("failure-timeout", timeout), ("migration-threshold", threshold)];
        let found = values(&cib(policy), META);
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())), "{policy}");
    }
}

#[test]
fn a_service_without_a_policy_has_the_usual_one_under_both_engines() {
    let found = values(&cib(""), "haoscar-defaults");
    let of = |name: &str| found.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!(of("migration-threshold"), (usual().restarts + 1).to_string());
    assert_eq!(of("failure-timeout"), format!("{}s", usual().within.as_millis() / 1_000));
}
