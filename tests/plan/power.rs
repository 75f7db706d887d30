//! Power cuts at every step on the disk of an apply of every reference spec, with any subset of what was not synced
//! lost: after recovery a host is wholly old or wholly new, and says which. The real transaction code on the memory
//! host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use haoscar::apply::{Crew, Order, apply_for, remove};
use haoscar::desired::{Desired, Mode, Owner, Piece, Surroundings, resolve};
use haoscar::host::{Host, Local, Machine, Memory, Moment, Request, Response, expire, mixed, recover_alone};
use haoscar::observed::{End, Observed, Recovered};
use haoscar::plan::{Plan, diff};
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

/// Subsets of what was not synced that each cut is tried with: nothing kept, all kept, and some.
const SEEDS: u64 = 4;

/// The spec's desired state without the engine's own configuration, which is not on a disk of ours.
pub fn wanted(spec: &str) -> Desired {
    let path = format!("{}/specs/{spec}.yaml", env!("CARGO_MANIFEST_DIR"));
    let cluster = load(&Sources::of_text("cluster.yaml", std::fs::read(path).unwrap())).unwrap().cluster;
    let surroundings = Surroundings::whole(&cluster);
    let mut desired = resolve(&cluster, &surroundings, &Templates::packaged().unwrap()).unwrap();
    desired.engine = None;
    desired.live.clear();
    desired.hosts.retain(|_, (role, _)| *role != haoscar::desired::Role::Node);
    desired
}

/// Another version of it: some files and units gone, some changed, all else as it was.
pub fn changed(mut desired: Desired) -> Desired {
    for (_, host) in desired.hosts.values_mut() {
        let host = Arc::make_mut(host);
        let mut number = 0;
        host.files.retain_mut(|file| {
            number += 1;
            if number % 2 == 1 {
                file.text.push(Piece::Text("# changed\n".into()));
                file.mode = Mode(0o640);
            }
            number % 3 != 0
        });
        host.units.truncate(host.units.len() / 2);
        host.units.iter_mut().for_each(|unit| unit.want = haoscar::desired::UnitWant::Stopped);
    }
    desired
}

pub type Cluster = BTreeMap<String, Arc<Memory>>;

fn put(memory: &Memory, path: &Utf8Path, text: &str) {
    let mut folders: Vec<_> = path.ancestors().skip(1).collect();
    folders.pop(); // the root
    folders.iter().rev().for_each(|folder| drop(memory.make_folder(folder)));
    memory.create(path, text.as_bytes(), &Owner::root(), Mode(0o600)).unwrap();
    memory.sync_disk(path).unwrap();
}

/// Hosts that carry files and links of others where some of ours will come; and the secrets.
pub fn machines(desired: &Desired) -> Cluster {
    let machine = |(_, host): &(_, Arc<haoscar::desired::HostDesired>)| {
        let memory = Arc::new(Memory::at(Moment::default()));
        for file in host.files.iter().step_by(3) {
            put(&memory, &file.path, "somebody's\n");
        }
        for (number, file) in host.files.iter().enumerate().skip(1).step_by(3) {
            let target = format!("target-{number}");
            put(&memory, &file.path.with_file_name(&target), "behind a link\n");
            memory.link(Utf8Path::new(&target), &file.path).unwrap();
        }
        for name in host.secrets.keys() {
            put(&memory, &Utf8PathBuf::from("/etc/haoscar/secrets").join(name), "a secret of some length\n");
        }
        memory.sync_disk(Utf8Path::new("/")).unwrap();
        memory
    };
    desired.hosts.iter().map(|(name, host)| (name.clone(), machine(host))).collect()
}

fn plan(desired: &Desired, cluster: &Cluster) -> Plan {
    let mut observed = Observed::default();
    for (name, (_, host)) in &desired.hosts {
        let (files, directories) = (host.files.clone(), host.directories.clone());
        let units = host.units.iter().map(|unit| unit.name.clone()).collect();
        let asked = Local::over(cluster[name].clone()).ask(&Request::Observe { files, directories, units });
        let Response::Observed(found) = asked.unwrap() else { panic!("{name} answered something else") };
        observed.hosts.insert(name.clone(), *found);
    }
    diff(desired, &observed, true)
}

