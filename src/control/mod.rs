//! What runs on a head all the time: the loop, which puts back what drifts; the watcher, which tells pacemaker at once what
//! it would find out by asking; and the mender, which does what heartbeat does not.
//!
//! A notice (a process that ended, netlink, a mark of the OCF agent) only wakes it; then it reads the world again.
//! [`judge`] and [`gauge`] are pure and decide what is told; the rest waits, reads and tells. The watcher must not start, stop or
//! move anything: that is the engine's. Killed, it costs speed only.
#![allow(clippy::disallowed_methods)]

mod alerts;
mod alive;
mod arrivals;
mod believe;
mod cycle;
mod daemon;
pub mod duty;
mod events;
mod follow;
pub mod gauge;
mod heal;
pub mod judge;
mod keep;
mod knock;
mod links;
mod mains;
mod mend;
mod notices;
pub mod patience;
mod rollout;
mod serve;
mod stores;
mod tell;
pub mod tip;
mod wake;
pub mod when;

pub use alive::{alive, read_alive};
pub use daemon::run;
pub use mend::{mend, read_pair};
pub use serve::Place;

use std::fs::File;
use std::path::Path;

use crate::engines::watchlist::{WATCHLIST, Watchlist};

/// Where the OCF agent leaves its marks: one file a unit.
const MARKS: &str = "/run/haoscar/watch";

/// Held by the one watcher of a host: two would report everything twice.
const LOCK: &str = "/run/haoscar/watch.lock";

/// Why there is no watching.
#[derive(Debug, thiserror::Error)]
pub enum WatchProblem {
    /// No list.
    #[error("{path}: {source}")]
    NoList {
        /// Where it should lie.
        path: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A list that is not one.
    #[error("{path}: {source}")]
    BadList {
        /// Where it lies.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another watcher runs here.
    #[error("another one of these runs on this host")]
    Taken,
    /// What the system said.
    #[error("{subject}: {source}")]
    System {
        /// What was tried.
        subject: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

fn system(subject: &'static str) -> impl Fn(std::io::Error) -> WatchProblem {
    move |source| WatchProblem::System { subject, source }
}

/// Reads the list that apply laid on this host.
///
/// # Errors
/// None there, or it is none.
pub fn read_list() -> Result<Watchlist, WatchProblem> {
    read_json(WATCHLIST)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, WatchProblem> {
    let path = path.to_owned();
    let text = std::fs::read_to_string(&path)
        .map_err(|source| WatchProblem::NoList { path: path.clone(), source })?;
    serde_json::from_str(&text).map_err(|source| WatchProblem::BadList { path, source })
}

/// Watches until it is killed. What it tells the engine goes to `say` too, one line each.
///
/// # Errors
/// Something that it needs is not there; nothing is watched then.
pub fn watch(list: &Watchlist, say: &(dyn Fn(&str) + Sync)) -> Result<(), WatchProblem> {
    std::fs::create_dir_all(MARKS).map_err(system(MARKS))?;
    let lock = File::create(LOCK).map_err(system(LOCK))?;
    lock.try_lock().map_err(|_| WatchProblem::Taken)?;
    let mut mains = mains::Mains::new(list, Path::new(MARKS))?;
    let mut links = links::Links::new(list)?;
    say(&format!(
        "watching {} units, {} networks, {} storages",
        list.units.len(),
        list.links.len(),
        list.stores.len()
    ));
    std::thread::scope(|scope| {
        scope.spawn(|| links.run(say));
        list.stores.iter().for_each(|store| drop(scope.spawn(|| stores::run(&list.host, store, say))));
        mains.run(scope, say);
    });
    Ok(())
}
