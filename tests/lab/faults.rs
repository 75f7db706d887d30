//! What breaks in a machine room beside a head's power, on the real engine: one owner at a time, nothing that was accepted
//! is lost, and a hand only where no machine may decide.

use serde_json::Value;

use super::harness::{Turn, haoscar, is_root, text};
use super::whole_way::Site;

/// What is drilled, how many heads hold the address one after the other, and whether somebody has to lend a hand.
const FAULTS: [(&str, usize, bool); 9] = [
    ("fence-dead", 1, false),
    ("flapping", 2, false),
    ("cannot-start", 2, false),
    ("power-in-failover", 3, false),
    ("stop-hangs", 2, false),
    ("power-bmc", 2, true),
    ("both-heads", 2, true),
    ("disk-full", 1, true),
    ("apply-power", 2, false),
];

#[test]
fn whatever_breaks_one_head_at_a_time_owns_the_address_and_a_hand_is_asked_for_only_where_no_machine_may_decide()
 {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-faults", "ha-oscar-2004", "head-1,head-2,arbiter,compute1");
    site.good("apply", &["--adopt", "-y"]);
    let faults = FAULTS.map(|(fault, ..)| fault).join(",");
    let argv = ["lab", "drill", "--name", &site.lab.name, "--spec", &site.spec, "--fault", &faults];
    let output = haoscar(&[&argv[..], &["--limit", "120s", "--format", "json"]].concat());
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    let drills = report["drills"].as_array().unwrap();
    assert_eq!(drills.len(), FAULTS.len(), "{}", text(&output));
    for (drill, (fault, owners, by_hand)) in drills.iter().zip(FAULTS) {
        assert_eq!(drill["fault"], fault);
        assert_eq!(drill["owners"]["twice"], 0, "{drill}");
        assert_eq!(drill["hand"].is_string(), by_hand, "{drill}");
        let seen = drill["owners"]["order"].as_array().unwrap().len();
        // after both heads' power either may be first
        assert!(seen == owners || (fault == "both-heads" && seen == 1), "{drill}");
    }
    let (full, cut) = (&drills[FAULTS.len() - 2], &drills[FAULTS.len() - 1]);
    let home = full["services"].as_array().unwrap().iter().find(|s| s["service"] == "home").unwrap();
    assert_eq!(home["said"], "no space left", "{full}");
    assert!(["old", "new"].contains(&cut["files"].as_str().unwrap()), "{cut}");
    assert!(output.status.success(), "{}", text(&output));
    site.good("plan", &["--detailed-exitcode"]);
}
