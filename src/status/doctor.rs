//! Whether the standby is proven, from everything that was asked. Pure.
//!
//! [`super::unproven`] judges what is known without asking more; the rest is judged here. It must not ask anybody.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::finding::{About, Finding, Weight};
use super::proof::member;
use super::{detect, unproven};
use crate::desired::{Desired, HostName, Role, Verdict};
use crate::observed::{Checkup, Copied, Disk, Examined, Mirror, Observed};
use crate::plan::{HostPlan, Plan};
use crate::spec::{Cluster, Os, Replicated};

/// A rehearsal that is older says little about today's machines.
const REHEARSED_DAYS: i64 = 90;

/// Logs of two heads whose clocks differ by more cannot be read side by side; a time service holds milliseconds.
const CLOCK_MS: i64 = 1_000;

/// What `haoscar doctor` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doctor {
    /// One sentence.
    pub sentence: String,
    /// Nothing speaks against the standby, and nothing is to be looked at.
    pub well: bool,
    /// What was found, the heaviest first.
    pub findings: Vec<Finding>,
    /// What a power cut of a head is expected to cost, in seconds.
    pub power_cut: BTreeMap<HostName, detect::Cost>,
    /// Everything that was measured.
    pub examined: Examined,
}

impl Doctor {
    /// Findings of that weight.
    pub fn count(&self, weight: Weight) -> usize {
        self.findings.iter().filter(|finding| finding.weight == weight).count()
    }

    /// What heads keep of it. `at` is RFC 3339 in UTC.
    pub fn checkup(&self, at: String) -> Checkup {
        let mut fences: BTreeMap<String, Option<f64>> = BTreeMap::new();
        for tried in &self.examined.fences {
            let seconds = tried.answer.as_ref().ok().copied();
            let known = fences.entry(tried.device.clone()).or_insert(Some(0.0));
            *known = known.zip(seconds).map(|(known, seconds)| known.max(seconds));
        }
        Checkup { at, errors: self.count(Weight::Error), warnings: self.count(Weight::Warning), fences }
    }
}

/// Judges everything.
pub fn doctor(
    cluster: &Cluster,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    examined: &Examined,
) -> Doctor {
    let mut findings = hosts(desired, observed, plan);
    findings.extend(of_asked(desired, examined));
    findings.extend(rehearsals(desired, observed, examined.now_s));
    findings.extend(clocks(examined));
    findings.extend(detect::findings(cluster, examined));
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert((finding.subject.clone(), finding.message.clone())));
    findings.sort_by(|a, b| (a.weight, &a.subject).cmp(&(b.weight, &b.subject)));
    let power_cut = detect::power_cuts(cluster, observed, examined);
    let mut doctor =
        Doctor { sentence: String::new(), well: false, findings, power_cut, examined: examined.clone() };
    doctor.sentence = sentence(&desired.cluster, &doctor);
    doctor.well = doctor.count(Weight::Error) + doctor.count(Weight::Warning) == 0;
    doctor
}

/// What speaks against `head` as the next carrier among what was asked: what a switchover asks before it moves.
pub fn against(head: &str, desired: &Desired, examined: &Examined) -> Vec<String> {
    let found = of_asked(desired, examined).into_iter();
    found.filter(|f| f.weight == Weight::Error && f.subject == head).map(|f| f.message).collect()
}

fn of_asked(desired: &Desired, examined: &Examined) -> Vec<Finding> {
    let mut findings = versions(examined);
    findings.extend(packages(desired, examined));
    findings.extend(storages(examined));
    findings.extend(mirrors(examined));
    findings.extend(disks(examined));
    findings.extend(fences(examined));
    findings.extend(validators(examined));
    findings
}

fn sentence(cluster: &str, doctor: &Doctor) -> String {
    let (errors, warnings) = (doctor.count(Weight::Error), doctor.count(Weight::Warning));
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => format!("cluster {cluster}: the standby is proven"),
        (0, _) => format!("cluster {cluster}: the standby is proven, with {}", many(warnings, "warning")),
        (_, 0) => format!("cluster {cluster}: the standby is not proven ({})", many(errors, "error")),
        _ => {
            let (errors, warnings) = (many(errors, "error"), many(warnings, "warning"));
            format!("cluster {cluster}: the standby is not proven ({errors}, {warnings})")
        }
    }
}

