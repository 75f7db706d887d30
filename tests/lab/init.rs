//! A first spec from what a head says of itself, applied as it is.

use super::harness::{Turn, haoscar, is_root, text};
use super::whole_way::Site;

#[test]
fn a_head_says_its_cards_and_the_spec_that_comes_of_it_is_applied() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-init", "two-node", "head-1,head-2");
    site.spec = folder.path().join("cluster.yaml").to_str().unwrap().to_owned();
    let cards = "52:54:00:40:00:02=198.51.100.12 52:54:00:40:00:12=10.40.0.2";
    let peer = ["--peer-cards", cards, "--boards", "10.40.1.1 10.40.1.2", "--storage", "/srv/state"];
    let from = ["init", "-y", "--from", "head-1", "--via", "lab:test-init", "-o", &site.spec];
    let made = haoscar(&[&from[..], &peer].concat());
    assert!(made.status.success(), "{}", text(&made));
    let spec = std::fs::read_to_string(&site.spec).unwrap();
    for line in [
        "  public: { role: public, cidr: 198.51.100.0/24, gateway: 198.51.100.1 }",
        "      eno2: { network: inside, mac: \"52:54:00:40:00:11\", address: 10.40.0.1 }",
        "    heads: [head-1, head-2]",
    ] {
        assert!(spec.contains(line), "{line} is not in\n{spec}");
    }
    site.good("apply", &["--adopt", "-y"]);
    site.good("plan", &["--detailed-exitcode"]);
}
