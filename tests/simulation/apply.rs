//! Applies on machines in memory, one of which loses its power in the middle: whatever step that hits, each host is
//! wholly old or wholly new after its boot, and the same apply then ends on all of them.
//!
//! `plan::power` cuts at every step of one apply of each spec; here applies follow each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;
use haoscar::desired::Desired;
use haoscar::host::{Memory, recover_alone};

use super::chance::Chance;
use super::rules::Rules;
use crate::plan::power::{Cluster, Tree, changed, machines, run, state, wanted};

/// An apply costs as much as a hundred worlds of the other kinds.
const EVERY: u64 = 32;

fn states(cluster: &Cluster) -> BTreeMap<String, Tree> {
    let of = |memory: &Memory| {
        let mut tree = state(memory);
        tree.remove(Utf8Path::new("/var/lib/haoscar/ledger.json")); // it remembers reverts too
        tree
    };
    cluster.iter().map(|(name, memory)| (name.clone(), of(memory))).collect()
}

/// One apply with a cut, the boot, and the apply again.
fn turn(desired: &Desired, cluster: &mut Cluster, chance: &mut Chance, rules: Rules) -> Result<(), String> {
    let old = states(cluster);
    let names: Vec<_> = cluster.keys().cloned().collect();
    let victim = &names[usize::try_from(chance.between(0, names.len() as u64)).unwrap()];
    let step = chance.between(0, 500);
    let place = format!("{victim} lost power at step {step}");
    let dying = Memory::at(cluster[victim].moment()).dying_after(step);
    cluster.insert(victim.clone(), Arc::new(dying));
    run(desired, cluster, "cut");
    let booted = Memory::at(cluster[victim].moment().cut(chance.between(0, 1_000)));
    if rules.recovers_at_boot() {
        recover_alone(&booted).map_err(|error| format!("{place}: {error}"))?;
    }
    cluster.insert(victim.clone(), Arc::new(booted));
    let found = states(cluster);
    if !run(desired, cluster, "again").0 {
        return Err(format!("{place}: the apply does not end afterwards"));
    }
    let new = states(cluster);
    let mixed = names.iter().find(|name| found[*name] != old[*name] && found[*name] != new[*name]);
    mixed.map_or(Ok(()), |name| Err(format!("{place}: {name} was neither old nor new")))
}

/// A world of that seed; what was broken in it.
pub fn world(seed: u64, rules: Rules) -> Result<(), String> {
    if !seed.is_multiple_of(EVERY) {
        return Ok(());
    }
    let mut chance = Chance::of(seed);
    let first = wanted(chance.of_these(&["minimal", "heartbeat", "two-node"]));
    let mut cluster = machines(&first);
    turn(&first, &mut cluster, &mut chance, rules)?;
    turn(&changed(first.clone()), &mut cluster, &mut chance, rules)?;
    turn(&first, &mut cluster, &mut chance, rules)
}
