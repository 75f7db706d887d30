//! What a site writes beside its spec: templates in place of packaged ones, files of its own.

use std::fs;
use std::path::Path;

use super::{haoscar, said};

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// A copy of the skeleton.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops"), folder.path());
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn says(&self, words: &[&str]) -> (Option<i32>, String) {
        said(self.folder.path(), words)
    }

    fn refused(&self, name: &str, text: &str, why: &str) {
        self.write(name, text);
        let (status, said) = self.says(&["validate"]);
        assert!(status == Some(65) && said.contains(why), "{name}: {why} is not in\n{said}");
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { drop(fs::copy(entry.path(), to)) }
    }
}

#[test]
fn a_sites_files_and_templates_are_rendered_and_said() {
    let site = Site::new();
    assert_eq!(site.says(&["validate", "-q"]), (Some(0), String::new()));
    let (status, said) = site.says(&["render", "-o", "out"]);
    assert_eq!(status, Some(0), "{said}");
    let shadow = "note: the spec's templates/time/chrony/chrony.conf.hbs stands in place of haoscar's own template time/chrony/chrony.conf.hbs";
    assert!(said.contains(shadow), "{said}");
    let motd = site.read("out/head-2/etc/motd");
    assert!(
        motd.starts_with("head-2 is a head of pair.") && motd.contains("  10.40.0.10  control\n"),
        "{motd}"
    );
    assert!(!site.folder.path().join("out/node1/etc/motd").exists(), "motd is the heads'");
    let chrony = site.read("out/head-1/etc/chrony/chrony.conf");
    assert!(
        chrony.starts_with("# made by haoscar from the spec's templates/time/chrony/chrony.conf.hbs: "),
        "{chrony}"
    );
    assert!(chrony.ends_with("logchange 0.1\n"), "{chrony}");
}

#[test]
fn nodes_with_an_image_of_their_own_have_files_of_their_own_beside_those_of_all() {
    let site = Site::new();
    let spec = site.read("cluster.yaml");
    let nodes = r#"
nodes:
  node[1-2]: { image: compute, nics: { eno1: { network: inside, address: 10.40.2.1+ } } }
  login1: { image: login, nics: { eno1: { network: inside, address: 10.40.3.1 } } }
images:
  compute: { path: images/compute }
  login: { capture: { from: head-1, root: /srv/images/login } }
"#;
    site.write("cluster.yaml", &format!("{spec}{nodes}"));
    site.write("files/nodes/etc/one.hbs", "all\n");
    site.write("files/login/etc/two.hbs", "login\n");
    let (status, said) = site.says(&["render", "-o", "out"]);
    assert_eq!(status, Some(0), "{said}");
    for (host, two) in [("login1", true), ("node1", false), ("node2", false)] {
        assert_eq!(site.read(&format!("out/{host}/etc/one")), "all\n");
        assert_eq!(site.folder.path().join(format!("out/{host}/etc/two")).exists(), two, "{host}");
    }
    site.refused("files/node1/etc/a.hbs", "x", "those of an image (files/IMAGE/)");
    site.write("cluster.yaml", &format!("{spec}{}", nodes.replace("login", "control")));
    fs::remove_dir_all(site.folder.path().join("files/login")).unwrap();
    site.refused("files/control/etc/a.hbs", "x", "control is more than one thing");
}

#[test]
fn a_file_of_a_group_may_ask_for_the_group_and_for_secrets() {
    let site = Site::new();
    site.write(
        "files/control/etc/one.hbs",
        "{{group.name}} {{group.spec.storage}} {{stored_secret \"api-token\"}}{{#each nodes}} {{name}}{{/each}}\n",
    );
    assert_eq!(site.says(&["render", "-q", "-o", "out"]).0, Some(0));
    assert_eq!(site.read("out/head-1/etc/one"), "control state <secret api-token>\n");
}

#[test]
fn render_compares_with_an_earlier_render() {
    let site = Site::new();
    assert_eq!(site.says(&["render", "-q", "-o", "golden"]).0, Some(0));
    let (status, said) = site.says(&["render", "--test", "golden"]);
    assert!(status == Some(0) && said.contains("files are as in golden"), "{said}");
    site.write("files/heads/etc/motd.hbs", "shorter\n");
    site.write("files/heads/etc/new.hbs", "new\n");
    let (status, said) = site.says(&["render", "--test", "golden"]);
    assert_eq!(status, Some(1), "{said}");
    for line in
        ["--- golden/head-1/etc/motd", "+shorter", "--- /dev/null\n+++ rendered/head-2/etc/new", "4 of "]
    {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    assert_eq!(site.says(&["render", "--test", "files"]).0, Some(66), "not written by render");
}

#[test]
fn what_nobody_would_use_or_nobody_can_read_is_refused_with_its_place() {
    let site = Site::new();
    site.refused("templates/time/chrony/chrony.cnf.hbs", "x", "did you mean time/chrony/chrony.conf.hbs?");
    site.refused("files/haeds/etc/motd.hbs", "x", "did you mean files/heads/?");
    site.refused("files/heads/etc/a.hbs", "one\n{{#if}\n", "files/heads/etc/a.hbs:2:");
    site.refused("files/heads/etc/a.hbs", "one\n{{host.nmae}}\n", "files/heads/etc/a.hbs:2:");
    site.refused(
        "files/heads/etc/a.hbs",
        "---\nmode: \"0600\"\n---\n{{nothing}}\n",
        "files/heads/etc/a.hbs:4:",
    );
    site.refused(
        "files/heads/etc/a.hbs",
        "---\nmode: \"0600\"\ncolour: red\n---\n",
        "files/heads/etc/a.hbs:3:",
    );
    site.refused("files/heads/etc/a.hbs", "{{stored_secret \"../passwd\"}}", "takes the name of a secret");
    site.refused("files/heads/etc/chrony/chrony.conf.hbs", "x", "is written twice");
    site.refused(
        "templates/names/dnsmasq/names.conf.hbs",
        "{{forwarder}}\n",
        "--values` shows what it may ask for",
    );
    let unit = "---\nenable: true\n---\n[Service]\nExecStart=/bin/true\n";
    site.refused(
        "files/heads/etc/systemd/system/chrony.service.hbs",
        unit,
        "the engine starts and stops chrony.service",
    );
    assert_eq!(site.says(&["validate", "-q"]).0, Some(0), "and nothing of it is left");
}

#[test]
fn every_template_says_what_it_may_ask_for() {
    let names = haoscar(&["explain", "template"]).output().unwrap().stdout;
    for name in String::from_utf8(names).unwrap().lines().chain(["files"]) {
        let said = haoscar(&["explain", "template", name, "--values"]).output().unwrap();
        let values: serde_json::Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|_| panic!("{name}: {}", String::from_utf8_lossy(&said.stderr)));
        assert!(values["header"].is_string() || name == "scheduler/openpbs/qmgr.hbs", "{name}: {values}");
    }
}
