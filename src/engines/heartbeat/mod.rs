//! Heartbeat (Linux-HA 3, haresources mode): two heads and one group, for sites that still run it.
//!
//! Both heads are members at once or not at all, so that the files never name one head only. What heartbeat does not
//! do others do: stateless services run on both heads always, by systemd, and a carried unit that dies is started again by
//! haoscar, as its recovery policy says.

mod conf;
mod fence;
mod hang;
mod mend;
mod scripts;
mod state;
mod timing;

pub use hang::{Hang, Kept, MENDED, Mend, PAIR, Pair, Seen, claims};
pub use state::{ask, state};
pub use timing::Timings;

use std::collections::BTreeMap;

use super::{Carried, Compiled, EngineDesired, daemon, recover};
use crate::desired::{HostDesired, Surroundings, Unit, UnitWant};
use crate::spec::{Cluster, EngineKind, Group, Problem, heartbeat_limits, ping_node};
use crate::templates::Templates;

/// fence-agents holds the programs that the stonith plugin calls; resource-agents the functions that heartbeat's own
/// scripts read.
const PACKAGES: [&str; 6] =
    ["heartbeat", "cluster-glue", "resource-agents", "fence-agents", "iputils-ping", "iputils-arping"];

/// The engine that is not used: two of them would fight for the same resources.
const OTHERS: [&str; 3] = ["pacemaker.service", "corosync.service", "haoscar-watch.service"];

/// What every file needs.
struct Site<'a> {
    cluster: &'a Cluster,
    group: (&'a str, &'a Group),
    ping: std::net::IpAddr,
    lab: bool,
    templates: &'a Templates,
}

impl Site<'_> {
    /// The head that carries the group where nothing has happened.
    fn preferred(&self) -> &str {
        self.group.1.heads.first().map_or("", String::as_str)
    }
}

/// Compiles the spec for both heads.
///
/// # Errors
/// A spec that this engine cannot carry.
pub fn compile(
    cluster: &Cluster,
    surroundings: &Surroundings,
    carried: &BTreeMap<String, Vec<Carried>>,
    templates: &Templates,
) -> Result<Compiled, Problem> {
    let site = site(cluster, surroundings, templates)?;
    let carried = carried.get(site.group.0).map(Vec::as_slice).unwrap_or_default();
    let resources = scripts::resources(&site, carried)?;
    let ids: Vec<_> = resources.iter().map(|(id, _)| id.clone()).collect();
    let mut hosts = BTreeMap::new();
    for name in cluster.heads.keys() {
        let mut host = HostDesired {
            files: vec![
                conf::ha_cf(&site, name)?,
                conf::haresources(&site, &ids)?,
                conf::authkeys(templates)?,
                fence::plugin(&site)?,
            ],
            packages: PACKAGES.iter().map(ToString::to_string).collect(),
            secrets: BTreeMap::from([conf::secret()]),
            units: OTHERS.map(|name| unit(name, UnitWant::Stopped)).into(),
            ..HostDesired::default()
        };
        host.units.push(unit("heartbeat.service", UnitWant::Running));
        host.files.extend(resources.iter().map(|(_, file)| file.clone()));
        host.files.extend(scripts::drop_ins(&site, carried)?);
        fence::options(&site, &mut host);
        let mender = mend::files(&site, name, &ids, carried)?;
        host.units.extend((!mender.is_empty()).then(|| unit(mend::UNIT, UnitWant::Running)));
        host.files.extend(mender);
        recover::lay(EngineKind::Heartbeat, &mut host, templates)?;
        daemon::lay(&mut host, site.cluster, templates)?;
        hosts.insert(name.clone(), host);
    }
    let members = (1..).zip(cluster.heads.keys()).map(|(id, name)| (name.clone(), id)).collect();
    let resources = BTreeMap::from([(site.group.0.to_owned(), ids)]);
    let engine =
        EngineDesired { kind: EngineKind::Heartbeat, members, resources, ..EngineDesired::default() };
    Ok(Compiled { hosts, engine, probes: Vec::new() }) // it never says what it has read
}

fn unit(name: &str, want: UnitWant) -> Unit {
    Unit { name: name.to_owned(), want }
}

/// The lints have said all this with places; a caller that did not ask them is refused too.
fn site<'a>(
    cluster: &'a Cluster,
    surroundings: &Surroundings,
    templates: &'a Templates,
) -> Result<Site<'a>, Problem> {
    let mend = "use `engine: pacemaker`, which has no such limit";
    if let Some(limit) = heartbeat_limits(cluster).into_iter().next() {
        let message = format!("engine heartbeat needs {}", limit.needs);
        return Err(Problem::error("engine/heartbeat-limits", message).hint(mend));
    }
    let missing = |what: &str| {
        let message = format!("engine heartbeat has no {what}");
        Problem::error("ha/no-ping", message).hint(format!("add one, or {mend}"))
    };
    let ping = ping_node(cluster).ok_or_else(|| missing("ping node"))?;
    let (name, group) = cluster.groups.first_key_value().ok_or_else(|| missing("group"))?;
    Ok(Site { cluster, group: (name, group), ping, lab: surroundings.lab, templates })
}