/// Applies, and gives every moment on every host.
pub fn run(desired: &Desired, cluster: &Cluster, id: &str) -> (bool, BTreeMap<String, Vec<Moment>>) {
    run_for(desired, cluster, Order { id, ..Order::default() })
}

fn run_for(desired: &Desired, cluster: &Cluster, order: Order<'_>) -> (bool, BTreeMap<String, Vec<Moment>>) {
    let plan = plan(desired, cluster);
    let mut crew = Crew::default();
    for (name, memory) in cluster {
        crew.add(name, Box::new(Local::over(memory.clone())));
        memory.record();
    }
    let done = apply_for(&plan, desired, &mut crew, &order, &|_| {});
    drop(crew);
    (done.is_ok(), cluster.iter().map(|(name, memory)| (name.clone(), memory.moments())).collect())
}

pub type Tree = BTreeMap<Utf8PathBuf, (Vec<u8>, String)>;

/// What counts: all files and links, and the ledger. What is only kept for somebody to look at does not.
pub fn state(memory: &Memory) -> Tree {
    let elsewhere = ["/run/", "/var/lib/haoscar/", "/etc/haoscar/secrets/"];
    let mut tree = memory.tree();
    tree.retain(|path, _| {
        path == "/var/lib/haoscar/ledger.json" || !elsewhere.iter().any(|at| path.as_str().starts_with(at))
    });
    tree
}

/// What `status` would tell.
fn remembered(memory: &Memory) -> Option<End> {
    let text = memory.read(Utf8Path::new("/var/lib/haoscar/recovered.json")).ok()?;
    Some(serde_json::from_slice::<Recovered>(&text).unwrap().end)
}

#[derive(Debug, Default)]
struct Seen {
    cuts: usize,
    old: usize,
    new: usize,
    nothing: usize,
}

