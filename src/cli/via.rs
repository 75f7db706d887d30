//! How hosts are reached, and what they are when they have been asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Exit, Failure, source};
use crate::apply::{Crew, ask_live, read_cib, read_state};
use crate::desired::{Desired, HostName, Membership, Surroundings};
use crate::engines::{main_unit, pacemaker};
use crate::host::{ACCEPTED, Host, HostError, Recorded, Remote, Request, Response};
use crate::observed::{EXPORT_VERSION, Export, Facts, Observed, Rehearsal};
use crate::spec::draft::Known;
use crate::spec::{Cluster, EngineKind, WitnessKind};

/// How hosts are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// `ssh HOST haoscar agent`: the administrator's own ssh, keys and known_hosts.
    Ssh,
    /// This machine only.
    Local,
    /// As a head does it: itself without ssh, the others by ssh.
    Head,
    /// The hosts of a lab, by its name.
    Lab(String),
    /// What `haoscar observe` has written to this file: nothing is reached, and nothing can be changed.
    Facts(Utf8PathBuf),
}

impl FromStr for Via {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "ssh" => Ok(Self::Ssh),
            None if text == "local" => Ok(Self::Local),
            None if text == "head" => Ok(Self::Head),
            Some(("facts", path)) if !path.is_empty() => Ok(Self::Facts(path.into())),
            Some(("lab", name)) if !name.is_empty() => Ok(Self::Lab(name.to_owned())),
            _ => Err("one of ssh, head, local, lab:NAME, facts:FILE is expected".to_owned()),
        }
    }
}

/// Options of every verb that reaches hosts.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Reach {
    /// How hosts are reached: ssh; head (this host without ssh, the default on one); local; lab:NAME (or
    /// HAOSCAR_LAB=NAME); facts:FILE (what `haoscar observe` wrote, for a plan)
    #[arg(long, global = true, value_name = "WAY")]
    via: Option<Via>,
    /// Only these hosts
    #[arg(long, global = true, value_delimiter = ',', value_name = "HOST")]
    on: Vec<HostName>,
}

impl Reach {
    /// The same with the way spelled out, for a saved plan.
    pub fn settled(&self) -> Self {
        let way = Some(self.way()).filter(|way| !matches!(way, Via::Facts(_))); // it is applied where hosts are reached
        Self { via: way, on: self.on.clone() }
    }

    /// As a head reaches the others.
    pub fn of_head() -> Self {
        Self { via: Some(Via::Head), on: Vec::new() }
    }

    /// As a head reaches these.
    pub fn of_heads(names: &[HostName]) -> Self {
        Self { on: names.to_vec(), ..Self::of_head() }
    }

    /// This machine.
    pub fn here() -> Self {
        Self { via: Some(Via::Local), on: Vec::new() }
    }

    /// Whether hosts are only known from a file.
    pub fn is_export(&self) -> bool {
        matches!(self.way(), Via::Facts(_))
    }

    /// Whether hosts are a lab's.
    pub fn is_lab(&self) -> bool {
        is_lab(&self.way())
    }

    fn way(&self) -> Via {
        let lab = || std::env::var("HAOSCAR_LAB").ok().filter(|name| !name.is_empty()).map(Via::Lab);
        let head = || Path::new(ACCEPTED).exists().then_some(Via::Head);
        self.via.clone().or_else(lab).or_else(head).unwrap_or(Via::Ssh)
    }
}

/// The cluster as it was found: sessions, desired, observed.
pub struct Survey {
    /// Open sessions.
    pub crew: Crew,
    /// What hosts should be.
    pub desired: Desired,
    /// What they are.
    pub observed: Observed,
    /// A member whose engine runs, to speak to.
    pub member: Option<HostName>,
    /// Hosts are a lab's.
    pub lab: bool,
}

/// Hosts that were reached and not yet asked.
pub struct Reached {
    /// Open sessions.
    pub crew: Crew,
    /// What hosts should be.
    pub desired: Desired,
    /// What hosts said of themselves.
    pub facts: BTreeMap<HostName, Facts>,
    /// Hosts that were not reached, and why.
    pub unreachable: BTreeMap<HostName, String>,
    /// Hosts are a lab's.
    pub lab: bool,
}

