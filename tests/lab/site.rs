//! A site's own files on real hosts: in the same transaction as all else, checked as nobody, put back when edited.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

/// Good where nobody runs it, without a network or anything to write to, and the new file can be read.
const CHECK: &str = r#"---
mode: "0604"
check: [sh, -c, 'test "$(id -u)" != 0 && ! touch /etc/x && ! ping -c1 -W1 10.30.0.1 && ! cat /etc/shadow && grep -q good "$0"', "{staged}"]
restart: chrony.service
---
"#;

const UNIT: &str = "---\nenable: true\n---\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";

#[test]
fn a_sites_files_are_checked_as_nobody_laid_with_all_else_and_healed() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let mut site = Site::fresh("test-site", "minimal", "");
    write("cluster.yaml", &std::fs::read_to_string(&site.spec).unwrap());
    write("files/heads/etc/site.conf.hbs", &format!("{CHECK}bad {{{{host.name}}}}\n"));
    write("files/heads/etc/systemd/system/site.service.hbs", UNIT);
    site.spec = folder.path().to_str().unwrap().to_owned();
    let there = |site: &Site| {
        text(
            &site
                .lab
                .exec("head-1", &["sh", "-c", "cat /etc/site.conf; ls /etc/dnsmasq.d/haoscar-names.conf"]),
        )
    };

    assert_eq!(site.run("apply", &["--adopt", "-y"]), Some(1), "{}", site.said);
    assert!(
        site.said.contains("sh (of files/heads/etc/site.conf.hbs) refuses the new configuration"),
        "{}",
        site.said
    );
    assert!(there(&site).matches("No such file").count() == 2, "nothing else was laid: {}", there(&site));

    write("files/heads/etc/site.conf.hbs", &format!("{CHECK}good {{{{host.name}}}}\n"));
    write("files/heads/etc/token.hbs", "---\nmode: \"0600\"\n---\n{{stored_secret \"token\"}}\n");
    assert_eq!(site.run("apply", &["--adopt", "-y"]), Some(1), "{}", site.said);
    assert!(site.said.contains("secret token is kept on no head"), "{}", site.said);
    site.lab.sh(
        "head-1",
        "umask 077; mkdir -p /etc/haoscar/secrets; printf %s hush > /etc/haoscar/secrets/token",
    );
    site.good("apply", &["--adopt", "-y"]);
    assert_eq!(
        site.lab.sh("head-1", "cat /etc/site.conf /etc/token; stat -c %a /etc/site.conf /etc/token"),
        "good head-1\nhush\n604\n600"
    );
    assert_eq!(
        site.lab.sh("head-1", "systemctl is-active site; systemctl is-enabled site"),
        "active\nenabled"
    );
    site.good("plan", &["--detailed-exitcode"]);

    site.lab.sh("head-1", "echo by hand > /etc/site.conf; systemctl disable -q --now site");
    until("its loop has put both back", || {
        let said =
            site.lab.exec("head-1", &["sh", "-c", "grep -c good /etc/site.conf; systemctl is-active site"]);
        text(&said) == "1\nactive\n"
    });
    // the spec that a generation keeps holds them, so that a head can go back to it
    let via = format!("lab:{}", site.lab.name);
    write("files/heads/etc/site.conf.hbs", "good\n");
    site.good("apply", &["-y"]);
    let said = text(&haoscar(&["diff", "1", "2", "--spec", &site.spec, "--via", &via]));
    assert!(said.contains("+++ 2/spec/files/heads/etc/site.conf.hbs"), "{said}");
    let back = haoscar(&["rollback", "1", "-y", "--spec", &site.spec, "--via", &via]);
    assert!(back.status.success(), "{}", text(&back));
    assert_eq!(site.lab.sh("head-1", "cat /etc/site.conf"), "good head-1");
}
