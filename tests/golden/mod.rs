//! Rendered trees of the reference specs: `tests/golden/trees/SPEC/HOST/PATH`, beside a list of owners and modes.
//!
//! `HAOSCAR_UPDATE=1 cargo test golden` writes them anew; read the diff before you commit it.

mod leases;
mod timeline;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use haoscar::desired::{Desired, Surroundings, resolve};
use haoscar::spec::{Sources, load};
use haoscar::templates::Templates;

const SPECS: [&str; 20] = [
    "debian-13",
    "dnsmasq",
    "drbd",
    "exclusive",
    "fence-levels",
    "ha-oscar-2004",
    "ha-oscar-2004-pbs",
    "heartbeat",
    "ipv6",
    "kernel-nfs",
    "minimal",
    "mirror",
    "openpbs-native",
    "qnetd",
    "rhel",
    "self-build",
    "three-heads",
    "two-node",
    "ubuntu-24",
    "ubuntu-26",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn resolved(spec: &str) -> Desired {
    let text = fs::read(root().join(format!("specs/{spec}.yaml"))).unwrap();
    let cluster = load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster;
    resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap()
}

/// Path in the tree to text. Of nodes that are equal the first stands for them.
fn tree(desired: &Desired) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    let mut list = String::new();
    let mut hosts: Vec<_> = desired.distinct().collect();
    hosts.sort_by_key(|(name, _)| *name);
    for (name, host) in hosts {
        for file in &host.files {
            tree.insert(format!("{name}{}", file.path), file.shown());
            let (owner, mode) = (&file.owner, file.mode);
            list +=
                &format!("{name} {} {}:{} {mode} {:?}\n", file.path, owner.user, owner.group, file.on_change);
        }
        for folder in &host.directories {
            let (owner, mode) = (&folder.owner, folder.mode);
            list += &format!("{name} {}/ {}:{} {mode}\n", folder.path, owner.user, owner.group);
        }
        for unit in &host.units {
            list += &format!("{name} {} {:?}\n", unit.name, unit.want);
        }
    }
    tree.insert("list.txt".to_owned(), list);
    let with_cib = desired.engine.iter().filter(|engine| !engine.cib.is_empty());
    tree.extend(with_cib.map(|engine| ("cluster/cib.xml".to_owned(), engine.cib.clone())));
    tree
}

fn stored(folder: &Path) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            tree.insert(path.strip_prefix(folder).unwrap().display().to_string(), text);
        }
    }
    tree
}

fn update(folder: &Path, tree: &BTreeMap<String, String>) {
    let _ = fs::remove_dir_all(folder);
    for (path, text) in tree {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn every_reference_spec_renders_to_its_golden_tree() {
    for spec in SPECS {
        let folder = root().join("tests/golden/trees").join(spec);
        let rendered = tree(&resolved(spec));
        if std::env::var_os("HAOSCAR_UPDATE").is_some() {
            update(&folder, &rendered);
        }
        let golden = stored(&folder);
        let names = |tree: &BTreeMap<String, String>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&rendered), names(&golden), "{spec}: other files");
        for (path, text) in &rendered {
            snapbox::assert_data_eq!(text, snapbox::Data::text(golden[path].clone()).raw());
        }
    }
}

#[test]
fn every_file_in_specs_has_a_golden_tree() {
    let mut found: Vec<_> = fs::read_dir(root().join("specs"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    found.sort();
    assert_eq!(found, SPECS);
}

#[test]
fn a_hundred_renders_give_the_same_bytes() {
    let first = tree(&resolved("ha-oscar-2004"));
    for _ in 0..100 {
        assert_eq!(tree(&resolved("ha-oscar-2004")), first);
    }
}
