//! One drill from a settled group to a settled group: watch, make the fault, wait, read what is left.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::probe::{Ask, ProbeTarget, Sample, View, Window, missing_records, monotonic_us, probes_of};
use crate::spec::{Cluster, Group, SchedulerBackend, Service};

use super::prober::{Prober, Record};
use super::{
    CpuTime, Drill, Fault, Instants, Jobs, Phases, ServiceOutage, Timeline, Writes, instants_of, job_states,
    jobs_of, steal_share, svg,
};

/// Every target must have answered for so long before the fault, and again before the drill ends.
const SETTLED_US: u64 = 2_000_000;
/// A group that is not settled by then is not drilled.
const SETTLE_MAX_US: u64 = 60_000_000;
/// The longest that a host may take to answer a question.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// What a drill asks of a lab.
pub trait Ground {
    /// The words before a command that run it in `host`; none if the host is down.
    fn entering(&self, host: &str) -> Option<Vec<String>>;
    /// The whole command line that starts `haoscar lab-probe` in a client's network namespace, with an address in
    /// the group's private network.
    fn prober(&self) -> Vec<String>;
    /// Cuts the power of `host`: its switch ports down, then SIGKILL of its pid 1.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn cut_power(&self, host: &str) -> Result<(), String>;
    /// Pulls the cables of `host` on a network, or puts them back.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn set_cable(&self, host: &str, network: &str, plugged: bool) -> Result<(), String>;

    /// What a command printed in `host`; none if the host is down, it failed, or it took too long.
    fn ask(&self, host: &str, argv: &[&str]) -> Option<String> {
        ask(self, host, argv)
    }

    /// Runs a command in `host` to its end.
    ///
    /// # Errors
    /// The host is down, or the command failed.
    fn run(&self, host: &str, argv: &[&str]) -> Result<(), String> {
        self.ask(host, argv).map(|_| ()).ok_or_else(|| format!("{} failed on {host}", argv.join(" ")))
    }
}

/// Why a drill has no figures.
#[derive(Debug, thiserror::Error)]
pub enum DrillProblem {
    /// The prober could not be started.
    #[error("the prober cannot be started as `{argv}`")]
    Prober {
        /// Its command line.
        argv: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The group is not in the spec, or has nothing that can be probed.
    #[error("group {group} has nothing that can be probed")]
    Nothing {
        /// The group.
        group: String,
    },
    /// A target cannot be asked.
    #[error("{service} cannot be probed: {reason}")]
    Broken {
        /// The target.
        service: String,
        /// Why.
        reason: String,
    },
    /// The group did not settle before the fault.
    #[error("group {group} is not settled: {unwell} not answering")]
    Unsettled {
        /// The group.
        group: String,
        /// The targets.
        unwell: String,
    },
    /// No head holds the group's address, or more than one does.
    #[error("{count} heads hold the address of group {group}, and one should")]
    Carriers {
        /// The group.
        group: String,
        /// How many.
        count: usize,
    },
    /// The fault could not be made.
    #[error("the {fault} fault of {target} could not be made: {reason}")]
    Fault {
        /// The fault.
        fault: &'static str,
        /// The host.
        target: String,
        /// Why.
        reason: String,
    },
}

/// One drill to run.
#[derive(Debug, Clone)]
pub struct Course<'a> {
    /// The spec.
    pub cluster: &'a Cluster,
    /// The group that is watched.
    pub group: &'a str,
    /// What is done.
    pub fault: Fault,
    /// To which host; none: the head that carries the group.
    pub target: Option<&'a str>,
    /// The shortest watch after the fault: an outage that begins later is not seen.
    pub watch: Duration,
    /// How long after the fault a service may be away before it counts as not back.
    pub limit: Duration,
}

/// What a drill gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The figures.
    pub drill: Drill,
    /// Seconds between two probes, by service.
    pub resolution_s: BTreeMap<String, f64>,
    /// The picture.
    pub svg: String,
    /// Every sample, by target, for who wants to look closer.
    pub samples: Vec<(String, Vec<Sample>)>,
}

