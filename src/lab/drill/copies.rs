//! Whether a service that only one head may run ever ran on two at the same time: the processes of its unit, looked at from
//! outside every few milliseconds, whatever the network between the heads and the client does. It must not judge.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Ground;
use crate::desired::{Surroundings, resolve};
use crate::spec::Cluster;
use crate::templates::Templates;

const EVERY: Duration = Duration::from_millis(5);

/// A head that was off is looked for again after so many looks.
const LOOKED_FOR: u32 = 20;

/// Looks until it is ended.
#[derive(Debug)]
pub(super) struct Copies {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeMap<String, usize>>>,
}

impl Copies {
    /// Watches the units that move with the group. A ground that cannot be looked into from outside shows nothing.
    pub fn watch(cluster: &Cluster, group: &str, ground: &dyn Ground) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let units = moving(cluster, group);
        let heads = cluster.groups.get(group).map(|group| group.heads.clone()).unwrap_or_default();
        let finders: Vec<_> = heads.iter().filter_map(|head| ground.outside(head)).collect();
        if finders.len() < 2 || units.is_empty() {
            return Self { ended, thread: None };
        }
        let until = ended.clone();
        let thread = std::thread::spawn(move || look(&finders, &units, &until));
        Self { ended, thread: Some(thread) }
    }

    /// Looks at which a unit ran on two heads, by unit; empty where nothing could be looked at.
    pub fn end(&mut self) -> BTreeMap<String, usize> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Finds the root of a host's files, as this machine sees it; none while it is off.
pub type Finder = Box<dyn Fn() -> Option<PathBuf> + Send>;

fn look(heads: &[Finder], units: &[String], ended: &AtomicBool) -> BTreeMap<String, usize> {
    let mut found: BTreeMap<String, usize> = units.iter().map(|unit| (unit.clone(), 0)).collect();
    let mut roots: Vec<Option<PathBuf>> = vec![None; heads.len()];
    let mut looks = 0;
    while !ended.load(Ordering::Relaxed) {
        for (root, finder) in roots.iter_mut().zip(heads) {
            let gone = root.as_ref().is_none_or(|root| !root.exists());
            if gone && looks % LOOKED_FOR == 0 {
                *root = finder();
            }
        }
        for (unit, both) in &mut found {
            let path = format!("sys/fs/cgroup/system.slice/{unit}/cgroup.procs");
            let runs = |root: &&PathBuf| std::fs::read(root.join(&path)).is_ok_and(|pids| !pids.is_empty());
            *both += usize::from(roots.iter().flatten().filter(runs).count() > 1);
        }
        looks = looks.wrapping_add(1);
        std::thread::sleep(EVERY);
    }
    found
}

/// Units that the engine carries on one head at a time.
fn moving(cluster: &Cluster, group: &str) -> Vec<String> {
    let surroundings = Surroundings { lab: true, ..Surroundings::whole(cluster) };
    let resolved = Templates::packaged().ok().and_then(|all| resolve(cluster, &surroundings, &all).ok());
    let Some(engine) = resolved.and_then(|desired| desired.engine) else { return Vec::new() };
    let of_group = engine.resources.get(group).cloned().unwrap_or_default();
    let moves =
        |(_, resource): &(&String, &String)| !resource.ends_with("-clone") && of_group.contains(resource);
    engine.units.iter().filter(moves).map(|(unit, _)| unit.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Sources, load};

    #[test]
    fn what_runs_on_every_head_is_not_watched_and_what_moves_is() {
        let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml")).unwrap();
        let cluster = load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster;
        let units = moving(&cluster, "control");
        assert!(units.iter().any(|unit| unit.contains("kea")), "{units:?}");
        assert!(!units.iter().any(|unit| unit.contains("chrony") || unit.contains("dnsmasq")), "{units:?}");
    }

    #[test]
    fn a_unit_with_processes_on_two_heads_is_counted_and_one_that_moved_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let heads = ["one", "two"].map(|head| folder.path().join(head));
        for (head, unit, pids) in
            [(0, "both", "7\n"), (1, "both", "9\n"), (0, "moved", ""), (1, "moved", "8\n")]
        {
            let place = heads[head].join("sys/fs/cgroup/system.slice").join(unit);
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("cgroup.procs"), pids).unwrap();
        }
        let finders: Vec<Finder> =
            heads.into_iter().map(|head| Box::new(move || Some(head.clone())) as Finder).collect();
        let ended = Arc::new(AtomicBool::new(false));
        let until = ended.clone();
        let thread =
            std::thread::spawn(move || look(&finders, &["both".to_owned(), "moved".to_owned()], &until));
        std::thread::sleep(EVERY * 4);
        ended.store(true, Ordering::Relaxed);
        let found = thread.join().unwrap();
        assert!(found["both"] > 0 && found["moved"] == 0, "{found:?}");
    }
}
