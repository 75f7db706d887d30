//! What an apply leaves in the history: the spec, the plan, and every host's tree with secrets as names.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::history::recall_from;
use super::render::tree;
use super::via::Survey;
use super::{Common, Exit, Failure, source, via};
use crate::apply::{self, Acceptance, Crew};
use crate::cli::out::line;
use crate::desired::{Accepted, Desired, HostName, Role};
use crate::engines::pacemaker::{self, Hold};
use crate::history::{commit_of, content_of, short};
use crate::observed::{End, Generation, HostObserved, Observed, Record};
use crate::plan::{Plan, show, summary};

/// Generations that every head keeps, unless the spec says otherwise: a change a day for half a year.
const KEPT: u32 = 200;

/// Where the spec of an apply comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A person's files.
    Person,
    /// An earlier generation, to go back to.
    Back(&'a Generation),
    /// This commit of the followed branch, its full name.
    Branch(&'a str),
}

/// The spec's commit; where a folder is followed, the name of what it holds.
fn commit(spec: &source::Spec, origin: Origin<'_>) -> Option<String> {
    let names: Vec<_> = spec.gathered.sources.beside().map(|(name, _)| name.clone()).collect();
    let in_folder = spec.loaded.cluster.policy.follows_folder();
    match origin {
        Origin::Person => match &spec.gathered.kept {
            Some(kept) => kept.commit.clone(),
            None if in_folder => content_of(&spec.gathered.sources).ok().map(|name| short(&name).to_owned()),
            None => commit_of(&spec.gathered.folder, &names),
        },
        Origin::Back(back) => back.commit.clone(),
        Origin::Branch(commit) => Some(short(commit).to_owned()),
    }
}

/// What a person applies is not rolled over by what the followed branch has, if that is something else.
fn hold(spec: &source::Spec, found: &Survey, made: &Generation, origin: Origin<'_>) -> Option<Hold> {
    if matches!(origin, Origin::Branch(_)) || spec.loaded.cluster.policy.source.is_none() {
        return None;
    }
    let cib = found.observed.cib.as_deref();
    let again =
        spec.gathered.kept.as_ref().map(|kept| kept.number).filter(|_| matches!(origin, Origin::Person));
    if again.is_some() && again == cib.map(pacemaker::generation) {
        return cib.and_then(pacemaker::held); // what is accepted already speaks neither for nor against the branch
    }
    let known = found.observed.follows.as_ref().map(|follows| follows.commit.clone());
    let tip = match known.filter(|commit| !commit.is_empty()) {
        Some(tip) => tip,
        None if matches!(origin, Origin::Back(_)) => Hold::ANY.to_owned(),
        None => return None, // nobody has followed it yet
    };
    if made.commit.as_ref().is_some_and(|commit| tip.starts_with(commit)) {
        return None;
    }
    let why = format!("{} has applied something else as generation {}", made.who, made.number);
    Some(Hold { commit: tip, refused: false, why })
}

/// A roll-out that failed is not tried again until something changes: the engine keeps that, for whichever head leads then.
/// What only has to wait is tried again.
pub(super) fn refuse(commit: &str, failure: &Failure) {
    if matches!(failure.exit, Exit::Stale | Exit::Unreachable) {
        return;
    }
    let here = via::own_name();
    let mut crew = Crew::here(&here);
    let hold = Hold { commit: commit.to_owned(), refused: true, why: failure.message.clone() };
    if let Err(error) = apply::hold(&mut crew, &here, Some(&hold)) {
        eprintln!("warning: commit {} is not held: {error}", short(commit));
    }
}

/// Has the heads keep what was carried out. What cannot be kept is said, and stands in nobody's way. `waits`: for its
/// confirmation, and healing leads to it only then.
pub(super) fn accept(
    common: &Common,
    spec: &source::Spec,
    found: &mut Survey,
    plan: &Plan,
    origin: Origin<'_>,
    waits: bool,
) {
    let record = record(spec, found, plan, origin);
    let hold = hold(spec, found, &record.generation, origin);
    let (heads, limit) = keepers(spec);
    let member = member(found);
    let generation = &record.generation;
    let named = (generation.number, generation.commit.clone());
    // what waits is told by `haoscar confirm`
    let parts = if waits { BTreeMap::new() } else { parts(spec, found, named) };
    let acceptance = Acceptance { record: &record, limit, parts: &parts, hold: hold.as_ref() };
    for wrong in apply::accept(&mut found.crew, &heads, member.as_deref(), &acceptance) {
        eprintln!("warning: generation {}: {wrong}", record.generation.number);
    }
    if !common.quiet {
        line!("generation {}: {}", record.generation.number, record.generation.what);
        if hold.is_some() {
            line!(
                "the followed branch has something else: it is not rolled out until a newer commit comes, or `haoscar resume`"
            );
        }
    }
}

/// Nothing is to be changed, and yet something else is accepted: another policy, what concerns hosts alone that are away, an
/// apply that was killed before its end, or one that nobody confirmed. That is a generation of its own. Else a host that was
/// away is told what is accepted.
pub(super) fn settle(
    common: &Common,
    spec: &source::Spec,
    found: &mut Survey,
    plan: &Plan,
    origin: Origin<'_>,
) {
    if found.observed.hosts.values().any(|seen| seen.unconfirmed.is_some()) {
        return; // `haoscar confirm` settles it
    }
    let Some(named) = named(spec, found) else { return };
    let number = named.0;
    let follows = spec.loaded.cluster.policy.source.is_some();
    let moved = follows && number > 0 && named.1 != commit(spec, origin);
    let parts = parts(spec, found, named);
    let seen = parts.iter().filter_map(|(name, part)| Some((found.observed.hosts.get(name)?, part)));
    let other = |(seen, part): (&HostObserved, &Accepted)| {
        let unconfirmed = seen.recovered.as_ref().is_some_and(|last| last.end == End::Unconfirmed);
        unconfirmed || seen.seen > number || seen.accepted == number && seen.asks != part.digest()
    };
    if moved || seen.into_iter().any(other) {
        accept(common, spec, found, plan, origin, false);
    } else {
        tell_behind(common, spec, found, (number, parts));
    }
}

/// The heads, and how many generations each keeps.
fn keepers(spec: &source::Spec) -> (Vec<HostName>, usize) {
    let cluster = &spec.loaded.cluster;
    let limit = usize::try_from(cluster.policy.history.unwrap_or(KEPT)).unwrap_or(usize::MAX);
    (cluster.heads.keys().cloned().collect(), limit)
}

/// A host that was away when the generation was accepted, and is as it asks, is told so.
pub(super) fn catch_up(common: &Common, spec: &source::Spec, found: &mut Survey) {
    let Some(named) = named(spec, found) else { return };
    let number = named.0;
    let parts = parts(spec, found, named);
    tell_behind(common, spec, found, (number, parts));
}

/// With the generation itself, where another head keeps it.
fn tell_behind(
    common: &Common,
    spec: &source::Spec,
    found: &mut Survey,
    (number, mut parts): (u64, BTreeMap<HostName, Accepted>),
) {
    if number == 0 {
        return; // nothing was accepted yet
    }
    let behind = |name: &str, part: &Accepted| {
        let seen = found.observed.hosts.get(name);
        seen.is_some_and(|seen| seen.accepted < found.observed.generation || seen.away != part.away)
    };
    parts.retain(|name, part| behind(name, part));
    if parts.is_empty() {
        return;
    }
    let (heads, limit) = keepers(spec);
    let (behind, others): (Vec<_>, Vec<_>) = found
        .crew
        .names()
        .into_iter()
        .filter(|name| heads.contains(name))
        .partition(|name| parts.contains_key(name));
    let kept = recall_from(&mut found.crew, &others, number);
    let kept =
        kept.map_or_else(|_| Vec::new(), |record| apply::keep(&mut found.crew, &behind, &record, limit));
    for wrong in kept.into_iter().chain(apply::tell(&mut found.crew, &parts)) {
        eprintln!("warning: {wrong}");
    }
    let names = parts.keys().cloned().collect::<Vec<_>>().join(", ");
    if !common.quiet {
        line!("generation {} is told to {names}", found.observed.generation);
    }
}

/// The generation that the engine names, with its commit; without an engine that can, the highest that a host has seen.
/// None: it cannot be asked now.
fn named(spec: &source::Spec, found: &Survey) -> Option<(u64, Option<String>)> {
    let engine = found.desired.engine.as_ref();
    if engine.is_some_and(|engine| !engine.cib.is_empty()) {
        return found.observed.cib.as_deref().map(pacemaker::accepted);
    }
    Some((found.observed.generation, commit(spec, Origin::Person)))
}

/// What each head and witness must be from now on; nodes have nobody there who would heal them.
fn parts(spec: &source::Spec, found: &Survey, named: (u64, Option<String>)) -> BTreeMap<HostName, Accepted> {
    let cluster = &spec.loaded.cluster;
    let group = cluster.groups.keys().next();
    let (away, whole) = (away(&found.desired, &found.observed), found.desired.digest());
    let of = |name: &HostName| {
        let part = Accepted::of(name, &found.desired, &cluster.policy, group.cloned(), named.clone())?;
        let away = if part.role == Role::Head { away.clone() } else { BTreeSet::new() };
        Some((name.clone(), Accepted { away, whole: whole.clone(), ..part }))
    };
    let keep = found.desired.hosts.iter().filter(|(_, (role, _))| *role != Role::Node);
    keep.filter_map(|(name, _)| of(name)).collect()
}

/// Nodes that were not reached, and those of before that were not asked for now (`--on`).
fn away(desired: &Desired, observed: &Observed) -> BTreeSet<HostName> {
    let before = observed.hosts.values().flat_map(|seen| &seen.away);
    let node = |name: &&HostName| desired.hosts.get(*name).is_some_and(|(role, _)| *role == Role::Node);
    let still = |name: &&HostName| !observed.hosts.contains_key(*name);
    before.chain(observed.unreachable.keys()).filter(node).filter(still).cloned().collect()
}

/// A member whose CIB can be asked: one that ran before, or any that runs now.
fn member(found: &mut Survey) -> Option<String> {
    let members: Vec<_> =
        found.desired.engine.iter().flat_map(|engine| engine.members.keys()).cloned().collect();
    let asked = found.member.iter().chain(&members).cloned().collect::<Vec<_>>();
    asked
        .into_iter()
        .find(|name| apply::read_cib(&mut found.crew, name).is_some_and(|cib| pacemaker::is_ours(&cib)))
}

fn record(spec: &source::Spec, found: &Survey, plan: &Plan, origin: Origin<'_>) -> Record {
    let sources = &spec.gathered.sources;
    let what = match origin {
        Origin::Person => String::new(),
        Origin::Back(back) => format!("rollback to generation {}: ", back.number),
        Origin::Branch(commit) => format!("roll-out of commit {}: ", short(commit)),
    };
    let generation = Generation {
        number: found.observed.generation + 1,
        at: crate::host::utc_now(),
        who: who(),
        commit: commit(spec, origin),
        what: format!(
            "{what}{}",
            if plan.is_empty() {
                "nothing on hosts changed".to_owned()
            } else {
                format!("{} changed", summary(plan))
            }
        ),
    };
    let mut files = trees(&found.desired);
    files.insert("plan.txt".into(), show(plan, true));
    for (path, bytes) in &sources.files {
        files.insert(source::in_record(path), String::from_utf8_lossy(bytes).into_owned());
    }
    Record { generation, root: sources.root.clone(), files }
}

/// The person behind sudo, where there is one.
fn who() -> String {
    let of_sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let own = || Some(nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??.name);
    let machine = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    format!("{}@{}", of_sudo.or_else(own).unwrap_or_default(), machine.unwrap_or_default())
}

/// Every head's and witness's files, and of nodes that have the same files one.
fn trees(desired: &Desired) -> BTreeMap<Utf8PathBuf, String> {
    let mut files = BTreeMap::new();
    for (name, host) in desired.distinct() {
        let below = Utf8Path::new("hosts").join(name);
        files.extend(tree(&host.files).into_iter().map(|(path, text)| (below.join(path), text)));
    }
    if let Some(engine) = desired.engine.as_ref().filter(|engine| !engine.cib.is_empty()) {
        files.insert("hosts/cluster/cib.xml".into(), engine.cib.clone());
    }
    files
}