/// Reaches every host in scope and asks how it is.
///
/// # Errors
/// A host in `--on` that the spec does not have, or a spec that cannot be resolved.
pub fn survey(spec: &source::Spec, reach: &Reach) -> Result<Survey, Failure> {
    let reached = reached(spec, reach)?;
    let listed: Vec<_> = listed(&reached.facts).collect();
    let mut found = surveyed(reached)?;
    if reach.on.is_empty() {
        let names = leaving(&spec.loaded.cluster, listed, &found.observed);
        let (more, _, away) = connect(&names, &reach.way())?;
        found.observed.leaving =
            names.into_iter().map(|name| (name.clone(), away.get(&name).cloned())).collect();
        found.crew.join(more);
    }
    Ok(found)
}

/// Reaches every host in scope.
///
/// # Errors
/// A host in `--on` that the spec does not have, or a spec that cannot be resolved.
pub fn reached(spec: &source::Spec, reach: &Reach) -> Result<Reached, Failure> {
    let cluster = &spec.loaded.cluster;
    let way = reach.way();
    let scope = scope(cluster, reach)?;
    let (crew, facts, unreachable) = connect(&scope, &way)?;
    let lab = is_lab(&way);
    let surroundings = Surroundings {
        membership: membership(cluster, &facts, &scope),
        lab,
        machines: facts.iter().filter(|(_, facts)| !facts.namespace).map(|(name, _)| name.clone()).collect(),
        links: confs(&facts).next().map(|conf| pacemaker::numbers(conf, cluster)).unwrap_or_default(),
        cgroup_hybrid: facts.values().any(|facts| facts.cgroup_hybrid),
    };
    let desired = spec.resolved(&surroundings)?;
    Ok(Reached { crew, desired, facts, unreachable, lab })
}

/// Asks hosts that were reached how they are.
///
/// # Errors
/// A host that could not say.
pub fn surveyed(reached: Reached) -> Result<Survey, Failure> {
    let Reached { mut crew, desired, facts, unreachable, lab } = reached;
    let (mut observed, member) = observe(&desired, &mut crew, unreachable)?;
    observed.rehearsals = rehearsals(&facts);
    let seen = facts.values().map(|facts| facts.generation).max().unwrap_or_default();
    observed.generation = observed.cib.as_deref().map_or(0, pacemaker::generation).max(seen);
    let said = |(name, facts): (&HostName, &Facts)| Some((name.clone(), facts.cycle.clone()?));
    observed.cycles = facts.iter().filter_map(said).collect();
    observed.follows = facts.values().filter_map(|facts| facts.follows.clone()).next_back();
    let others = facts.iter().filter(|(_, facts)| facts.os != desired.os.word());
    observed.systems = others.map(|(name, facts)| (name.clone(), facts.os.clone())).collect();
    observed.checkup = facts.into_values().filter_map(|f| f.checkup).max_by(|a, b| a.at.cmp(&b.at));
    Ok(Survey { crew, desired, observed, member, lab })
}

/// Hosts that are asked: all of the spec's, or those of `--on`.
fn scope(cluster: &Cluster, reach: &Reach) -> Result<Vec<HostName>, Failure> {
    let nodes = cluster.nodes.keys().flat_map(|range| range.names());
    let machines = cluster.heads.keys().chain(cluster.witnesses.keys()).cloned();
    let all: Vec<_> = machines.chain(nodes).collect();
    if let Some(unknown) = reach.on.iter().find(|name| !all.contains(name)) {
        return Err(Failure::new(Exit::Usage, format!("--on {unknown}: the spec has no such host")));
    }
    Ok(all.into_iter().filter(|name| reach.on.is_empty() || reach.on.contains(name)).collect())
}

type Connected = (Crew, BTreeMap<HostName, Facts>, BTreeMap<HostName, String>);

fn connect(scope: &[HostName], way: &Via) -> Result<Connected, Failure> {
    if let Via::Facts(path) = way {
        return Ok(from_export(export(path)?, scope));
    }
    Ok(sessions(scope, way))
}

/// What was exported.
fn export(path: &Utf8Path) -> Result<Export, Failure> {
    let text = std::fs::read(path).map_err(|e| Failure::new(Exit::Missing, format!("{path}: {e}")))?;
    let no_export = |why: String| {
        Failure::new(Exit::Invalid, format!("{path} holds no facts: {why}"))
            .hint("haoscar observe -o FILE writes them")
    };
    let export: Export = serde_json::from_slice(&text).map_err(|e| no_export(e.to_string()))?;
    if export.version == EXPORT_VERSION {
        return Ok(export);
    }
    Err(no_export(format!("their version is {}, and this haoscar reads {EXPORT_VERSION}", export.version)))
}

