//! chrony: serves time on every head (only the address moves), and follows the group on nodes.

use serde_json::{Value, json};

use crate::backends::{Backend, Context, Part, Placement, in_place, validator};
use crate::desired::{OnChange, Probe, Question, Reads, Rendered, Role, Unit, UnitWant};
use crate::engines::Carried;
use crate::spec::{Problem, TimeService};

/// The chrony backend.
pub struct Chrony;

const UNIT: &str = "chrony.service";
const TEMPLATE: &str = "time/chrony/chrony.conf.hbs";
const PATH: &str = "/etc/chrony/chrony.conf";

impl Backend for Chrony {
    type Service = TimeService;

    fn name(&self) -> &'static str {
        "chrony"
    }

    fn resolve(&self, service: &TimeService, context: &Context<'_>) -> Result<Part, Problem> {
        let node = Placement::Role(Role::Node);
        let (script, staged) = (in_place(PATH, "chronyd -p -f"), format!("{{staged:{PATH}}}"));
        let argv = ["unshare", "--mount", "sh", "-c", &script, "sh", &staged];
        let check = || validator("chronyd -p", &argv);
        Ok(Part {
            files: vec![(Placement::Heads, heads(service, context)?), (node.clone(), nodes(context)?)],
            units: vec![(node.clone(), Unit { name: UNIT.to_owned(), want: UnitWant::Running })],
            carried: vec![Carried::everywhere(context.name, UNIT).asked("chronyc -n tracking")],
            packages: vec![(Placement::Heads, "chrony".to_owned()), (node.clone(), "chrony".to_owned())],
            checks: vec![(Placement::Heads, check()), (node, check())],
            probes: context.heads.iter().map(|head| loaded(head, service, context)).collect(),
            ..Part::default()
        })
    }
}

/// Which servers chronyd has and whom it serves, by its own words: it has no other way to say what it has read.
fn loaded(head: &str, service: &TimeService, context: &Context<'_>) -> Probe {
    let networks = context.cluster.networks.values();
    let asked = networks.map(|network| format!("accheck {}", network.cidr.0.network()));
    let argv: Vec<_> =
        ["chronyc", "-m", "-c", "-N", "sources -a"].into_iter().map(str::to_owned).chain(asked).collect();
    // a source is a line of values, its name the third
    let sources = service.servers.iter().map(|server| format!(",{server},"));
    let says = sources.chain(std::iter::once("Access allowed".to_owned())).collect();
    Probe {
        service: context.name.to_owned(),
        group: None,
        host: head.to_owned(),
        unit: UNIT.to_owned(),
        question: Question::Command { argv, timeout_ms: 5_000 },
        says,
        reads: Reads::OnStart,
        comments: false,
    }
}

fn heads(service: &TimeService, context: &Context<'_>) -> Result<Rendered, Problem> {
    let networks = context.cluster.networks.values();
    let allow: Vec<_> = networks.flat_map(|n| [Some(n.cidr), n.cidr6]).flatten().collect();
    let values = json!({ "servers": service.servers, "alone": service.servers.is_empty(), "allow": allow });
    conf(values, context)
}

fn nodes(context: &Context<'_>) -> Result<Rendered, Problem> {
    let values = json!({ "servers": [context.private_address()?], "alone": false, "allow": [] });
    conf(values, context)
}

/// Leap seconds are a list of their own from chrony 4.6 on; the zone that held them before is in another package there.
fn conf(mut values: Value, context: &Context<'_>) -> Result<Rendered, Problem> {
    values["leap_list"] = json!(context.cluster.os.versions().chrony >= (4, 6));
    context.file(PATH, TEMPLATE, values, OnChange::Restart(UNIT.to_owned()))
}
