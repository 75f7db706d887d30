//! Fence levels on the real engine, and agents of the site's own that the heads are asked about.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

/// An OCF agent that knows one parameter.
const AGENT: &str = r#"#!/bin/sh
[ "$1" = meta-data ] || exit 3
echo '<?xml version="1.0"?><resource-agent name="stamp"><parameters>
<parameter name="file" required="1"><shortdesc>Where it writes</shortdesc></parameter></parameters></resource-agent>'
"#;

#[test]
fn a_head_whose_board_died_with_its_mains_is_fenced_by_its_outlet_and_nobody_lends_a_hand() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-levels", "fence-levels", "head-1,head-2,arbiter");
    asks_the_heads(&site);
    site.good("apply", &["--adopt", "-y"]);
    let drill = site.good_drill(&["--fault", "power-bmc", "--limit", "120s"]);
    assert_eq!((&drill["target"], &drill["moved_to"]), (&"head-1".into(), &"head-2".into()), "{drill}");
    assert!(drill["hand"].is_null(), "{drill}");
    assert_eq!(drill["owners"]["twice"], 0, "{drill}");
    let log = "journalctl --no-pager -u pacemaker; cat /var/log/pacemaker/pacemaker.log 2>/dev/null || true";
    let said = ["head-2", "arbiter"].map(|host| site.lab.sh(host, log)).concat();
    assert!(said.contains("using fence-head-1 returned 1"), "level 1 was never asked");
    assert!(said.contains("using fence-head-1.2 returned 0"), "level 2 did not fence");
    // the fenced head's last units still start when the engine has it back
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
}

/// `plan` refuses an agent that the heads do not have, and a parameter that their agent does not know.
fn asks_the_heads(site: &Site) {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let spec = std::fs::read_to_string(&site.spec).unwrap();
    let plan = |parameter: &str| {
        let stamp =
            format!("stamp: {{ kind: ocf, agent: \"ocf:site:stamp\", parameters: {{ {parameter} }} }}");
        let spec = spec.replace("services: [names]", "services: [names, stamp]") + "  " + &stamp + "\n";
        std::fs::write(file.path(), spec).unwrap();
        let via = format!("lab:{}", site.lab.name);
        let output = haoscar(&["plan", file.path().to_str().unwrap(), "--via", &via]);
        (output.status.code(), text(&output))
    };
    let (status, said) = plan("file: /run/stamp");
    assert_eq!(status, Some(65), "{said}");
    assert!(said.contains("ocf:site:stamp is not installed on head-1, head-2, which is to run it"), "{said}");
    for head in ["head-1", "head-2"] {
        let put = "mkdir -p /usr/lib/ocf/resource.d/site && cd /usr/lib/ocf/resource.d/site && ";
        site.lab.sh(head, &format!("{put}cat >stamp <<'E' && chmod 755 stamp\n{AGENT}E\n"));
    }
    let (status, said) = plan("fil: /run/stamp");
    assert_eq!(status, Some(65), "{said}");
    assert!(said.contains("ocf:site:stamp (on head-1, head-2) has no parameter `fil`"), "{said}");
    assert!(said.contains("did you mean `file`? (Where it writes)"), "{said}");
    let (status, said) = plan("file: /run/stamp");
    assert_eq!(status, Some(0), "{said}");
}