impl Course<'_> {
    /// Runs the drill; `say` hears what it is doing.
    ///
    /// # Errors
    /// Why there are no figures. A service that did not come back is a figure, no error.
    pub fn run(&self, ground: &dyn Ground, say: &mut dyn FnMut(&str)) -> Result<Outcome, DrillProblem> {
        let nothing = || DrillProblem::Nothing { group: self.group.to_owned() };
        let group = self.cluster.groups.get(self.group).ok_or_else(nothing)?;
        let carrier = self.carrier(ground, group)?;
        let target = self.target.unwrap_or(&carrier).to_owned();
        let folder = format!("haoscar-drill-{}", monotonic_us());
        let targets = self.targets(ground, &folder);
        let written_folder = targets.iter().find_map(ProbeTarget::written_folder);
        if let Some(path) = written_folder {
            ask(ground, &carrier, &["mkdir", "--mode=1777", path]);
        }
        let mut prober = Prober::start(&ground.prober(), &targets)?;
        say("waiting until every service answers");
        self.settle(&prober, &targets).inspect_err(|_| {
            prober.end();
            remove(ground, &carrier, written_folder);
        })?;
        let jobs_before = self.jobs(ground);
        let cpu_before = cpu_time();
        say(&format!("fault {}: {target}", self.fault.word()));
        let fault_us = monotonic_us();
        self.make(ground, &target)?;
        say("waiting until every service answers again");
        let watched = Window { from_us: fault_us, to_us: self.watch(&prober, &targets, fault_us) };
        prober.end();
        let cpu_after = cpu_time();
        let jobs = jobs_before.and_then(|before| Some(jobs_of(&before, &self.jobs(ground)?)));
        let moved_to = self.carrier(ground, group).ok();
        let survivors = moved_to.iter().chain(&group.heads).filter(|head| **head != target);
        let instants = match self.fault {
            Fault::None => Instants::default(),
            _ => instants(ground, survivors.map(String::as_str), &target, fault_us),
        };
        if let Err(problem) = self.mend(ground, &target) {
            say(&problem.to_string()); // the figures stand; whether the cluster is whole again is asked next
        }
        let record = prober.record();
        let read = |(path, head)| written(ground, head, path, &record);
        let writes = written_folder.zip(moved_to.as_deref()).and_then(read);
        let steal = cpu_before.zip(cpu_after).map_or(0.0, |(before, after)| steal_share(before, after));
        let facts = Facts { target, moved_to, instants, jobs, writes, steal };
        Ok(self.outcome(&record, &targets, watched, facts))
    }

    /// Waits until the host that was hit is a member again and nothing of the fault counts any more, seen by the head that
    /// carries the group. Whether it is so.
    pub fn wait_return(&self, ground: &dyn Ground, drill: &Drill, limit: Duration) -> bool {
        let start = monotonic_us();
        let limit_us = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let seen_by = drill.moved_to.as_deref();
        let crm_mon = ["crm_mon", "--one-shot", "--output-as=xml"];
        loop {
            let status = seen_by.and_then(|head| ask(ground, head, &crm_mon));
            if status.is_some_and(|xml| is_whole(&xml, &drill.target)) {
                return true;
            }
            if monotonic_us() - start > limit_us {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The one head that holds the group's address.
    fn carrier(&self, ground: &dyn Ground, group: &Group) -> Result<String, DrillProblem> {
        let Some(address) = group.addresses.values().chain(group.addresses6.values()).next() else {
            return Err(DrillProblem::Nothing { group: self.group.to_owned() });
        };
        let holds =
            |head: &&String| ask(ground, head, &["ip", "-o", "address"]).is_some_and(|a| held(&a, *address));
        let carriers: Vec<&String> = group.heads.iter().filter(holds).collect();
        match carriers.as_slice() {
            [one] => Ok((*one).clone()),
            other => Err(DrillProblem::Carriers { group: self.group.to_owned(), count: other.len() }),
        }
    }

    /// Targets with the scheduler asked in a node, and writes in the drill's own folder.
    fn targets(&self, ground: &dyn Ground, folder: &str) -> Vec<ProbeTarget> {
        let node = self.node(ground);
        let targets = probes_of(self.cluster, self.group).into_iter().map(|t| t.writing_in(folder));
        targets
            .filter_map(|target| match (&target.ask, &node) {
                (Ask::Command { .. }, Some((_, prefix))) => Some(target.entering(prefix)),
                (Ask::Command { .. }, None) => None,
                _ => Some(target),
            })
            .collect()
    }

    /// The first node that is up, and how it is entered.
    fn node(&self, ground: &dyn Ground) -> Option<(String, Vec<String>)> {
        let names = self.cluster.nodes.keys().flat_map(crate::spec::NodeRange::names);
        names.into_iter().find_map(|name| ground.entering(&name).map(|prefix| (name, prefix)))
    }

    fn services(&self) -> impl Iterator<Item = &Service> {
        let group = self.cluster.groups.get(self.group);
        group.into_iter().flat_map(|g| &g.services).filter_map(|name| self.cluster.services.get(name))
    }

    fn jobs(&self, ground: &dyn Ground) -> Option<BTreeMap<String, String>> {
        let slurm = |s: &Service| matches!(s, Service::Scheduler(s) if s.backend == SchedulerBackend::Slurm);
        self.services().find(|s| slurm(s))?;
        let (node, _) = self.node(ground)?;
        ask(ground, &node, &["squeue", "--noheader", "--states=all", "--format=%i %T"])
            .map(|text| job_states(&text))
    }

    fn settle(&self, prober: &Prober, targets: &[ProbeTarget]) -> Result<(), DrillProblem> {
        let start = monotonic_us();
        loop {
            std::thread::sleep(LOOK);
            let now = monotonic_us();
            let record = prober.record();
            if let Some((service, reason)) = record.broken.iter().next() {
                return Err(DrillProblem::Broken { service: service.clone(), reason: reason.clone() });
            }
            let unwell = record.unwell(targets, now - SETTLED_US);
            if unwell.is_empty() && now - start >= SETTLED_US {
                return Ok(());
            }
            if now - start > SETTLE_MAX_US {
                return Err(DrillProblem::Unsettled {
                    group: self.group.to_owned(),
                    unwell: unwell.join(", "),
                });
            }
        }
    }

    fn make(&self, ground: &dyn Ground, target: &str) -> Result<(), DrillProblem> {
        self.fault.make(self.cluster, ground, target).map_err(|reason| self.problem(target, reason))
    }

    fn mend(&self, ground: &dyn Ground, target: &str) -> Result<(), DrillProblem> {
        self.fault.mend(self.cluster, ground, target).map_err(|reason| self.problem(target, reason))
    }

    fn problem(&self, target: &str, reason: String) -> DrillProblem {
        DrillProblem::Fault { fault: self.fault.word(), target: target.to_owned(), reason }
    }

    /// Waits until every target answers again, or the limit; the end of the watch.
    fn watch(&self, prober: &Prober, targets: &[ProbeTarget], fault_us: u64) -> u64 {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (watch_us, limit_us) = (us(self.watch), us(self.limit));
        loop {
            std::thread::sleep(LOOK);
            let now = monotonic_us();
            let well = prober.record().unwell(targets, now - SETTLED_US).is_empty();
            if (well && now - fault_us >= watch_us) || now - fault_us >= limit_us {
                return now;
            }
        }
    }

    fn outcome(&self, record: &Record, targets: &[ProbeTarget], watched: Window, facts: Facts) -> Outcome {
        let samples_of = |t: &ProbeTarget| record.samples.get(&t.service).cloned().unwrap_or_default();
        let samples: Vec<(String, Vec<Sample>)> =
            targets.iter().map(|t| (t.service.clone(), samples_of(t))).collect();
        let views: Vec<View> =
            targets.iter().zip(&samples).map(|(t, (_, s))| View::of(s, watched, t.tick_ms)).collect();
        let named = targets.iter().map(|t| t.service.as_str()).zip(&views);
        let services = targets.iter().zip(&views).filter(|(t, _)| t.is_service());
        let within = |at: u64| watched.from_us <= at && at <= watched.to_us;
        let drill = Drill {
            fault: self.fault.word().to_owned(),
            target: facts.target,
            moved_to: facts.moved_to,
            steal: facts.steal,
            late_ticks: record.late.iter().filter(|(at, _)| within(*at)).map(|(_, ticks)| ticks).sum(),
            phases: Phases::of(watched.from_us, facts.instants, named),
            services: services.clone().map(|(t, view)| outage(&t.service, view)).collect(),
            jobs: facts.jobs,
            writes: facts.writes,
        };
        let window = Window { from_us: watched.from_us.saturating_sub(SETTLED_US / 2), ..watched };
        let timeline = Timeline { drill: &drill, targets: &samples, window, fault_us: watched.from_us };
        let picture = svg(&timeline);
        #[allow(clippy::cast_precision_loss)]
        let resolution_s = services.map(|(t, _)| (t.service.clone(), t.tick_ms as f64 / 1_000.0)).collect();
        Outcome { drill, resolution_s, svg: picture, samples }
    }
}

/// What was found beside the samples.
struct Facts {
    target: String,
    moved_to: Option<String>,
    instants: Instants,
    jobs: Option<Jobs>,
    writes: Option<Writes>,
    steal: f64,
}

fn outage(service: &str, view: &View) -> ServiceOutage {
    let outage_s = view.outage_s().map(|s| (s * 1_000.0).round() / 1_000.0);
    ServiceOutage {
        service: service.to_owned(),
        outage_s,
        errors: view.errors,
        last_error: view.last_error.clone(),
    }
}

/// Whether `ip -o address` lists `address`.
fn held(text: &str, address: IpAddr) -> bool {
    let is = |word: &str| word.split('/').next().is_some_and(|a| a.parse() == Ok(address));
    text.split_whitespace().any(is)
}

/// Whether `crm_mon --output-as=xml` shows `host` as a member that takes part, and no head still counts a loss of its
/// links or storage: the next fault would meet a cluster that has not forgotten this one.
fn is_whole(xml: &str, host: &str) -> bool {
    let Ok(tree) = roxmltree::Document::parse(xml) else { return false };
    let told = |n: &roxmltree::Node<'_, '_>| n.has_tag_name("node") && n.attribute("name") == Some(host);
    let member = tree.descendants().find(told).is_some_and(|n| {
        n.attribute("online") == Some("true")
            && n.attribute("pending") != Some("true")
            && n.attribute("unclean") != Some("true")
    });
    let loss = |n: roxmltree::Node<'_, '_>| {
        n.has_tag_name("attribute")
            && n.attribute("name").is_some_and(|name| name.starts_with("haoscar-"))
            && n.attribute("value") == Some("0")
    };
    member && !tree.descendants().any(loss)
}

/// The journal of the first survivor that has something to say.
fn instants<'a>(
    ground: &dyn Ground,
    survivors: impl Iterator<Item = &'a str>,
    target: &str,
    fault_us: u64,
) -> Instants {
    let argv = ["journalctl", "--output=json", "--since=-10min", "--unit=corosync", "--unit=pacemaker"];
    let read = |head| ask(ground, head, &argv).map(|journal| instants_of(&journal, target, fault_us));
    survivors.filter_map(read).find(|i| *i != Instants::default()).unwrap_or_default()
}

/// Reads the drill's file on the head that now carries the group, and takes its folder away.
fn written(ground: &dyn Ground, head: &str, folder: &str, record: &Record) -> Option<Writes> {
    let file = ask(ground, head, &["cat", &format!("{folder}/probe")]).unwrap_or_default();
    let missing = missing_records(file.as_bytes(), &record.wrote).len();
    remove(ground, head, Some(folder));
    Some(Writes { acknowledged: record.wrote.len(), missing })
}

/// Takes the drill's own folder away; one that cannot be reached stays, and its name says whose it is.
fn remove(ground: &dyn Ground, head: &str, folder: Option<&str>) {
    if let Some(folder) = folder {
        ask(ground, head, &["rm", "--recursive", folder]);
    }
}

fn cpu_time() -> Option<CpuTime> {
    CpuTime::parse(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// What `argv` printed in `host`; none if the host is down, the command failed, or it took too long.
fn ask<G: Ground + ?Sized>(ground: &G, host: &str, argv: &[&str]) -> Option<String> {
    let mut words = ground.entering(host)?;
    let limit = format!("--kill-after=1s {}s", ANSWER_MAX.as_secs());
    let mut timed: Vec<String> =
        std::iter::once("timeout").chain(limit.split(' ')).map(str::to_owned).collect();
    timed.append(&mut words);
    timed.extend(argv.iter().map(|word| (*word).to_owned()));
    let (program, arguments) = timed.split_first()?;
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{held, is_whole};

    #[test]
    fn a_head_that_still_joins_is_not_back() {
        let xml = |pending| {
            format!(
                "<r><nodes><node name='head-1' online='true' pending='{pending}' unclean='false'/></nodes></r>"
            )
        };
        assert!(is_whole(&xml(false), "head-1"));
        assert!(!is_whole(&xml(true), "head-1"));
        assert!(!is_whole(&xml(false), "head-2"));
    }

    #[test]
    fn a_cluster_that_still_counts_a_lost_link_is_not_whole() {
        let xml = |value| {
            format!(
                "<r><nodes><node name='head-1' online='true'/></nodes><node_attributes><node name='head-2'>\
                 <attribute name='haoscar-link-inside' value='{value}'/></node></node_attributes></r>"
            )
        };
        assert!(is_whole(&xml(1), "head-1"));
        assert!(!is_whole(&xml(0), "head-1"));
    }

    #[test]
    fn an_address_is_held_as_a_whole_and_not_by_its_beginning() {
        let text = "2: eno2    inet 10.20.0.100/16 brd 10.20.255.255 scope global eno2\n";
        assert!(held(text, [10, 20, 0, 100].into()));
        assert!(!held(text, [10, 20, 0, 10].into()));
    }
}
