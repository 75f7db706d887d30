//! OpenPBS 23.06, `managed`: one server that moves with the group; PBS's own failover is not used. With it: [`native`].
//!
//! Not packaged by Debian: a site installs it itself, in /opt/pbs. Compared with captured transcripts here, not run.

mod native;

use std::collections::BTreeMap;

use serde_json::json;

use super::{nodes_of, qmgr};
use crate::backends::{Backend, Context, Part, Placement, state_folder, zero_is_good};
use crate::desired::{Check, Live, Mode, OnChange, Question, Rendered, Role, Unit, UnitWant};
use crate::engines::Carried;
use crate::spec::{Hook, Problem, SchedulerMode, SchedulerService};

/// The OpenPBS backend.
pub struct Openpbs;

const UNIT: &str = "pbs.service";
const CONF: &str = "/etc/pbs.conf";

/// Where its packages put it, which is on no PATH of a daemon.
pub const EXEC: &str = "/opt/pbs";
const NODE_HOME: &str = "/var/spool/pbs";
const MOM_CONFIG: &str = "/etc/haoscar/openpbs-mom.config";
const MOM_SCRIPT: &str = "/etc/haoscar/openpbs-mom";

/// A server that does not answer is given up by then: after a silent death of its host a client has hung for more
/// than 25 s (knowledge/schedulers.md 3).
const ANSWER_MS: u64 = 5_000;

impl Backend for Openpbs {
    type Service = SchedulerService;

    fn name(&self) -> &'static str {
        "openpbs"
    }

    fn resolve(&self, service: &SchedulerService, context: &Context<'_>) -> Result<Part, Problem> {
        let node = || Placement::Role(Role::Node);
        // PBS makes its own home on first start, and only in a folder that is empty (knowledge/schedulers.md 2b)
        let home = context.state()?;
        let (servers, mut own) = match service.mode {
            SchedulerMode::Managed => (Servers::One(context.group.0), moving(context, home.as_str())?),
            SchedulerMode::Native => {
                let (primary, secondary) = native::pair(context)?;
                let part = native::part(context, home.as_str(), (primary, secondary))?;
                (Servers::Two(primary, secondary), part)
            }
        };
        own.carried.iter_mut().for_each(|carried| carried.recovery.clone_from(&service.recovery));
        let hooks = hooks(service, context)?;
        let objects = objects(service, &hooks, context)?;
        own.files.extend(hooks.into_values().map(|file| (Placement::Heads, file)));
        own.files.extend([
            (node(), conf(servers, NODE_HOME, Starts::MOM, context)?),
            (node(), mom(servers, context)?),
            (node(), mom_script(context)?),
            (node(), mom_drop_in(context)?),
            (Placement::Heads, objects.clone()),
        ]);
        let checks = [(Placement::Heads, check("pbs_server")), (node(), check("pbs_mom"))];
        Ok(Part {
            directories: vec![state_folder(home, "root", "root", 0o755)],
            units: vec![(node(), Unit { name: UNIT.to_owned(), want: UnitWant::Running })],
            checks: checks.into(),
            live: vec![live(servers, context, &objects)],
            ..own
        })
    }
}

/// Where the server is.
#[derive(Debug, Clone, Copy)]
enum Servers<'a> {
    /// At the address of this group.
    One(&'a str),
    /// At these two heads: the primary, the secondary.
    Two(&'a str, &'a str),
}

/// Which of its daemons `pbs_init.d` starts on a host.
#[derive(Debug, Clone, Copy)]
struct Starts {
    server: bool,
    scheduler: bool,
    mom: bool,
}

impl Starts {
    const MOM: Self = Self { server: false, scheduler: false, mom: true };
}

/// One server, and the engine moves it.
fn moving(context: &Context<'_>, home: &str) -> Result<Part, Problem> {
    let starts = Starts { server: true, scheduler: true, mom: false };
    let probe = format!("timeout 5 {EXEC}/bin/qstat -B");
    let carried =
        Carried { start_timeout_ms: START_TIMEOUT_MS, ..Carried::moving(context.name, UNIT, Some(&probe)) };
    let conf = conf(Servers::One(context.group.0), home, starts, context)?;
    Ok(Part { files: vec![(Placement::Heads, conf)], carried: vec![carried], ..Part::default() })
}

/// The first start runs initdb: 15 s measured.
const START_TIMEOUT_MS: u64 = 90_000;

fn conf(
    servers: Servers<'_>,
    home: &str,
    starts: Starts,
    context: &Context<'_>,
) -> Result<Rendered, Problem> {
    let (server, secondary) = match servers {
        Servers::One(server) => (server, None),
        Servers::Two(primary, secondary) => (primary, Some(secondary)),
    };
    let values = json!({
        "exec": EXEC, "home": home, "server": server, "secondary": secondary,
        "head": u8::from(starts.server), "scheduler": u8::from(starts.scheduler), "node": u8::from(starts.mom),
    });
    context.file(CONF, "scheduler/openpbs/pbs.conf.hbs", values, OnChange::Restart(UNIT.to_owned()))
}

/// What can be said before the start; no program of PBS only checks a pbs.conf. It is read as pbs_init.d reads it, by a
/// shell. No package of the distribution brings the daemon. And a server below a folder that others may write to, sticky
/// or not, dies right after a start that ends well (knowledge/schedulers.md 2a).
const CHECK: &str = r#"
. "$1" || exit 1
if [ ! -x "$PBS_EXEC/sbin/$2" ]; then
    echo "OpenPBS is not installed here: no $PBS_EXEC/sbin/$2; install the site's own package"
    exit 1
fi
folder=$PBS_HOME
while [ "$folder" != / ]; do
    folder=$(dirname "$folder")
    if [ -n "$(find -L "$folder" -maxdepth 0 -perm /022)" ]; then
        echo "PBS refuses its home $PBS_HOME, for others may write to $folder: chmod go-w $folder"
        exit 1
    fi
