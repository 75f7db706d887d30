//! Files, units and packages of one member.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{alert, corosync, fence, qnetd, watchdog};
use crate::desired::{
    Answer, Check, Directory, HostDesired, HostName, Mode, OnChange, Owner, Piece, Question, Rendered,
    SecretKind, Surroundings, Unit, UnitWant, Verdict,
};
use crate::engines::slots::{slot, with_secrets};
use crate::engines::{Carried, CarriedAs, daemon, recover};
use crate::spec::{Cluster, EngineKind, Problem, Storage, fence_agent};
use crate::templates::Templates;

const AUTHKEY: &str = "/etc/corosync/authkey";

const AUTHKEY_SECRET: &str = "corosync-authkey";

/// corosync-keygen(8) makes 2048 bits.
const AUTHKEY_BYTES: usize = 256;

const PACKAGES: [&str; 6] =
    ["corosync", "pacemaker", "pacemaker-cli-utils", "resource-agents", "fence-agents", "iputils-arping"];

/// A script for root alone: it holds a secret.
const PROGRAM: Mode = Mode(0o700);

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
        files: vec![corosync::conf(cluster, members, &surroundings.links, templates)?, authkey()],
        packages: PACKAGES.iter().map(ToString::to_string).collect(),
        checks: vec![corosync_check()],
        secrets: BTreeMap::from([(AUTHKEY_SECRET.to_owned(), SecretKind::Random(AUTHKEY_BYTES))]),
        units: ["corosync.service", "pacemaker.service"].map(running).into(),
        ..HostDesired::default()
    };
    recover::lay(EngineKind::Pacemaker, &mut host, templates)?;
    daemon::lay(&mut host, cluster, templates)?;
    alert::lay(&mut host, templates)?;
    if qnetd::device(cluster, members).is_some() {
        qnetd::lay(cluster, &mut host, templates)?;
    }
    if let Some(device) = watchdog::of(cluster, surroundings, name) {
        watchdog::lay(device, cluster, &mut host, templates)?;
    }
    if cluster.heads.contains_key(name) {
        host.directories.push(Directory::of_root("/usr/lib/ocf/resource.d/haoscar", 0o755));
        for agent in ["unit", "address"] {
            host.files.push(ocf_agent(agent, templates)?);
        }
        for (agent, _) in STORES.iter().filter(|(_, of_kind)| has(name, cluster, *of_kind)) {
            host.files.push(ocf_agent(agent, templates)?);
        }
        host.files.extend(drop_ins(name, cluster, carried, templates)?);
    }
    if !surroundings.lab {
        fence_secrets(cluster, members, templates, &mut host)?;
    }
    Ok(host)
}

/// Whether a storage is of a kind.
type OfKind = fn(&Storage) -> bool;

/// Agents of storages that one head at a time has, and whose they are.
const STORES: [(&str, OfKind); 3] = [
    ("storage", |storage| storage.exclusive().is_some() || storage.replicated().is_some()),
    ("drbd", |storage| storage.replicated().is_some()),
    ("mirror", |storage| storage.mirrored().is_some()),
];

/// Whether a group with such a storage may run on this head.
fn has(name: &str, cluster: &Cluster, of_kind: OfKind) -> bool {
    let here = cluster.groups.values().filter(|group| group.heads.iter().any(|head| head == name));
    let mut stores = here.filter_map(|group| cluster.storage.get(group.storage.as_ref()?));
    stores.any(of_kind)
}

fn running(name: &str) -> Unit {
    Unit { name: name.to_owned(), want: UnitWant::Running }
}

fn authkey() -> Rendered {
    Rendered {
        path: AUTHKEY.into(),
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
    let mut units: BTreeMap<&String, bool> = BTreeMap::new();
    for service in here.flat_map(|(group, _)| carried.get(group).into_iter().flatten()) {
        if let CarriedAs::Unit { unit, .. } = &service.what {
            // a policy of the spec's own is the engine's to count
            *units.entry(unit).or_insert(true) &= service.clone && service.recovery.is_none();
        }
    }
    let drop_in = |(unit, restarts): (&String, bool)| {
        let path = format!("/etc/systemd/system/{unit}.d/haoscar-engine.conf");
        let values = json!({ "restarts": restarts });
        templates.file(path, "engine/pacemaker/unit.conf.hbs", values, OnChange::DaemonReload(None))
    };
    units.into_iter().map(drop_in).collect()
}

/// Scripts that keep secrets out of the CIB, and wrappers that add what they print to what their agents read. Every member may
/// be the one that fences.
fn fence_secrets(
    cluster: &Cluster,
    members: &BTreeMap<HostName, u32>,
    templates: &Templates,
    host: &mut HostDesired,
) -> Result<(), Problem> {
    let mut scripts = BTreeSet::new();
    let devices = members
        .keys()
        .flat_map(|member| fence::devices(cluster, member, false).into_iter().map(move |d| (member, d)));
    for (member, named) in devices {
        scripts.extend(fence::secrets(named.device).map(|(_, secret)| secret.to_owned()));
        let row = |(name, secret)| json!({ "name": name, "script": fence::script_path(secret) });
        let rows: Vec<_> = fence::wrapped(named.device).map(row).collect();
        if !rows.is_empty() {
            let values = json!({ "agent": fence_agent(named.device), "secrets": rows });
            let path = format!("/usr/sbin/{}", fence::wrapper(member, &named));
            let file = templates.file(path, "engine/pacemaker/fence.hbs", values, OnChange::Nothing)?;
            host.files.push(Rendered { mode: Mode(0o755), ..file });
        }
    }
    if !scripts.is_empty() {
        host.directories.push(Directory::of_root("/etc/haoscar/fence", 0o700));
    }
    for secret in scripts {
        let values = json!({ "secret": slot(&secret) });
        let path = fence::script_path(&secret);
        host.files.push(with_secrets(templates, path, "engine/pacemaker/secret.hbs", values, PROGRAM)?);
        host.secrets.insert(secret, SecretKind::Given);
    }
    Ok(())
}

/// `corosync -t` must run where one of the addresses is local, accepts unknown keys (knowledge/formats.md), reads the
/// key from /etc/corosync only, and says nothing where the file sends its log elsewhere: it is asked on the member
/// itself, in a mount namespace where copies of the staged files lie in that folder, and only its refusals are believed.
const COROSYNC_CHECK: &str = "\
folder=$(mktemp -d -p /run) && sed 's/to_stderr: no/to_stderr: yes/' \"$1\" > $folder/corosync.conf && \
cp -- \"$2\" $folder/authkey && mount --bind $folder /etc/corosync && corosync -t; status=$?; \
umount /etc/corosync; rm -rf $folder; exit $status";

fn corosync_check() -> Check {
    let conf = format!("{{staged:{}}}", corosync::CONF);
    let key = format!("{{staged:{AUTHKEY}}}");
    let argv =
        ["unshare", "--mount", "sh", "-c", COROSYNC_CHECK, "sh", &conf, &key].map(str::to_owned).into();
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
        // env's own word for a program that is not there
        Some(127) | None => Verdict::Unknown(said),
        Some(_) => Verdict::Bad(said),
    }
}
