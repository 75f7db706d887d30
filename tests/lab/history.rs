//! What was applied is kept on the heads, and one can go back to it.

use super::harness::{Turn, haoscar, is_root, text};
use super::whole_way::Site;

impl Site {
    /// A verb that finds the spec by `--spec`, with its exit status.
    fn answered(&self, argv: &[&str]) -> (Option<i32>, String) {
        let via = format!("lab:{}", self.lab.name);
        let output = haoscar(&[argv, &["--spec", &self.spec, "--via", &via]].concat());
        (output.status.code(), text(&output))
    }
}

#[test]
fn what_was_applied_is_listed_compared_and_gone_back_to_and_a_broken_history_stands_in_nobodys_way() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-history", "minimal", "");
    assert_eq!(site.answered(&["history"]).1, "nothing was applied yet\n");
    assert_eq!(site.answered(&["rollback", "-y"]).0, Some(66));
    site.good("apply", &["--adopt", "-y"]);
    let chrony = site.lab.sh("head-1", "cat /etc/chrony/chrony.conf");
    site.changed(folder.path(), "  time: {}", "  time: { servers: [new.example] }");
    site.good("apply", &["-y"]);
    site.good("plan", &["--detailed-exitcode"]);

    let (status, history) = site.answered(&["history"]);
    assert_eq!(status, Some(0), "{history}");
    let lines: Vec<_> = history.lines().skip(1).map(|line| line.trim().chars().next().unwrap()).collect();
    assert_eq!(lines, ['1', '2'], "{history}");
    let (status, diff) = site.answered(&["diff", "1", "2"]);
    assert_eq!(status, Some(0), "{diff}");
    assert!(
        diff.contains("--- 1/hosts/head-1/etc/chrony/chrony.conf\n+++ 2/hosts/head-1/etc/chrony"),
        "{diff}"
    );
    assert!(diff.contains("+  time: { servers: [new.example] }"), "the spec too: {diff}");
    let named = "cibadmin -Q | grep -o 'name=\"haoscar-generation\" value=\"[0-9]*'";
    assert!(site.lab.sh("head-1", named).ends_with("\"2"));

    let (status, said) = site.answered(&["rollback", "-y"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("generation 3: rollback to generation 1: "), "{said}");
    assert_eq!(site.lab.sh("head-1", "cat /etc/chrony/chrony.conf"), chrony);
    assert_eq!(site.answered(&["diff", "1", "3"]).1, "no difference\n");

    assert_eq!(site.answered(&["history", "--edits"]).1, "no hand edit was put right yet\n");
    site.lab.sh("head-1", "systemctl stop haoscar && echo '# by hand' >> /etc/chrony/chrony.conf");
    site.lab.sh("head-1", "rm /var/lib/haoscar/history.git/HEAD");
    let (status, said) = site.answered(&["history"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("warning: head-1: "), "{said}");
    site.good("apply", &["-y"]); // the second spec again
    let (status, history) = site.answered(&["history"]);
    assert_eq!(status, Some(0), "{history}");
    assert!(history.lines().nth(1).is_some_and(|line| line.trim().starts_with('4')), "{history}");
    let (_, edits) = site.answered(&["history", "--edits"]);
    assert!(edits.starts_with("head-1: /etc/chrony/chrony.conf was edited by hand; apply "), "{edits}");
    let kept = edits.trim().rsplit(' ').next().unwrap();
    assert!(site.lab.sh("head-1", &format!("cat {kept}")).ends_with("# by hand"));
    site.lab.sh("head-1", "test -d /var/lib/haoscar/history.git.broken-1/objects");
}