/// Every head and witness: reachable, in step, and each standby as a switchover sees it.
fn hosts(desired: &Desired, observed: &Observed, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in desired.hosts.iter().filter(|(_, (role, _))| *role != Role::Node).map(|(name, _)| name) {
        if let Some(why) = observed.unreachable.get(name) {
            let message = format!("haoscar cannot reach {name}: {why}");
            findings.push(Finding::error(
                About::Standby,
                name,
                message,
                "haoscar status tells what it is reached by",
            ));
        }
        if let Some(host) = plan.hosts.get(name).filter(|host| !host.is_empty()) {
            findings.push(Finding::error(About::Step, name, in_step(name, host), "haoscar plan shows them"));
        }
    }
    let mend = "haoscar status tells more of it";
    let members = desired.engine.iter().flat_map(|engine| engine.members.keys());
    for name in members {
        let against = observed.engine.as_ref().and_then(|state| member(name, state));
        findings.extend(against.map(|message| Finding::error(About::Standby, name, message, mend)));
    }
    for (group, heads) in standbys(desired, observed) {
        for head in heads {
            let against = unproven(&head, &group, desired, observed, plan).into_iter();
            let new = against.filter(|message| !message.starts_with("haoscar cannot reach")); // said with its reason
            findings.extend(new.map(|message| Finding::error(About::Standby, &head, message, mend)));
        }
    }
    findings
}

/// The same words as [`unproven`].
fn in_step(name: &str, host: &HostPlan) -> String {
    match host.objects() {
        1 => format!("1 object on {name} is not in step with the spec"),
        n => format!("{n} objects on {name} are not in step with the spec"),
    }
}

/// Heads that could take each group over.
pub(super) fn standbys(desired: &Desired, observed: &Observed) -> BTreeMap<String, Vec<HostName>> {
    let heads = |group: &String| {
        let carrier = observed.carrier(desired, group);
        let heads = desired.groups.get(group).cloned().unwrap_or_default();
        heads.into_iter().filter(|head| Some(head) != carrier.as_ref()).collect()
    };
    desired.groups.keys().map(|group| (group.clone(), heads(group))).collect()
}

fn versions(examined: &Examined) -> Vec<Finding> {
    let other = |(host, version): (&HostName, &String)| {
        (*version != examined.version).then(|| {
            let message = format!("{host} runs haoscar {version}, this is {}", examined.version);
            Finding::warning(About::Version, host, message, "install the same haoscar on every head")
        })
    };
    examined.versions.iter().filter_map(other).collect()
}

/// One finding a package that differs or is missing.
fn packages(desired: &Desired, examined: &Examined) -> Vec<Finding> {
    let mut by_package: BTreeMap<&str, BTreeMap<&str, Option<&str>>> = BTreeMap::new();
    for (host, versions) in &examined.packages {
        if desired.hosts.get(host).is_none_or(|(role, _)| *role == Role::Node) {
            continue;
        }
        for (package, version) in versions {
            by_package.entry(package).or_default().insert(host, version.as_deref());
        }
    }
    by_package.iter().flat_map(|(package, hosts)| package_findings(desired.os, package, hosts)).collect()
}

fn package_findings(os: Os, package: &str, hosts: &BTreeMap<&str, Option<&str>>) -> Vec<Finding> {
    let missing = hosts.iter().filter(|(_, version)| version.is_none()).map(|(host, _)| {
        let mend = format!("{} {package}", os.install_words());
        Finding::error(About::Package, host, format!("package {package} is not installed on {host}"), mend)
    });
    let mut findings: Vec<_> = missing.collect();
    let there = hosts.iter().filter_map(|(host, version)| Some((host, (*version)?)));
    let there: Vec<_> = there.collect();
    if let Some((first, rest)) = there.split_first()
        && rest.iter().any(|(_, version)| *version != first.1)
    {
        let each: Vec<_> = there.iter().map(|(host, version)| format!("{version} on {host}")).collect();
        let message = format!("package {package} differs: {}", each.join(", "));
        let mend = "bring all heads to one version, the standby first";
        findings.push(Finding::warning(About::Package, first.0, message, mend));
    }
    findings
}

fn storages(examined: &Examined) -> Vec<Finding> {
    let all = examined.storages.iter().flat_map(|(path, heads)| heads.iter().map(move |head| (path, head)));
    let wrong = |(path, (head, answer)): (&String, (&HostName, &Result<(), String>))| {
        let why = answer.as_ref().err()?;
        let mend =
            format!("see on {head} that {path} is mounted, writable and the same as on the other heads");
        Some(Finding::error(About::Storage, head, format!("storage {path} on {head}: {why}"), mend))
    };
    all.filter_map(wrong).collect()
}

/// So many times the pause between two copies may pass before it is said: a copy of much takes its time too.
const LATE: u64 = 10;

fn mirrors(examined: &Examined) -> Vec<Finding> {
    let all = examined.mirrors.iter();
    let all =
        all.flat_map(|(name, mirror)| mirror.heads.iter().map(move |(head, has)| (name, mirror, head, has)));
    let wrong = |(name, mirror, head, has): (&String, &Mirror, &HostName, &Result<Copied, String>)| {
        let path = &mirror.path;
        let see = format!("see on {head}: journalctl -u haoscar-mirror-{name}");
        match has {
            Err(why) => {
                let message = format!("the copy of {path} on {head} is not known: {why}");
                Some(Finding::error(About::Storage, head, message, see))
            }
            Ok(has) if has.owner => None,
            Ok(has) if has.have != has.best => {
                let (have, best) = (has.have, has.best);
                let message = format!(
                    "{path} on {head} is generation {have}, and {best} is the newest: {head} cannot take over until it is copied"
                );
                Some(Finding::error(About::Storage, head, message, see))
            }
            Ok(has) if has.age_s > LATE * mirror.every_s => {
                let message = format!(
                    "the copy of {path} on {head} is {} s old: so much is lost when its owner dies",
                    has.age_s
                );
                Some(Finding::warning(About::Storage, head, message, see))
            }
            Ok(_) => None,
        }
    };
    all.filter_map(wrong).collect()
}

