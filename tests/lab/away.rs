//! A node that was away when something was accepted is brought to it without anybody's hand.

use super::harness::{Turn, is_root, text, until};
use super::whole_way::Site;

/// The head's root may log in on the node, as an administrator sets it up.
const KEY: &str = "mkdir -p -m 700 /root/.ssh && cd /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f id_ed25519 &&
    printf 'StrictHostKeyChecking accept-new\nHost node1\nHostName 10.40.2.1\n' > config && cat id_ed25519.pub";

/// One node of the reference cluster's, for a lab takes 10 s to find that a name is nobody's.
const NODE: &str = "nodes: { node1: { nics: { eno1: { network: inside, address: 10.40.2.1+, macs: [\"52:54:00:40:01:01\"] } } } }\n";

#[test]
fn a_node_that_was_away_is_brought_to_what_is_accepted_when_it_is_back() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-away", "two-node", "head-1,node1");
    let key = site.lab.sh("head-1", KEY);
    let let_in = format!(
        "ssh-keygen -A >/dev/null && systemctl enable ssh && mkdir -p -m 700 /root/.ssh && echo '{key}' > /root/.ssh/authorized_keys"
    );
    site.lab.sh("node1", &let_in);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("files/nodes/etc/site.hbs");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "one\n").unwrap();
    let whole = std::fs::read_to_string(&site.spec).unwrap();
    let (heads, _) = whole.split_once("\nnodes:\n").unwrap();
    std::fs::write(folder.path().join("cluster.yaml"), format!("{heads}\n{NODE}")).unwrap();
    site.spec = folder.path().to_str().unwrap().to_owned();
    site.good("apply", &["--adopt", "-y"]);
    let has = |site: &Site| text(&site.lab.exec("node1", &["cat", "/etc/site"]));
    assert_eq!(has(&site), "one\n");

    site.lab.good(&["poweroff", "--name", "test-away", "node1"]);
    std::fs::write(&file, "two\n").unwrap();
    site.good("apply", &["-y"]);
    let away = "grep -o '\"away\":\\[[^]]*\\]' /var/lib/haoscar/accepted.json || true";
    assert_eq!(site.lab.sh("head-1", away), "\"away\":[\"node1\"]");

    site.lab.good(&["boot", "--name", "test-away", "node1"]);
    assert_eq!(has(&site), "one\n");
    until("node1 has its address", || {
        text(&site.lab.exec("node1", &["ip", "-4", "-brief", "address"])).contains("10.40.2.1/16")
    });
    site.lab.sh("head-1", "systemctl reload haoscar"); // else it would look within a minute
    until("node1 is as the spec says", || has(&site) == "two\n");
    until("it is away no more", || site.lab.sh("head-1", away).is_empty());
    let events = site.lab.sh("head-1", "haoscar events --last 100");
    let told = "node1 was away, and is brought to what is accepted";
    assert_eq!(events.matches(told).count(), 1, "{events}");
    site.good("plan", &["--detailed-exitcode"]);
}