/// Old or new, and what is said of it fits.
fn judge(memory: &Arc<Memory>, (old, new): (&Tree, &Tree), place: &str, seen: &mut Seen) {
    let found = state(memory);
    let tell = |wanted: &Tree| {
        let paths = found.keys().chain(wanted.keys());
        paths
            .filter(|path| found.get(*path) != wanted.get(*path))
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    seen.cuts += 1;
    match remembered(memory) {
        Some(End::Old | End::Unconfirmed) => {
            seen.old += 1;
            assert!(found == *old, "{place}: said to be old, and is not: {:?}", tell(old));
        }
        Some(End::New) => {
            seen.new += 1;
            assert!(found == *new, "{place}: said to be new, and is not: {:?}", tell(new));
        }
        Some(End::Stuck(why)) => panic!("{place}: stuck: {why}"),
        None => {
            seen.nothing += 1;
            assert!(found == *old || found == *new, "{place}: {:?} and {:?}", tell(old), tell(new));
        }
    }
    let waits = memory.read(Utf8Path::new("/var/lib/haoscar/confirm.json")).is_ok();
    let kept: &[&str] = if waits { &["stage"] } else { &["stage", "checkpoint"] };
    let left = kept
        .iter()
        .map(|kept| memory.list(&Utf8Path::new("/var/lib/haoscar").join(kept)))
        .collect::<Vec<_>>()
        .concat();
    assert!(left.is_empty(), "{place}: left {left:?}");
}

/// Cuts the power at every moment, with several subsets; then once more in the middle of the recovery.
fn cut_everywhere(moments: &[Moment], ends: (&Tree, &Tree), (host, clock): (&str, u64)) -> Seen {
    let at_boot = |moment: Moment| {
        let mut memory = Memory::at(moment);
        memory.clock = clock;
        memory
    };
    let mut seen = Seen::default();
    let mut known = BTreeSet::new();
    for (step, moment) in moments.iter().enumerate() {
        for seed in (0..SEEDS).filter(|seed| known.insert(moment.print(*seed))) {
            let place = format!("{host}, step {step} of {}, seed {seed}", moments.len());
            let cut = moment.cut(seed);
            let memory = Arc::new(at_boot(cut.clone()));
            recover_alone(memory.as_ref()).unwrap_or_else(|e| panic!("{place}: {e}"));
            let steps = memory.steps();
            judge(&memory, ends, &place, &mut seen);
            let at = mixed(seed, step as u64) % (steps + 1);
            let dead = at_boot(cut).dying_after(at);
            let _ = recover_alone(&dead);
            let again = Arc::new(at_boot(dead.moment().cut(seed + 1)));
            recover_alone(again.as_ref()).unwrap_or_else(|e| panic!("{place}, then {at}: {e}"));
            judge(&again, ends, &format!("{place}, then {at} of the recovery"), &mut seen);
        }
    }
    seen
}

fn states(cluster: &Cluster) -> BTreeMap<String, Tree> {
    cluster.iter().map(|(name, memory)| (name.clone(), state(memory))).collect()
}

/// Steps and cuts of the first apply of a spec, and of an apply of another version of it.
fn cut_in_applies(spec: &str) -> (usize, usize) {
    let (mut cuts, mut steps) = (0, 0);
    let first = wanted(spec);
    let cluster = machines(&first);
    for (desired, id) in [(first.clone(), "first"), (changed(first), "second")] {
        let old = states(&cluster);
        let (done, moments) = run(&desired, &cluster, id);
        assert!(done, "{spec}: the apply itself");
        let new = states(&cluster);
        for (name, moments) in moments {
            assert_ne!(
                old[&name], new[&name],
                "{spec}, {name}: an apply that changes nothing proves nothing"
            );
            let place = format!("{spec}, {id} apply, {name}");
            let seen = cut_everywhere(&moments, (&old[&name], &new[&name]), (&place, 0));
            assert!(seen.old > 0 && seen.new > 0 && seen.nothing > 0, "{place}: {seen:?}");
            cuts += seen.cuts;
            steps += moments.len();
        }
    }
    (steps, cuts)
}

#[test]
fn every_file_in_specs_has_its_power_cut() {
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/specs")).unwrap();
    let names =
        all.filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned));
    assert_eq!(names.collect::<BTreeSet<_>>(), SPECS.map(str::to_owned).into());
}

#[test]
fn a_power_cut_at_any_step_of_any_reference_apply_ends_wholly_old_or_wholly_new() {
    std::thread::scope(|scope| {
        let threads = SPECS.map(|spec| (spec, scope.spawn(move || cut_in_applies(spec))));
        for (spec, thread) in threads {
            let (steps, cuts) = thread.join().unwrap();
            println!("{spec}: {steps} steps, {cuts} cuts");
        }
    });
}

#[test]
fn a_power_cut_at_any_step_of_a_revert_ends_wholly_old() {
    let desired = wanted("ha-oscar-2004");
    let mut cluster = machines(&desired);
    let mut refusing = Memory::at(cluster["head-1"].moment());
    refusing.refuses = Some("corosync.service".to_owned());
    cluster.insert("head-1".to_owned(), Arc::new(refusing));
    let old = states(&cluster);
    let (done, moments) = run(&desired, &cluster, "refused");
    assert!(!done, "corosync was to refuse");
    assert_eq!(states(&cluster), old);
    for (name, moments) in moments {
        let seen = cut_everywhere(&moments, (&old[&name], &old[&name]), (&name, 0));
        assert!(seen.old > 0 && seen.new == 0, "{name}: {seen:?}");
    }
}

