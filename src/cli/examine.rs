//! What `doctor` asks of hosts beyond what a plan needs: storages, fence devices, packages, validators, clocks, delays.
//!
//! Asks; [`crate::status`] decides what the answers mean.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::via::{Reached, Survey};
use crate::apply::Crew;
use crate::desired::{Answer, Desired, HostDesired, HostName, Question, Role};
use crate::engines::pacemaker::{self, asked_devices};
use crate::host::{HANGS, HostError, Request, Response};
use crate::observed::{Clock, Copied, Disk, Disks, Examined, Facts, FenceTry, Mirror, Stall};
use crate::spec::{Cluster, Os, Storage};

/// dpkg reads its database in 0.1 s; a loaded machine takes ten times that.
const PACKAGES_LIMIT_MS: u64 = 10_000;

/// The engine itself takes a device for dead after 20 s.
const FENCE_LIMIT_S: u64 = 20;

const CLOCK_LIMIT_MS: u64 = 5_000;

/// What hosts said of themselves when they were reached.
pub fn begin(facts: &BTreeMap<HostName, Facts>) -> Examined {
    Examined {
        now_s: jiff::Timestamp::now().as_second(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        versions: facts.iter().map(|(host, facts)| (host.clone(), facts.version.clone())).collect(),
        ..Examined::default()
    }
}

/// Every storage of a group: its token written by one head and read by the others.
pub fn storages(cluster: &Cluster, crew: &mut Crew, examined: &mut Examined) {
    // one that one head has alone is proven by its check: there is nothing to be read on the others
    for (name, storage) in cluster.storage.iter().filter(|(_, storage)| storage.is_shared()) {
        let there = heads_with(name, cluster, crew);
        examined.storages.insert(storage.path.to_string(), tokens(&storage.path, &there, crew));
    }
}

/// The heads that are reached, of all groups with that storage.
fn heads_with(storage: &str, cluster: &Cluster, crew: &Crew) -> Vec<HostName> {
    let groups = cluster.groups.values().filter(|group| group.storage.as_deref() == Some(storage));
    let heads: BTreeSet<_> = groups.flat_map(|group| &group.heads).collect();
    crew.names().into_iter().filter(|host| heads.contains(host)).collect()
}

/// The engine and a file are asked.
const STORAGE_TIMEOUT_MS: u64 = 10_000;

/// What each head has of every mirrored storage.
pub fn mirrors(cluster: &Cluster, crew: &mut Crew) -> BTreeMap<String, Mirror> {
    let mut found = BTreeMap::new();
    for (name, storage) in &cluster.storage {
        let Some(every) = storage.mirrored() else { continue };
        let heads = told(name, cluster, crew, pacemaker::mirror_told(name, &storage.path), Copied::read);
        let mirror = Mirror { path: storage.path.to_string(), every_s: every.as_millis() / 1000, heads };
        found.insert(name.clone(), mirror);
    }
    found
}

/// What each head says of its disk of every storage that two heads keep the same.
pub fn disks(cluster: &Cluster, crew: &mut Crew) -> BTreeMap<String, Disks> {
    let replicated = cluster.storage.iter().filter(|(_, storage)| storage.replicated().is_some());
    let of = |(name, storage): (&String, &Storage)| {
        let heads = told(name, cluster, crew, pacemaker::disk_told(name), Disk::read);
        (name.clone(), Disks { path: storage.path.to_string(), heads })
    };
    replicated.map(of).collect()
}

/// What the agent of a storage says on each of its heads, by who reads its line.
fn told<T>(
    storage: &str,
    cluster: &Cluster,
    crew: &mut Crew,
    argv: Vec<String>,
    line: fn(&str) -> Option<T>,
) -> BTreeMap<HostName, Result<T, String>> {
    let request = Request::Run { argv, input: String::new(), timeout_ms: STORAGE_TIMEOUT_MS };
    let answers = crew.each(&heads_with(storage, cluster, crew), |_, host| host.ask(&request));
    answers.into_iter().map(|(host, answer)| (host, read(answer, line))).collect()
}

fn read<T>(answer: Result<Response, HostError>, line: fn(&str) -> Option<T>) -> Result<T, String> {
    match answer {
        Ok(Response::Answer(answer)) => line(&answer.stdout).ok_or_else(|| answer.stderr.trim().to_owned()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Ends the session with a host whose storage does not answer: the next question would hang with it.
pub fn leave_hanging(reached: &mut Reached, examined: &Examined) {
    for (path, heads) in &examined.storages {
        let hanging =
            heads.iter().filter(|(_, answer)| answer.as_ref().is_err_and(|why| why.contains(HANGS)));
        for (head, _) in hanging {
            reached.crew.remove(head);
            let why = format!("storage {path} hangs there, and so would every other question");
            reached.unreachable.insert(head.clone(), why);
        }
    }
}

fn tokens(
    path: &camino::Utf8Path,
    there: &[HostName],
    crew: &mut Crew,
) -> BTreeMap<HostName, Result<(), String>> {
    let Some((writer, readers)) = there.split_first() else { return BTreeMap::new() };
    let text = format!("{writer} {}\n", jiff::Timestamp::now());
    let request = |write| Request::Token { storage: path.to_owned(), text: text.clone(), write };
    let mut answers = crew.each(std::slice::from_ref(writer), |_, host| host.ask(&request(true)));
    answers.extend(crew.each(readers, |_, host| host.ask(&request(false))));
    let why = |error: HostError| match error {
        HostError::Failed { why, .. } => why,
        other => other.to_string(),
    };
    answers.into_iter().map(|(head, answer)| (head, answer.map(|_| ()).map_err(why))).collect()
}

/// What a switchover asks too: packages and validators of heads and witnesses.
pub fn standing(found: &mut Survey, examined: &mut Examined) {
    let (members, lab, os) = (members(&found.desired), found.lab, found.desired.os);
    for (host, (packages, checks)) in good(found.crew.each(&members, |name, host| {
        let (_, wanted) = &found.desired.hosts[name];
        let packages = self::wanted(wanted, lab);
        let packages = installed(&packages, &ask(host, package_query(os, &packages))?);
        let mut checks = BTreeMap::new();
        for check in &wanted.checks {
            checks.insert(check.name.clone(), (check.verdict)(&ask(host, in_place(&check.question))?));
        }
        Ok((packages, checks))
    })) {
        examined.packages.insert(host.clone(), packages);
        examined.checks.insert(host, checks);
    }
}

/// Packages that the spec needs and hosts lack, as a part of what was observed. A host that cannot say lacks none.
pub fn missing(found: &mut Survey) {
    let (lab, os) = (found.lab, found.desired.os);
    let names = found.crew.names();
    let known = |name: &HostName| found.desired.hosts.contains_key(name);
    let names: Vec<_> = names.into_iter().filter(known).collect();
    let answers = found.crew.each(&names, |name, host| {
        let packages = wanted(&found.desired.hosts[name].1, lab);
        Ok(installed(&packages, &ask(host, package_query(os, &packages))?))
    });
    for (host, packages) in good(answers) {
        let lacks = packages.into_iter().filter(|(_, version)| version.is_none());
        let lacks: BTreeSet<_> = lacks.map(|(package, _)| package).collect();
        if !lacks.is_empty() {
            found.observed.missing.insert(host, lacks);
        }
    }
}

/// A lab has a fence agent of its own.
fn wanted(host: &HostDesired, lab: bool) -> Vec<String> {
    host.packages.iter().filter(|name| !(lab && name.starts_with("fence-agents"))).cloned().collect()
}

/// Every fence device, by each head that would use it.
pub fn fences(found: &mut Survey, examined: &mut Examined) {
    let cib = found.desired.engine.as_ref().map_or("", |engine| engine.cib.as_str());
    let devices = asked_devices(cib);
    let runs = |name: &HostName| {
        found.observed.engine.as_ref().is_some_and(|state| state.nodes.get(name).is_some_and(|n| n.online))
    };
    let heads: Vec<_> = members(&found.desired)
        .into_iter()
        .filter(|name| found.desired.hosts[name].0 == Role::Head && runs(name))
        .collect();
    for (_, tried) in good(found.crew.each(&heads, |name, host| {
        let others = devices.iter().filter(|(_, targets)| !targets.iter().any(|target| target == name));
        others.map(|(device, targets)| tried(device, targets, name, host)).collect::<Result<Vec<_>, _>>()
    })) {
        examined.fences.extend(tried);
    }
}

fn tried(
    device: &str,
    targets: &[HostName],
    from: &str,
    host: &mut dyn crate::host::Host,
) -> Result<FenceTry, HostError> {
    let limit = FENCE_LIMIT_S.to_string();
    let argv = ["stonith_admin", "--query", device, "--timeout", &limit].map(str::to_owned).into();
    let begin = Instant::now();
    let answer = ask(host, Question::Command { argv, timeout_ms: (FENCE_LIMIT_S + 5) * 1_000 })?;
    let seconds = (begin.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
    let said = || answer.stderr.lines().chain(answer.stdout.lines()).next().unwrap_or("no answer").to_owned();
    let answer = if answer.status == Some(0) { Ok(seconds) } else { Err(said()) };
    let target = targets.join(" ");
    Ok(FenceTry { device: device.to_owned(), target, from: from.to_owned(), answer })
}

/// Clocks of heads, then how late heads and witnesses are for so long.
pub fn machines(desired: &Desired, window: Duration, crew: &mut Crew, examined: &mut Examined) {
    let all = members(desired);
    let heads: Vec<_> = all.iter().filter(|name| desired.hosts[*name].0 == Role::Head).cloned().collect();
    let clocks = good(crew.each(&heads, |_, host| clock(host)));
    examined.clocks = clocks.into_iter().filter_map(|(host, clock)| Some((host, clock?))).collect();
    let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let stalls = good(crew.each(&all, |_, host| host.ask(&Request::Stall { window_ms })));
    let stall = |(host, response)| match response {
        Response::Stall(stall) => Some((host, stall)),
        _ => None,
    };
    examined.stalls = stalls.into_iter().filter_map(stall).collect::<BTreeMap<HostName, Stall>>();
}

fn clock(host: &mut dyn crate::host::Host) -> Result<Option<Clock>, HostError> {
    let argv = ["date", "+%s%3N"].map(str::to_owned).into();
    let before = jiff::Timestamp::now().as_millisecond();
    let answer = ask(host, Question::Command { argv, timeout_ms: CLOCK_LIMIT_MS })?;
    let after = jiff::Timestamp::now().as_millisecond();
    let theirs: Option<i64> = answer.stdout.trim().parse().ok();
    let within_ms = (after - before) / 2 + 1;
    Ok(theirs.map(|theirs| Clock { ahead_ms: theirs - (before + after) / 2, within_ms }))
}

/// Heads and witnesses that the spec has.
fn members(desired: &Desired) -> Vec<HostName> {
    let member = |(name, (role, _)): (&HostName, &(Role, _))| (*role != Role::Node).then(|| name.clone());
    desired.hosts.iter().filter_map(member).collect()
}

/// A host that broke off in the middle is not in the facts; `observe` has said who is reached.
fn good<T>(answers: Vec<(HostName, Result<T, HostError>)>) -> Vec<(HostName, T)> {
    answers.into_iter().filter_map(|(host, answer)| Some((host, answer.ok()?))).collect()
}

fn ask(host: &mut dyn crate::host::Host, question: Question) -> Result<Answer, HostError> {
    match host.ask(&Request::Ask(question))? {
        Response::Answer(answer) => Ok(answer),
        other => Err(HostError::Failed { subject: "agent".to_owned(), why: format!("answered {other:?}") }),
    }
}

/// Name, version and `installed`, a line each, of those that are there.
fn package_query(os: Os, packages: &[String]) -> Question {
    let argv: &[&str] = match os.release() {
        Some(_) => &["dpkg-query", "--show", "--showformat", "${Package} ${Version} ${db:Status-Status}\\n"],
        None => &["rpm", "--query", "--queryformat", "%{NAME} %{EVR} installed\\n"],
    };
    let argv = argv.iter().map(ToString::to_string).chain(packages.iter().cloned()).collect();
    Question::Command { argv, timeout_ms: PACKAGES_LIMIT_MS }
}

/// What the distribution's tool said of each; nothing where there is none.
fn installed(packages: &[String], answer: &Answer) -> BTreeMap<String, Option<String>> {
    if answer.status.is_none() {
        return BTreeMap::new();
    }
    let version = |package: &String| {
        let mut lines = answer.stdout.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        lines.find_map(|words| match words.as_slice() {
            [name, version, "installed"] if name == package => Some((*version).to_owned()),
            _ => None,
        })
    };
    packages.iter().map(|package| (package.clone(), version(package))).collect()
}

/// The same question about the files in their places.
fn in_place(question: &Question) -> Question {
    let Question::Command { argv, timeout_ms } = question else { return question.clone() };
    let argv = argv.iter().map(|argument| unstaged(argument)).collect();
    Question::Command { argv, timeout_ms: *timeout_ms }
}

fn unstaged(argument: &str) -> String {
    match argument.split_once("{staged:").and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (path, after))) => format!("{before}{path}{after}"),
        None => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_was_removed_counts_as_not_installed() {
        let names = ["kea".to_owned(), "chrony".to_owned(), "munge".to_owned()];
        let stdout = "kea 2.2.0-6 installed\nchrony 4.3-2 config-files\n".to_owned();
        let found = installed(&names, &Answer { status: Some(1), stdout, stderr: String::new() });
        assert_eq!(found["kea"].as_deref(), Some("2.2.0-6"));
        assert_eq!((&found["chrony"], &found["munge"]), (&None, &None));
        // as rpm says it of one that it does not have
        let stdout = "kea 2.6.4-1.el9 installed\npackage munge is not installed\n".to_owned();
        let found = installed(&names, &Answer { status: Some(2), stdout, stderr: String::new() });
        assert_eq!((found["kea"].as_deref(), &found["munge"]), (Some("2.6.4-1.el9"), &None));
        let nobody = Answer { status: None, stdout: String::new(), stderr: String::new() };
        assert_eq!(installed(&names, &nobody), BTreeMap::new(), "no dpkg, no verdict");
    }

    #[test]
    fn a_validator_reads_the_file_in_its_place() {
        assert_eq!(unstaged("-f{staged:/etc/kea/kea.conf}x"), "-f/etc/kea/kea.confx");
        assert_eq!(unstaged("-t"), "-t");
    }
}