done
"#;

fn check(daemon: &str) -> Check {
    let staged = format!("{{staged:{CONF}}}");
    let argv = ["sh", "-c", CHECK, "sh", &staged, daemon].map(str::to_owned).into();
    Check {
        name: format!("{daemon} with the new pbs.conf"),
        question: Question::Command { argv, timeout_ms: ANSWER_MS },
        verdict: zero_is_good,
    }
}

/// Laid beside mom's home, not into it: see [`mom_script`].
fn mom(servers: Servers<'_>, context: &Context<'_>) -> Result<Rendered, Problem> {
    let group = match servers {
        Servers::One(group) => Some(group),
        Servers::Two(..) => None,
    };
    let values = json!({ "server": group, "heads": context.heads });
    // never a restart: that would end the jobs of the node
    let reload = OnChange::Reload(UNIT.to_owned());
    context.file(MOM_CONFIG, "scheduler/openpbs/mom.conf.hbs", values, reload)
}

/// Copies mom's configuration into the home that PBS has made (knowledge/schedulers.md 2b).
fn mom_script(context: &Context<'_>) -> Result<Rendered, Problem> {
    let values = json!({ "home": NODE_HOME, "config": MOM_CONFIG });
    let file = context.file(MOM_SCRIPT, "scheduler/openpbs/mom.sh.hbs", values, OnChange::Nothing)?;
    Ok(Rendered { mode: Mode(0o755), ..file })
}

fn mom_drop_in(context: &Context<'_>) -> Result<Rendered, Problem> {
    let path = format!("/etc/systemd/system/{UNIT}.d/haoscar-mom.conf");
    let values = json!({ "script": MOM_SCRIPT });
    context.file(path, "scheduler/openpbs/mom.service.hbs", values, OnChange::DaemonReload(None))
}

/// The programs of its hooks, as `qmgr` imports them.
fn hooks(service: &SchedulerService, context: &Context<'_>) -> Result<BTreeMap<String, Rendered>, Problem> {
    let file = |(name, hook): (&String, &Hook)| {
        let path = format!("{}/{name}.py", qmgr::HOOKS);
        let values = json!({ "body": hook.body.trim_end() });
        let file = context.file(path, "scheduler/openpbs/hook.py.hbs", values, OnChange::Nothing)?;
        Ok((name.clone(), Rendered { mode: Mode(0o600), ..file }))
    };
    service.hooks.iter().map(file).collect()
}

/// The objects that `qmgr` must hold, as `qmgr` itself prints them; compared by [`qmgr::changes`].
fn objects(
    service: &SchedulerService,
    hooks: &BTreeMap<String, Rendered>,
    context: &Context<'_>,
) -> Result<Rendered, Problem> {
    // without it a job can be submitted on the server's own host only (knowledge/schedulers.md 2e)
    let mut lines = vec!["set server flatuid = True".to_owned()];
    for (name, partition) in &service.partitions {
        nodes_of(name, partition, context.cluster)?;
        lines.extend(qmgr::queue(name, partition));
    }
    lines.extend(service.attributes.iter().map(|(name, value)| qmgr::attribute(name, value)));
    for (name, hook) in &service.hooks {
        lines.extend(hooks.get(name).into_iter().flat_map(|file| qmgr::hook(name, hook, &file.shown())));
    }
    let mut nodes = Vec::new();
    for (range, declared) in &context.cluster.nodes {
        nodes.extend(range.names().into_iter().flat_map(|node| qmgr::node(&node, declared)));
    }
    let values = json!({ "objects": lines, "nodes": nodes });
    context.file("/etc/haoscar/openpbs.qmgr", "scheduler/openpbs/qmgr.hbs", values, OnChange::Nothing)
}

fn live(servers: Servers<'_>, context: &Context<'_>, objects: &Rendered) -> Live {
    // a server shows its hooks to root of its own host alone
    let elsewhere = match servers {
        Servers::One(_) => Vec::new(),
        Servers::Two(primary, secondary) => vec![primary.to_owned(), secondary.to_owned()],
    };
    let program = || vec![format!("{EXEC}/bin/qmgr"), "-c".to_owned()];
    let ask = |words: &str| {
        let argv = [program(), vec![words.to_owned()]].concat();
        Question::Command { argv, timeout_ms: ANSWER_MS }
    };
    Live {
        service: context.name.to_owned(),
        group: context.group.0.to_owned(),
        elsewhere,
        ask: ["print server", "print node @default", "print hook @default"].map(ask).into(),
        wanted: objects.shown(),
        changes: qmgr::from_answers,
        feed: program(),
        means: qmgr::means,
    }
}

#[cfg(test)]
mod tests {
    /// pbs_internal.h of 23.06.06, as far as we use it (knowledge/schedulers.md 3).
    const KNOWN: [&str; 11] = [
        "PBS_EXEC",
        "PBS_HOME",
        "PBS_SERVER",
        "PBS_PRIMARY",
        "PBS_SECONDARY",
        "PBS_START_SERVER",
        "PBS_START_SCHED",
        "PBS_START_COMM",
        "PBS_START_MOM",
        "PBS_CORE_LIMIT",
        "PBS_LOG_HIGHRES_TIMESTAMP",
    ];

    #[test]
    fn pbs_conf_has_only_keys_that_pbs_knows() {
        let template = include_str!("../../../../templates/scheduler/openpbs/pbs.conf.hbs");
        let keys = template.lines().filter(|line| !line.starts_with('#')).filter_map(|l| l.split_once('='));
        let unknown: Vec<_> = keys.map(|(key, _)| key).filter(|key| !KNOWN.contains(key)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
