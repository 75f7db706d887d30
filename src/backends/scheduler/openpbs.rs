//! OpenPBS 23.06, `managed`: one server that moves with the group; PBS's own failover is not used.
//!
//! Not packaged by Debian: a site installs it itself. Rendered and compared with captured transcripts here, not run.

use serde_json::json;

use super::{nodes_of, qmgr};
use crate::backends::{Backend, Context, Part, Placement, state_folder};
use crate::desired::{OnChange, Rendered, Role, Unit, UnitWant};
use crate::engines::Carried;
use crate::spec::{Problem, SchedulerService};

/// The OpenPBS backend.
pub struct Openpbs;

const UNIT: &str = "pbs.service";

impl Backend for Openpbs {
    type Service = SchedulerService;

    fn name(&self) -> &'static str {
        "openpbs"
    }

    fn resolve(&self, service: &SchedulerService, context: &Context<'_>) -> Result<Part, Problem> {
        let node = || Placement::Role(Role::Node);
        // PBS makes its own home on first start, and only in a folder that is empty (knowledge/schedulers.md 2b)
        let home = context.state()?;
        let carried = Carried {
            recovery: service.recovery.clone(),
            start_timeout_ms: 90_000, // the first start runs initdb: 15 s measured
            ..Carried::moving(context.name, UNIT, Some("timeout 5 qstat -B"))
        };
        Ok(Part {
            files: vec![
                (Placement::Heads, conf(context, home.as_str(), true)?),
                (node(), conf(context, "/var/spool/pbs", false)?),
                (node(), mom(context)?),
                (Placement::Heads, objects(service, context)?),
            ],
            directories: vec![state_folder(home, "root", "root", 0o755)],
            units: vec![(node(), Unit { name: UNIT.to_owned(), want: UnitWant::Running })],
            carried: vec![carried],
            ..Part::default()
        })
    }
}

fn conf(context: &Context<'_>, home: &str, server: bool) -> Result<Rendered, Problem> {
    let values = json!({ "server": context.group.0, "home": home, "head": u8::from(server), "node": u8::from(!server) });
    context.file(
        "/etc/pbs.conf",
        "scheduler/openpbs/pbs.conf.hbs",
        values,
        OnChange::Restart(UNIT.to_owned()),
    )
}

fn mom(context: &Context<'_>) -> Result<Rendered, Problem> {
    let values = json!({ "server": context.group.0, "heads": context.heads });
    let path = "/var/spool/pbs/mom_priv/config";
    context.file(path, "scheduler/openpbs/mom.conf.hbs", values, OnChange::Restart(UNIT.to_owned()))
}

/// The objects that `qmgr` must hold, as `qmgr` itself prints them; compared by [`qmgr::changes`].
fn objects(service: &SchedulerService, context: &Context<'_>) -> Result<Rendered, Problem> {
    let mut lines = Vec::new();
    for (name, partition) in &service.partitions {
        nodes_of(name, partition, context.cluster)?;
        lines.extend(qmgr::queue(name, partition));
    }
    let mut nodes = Vec::new();
    for (range, declared) in &context.cluster.nodes {
        nodes.extend(range.names().into_iter().flat_map(|node| qmgr::node(&node, declared)));
    }
    let values = json!({ "objects": lines, "nodes": nodes });
    context.file("/etc/haoscar/openpbs.qmgr", "scheduler/openpbs/qmgr.hbs", values, OnChange::Nothing)
}
