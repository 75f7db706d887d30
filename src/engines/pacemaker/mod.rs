//! Corosync and Pacemaker: spec to corosync.conf and CIB, their state to facts.

mod again;
pub mod alert;
mod alive;
mod back;
mod cib;
mod corosync;
mod devices;
pub(in crate::engines) mod fence;
mod files;
mod forecast;
mod group;
mod named;
mod probes;
mod promoted;
mod qnetd;
mod requests;
mod state;
mod watch;
mod watchdog;
pub mod xml;

pub use again::again;
pub use back::{Change, Merged, Sign, changes, is_ours, merged, put_back};
pub use corosync::{members, numbers};
pub use devices::{asked_devices, fence_devices};
pub use forecast::{Forecast, forecast};
pub use named::{Hold, accept, accepted, generation, held, hold};
pub use probes::probes;
pub use requests::{
    after_joint, anew, disk_told, joint, joint_selector, mirror_told, move_constraint, move_id, pause,
    pause_selector, paused_until, with_constraint,
};
pub use state::state;
pub use watchdog::{CONF as WATCHDOG_CONF, UNIT as WATCHDOG_UNIT, restart_first};

pub use super::{EngineNode, EngineResource, EngineState};

use std::collections::BTreeMap;

use super::{Carried, Compiled, EngineDesired};
use crate::desired::Surroundings;
use crate::spec::{Cluster, EngineKind, Problem};
use crate::templates::Templates;

/// What the engine said cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not XML.
    #[error("the engine's XML cannot be read: {0}")]
    Xml(String),
    /// XML, but not what was asked for.
    #[error("the engine's XML has no `{0}`")]
    Missing(&'static str),
    /// A newer plan was carried out.
    #[error("the engine is at generation {0} by now: somebody else has applied meanwhile")]
    Generation(u64),
}

/// Compiles the spec for the members in `surroundings`. Heads that are only declared are in no node list and no
/// fence target.
///
/// # Errors
/// A spec that this engine cannot carry.
pub fn compile(
    cluster: &Cluster,
    surroundings: &Surroundings,
    carried: &BTreeMap<String, Vec<Carried>>,
    templates: &Templates,
) -> Result<Compiled, Problem> {
    let members = corosync::voters(cluster, surroundings)?;
    let (mut hosts, mut probes) = (BTreeMap::new(), Vec::new());
    for name in members.keys() {
        hosts.insert(
            name.clone(),
            files::of_member(name, cluster, surroundings, &members, carried, templates)?,
        );
    }
    for (name, host) in &hosts {
        let conf = host.files.iter().find(|file| file.path == corosync::CONF);
        probes.extend(conf.map(|conf| corosync::loaded(name, &conf.shown())));
    }
    hosts.extend(qnetd::server(cluster, templates)?);
    let (cib, resources) = cib::compile(cluster, surroundings, &members, carried);
    let units = cib::units(&cib);
    let engine = EngineDesired { kind: EngineKind::Pacemaker, members, cib: cib.write(), resources, units };
    for (name, host) in hosts.iter_mut().filter(|(name, _)| cluster.heads.contains_key(*name)) {
        host.files.extend(watch::files(name, cluster, &engine, &cib, templates)?);
        host.units.push(watch::unit());
        alive::lay(name, cluster, &engine, host, templates)?;
    }
    Ok(Compiled { hosts, engine, probes })
}