/// Every host of a cluster with what was applied and waits for its confirmation; what was before, and what is now.
fn unconfirmed(spec: &str) -> (Cluster, BTreeMap<String, Tree>, BTreeMap<String, Tree>) {
    let desired = wanted(spec);
    let cluster = machines(&desired);
    let old = states(&cluster);
    let (done, moments) =
        run_for(&desired, &cluster, Order { id: "waits", confirm: Some(60), ..Order::default() });
    assert!(done, "{spec}: the apply itself");
    let new = states(&cluster);
    for (name, moments) in moments {
        let seen = cut_everywhere(&moments, (&old[&name], &new[&name]), (&format!("{spec}, {name}"), 0));
        assert!(seen.old > 0 && seen.new == 0, "{name}: {seen:?}");
    }
    (cluster, old, new)
}

#[test]
fn a_change_that_nobody_confirms_goes_back_whole_also_through_power_cuts() {
    let (cluster, old, new) = unconfirmed("two-node");
    for (name, memory) in &cluster {
        let mut late = Memory::at(memory.moment());
        late.clock = 59;
        assert_eq!(expire(&late, false).unwrap(), None, "before its time");
        assert_eq!(state(&late), new[name]);
        late.clock = 61;
        late.record();
        assert_eq!(expire(&late, false).unwrap().map(|ended| ended.end), Some(End::Unconfirmed));
        assert_eq!(state(&late), old[name]);
        let seen = cut_everywhere(&late.moments(), (&old[name], &old[name]), (name, 61));
        assert_eq!(seen.new + seen.nothing, 0, "{name}: {seen:?}");
    }
}

#[test]
fn a_host_that_boots_while_its_apply_is_still_at_work_goes_back_and_one_that_waits_for_a_person_waits_on() {
    let (cluster, old, new) = unconfirmed("two-node");
    for (name, memory) in &cluster {
        let mut host = Local::over(memory.clone());
        for (asked, tree, end) in [(true, &new, None), (false, &old, Some(End::Old))] {
            let wait = Request::Await { id: "waits".to_owned(), seconds: 300, engine: None, asked };
            host.ask(&wait).unwrap();
            let booted = Memory::at(memory.moment().cut(0));
            assert_eq!(recover_alone(&booted).unwrap().map(|ended| ended.end), end, "{name}");
            assert!(state(&booted) == tree[name], "{name}, asked: {asked}");
        }
    }
}

#[test]
fn a_change_that_was_confirmed_stays_and_keeps_nothing_to_go_back_with() {
    let (cluster, _, new) = unconfirmed("minimal");
    for (name, memory) in &cluster {
        let mut host = Local::over(memory.clone());
        assert!(host.ask(&Request::Begin { id: "other".to_owned() }).is_err(), "nothing comes in between");
        assert!(matches!(host.ask(&Request::Confirm), Ok(Response::Confirmed(true))));
        assert!(matches!(host.ask(&Request::Confirm), Ok(Response::Confirmed(false))));
        let mut late = Memory::at(memory.moment());
        late.clock = 1_000;
        assert_eq!(expire(&late, false).unwrap(), None);
        assert_eq!(state(&late), new[name]);
        assert!(late.list(Utf8Path::new("/var/lib/haoscar/checkpoint")).is_empty());
    }
}

#[test]
fn haoscar_that_is_removed_leaves_what_was_there_also_through_power_cuts() {
    let desired = wanted("two-node");
    let cluster = machines(&desired);
    let first = states(&cluster);
    assert!(run(&desired, &cluster, "first").0);
    assert!(run(&changed(desired), &cluster, "second").0);
    let applied = states(&cluster);
    let mut crew = Crew::default();
    for (name, memory) in &cluster {
        crew.add(name, Box::new(Local::over(memory.clone())));
        memory.record();
    }
    remove(&mut crew, None, ("gone", false), &|_| {}).unwrap();
    for (name, memory) in &cluster {
        let mut now = state(memory);
        now.remove(Utf8Path::new("/var/lib/haoscar/ledger.json")); // an empty one
        assert!(now == first[name], "{name}");
        let seen = cut_everywhere(&memory.moments(), (&applied[name], &state(memory)), (name, 0));
        assert!(seen.old > 0 && seen.new > 0, "{name}: {seen:?}");
    }
}