fn from_export(export: Export, scope: &[HostName]) -> Connected {
    let (mut crew, mut facts, mut unreachable) = Connected::default();
    let Export { mut hosts, unreachable: mut away, at, .. } = export;
    for name in scope {
        match hosts.remove(name) {
            Some(host) => {
                facts.insert(name.clone(), host.facts.clone());
                crew.add(name, Box::new(Recorded::new(name, host)));
            }
            None => {
                let why = away.remove(name).unwrap_or_else(|| "not in the facts".to_owned());
                unreachable.insert(name.clone(), format!("{why}; as of {at}"));
            }
        }
    }
    (crew, facts, unreachable)
}

fn sessions(scope: &[HostName], way: &Via) -> Connected {
    let sessions: Vec<_> = std::thread::scope(|threads| {
        let started: Vec<_> =
            scope.iter().map(|name| (name, threads.spawn(move || session(name, way)))).collect();
        started.into_iter().map(|(name, thread)| (name, thread.join())).collect()
    });
    let (mut crew, mut facts, mut unreachable) = Connected::default();
    for (name, result) in sessions {
        match result {
            Ok(Ok((remote, found))) => {
                crew.add(name, Box::new(remote));
                facts.insert(name.clone(), found);
            }
            Ok(Err(error)) => drop(unreachable.insert(name.clone(), reason(&error))),
            Err(_) => drop(unreachable.insert(name.clone(), "its thread died".to_owned())),
        }
    }
    (crew, facts, unreachable)
}

fn reason(error: &HostError) -> String {
    match error {
        HostError::Unreachable { why, .. } => why.clone(),
        other => other.to_string(),
    }
}

fn session(name: &str, way: &Via) -> Result<(Remote, Facts), HostError> {
    Remote::start(name, command(name, way, &["haoscar", "agent"])?)
}

/// Runs haoscar on another host for the person who runs this one: what it says is said here, and its exit status is the
/// answer.
///
/// # Errors
/// It is not reached.
pub fn elsewhere(name: &str, reach: &Reach, argv: &[String]) -> Result<Exit, Failure> {
    let unreachable = |why: String| Failure::new(Exit::Unreachable, format!("{name}: {why}"));
    let words: Vec<_> = argv.iter().map(String::as_str).collect();
    let mut command = command(name, &reach.way(), &words).map_err(|error| unreachable(reason(&error)))?;
    let status = command.status().map_err(|error| unreachable(error.to_string()))?;
    match status.code() {
        Some(0) => Ok(Exit::Done),
        Some(SSH_FAILED) => Err(unreachable("ssh says why above".to_owned())),
        code => Err(Failure::new(Exit::of_code(code), "")), // it has said why
    }
}

/// ssh(1), EXIT STATUS.
const SSH_FAILED: i32 = 255;

/// haoscar on a host.
fn command(name: &str, way: &Via, argv: &[&str]) -> Result<Command, HostError> {
    let unreachable = |why: String| HostError::Unreachable { host: name.to_owned(), why };
    let here = own_name() == name;
    Ok(match way {
        Via::Local if !here => return Err(unreachable("only this host is reached (--via local)".to_owned())),
        Via::Head | Via::Local if here => {
            let mut own = Command::new(std::env::current_exe().map_err(|e| unreachable(e.to_string()))?);
            own.args(&argv[1..]);
            own
        }
        Via::Facts(path) => return Err(unreachable(format!("only {path} is read"))),
        Via::Ssh | Via::Head | Via::Local => {
            let mut ssh = Command::new("ssh");
            ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]);
            // a host that loses its power answers no more, and ssh would wait for it for ever
            ssh.args(["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", name]);
            ssh.args(argv.iter().map(|word| quoted(word)));
            ssh
        }
        Via::Lab(lab) => crate::lab::command(lab, name, argv).map_err(|e| unreachable(e.to_string()))?,
    })
}

/// A word as the shell on the other side reads it as one.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// What one host says of itself, for a first spec.
///
/// # Errors
/// It is not reached.
pub fn hardware(name: &str, reach: &Reach) -> Result<Known, Failure> {
    let (mut remote, _) = session(name, &reach.way())
        .map_err(|error| Failure::new(Exit::Unreachable, format!("{name}: {}", reason(&error))))?;
    match remote.ask(&Request::Hardware) {
        Ok(Response::Known(known)) => Ok(*known),
        Ok(_) => Err(Failure::new(Exit::Unreachable, format!("{name}: its agent answered something else"))),
        Err(error) => Err(Failure::new(Exit::Unreachable, format!("{name}: {}", reason(&error)))),
    }
}

/// This host's, without its domain.
pub fn own_name() -> HostName {
    let full = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    full.split('.').next().unwrap_or_default().to_owned()
}

