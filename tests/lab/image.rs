//! An image of a head that runs: what is in it and what is not, a second one, and images that are not to be believed.

use super::harness::{Turn, haoscar, is_root, text};
use super::whole_way::Site;

const IMAGES: &str =
    "\nimages:\n  head: { capture: { from: head-1, exclude: [/srv/scratch, /etc/alias] }, keep: 3 }\n";

/// Where images of a cluster without a boot service lie.
const STORE: &str = "/var/lib/haoscar/images";

#[test]
fn an_image_is_taken_from_a_running_head_without_what_is_its_own_and_proven() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-image", "minimal", "");
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("cluster.yaml");
    std::fs::write(&spec, std::fs::read_to_string(&site.spec).unwrap() + IMAGES).unwrap();
    site.spec = spec.to_str().unwrap().to_owned();
    site.good("apply", &["--adopt", "-y"]);
    let image = |argv: &[&str]| {
        let via = format!("lab:{}", site.lab.name);
        haoscar(&[&["image"], argv, &["--spec", &site.spec, "--via", &via]].concat())
    };
    let good = |argv: &[&str]| {
        let said = image(argv);
        assert!(said.status.success(), "{argv:?}: {}", text(&said));
        text(&said)
    };
    let head = |script: &str| site.lab.sh("head-1", script);
    head(
        "mkdir -p /srv/scratch /srv/kept; echo big > /srv/scratch/x; echo kept > '/srv/kept/a file'; ssh-keygen -A; \
         echo hush > /etc/haoscar/secrets/token; ln -sf /srv/kept /etc/linked; ln -sf /srv/kept/deed /etc/alias; echo deed > /srv/kept/deed; setfattr -n user.x -v 1 /srv/kept 2>/dev/null || true",
    );
    let before = head(
        "systemctl show -P MainPID dnsmasq chrony pacemaker; cat /etc/machine-id; grep -c . /proc/self/mountinfo",
    );

    let said = good(&["capture", "head"]);
    assert!(said.contains("taken from head-1: "), "{said}");
    for path in [
        "/etc/machine-id",
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/haoscar/secrets",
        "/srv/scratch",
        "/etc/chrony/chrony.conf",
    ] {
        assert!(said.contains(&format!("\n  {path}\n")), "{path} is not said to be left out: {said}");
    }
    assert!(said.contains("left out, the spec leaves it out:\n  /etc/alias\n  /srv/scratch\n"), "{said}");
    let after = head(
        "systemctl show -P MainPID dnsmasq chrony pacemaker; cat /etc/machine-id; grep -c . /proc/self/mountinfo",
    );
    assert_eq!(after, before, "the head runs on as it did");
    assert_eq!(head("cat /srv/scratch/x /etc/haoscar/secrets/token"), "big\nhush");

    let listed = head(&format!("cat {STORE}/head/*/files"));
    let line = |path: &str| listed.lines().find(|line| line.ends_with(&format!(" {path}")));
    for gone in [
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/haoscar/secrets/token",
        "/etc/haoscar/secrets/image-key",
        "/srv/scratch/x",
        "/var/lib/haoscar/ledger.json",
        "/etc/corosync/corosync.conf",
        "/etc/corosync/authkey",
        "/etc/chrony/chrony.conf",
        "/etc/systemd/system/multi-user.target.wants/pacemaker.service",
        "/etc/systemd/system/multi-user.target.wants/haoscar.service",
    ] {
        assert_eq!(line(gone), None, "{gone} is in the image");
    }
    assert!(
        line("/etc/alias").is_none() && line("/srv/kept/deed").is_some(),
        "of a link to a file the link goes"
    );
    assert!(
        line("/srv/kept/a file").is_some() && line("/etc/linked").is_some() && line("/proc/self").is_none()
    );
    assert!(line("/etc/machine-id").unwrap().starts_with("100644 0:0 0 "), "{:?}", line("/etc/machine-id"));
    assert!(!line("/usr/sbin/haoscar").unwrap().starts_with("100755 0:0 0 "), "the program is in it");
    assert!(line("/srv/scratch").is_some() && line("/var/log/corosync").is_some(), "folders stay");

    head("echo new > /srv/kept/second; date > /srv/kept/'a file'");
    let first = head(&format!("ls {STORE}/head"));
    let said = good(&["capture", "head", "--format", "json"]);
    let kept: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let sizes = |manifests: &str| {
        head(&format!("cat {manifests} | sed -n 's/.*\"kept\": //p' | awk '{{ n += $1 }} END {{ print n }}'"))
    };
    let all: u64 = head(&format!("du -sb {STORE}/pieces | cut -f1")).parse().unwrap();
    let both: u64 = sizes(&format!("{STORE}/head/*/manifest.json")).parse().unwrap();
    assert!(
        all * 10 < both * 7,
        "a second image keeps what has changed alone: {all} bytes on disk, {both} in both"
    );
    assert_eq!(kept["from"], "head-1");
    let said = good(&["diff", &format!("head@{first}")]);
    assert!(said.contains("\n+ /srv/kept/second\n") && said.contains("~ /srv/kept/a file\n"), "{said}");

    assert!(good(&["verify"]).matches(": good, ").count() == 2);
    let largest = head(&format!(
        "f=$(ls -S {STORE}/pieces/*/* | head -1); printf damage | dd of=$f bs=1 seek=5000 conv=notrunc status=none; basename $f"
    ));
    let bad = image(&["verify", "head"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad).contains(&format!("piece {largest} of head@")) && text(&bad).contains("is damaged"),
        "{}",
        text(&bad)
    );
    good(&["capture", "head"]);
    good(&["verify"]);
    head(&format!("sed -i 's/\"os\": \"Debian/\"os\": \"Debxan/' {STORE}/head/{first}/manifest.json"));
    let forged = image(&["verify", &format!("head@{first}")]);
    assert_eq!(forged.status.code(), Some(1));
    assert!(
        text(&forged).contains(&format!("head@{first} is not signed by this cluster's key: ")),
        "{}",
        text(&forged)
    );
    assert!(good(&["list"]).contains("NOT SIGNED by this cluster's key"));

    let said = good(&["prune", "head", "--keep", "1"]);
    assert!(said.contains(&format!("gone: head@{first}, head@")), "{said}");
    assert_eq!(good(&["list"]).lines().count(), 1);
    assert_eq!(image(&["show", &format!("head@{first}")]).status.code(), Some(66));
    good(&["verify"]);
    assert_eq!(image(&["capture", "node"]).status.code(), Some(66));
}
