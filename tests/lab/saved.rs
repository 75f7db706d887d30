//! A saved plan: what was reviewed is carried out, and nothing else.

use super::harness::{Turn, haoscar, is_root, text};
use super::whole_way::Site;

#[test]
fn a_saved_plan_is_refused_for_an_object_of_its_own_that_moved_and_leaves_others_alone() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-saved", "minimal", "");
    site.changed(folder.path(), "  time: {}", "  time: {}\npolicy: { heal: ask }"); // or edits would be put back
    site.good("apply", &["--adopt", "-y"]);
    site.changed(folder.path(), "  time: {}", "  time: { servers: [new.example] }");
    let file = folder.path().join("plan.json");
    let file = file.to_str().unwrap();
    let apply = || {
        let said = haoscar(&["apply", file]);
        (said.status.code(), text(&said))
    };

    site.said.clear();
    site.good("plan", &["-o", file, "--format", "markdown"]);
    for part in ["### haoscar plan\n\ncluster tiny: ", "<details><summary>head-1</summary>", "new.example"] {
        assert!(site.said.contains(part), "{part}: {}", site.said);
    }
    site.lab
        .sh("head-1", "cp -p /etc/chrony/chrony.conf /tmp/was; echo '# by hand' >> /etc/chrony/chrony.conf");
    let (status, said) = apply();
    assert_eq!(status, Some(75), "{said}");
    let why = "head-1: /etc/chrony/chrony.conf: expected to change it, found another text there";
    assert!(said.contains(why), "{said}");

    site.lab.sh("head-1", "cp -p /tmp/was /etc/chrony/chrony.conf; echo '# by hand' >> /etc/hosts");
    let (status, said) = apply();
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("warning: head-1: /etc/hosts: differs, and the saved plan did not touch it"),
        "{said}"
    );
    site.lab.sh("head-1", "grep -q new.example /etc/chrony/chrony.conf && grep -q 'by hand' /etc/hosts");

    let spec = std::fs::read_to_string(&site.spec).unwrap();
    site.good("plan", &["-o", file]);
    std::fs::write(&site.spec, spec.replace("new.example", "newer.example")).unwrap();
    let (status, said) = apply();
    assert_eq!(status, Some(75), "{said}");
    assert!(said.contains("the spec has changed since this plan was made"), "{said}");
}