/// A lab's root has this folder; what runs inside of one is part of a lab too.
const IN_LAB: &str = "/usr/lib/haoscar-lab";

fn is_lab(way: &Via) -> bool {
    match way {
        Via::Lab(_) => true,
        Via::Facts(path) => export(path).is_ok_and(|export| export.lab),
        Via::Local | Via::Head => Path::new(IN_LAB).exists(),
        Via::Ssh => false,
    }
}

/// Members that some host's corosync.conf lists and the spec still has, and every head and member witness that was
/// reached now.
fn membership(cluster: &Cluster, facts: &BTreeMap<HostName, Facts>, scope: &[HostName]) -> Membership {
    let reached = facts.keys().filter(|name| scope.contains(name)).cloned();
    let members = listed(facts).chain(reached).filter(|name| votes(cluster, name)).collect();
    Membership { members }
}

/// Members that the spec no longer has: those that the engine still knows, or, where none runs, that some host lists.
fn leaving(cluster: &Cluster, listed: Vec<HostName>, observed: &Observed) -> Vec<HostName> {
    let known: BTreeSet<_> = match &observed.engine {
        Some(state) => state.nodes.keys().cloned().collect(),
        None => listed.into_iter().collect(),
    };
    known
        .into_iter()
        .filter(|name| !votes(cluster, name) && cluster.ha.engine == EngineKind::Pacemaker)
        .collect()
}

fn votes(cluster: &Cluster, name: &str) -> bool {
    cluster.heads.contains_key(name)
        || cluster.witnesses.get(name).is_some_and(|witness| witness.kind == WitnessKind::Member)
}

/// Every corosync.conf of ours.
fn confs(facts: &BTreeMap<HostName, Facts>) -> impl Iterator<Item = &str> {
    let confs = facts.values().filter_map(|facts| facts.corosync_conf.as_deref());
    confs.filter(|conf| conf.contains("made by haoscar"))
}

/// Members in them.
fn listed(facts: &BTreeMap<HostName, Facts>) -> impl Iterator<Item = HostName> {
    confs(facts).flat_map(|conf| pacemaker::members(conf).into_keys())
}

/// The newest rehearsal of each group that any host knows.
fn rehearsals(facts: &BTreeMap<HostName, Facts>) -> BTreeMap<String, Rehearsal> {
    let mut newest: BTreeMap<String, Rehearsal> = BTreeMap::new();
    for (group, rehearsal) in facts.values().flat_map(|facts| &facts.rehearsals) {
        if newest.get(group).is_none_or(|known| known.at < rehearsal.at) {
            newest.insert(group.clone(), rehearsal.clone());
        }
    }
    newest
}

fn observe(
    desired: &Desired,
    crew: &mut Crew,
    unreachable: BTreeMap<HostName, String>,
) -> Result<(Observed, Option<HostName>), Failure> {
    let mut observed = Observed { unreachable, ..Observed::default() };
    let names = crew.names();
    for (name, response) in crew.each(&names, |name, host| {
        let (_, wanted) = &desired.hosts[name];
        let (files, directories) = (wanted.files.clone(), wanted.directories.clone());
        let units = wanted.units.iter().map(|unit| unit.name.clone()).collect();
        host.ask(&Request::Observe { files, directories, units })
    }) {
        match response {
            Ok(Response::Observed(found)) => drop(observed.hosts.insert(name, *found)),
            Ok(_) => drop(observed.unreachable.insert(name, "its agent answered something else".to_owned())),
            Err(HostError::Unreachable { why, .. }) => drop(observed.unreachable.insert(name, why)),
            Err(error) => return Err(Failure::new(Exit::Failed, error.to_string())),
        }
    }
    let engine = main_unit(desired.engine.as_ref().map_or_else(EngineKind::default, |engine| engine.kind));
    let runs = |name: &HostName| {
        let host = observed.hosts.get(name)?;
        host.units.get(engine).filter(|unit| unit.active == "active").map(|_| name.clone())
    };
    let member = names.iter().find_map(runs);
    if let Some(member) = &member {
        let wanted = desired.engine.as_ref();
        let has_cib = wanted.is_some_and(|engine| engine.kind == EngineKind::Pacemaker);
        observed.cib = has_cib.then(|| read_cib(crew, member)).flatten();
        observed.engine = wanted.and_then(|engine| read_state(engine, crew, member));
    }
    observed.stale = super::look::stale(desired, &observed, crew);
    observed.live = ask_live(desired, &observed, crew);
    Ok((observed, member))
}
