//! What a spec of many nodes costs: validated, rendered, planned against a world that is as it says, and with one node changed;
//! beside a floor (the same three files by plain Rust from the same YAML) and Python with jinja2 in the same run. Twice: the nodes as one
//! range with a CSV, as haoscar has them, and one by one in the YAML, as other tools' inventories do (`one-by-one`). The bars are
//! of the second: each of the four within twice the floor, and eight times as fast as jinja2.
//!
//! Each figure is of a process of its own: wall and CPU time in ms, and the highest resident memory in MB. Prints Markdown.
//! Usage: scale [NODES…], 1000 10000 100000 when left out; jinja2 is left out above 10000.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use haoscar::desired::{Desired, Role, Surroundings, UnitWant, resolve};
use haoscar::engines::pacemaker::merged;
use haoscar::history::gather;
use haoscar::observed::{FileFact, FoundFile, HostObserved, Observed, Origin, UnitFact};
use haoscar::plan::{Plan, diff};
use haoscar::spec::{Cluster, Listing, Sources, judge, sample};
use haoscar::templates::Templates;

/// As `haoscar` has it; the floor too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WHATS: [&str; 6] = ["validate", "render", "no-op plan", "one node changed", "floor", "jinja2"];

/// jinja2 takes 9 s for 10,000 nodes (knowledge/scale.md).
const JINJA_MOST: u32 = 10_000;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench").peekable();
    if words.peek().is_some_and(|word| word == "measure") {
        let words: Vec<_> = words.collect();
        return measure(&words[1], Utf8Path::new(&words[2]));
    }
    let asked: Vec<u32> = words.map(|word| word.parse().expect("a number of nodes")).collect();
    let sizes = if asked.is_empty() { vec![1_000, 10_000, 100_000] } else { asked };
    println!("| nodes | said | what | wall, ms | CPU, ms | peak, MB | |\n|---|---|---|---|---|---|---|");
    for (nodes, listing) in sizes.into_iter().flat_map(|n| [(n, Listing::Range), (n, Listing::OneByOne)]) {
        let folder = std::env::temp_dir().join(format!("haoscar-scale-{nodes}-{}", std::process::id()));
        let folder = Utf8PathBuf::from_path_buf(folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in sample(nodes, listing).files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        for what in WHATS.into_iter().filter(|what| *what != "jinja2" || nodes <= JINJA_MOST) {
            let said = if listing == Listing::Range { "one range" } else { "one by one" };
            println!("| {nodes} | {said} | {what} {}", of_own_process(what, &folder));
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// The middle of three.
fn of_own_process(what: &str, folder: &Utf8Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/scale/jinja.py");
    let own = std::env::current_exe().unwrap();
    let mut rows: Vec<(f64, String)> = (0..3)
        .map(|_| {
            let mut command = if what == "jinja2" { Command::new("python3") } else { Command::new(&own) };
            if what == "jinja2" {
                command.arg(script)
            } else {
                command.args(["measure", what])
            };
            let output = command.arg(folder).output().unwrap();
            assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
            let row = String::from_utf8(output.stdout).unwrap().trim().to_owned();
            (row.split('|').nth(1).unwrap().trim().parse().unwrap(), row)
        })
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.remove(1).1
}

fn measure(what: &str, folder: &Utf8Path) {
    let out = folder.join("out");
    // what the world is like is known beforehand, and no part of the work
    let before = match what {
        "no-op plan" => Some(world(&resolved(&spec(&gather(folder).unwrap())))),
        "one node changed" => {
            let mut old = gather(folder).unwrap();
            for text in old.files.values_mut() {
                *text = String::from_utf8_lossy(text).replacen("02:00:00:", "02:00:01:", 1).into_bytes();
            }
            Some(differing(&resolved(&spec(&old)), &resolved(&spec(&gather(folder).unwrap()))))
        }
        _ => None,
    };
    fs::write("/proc/self/clear_refs", "5").unwrap(); // the highest so far is forgotten (proc(5)); the world stays and counts
    let (begin, cpu) = (Instant::now(), cpu_ms());
    let told = match what {
        "floor" => floor(folder, &out),
        "validate" => format!("{} nodes", spec(&gather(folder).unwrap()).nodes.len()),
        "render" => render(&resolved(&spec(&gather(folder).unwrap())), &out),
        _ => planned(&diff(&resolved(&spec(&gather(folder).unwrap())), &before.unwrap(), false)),
    };
    let (wall, cpu) = (begin.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu);
    println!("| {wall:.0} | {cpu:.0} | {:.0} | {told} |", peak_mb());
}

fn spec(sources: &Sources) -> Cluster {
    judge(sources).map_err(|found| found[0].message.clone()).unwrap().0.cluster
}

fn resolved(cluster: &Cluster) -> Desired {
    resolve(cluster, &Surroundings::whole(cluster), &Templates::packaged().unwrap()).unwrap()
}

/// The heads' and witnesses' trees, and one node's: the others have the same.
fn render(desired: &Desired, out: &Utf8Path) -> String {
    let mut count = 0;
    let first = desired.hosts.iter().find(|(_, (role, _))| *role == Role::Node).map(|(name, _)| name);
    for (name, (_, host)) in
        desired.hosts.iter().filter(|(name, (role, _))| *role != Role::Node || Some(*name) == first)
    {
        for file in &host.files {
            let path = out.join(name).join(file.path.strip_prefix("/").unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.shown()).unwrap();
            count += 1;
        }
    }
    format!("{count} files")
}

/// Every host as it should be.
fn world(desired: &Desired) -> Observed {
    let empty = r#"<cib epoch="1"><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"#;
    let cib = desired.engine.as_ref().map(|engine| merged(engine, empty).unwrap().cib);
    let hosts = desired.hosts.iter().map(|(name, (_, host))| {
        let unit = |want| match want {
            UnitWant::Running => {
                UnitFact { loaded: true, enabled: true, fixed: false, active: "active".to_owned() }
            }
            _ => UnitFact { loaded: true, enabled: false, fixed: false, active: "inactive".to_owned() },
        };
        let seen = HostObserved {
            files: host.files.iter().map(|file| (file.path.clone(), FileFact::Same)).collect(),
            units: host.units.iter().map(|found| (found.name.clone(), unit(found.want))).collect(),
            ..HostObserved::default()
        };
        (name.clone(), seen)
    });
    Observed { hosts: hosts.collect(), cib, ..Observed::default() }
}

/// Every host as `old` has it.
fn differing(old: &Desired, new: &Desired) -> Observed {
    let mut world = world(new);
    for (name, (_, host)) in old.hosts.iter().filter(|(_, (role, _))| *role != Role::Node) {
        let texts: BTreeMap<_, _> =
            new.hosts[name].1.files.iter().map(|file| (&file.path, file.shown())).collect();
        for file in host.files.iter().filter(|file| texts.get(&file.path) != Some(&file.shown())) {
            let (text, owner, mode) = (file.shown(), file.owner.clone(), file.mode);
            let fact = FileFact::Differs(Box::new(FoundFile { text, owner, mode, origin: Origin::Old }));
            world.hosts.get_mut(name).unwrap().files.insert(file.path.clone(), fact);
        }
    }
    world
}

fn planned(plan: &Plan) -> String {
    let objects: usize = plan.hosts.values().map(haoscar::plan::HostPlan::objects).sum();
    format!("{objects} objects on {} hosts", plan.hosts.len())
}

/// The same three lists (reservations, names, scheduler nodes) for two heads, as somebody would write it for this one spec: the YAML
/// and the CSV are read, the range is counted up, and strings are written.
fn floor(folder: &Utf8Path, out: &Utf8Path) -> String {
    let text = fs::read_to_string(folder.join("cluster.yaml")).unwrap();
    // its own budget ends at 8,000 nodes (knowledge/scale.md)
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_events: 24_000_000, max_nodes: 8_000_000 } };
    let tree: serde_json::Value = serde_saphyr::from_str_with_options(&text, options).unwrap();
    let (mut kea, mut hosts, mut slurm) = (String::new(), String::new(), String::new());
    each_node(&tree, folder, |name, address, mac| {
        let _ = writeln!(
            kea,
            "{{ \"hw-address\": \"{mac}\", \"ip-address\": \"{address}\", \"hostname\": \"{name}\" }},"
        );
        let _ = writeln!(hosts, "{address} {name}.sample.example {name}");
        let _ = writeln!(slurm, "NodeName={name} NodeAddr={address}");
    });
    for head in ["head-1", "head-2"] {
        fs::create_dir_all(out.join(head)).unwrap();
        for (name, text) in [("kea.conf", &kea), ("hosts", &hosts), ("slurm.conf", &slurm)] {
            fs::write(out.join(head).join(name), text).unwrap();
        }
    }
    "6 files".to_owned()
}

fn each_node(
    tree: &serde_json::Value,
    folder: &Utf8Path,
    mut told: impl FnMut(&str, std::net::Ipv4Addr, &str),
) {
    for (name, node) in tree["nodes"].as_object().unwrap() {
        let nic = &node["nics"]["eno1"];
        let first = nic["address"].as_str().unwrap().trim_end_matches('+').parse().unwrap();
        let Some(file) = nic["macs"].as_str() else {
            told(name, first, nic["macs"][0].as_str().unwrap());
            continue;
        };
        let list = fs::read_to_string(folder.join(file)).unwrap();
        for (number, line) in (0..).zip(list.lines().skip(1)) {
            let (name, mac) = line.split_once(',').unwrap();
            told(name, std::net::Ipv4Addr::from(u32::from(first) + number), mac);
        }
    }
}

fn cpu_ms() -> f64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
    #[allow(clippy::cast_precision_loss)] // milliseconds
    let ms = time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6;
    ms
}

fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
