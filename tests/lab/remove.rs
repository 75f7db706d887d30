//! haoscar goes, and leaves a host as it found it.

use std::collections::BTreeSet;

use super::harness::{Turn, haoscar, is_root, text};
use super::recover::ETC;
use super::whole_way::Site;

/// /etc as a work tree, with the repository elsewhere.
const GIT: &str = "git --git-dir=/root/etc.git --work-tree=/etc";

#[test]
fn what_is_removed_leaves_etc_and_units_as_they_were_before_the_first_apply() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-remove", "minimal", "");
    // one that ran before and is enabled, and one whose file is the site's own
    site.lab.sh(
        "head-1",
        "systemctl enable --now chrony && echo '# own' >> /etc/chrony/chrony.conf && chmod 640 /etc/hosts",
    );
    let units = "systemctl is-enabled chrony dnsmasq corosync pacemaker; systemctl is-active chrony dnsmasq corosync pacemaker; \
                 stat -c '%a %U' /etc/hosts /etc/chrony/chrony.conf; true";
    let look = |site: &Site| (site.lab.sh("head-1", ETC), site.lab.sh("head-1", units));
    let before = look(&site);
    site.lab.sh(
        "head-1",
        &format!("{GIT} init -q; {GIT} add -A; {GIT} -c user.name=x -c user.email=x@x commit -qm before"),
    );
    site.good("apply", &["--adopt", "-y"]);
    site.changed(folder.path(), "time: {}", "time: { servers: [new.example] }");
    site.good("apply", &["-y"]);
    assert!(look(&site) != before, "nothing was applied, so nothing is proven");
    let via = format!("lab:{}", site.lab.name);
    let said = haoscar(&["remove", "--spec", &site.spec, "--via", &via, "-y"]);
    assert!(said.status.success(), "{}", text(&said));
    let after = look(&site);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let differ: Vec<_> = lines(&before.0).symmetric_difference(&lines(&after.0)).cloned().collect();
    let story = "date; tail -30 /var/lib/haoscar/events.jsonl; journalctl -u 'haoscar*' --no-pager -o short-precise | tail -30";
    assert!(differ.is_empty(), "{differ:#?}\n{}", site.lab.sh("head-1", story));
    assert_eq!(
        site.lab.sh("head-1", "ls /var/lib/haoscar/accepted.json 2>/dev/null || true"),
        "",
        "nothing is healed any more"
    );
    assert_eq!(after.1, before.1);
    assert_eq!(site.lab.sh("head-1", &format!("{GIT} status --porcelain")), "?? haoscar/", "secrets stay");
    assert_eq!(site.lab.sh("head-1", "ip -brief address | grep -c 10.30.0.10/ || true"), "0");
    site.good("apply", &["--adopt", "-y"]);
    let kept = haoscar(&["remove", "--keep-services", "--spec", &site.spec, "--via", &via, "-y"]);
    assert!(kept.status.success(), "{}", text(&kept));
    assert_eq!(site.lab.sh("head-1", "ip -brief address | grep -c 10.30.0.10/"), "1", "the address stays");
    let runs = "systemctl is-active chrony dnsmasq corosync pacemaker haoscar-watch haoscar; true";
    assert_eq!(site.lab.sh("head-1", runs), "active\nactive\ninactive\ninactive\ninactive\ninactive");
    let etc = site.lab.sh("head-1", ETC);
    let differ: Vec<_> = lines(&before.0).symmetric_difference(&lines(&etc)).cloned().collect();
    assert!(differ.is_empty(), "{differ:#?}");
}