/// What two heads keep the same is on both, or one of them cannot take over.
fn disks(examined: &Examined) -> Vec<Finding> {
    let all =
        examined.disks.iter().flat_map(|(name, disks)| disks.heads.iter().map(move |head| (name, head)));
    let wrong = |(name, (head, has)): (&String, (&HostName, &Result<Disk, String>))| {
        let resource = Replicated::resource(name);
        let see = format!("see on {head}: drbdadm cstate {resource}; journalctl -k -g drbd");
        match has {
            Err(why) => {
                let message = format!("the disk of storage {name} on {head} is not known: {why}");
                Some(Finding::error(About::Storage, head, message, see))
            }
            Ok(has) if has.stands_alone() => {
                let message = format!(
                    "storage {name} on {head} stands alone: both heads have written without each other, or it was disconnected by hand"
                );
                let mend = format!(
                    "on the head whose writes are to go: drbdadm disconnect {resource}; drbdadm connect --discard-my-data {resource}; on the other one: drbdadm connect {resource}"
                );
                Some(Finding::error(About::Storage, head, message, mend))
            }
            Ok(has) if !has.is_whole() => {
                let message = format!(
                    "the disk of storage {name} on {head} is {}: {head} cannot take over until it is filled",
                    has.state
                );
                Some(Finding::error(About::Storage, head, message, see))
            }
            Ok(_) => None,
        }
    };
    all.filter_map(wrong).collect()
}

/// A device that does not answer speaks against the head that would need it.
fn fences(examined: &Examined) -> Vec<Finding> {
    let wrong = |tried: &crate::observed::FenceTry| {
        let why = tried.answer.as_ref().err()?;
        let message = format!("fence device {} does not answer {}: {why}", tried.device, tried.from);
        let mend = format!(
            "without it nothing is taken over from {}: see its cable, address and password",
            tried.target
        );
        Some(Finding::error(About::Fence, &tried.from, message, mend))
    };
    examined.fences.iter().filter_map(wrong).collect()
}

fn validators(examined: &Examined) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (host, checks) in &examined.checks {
        for (name, verdict) in checks {
            let found = match verdict {
                Verdict::Good => continue,
                Verdict::Bad(why) => {
                    let message = format!("{name} on {host} refuses the files as they are: {why}");
                    Finding::error(About::Validator, host, message, "haoscar plan shows what differs")
                }
                Verdict::Unknown(why) => {
                    let message = format!("{name} on {host} could not be asked: {why}");
                    Finding::warning(About::Validator, host, message, "install its package")
                }
            };
            findings.push(found);
        }
    }
    findings
}

fn rehearsals(desired: &Desired, observed: &Observed, now_s: i64) -> Vec<Finding> {
    let several = desired.groups.iter().filter(|(_, heads)| heads.len() > 1);
    let found = |(group, _): (&String, &Vec<HostName>)| {
        let mend = format!("haoscar rehearse {group}");
        let about = About::Rehearsal;
        let Some(rehearsal) = observed.rehearsals.get(group) else {
            return Some(Finding::warning(about, group, format!("group {group} was never rehearsed"), mend));
        };
        if let Some((service, _)) = rehearsal.outage_s.iter().find(|(_, outage)| outage.is_none()) {
            let message =
                format!("{service} of group {group} did not come back in the rehearsal of {}", rehearsal.at);
            return Some(Finding::error(about, group, message, mend));
        }
        let at: jiff::Timestamp = rehearsal.at.parse().ok()?;
        let days = (now_s - at.as_second()) / 86_400;
        let message = format!("group {group} was last rehearsed {days} days ago");
        (days > REHEARSED_DAYS).then(|| Finding::warning(about, group, message, mend))
    };
    several.filter_map(found).collect()
}

/// Each head beside the one that is furthest behind.
fn clocks(examined: &Examined) -> Vec<Finding> {
    let Some((last, behind)) = examined.clocks.iter().min_by_key(|(_, clock)| clock.ahead_ms) else {
        return Vec::new();
    };
    let apart = |(head, clock): (&HostName, &crate::observed::Clock)| {
        let ahead = clock.ahead_ms - behind.ahead_ms;
        let surely = ahead - clock.within_ms - behind.within_ms;
        let seconds = ahead / 1_000;
        let message = format!("the clock of {head} is {seconds} s ahead of that of {last}");
        let mend = "chronyc tracking on both: the time service should hold them together";
        (surely > CLOCK_MS).then(|| Finding::warning(About::Clock, head, message, mend))
    };
    examined.clocks.iter().filter_map(apart).collect()
}
