//! A plan that is made where no host can be reached, from what was exported where they can.

use serde_json::Value;

use super::harness::{Turn, haoscar, is_root, text};
use super::whole_way::Site;

fn plan(spec: &str, way: &str) -> (Option<i32>, Value) {
    let said = haoscar(&["plan", spec, "--via", way, "--format", "json", "--detailed-exitcode"]);
    let mut plan: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{}", text(&said)));
    let what_the_engine_would_do = plan.as_object_mut().unwrap().remove("impact");
    assert!(what_the_engine_would_do.is_some());
    (said.status.code(), plan)
}

#[test]
fn a_plan_from_exported_facts_is_the_plan_of_the_hosts_themselves() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-facts", "minimal", "");
    let planted = "umask 077; mkdir -p /etc/haoscar/secrets; printf 'planted-%.0s' $(seq 32) > /etc/haoscar/secrets/corosync-authkey";
    site.lab.sh("head-1", planted);
    site.good("apply", &["--adopt", "-y"]);
    assert!(site.lab.sh("head-1", "cat /etc/corosync/authkey").contains("planted-"));
    site.lab
        .sh("head-1", "systemctl stop haoscar; echo '# by hand' >> /etc/hosts; rm /etc/chrony/chrony.conf");
    let file = folder.path().join("facts.json");
    let (file, lab) = (file.to_str().unwrap(), format!("lab:{}", site.lab.name));
    site.good("observe", &["-o", file]);
    let exported = std::fs::read_to_string(file).unwrap();
    assert!(!exported.contains("planted-"), "a secret was exported");
    let facts = format!("facts:{file}");
    assert_eq!(plan(&site.spec, &facts), plan(&site.spec, &lab), "the same spec, with drift");
    site.changed(folder.path(), "  names: {}", "  names: { forwarders: [192.0.2.53] }");
    let (status, offline) = plan(&site.spec, &facts);
    assert_eq!((status, offline.clone()), plan(&site.spec, &lab), "another spec");
    assert_eq!(status, Some(2));
    site.changed(folder.path(), "services: [names, time]", "services: [names]");
    site.changed(folder.path(), "  time: {}\n", "");
    let (_, shorter) = plan(&site.spec, &facts);
    assert_ne!(shorter, offline);
    assert_eq!(shorter, plan(&site.spec, &lab).1, "a spec without one of the services");

    site.lab.down();
    assert_eq!(plan(&site.spec, &facts).1, shorter, "nobody was reached");
    let refused = haoscar(&["apply", &site.spec, "--via", &facts, "-y"]);
    assert_eq!(refused.status.code(), Some(64), "{}", text(&refused));
    std::fs::write(file, "{}").unwrap();
    let refused = haoscar(&["plan", &site.spec, "--via", &facts]);
    assert_eq!(refused.status.code(), Some(65), "{}", text(&refused));
}
