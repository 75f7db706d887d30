//! Files, units and packages of one member.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde_json::json;

use super::{cib, corosync};
use crate::desired::{
    Answer, Check, Directory, HostDesired, HostName, Mode, OnChange, Owner, Piece, Question, Rendered,
    SecretKind, Surroundings, Unit, UnitWant, Verdict,
};
use crate::engines::{Carried, CarriedAs};
use crate::spec::{Cluster, FenceValue, Problem};
use crate::templates::Templates;

const AUTHKEY_SECRET: &str = "corosync-authkey";

/// corosync-keygen(8) makes 2048 bits.
const AUTHKEY_BYTES: usize = 256;

const PACKAGES: [&str; 6] = [
    "corosync",
    "pacemaker",
    "pacemaker-cli-utils",
    "resource-agents",
    "fence-agents-base",
    "iputils-arping",
];

/// What one member gets from the engine.
///
/// # Errors
/// What a template says.
pub fn of_member(
    name: &str,
    cluster: &Cluster,
    surroundings: &Surroundings,
    members: &BTreeMap<HostName, u32>,
    carried: &BTreeMap<String, Vec<Carried>>,
    templates: &Templates,
) -> Result<HostDesired, Problem> {
    let mut host = HostDesired {
        files: vec![corosync::conf(cluster, members, templates)?, authkey()],
        packages: PACKAGES.iter().map(ToString::to_string).collect(),
        checks: vec![corosync_check()],
        secrets: BTreeMap::from([(AUTHKEY_SECRET.to_owned(), SecretKind::Random(AUTHKEY_BYTES))]),
        units: ["corosync.service", "pacemaker.service"].map(running).into(),
        ..HostDesired::default()
    };
    for agent in ["unit", "address"] {
        host.files.push(ocf_agent(agent, templates)?);
    }
    host.directories.push(folder("/usr/lib/ocf/resource.d/haoscar", 0o755));
    if cluster.heads.contains_key(name) {
        host.files.extend(drop_ins(name, cluster, carried, templates)?);
    }
    if !surroundings.lab {
        fence_secrets(cluster, templates, &mut host)?;
    }
    Ok(host)
}

fn running(name: &str) -> Unit {
    Unit { name: name.to_owned(), want: UnitWant::Running }
}

fn folder(path: &str, mode: u32) -> Directory {
    Directory { path: Utf8PathBuf::from(path), owner: Owner::root(), mode: Mode(mode), shared: false }
}

fn authkey() -> Rendered {
    Rendered {
        path: "/etc/corosync/authkey".into(),
        owner: Owner::root(),
        mode: Mode(0o400),
        text: vec![Piece::Secret(AUTHKEY_SECRET.to_owned())],
        on_change: OnChange::Joint,
        source: format!("secret {AUTHKEY_SECRET}"),
    }
}

fn ocf_agent(name: &str, templates: &Templates) -> Result<Rendered, Problem> {
    let path = format!("/usr/lib/ocf/resource.d/haoscar/{name}");
    let template = format!("engine/pacemaker/ocf/{name}.hbs");
    let file = templates.file(path, &template, json!({}), OnChange::Nothing)?;
    Ok(Rendered { mode: Mode(0o755), ..file })
}

/// One drop-in for every unit that the engine carries on this head.
fn drop_ins(
    name: &str,
    cluster: &Cluster,
    carried: &BTreeMap<String, Vec<Carried>>,
    templates: &Templates,
) -> Result<Vec<Rendered>, Problem> {
    let here = cluster.groups.iter().filter(|(_, group)| group.heads.iter().any(|head| head == name));
    let units: BTreeSet<_> = here
        .flat_map(|(group, _)| carried.get(group).into_iter().flatten())
        .filter_map(|service| match &service.what {
            CarriedAs::Unit { unit, .. } => Some(unit),
            CarriedAs::Agent { .. } => None,
        })
        .collect();
    let drop_in = |unit: &String| {
        let path = format!("/etc/systemd/system/{unit}.d/haoscar-engine.conf");
        templates.file(path, "engine/pacemaker/unit.conf.hbs", json!({}), OnChange::DaemonReload(None))
    };
    units.into_iter().map(drop_in).collect()
}

fn fence_secrets(cluster: &Cluster, templates: &Templates, host: &mut HostDesired) -> Result<(), Problem> {
    let heads = cluster.heads.values().map(|head| &head.fence);
    let devices = heads.chain(cluster.witnesses.values().map(|witness| &witness.fence));
    let secrets: BTreeSet<_> = devices
        .flat_map(BTreeMap::values)
        .filter_map(|value| match value {
            FenceValue::Secret { secret } => Some(secret),
            _ => None,
        })
        .collect();
    for secret in secrets {
        let path = cib::secret_script(secret);
        let values = json!({ "secret": secret });
        let file = templates.file(path, "engine/pacemaker/secret.sh.hbs", values, OnChange::Nothing)?;
        host.files.push(Rendered { mode: Mode(0o700), ..file });
        host.secrets.insert(secret.clone(), SecretKind::Given);
    }
    if !host.secrets.is_empty() {
        host.directories.push(folder("/etc/haoscar/fence", 0o700));
    }
    Ok(())
}

/// `corosync -t` must run where one of the addresses is local, and accepts unknown keys (knowledge/formats.md): it
/// is asked on the member itself, and only its refusals are believed.
fn corosync_check() -> Check {
    let argv = ["corosync", "-t", "-c", &format!("{{staged:{}}}", corosync::CONF)].map(str::to_owned).into();
    Check {
        name: "corosync -t".to_owned(),
        question: Question::Command { argv, timeout_ms: 10_000 },
        verdict,
    }
}

fn verdict(answer: &Answer) -> Verdict {
    let said = format!("{}{}", answer.stdout, answer.stderr).trim().to_owned();
    match answer.status {
        Some(0) => Verdict::Good,
        // crypto without a key yet: the key is staged in the same step
        Some(8) if said.contains("authkey") => Verdict::Unknown(said),
        Some(_) => Verdict::Bad(said),
        None => Verdict::Unknown(said),
    }
}
