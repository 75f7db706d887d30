//! Pairs without a third member: who is fenced, and who serves.

use super::harness::{Turn, is_root, until};
use super::whole_way::Site;

impl Site {
    /// A pair that serves, without its nodes.
    fn two_heads(name: &str, spec: &str, hosts: &str) -> Self {
        let mut site = Self::fresh(name, spec, hosts);
        site.good("apply", &["--adopt", "-y"]);
        site.good("plan", &["--detailed-exitcode"]);
        assert_eq!(site.carrier(), "head-1");
        site
    }

    /// Heads that were ever fenced, as this one knows.
    fn ever_fenced(&self, asked: &str) -> String {
        let history =
            "stonith_admin --history '*' --output-as=xml | grep -o ' target=\"[^\"]*' | cut -d'\"' -f2";
        let history = format!("{history} | sort -u | xargs");
        self.lab.sh(asked, &history)
    }

    /// The power of the head that serves is cut: the other one serves, and the first comes back as standby.
    fn survives_a_power_cut(&self) {
        self.lab.good(&["fault", "power", "--name", &self.lab.name, "head-1"]);
        until("head-2 serves", || self.carrier() == "head-2");
        assert_eq!(self.ever_fenced("head-2"), "head-1");
        self.has_both_heads("head-2");
        assert_eq!(self.carrier(), "head-2");
    }

    /// Both are members, as this one sees it.
    fn has_both_heads(&self, asked: &str) {
        let online = "crm_mon -1 | grep -c 'Online: .* head-1 head-2 ' || true";
        until("both heads are members", || self.lab.sh(asked, online) == "1");
    }
}

#[test]
fn a_qnetd_server_votes_over_tls_and_the_head_that_it_votes_for_goes_on_alone() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::two_heads("test-qnetd", "qnetd", "");
    let clients = "corosync-qnetd-tool -l -v | grep -c 'client certificate verified' || true";
    assert_eq!(site.lab.sh("arbiter", clients), "2");
    let who = site.lab.sh("arbiter", "corosync-qnetd-tool -s | grep TLS | tr -s '\\t' ' '");
    assert_eq!(who, "TLS: Required (client certificate required)", "clients without TLS are let in");
    site.survives_a_power_cut();
    let votes = site.lab.sh("head-2", "corosync-quorumtool -s | grep -c 'A,V,NMW' || true");
    assert_eq!(votes, "2", "the server does not vote for both");
    site.good("plan", &["--detailed-exitcode"]);
}

/// head-2 carries the group when the heads stop hearing each other: it would win if the delay did not hold for head-1.
#[test]
fn of_two_heads_that_do_not_hear_each_other_the_preferred_one_goes_on() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let site = Site::two_heads("test-pair", "two-node", "head-1,head-2");
    site.survives_a_power_cut();
    site.lab.sh("head-1", "touch /run/this-boot");
    site.lab.good(&["fault", "links", "--name", &site.lab.name, "head-2"]);
    until("head-1 serves", || {
        let where_is = "crm_resource --locate --resource control-address-inside";
        let said = site.lab.exec("head-1", &["sh", "-c", where_is]);
        String::from_utf8_lossy(&said.stdout).contains("is running on: head-1")
    });
    let fenced = site.ever_fenced("head-1");
    assert!(fenced.ends_with("head-2"), "{fenced}"); // what was before head-1's last start it may have forgotten
    site.lab.sh("head-1", "test -e /run/this-boot");
    site.lab.good(&["fault", "links", "--name", &site.lab.name, "head-2", "--heal"]);
    site.has_both_heads("head-1");
    assert_eq!(site.carrier(), "head-1");
}
