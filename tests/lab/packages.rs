//! A head that lacks a package: named, or installed by the distribution's own tool from a repository on its disk.

use super::harness::{Turn, is_root};
use super::whole_way::Site;

/// The package as it is installed becomes the only one of a repository, and goes.
const TAKE_AWAY: &str = r#"set -e
d=/root/repack; mkdir -p $d/DEBIAN /srv/repo
dpkg -s chrony | sed -e '/^Status:/d' -e '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d;/^ /d}' >$d/DEBIAN/control
for part in preinst postinst prerm postrm conffiles; do
    [ ! -e /var/lib/dpkg/info/chrony.$part ] || cp -p /var/lib/dpkg/info/chrony.$part $d/DEBIAN/$part
done
dpkg -L chrony | while read -r file; do [ ! -f "$file" ] || cp -a --parents "$file" $d; done
dpkg-deb --build $d /srv/repo/chrony.deb >/dev/null
{ cat $d/DEBIAN/control; echo "Filename: ./chrony.deb"; stat -c "Size: %s" /srv/repo/chrony.deb
  echo "SHA256: $(sha256sum </srv/repo/chrony.deb | cut -d' ' -f1)"; } >/srv/repo/Packages
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
dpkg --purge --force-depends chrony >/dev/null 2>&1
! command -v chronyd"#;

const REPOSITORY: &str = "echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list";

#[test]
fn a_package_that_a_head_lacks_is_named_or_installed_and_started_by_nobody_but_the_apply() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-packages", "minimal", "");
    site.lab.sh("head-1", TAKE_AWAY);
    let etc = "cd /etc && find . -type f -exec md5sum {} + | sort | md5sum";
    let before = site.lab.sh("head-1", etc);

    assert_eq!(site.run("apply", &["--adopt", "-y"]), Some(107), "{}", site.said);
    assert!(site.said.contains("head-1 lacks packages: chrony\n"), "{}", site.said);
    assert!(site.said.contains("apt-get install --no-install-recommends chrony"), "{}", site.said);

    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("cluster.yaml");
    let text = std::fs::read_to_string(&site.spec).unwrap() + "\npolicy: { packages: ensure }\n";
    std::fs::write(&spec, text).unwrap();
    site.spec = spec.to_str().unwrap().to_owned();
    site.said.clear();
    assert_eq!(site.run("apply", &["--adopt", "-y"]), Some(1), "{}", site.said);
    assert!(site.said.contains("  + package chrony\n"), "{}", site.said);
    assert!(
        site.said.contains("head-1: packages were not installed, and nothing else was changed"),
        "{}",
        site.said
    );
    assert!(site.said.contains("Package 'chrony' has no installation candidate"), "{}", site.said);
    assert_eq!(site.lab.sh("head-1", etc), before);

    site.lab.sh("head-1", REPOSITORY);
    site.said.clear();
    site.good("apply", &["--adopt", "-y"]);
    assert!(site.said.contains("packages are installed; the rest:"), "{}", site.said);
    assert!(site.said.contains("~ /etc/chrony/chrony.conf (adopted; "), "{}", site.said);
    site.good("plan", &["--detailed-exitcode"]);
    let started = "journalctl --no-pager -u chrony | grep -c 'Started chrony'";
    assert_eq!(site.lab.sh("head-1", started), "1", "a package started what it brought");
}
