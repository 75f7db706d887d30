//! One drill from a settled group to a settled group: watch, make the fault, wait, read what is left.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engines::heartbeat;
use crate::probe::{Ask, ProbeTarget, Sample, View, Window, missing_records, monotonic_us, probes_of};
use crate::spec::{Cluster, EngineKind, Group, SchedulerBackend, Service};

use super::copies::Copies;
use super::interrupted;
use super::owners::named;
use super::prober::{Prober, Record};
use super::whole::{held, is_pair, is_whole};
use super::{
    CpuTime, Drill, DrillProblem, Fault, Ground, Instants, Jobs, KnownJob, Owners, Phases, ServiceOutage,
    Timeline, Writes, instants_of, job_states, jobs_of, steal_share, svg,
};

/// Every target must have answered for so long before the fault, and again before the drill ends.
const SETTLED_US: u64 = 2_000_000;
/// A group that is not settled by then is not drilled.
const SETTLE_MAX_US: u64 = 60_000_000;
const LOOK: Duration = Duration::from_millis(100);

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
    /// Wait afterwards until the cluster is whole again: the host that was hit is a member, and no loss counts any more.
    pub whole: bool,
}

/// What a drill gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The figures.
    pub drill: Drill,
    /// Seconds between two probes, by service.
    pub resolution_s: BTreeMap<String, f64>,
    /// Whether the cluster is whole again; none where that was not waited for.
    pub back: Option<bool>,
    /// Every sample, by target, for who wants to look closer.
    pub samples: Vec<(ProbeTarget, Vec<Sample>)>,
    /// Who answered for the address (of two, the IPv4 one) from when on, at each change: microseconds of CLOCK_MONOTONIC and the host's name.
    pub holders: Vec<(u64, String)>,
    /// When somebody lent a hand.
    pub hand_us: Option<u64>,
    /// From the fault to the end of the watch.
    pub watched: Window,
}

impl Outcome {
    /// The picture.
    pub fn svg(&self) -> String {
        let fault_us = self.watched.from_us;
        let window = Window { from_us: fault_us.saturating_sub(SETTLED_US / 2), ..self.watched };
        svg(&Timeline {
            drill: &self.drill,
            targets: &self.samples,
            holders: &self.holders,
            hand_us: self.hand_us,
            window,
            fault_us,
        })
    }
}

impl Course<'_> {
    /// Runs the drill; `say` hears what it is doing.
    ///
    /// # Errors
    /// Why there are no figures. A service that did not come back is a figure, no error.
    pub fn run(&self, ground: &dyn Ground, say: &mut dyn FnMut(&str)) -> Result<Outcome, DrillProblem> {
        let nothing = || DrillProblem::Nothing { group: self.group.to_owned() };
        let group = self.cluster.groups.get(self.group).ok_or_else(nothing)?;
        // beside the clients, and longer: a head that comes back may be the second owner
        let owners = ProbeTarget::owners(self.cluster, group);
        let mut watch = Prober::start(&ground.prober(), &owners)?;
        let mut copies = Copies::watch(self.cluster, self.group, ground);
        let mut outcome = self.measure(ground, group, say)?;
        if self.whole {
            say(&format!("waiting until {} is a member again", outcome.drill.target));
            outcome.back = Some(self.wait_return(ground, &outcome.drill, self.limit));
        }
        if self.fault == Fault::ApplyPower && outcome.back == Some(true) {
            outcome.drill.files = interrupted::files(ground, &outcome.drill.target);
            say("applying again, whole");
            let again = interrupted::finish(ground, &outcome.drill.target);
            again.map_err(|reason| self.problem(&outcome.drill.target, reason))?;
        }
        watch.end();
        let holders: Vec<_> =
            watch.record().holders.values().map(|holders| named(self.cluster, holders)).collect();
        outcome.drill.owners = Owners::of(&holders).map(|owners| Owners { copies: copies.end(), ..owners });
        outcome.holders = holders.into_iter().next().unwrap_or_default();
        Ok(outcome)
    }

    fn measure(
        &self,
        ground: &dyn Ground,
        group: &Group,
        say: &mut dyn FnMut(&str),
    ) -> Result<Outcome, DrillProblem> {
        let carrier = self.carrier(ground, group)?;
        let target = self.target.unwrap_or(&carrier).to_owned();
        let folder = format!("haoscar-drill-{}", monotonic_us());
        let targets = self.targets(ground, &folder);
        let written_folder = targets.iter().find_map(ProbeTarget::written_folder);
        if let Some(path) = written_folder {
            ground.ask(&carrier, &["mkdir", "--mode=1777", path]);
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
        self.prepare(ground, &target)?;
        let fault_us = monotonic_us();
        self.make(ground, &target)?;
        say("waiting until every service answers again");
        let mut hand = None;
        let mut help = || {
            let at_us = monotonic_us();
            hand = self.fault.hand(self.cluster, ground, &target).map(|hand| (at_us, hand));
            hand.iter().for_each(|(_, hand)| say(&format!("by hand: {hand}")));
        };
        let to_us = self.watch(&prober, &targets, fault_us, &mut help);
        let watched = Window { from_us: fault_us, to_us };
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
        let facts = Facts { target, moved_to, instants, jobs, writes, steal, hand };
        Ok(self.outcome(&record, &targets, watched, facts))
    }

    /// Waits until the host that was hit is a member again and nothing of the fault counts any more, seen by the head that
    /// carries the group. Whether it is so.
    fn wait_return(&self, ground: &dyn Ground, drill: &Drill, limit: Duration) -> bool {
        let start = monotonic_us();
        let limit_us = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        loop {
            if self.has_returned(ground, drill) {
                return true;
            }
            if monotonic_us() - start > limit_us {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn has_returned(&self, ground: &dyn Ground, drill: &Drill) -> bool {
        if self.cluster.ha.engine == EngineKind::Heartbeat {
            let words = heartbeat::ask();
            let words = words.each_ref().map(String::as_str);
            let says = |head: &String| (head.clone(), ground.ask(head, &words).unwrap_or_default());
            return is_pair(&self.cluster.heads.keys().map(says).collect());
        }
        let crm_mon = ["crm_mon", "--one-shot", "--output-as=xml"];
        // where nobody carried it when the watch ended, any other head may say it
        let others = || self.cluster.heads.keys().filter(|head| **head != drill.target);
        let seers: Vec<_> = drill.moved_to.as_ref().map_or_else(|| others().collect(), |head| vec![head]);
        let whole =
            |head: &&String| ground.ask(head, &crm_mon).is_some_and(|xml| is_whole(&xml, &drill.target));
        seers.iter().any(whole)
    }

    /// The one head that holds the group's address.
    fn carrier(&self, ground: &dyn Ground, group: &Group) -> Result<String, DrillProblem> {
        let Some(address) = group.addresses.values().chain(group.addresses6.values()).next() else {
            return Err(DrillProblem::Nothing { group: self.group.to_owned() });
        };
        let holds =
            |head: &&String| ground.ask(head, &["ip", "-o", "address"]).is_some_and(|a| held(&a, *address));
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

    fn jobs(&self, ground: &dyn Ground) -> Option<BTreeMap<String, KnownJob>> {
        let slurm = |s: &Service| matches!(s, Service::Scheduler(s) if s.backend == SchedulerBackend::Slurm);
        self.services().find(|s| slurm(s))?;
        let (node, _) = self.node(ground)?;
        ground
            .ask(&node, &["squeue", "--noheader", "--states=all", "--format=%i %T %S"])
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

    fn prepare(&self, ground: &dyn Ground, target: &str) -> Result<(), DrillProblem> {
        self.fault.prepare(ground, target).map_err(|reason| self.problem(target, reason))
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
    /// `help` is called once if they do not by themselves.
    fn watch(&self, prober: &Prober, targets: &[ProbeTarget], fault_us: u64, help: &mut dyn FnMut()) -> u64 {
        let mut helped = false;
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (watch_us, limit_us) = (us(self.watch), us(self.limit));
        loop {
            std::thread::sleep(LOOK);
            let now = monotonic_us();
            let well = prober.record().unwell(targets, now - SETTLED_US).is_empty();
            if (well && now - fault_us >= watch_us) || now - fault_us >= limit_us {
                return now;
            }
            if !well && !helped && now - fault_us >= us(self.fault.alone()) {
                helped = true;
                help();
            }
        }
    }

    fn outcome(&self, record: &Record, targets: &[ProbeTarget], watched: Window, facts: Facts) -> Outcome {
        let samples_of = |t: &ProbeTarget| record.samples.get(&t.service).cloned().unwrap_or_default();
        let samples: Vec<_> = targets.iter().map(|t| (t.clone(), samples_of(t))).collect();
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
            owners: None,
            files: None,
            hand: facts.hand.as_ref().map(|(_, hand)| hand.clone()),
        };
        #[allow(clippy::cast_precision_loss)]
        let resolution_s = services.map(|(t, _)| (t.service.clone(), t.tick_ms as f64 / 1_000.0)).collect();
        let hand_us = facts.hand.map(|(at_us, _)| at_us);
        Outcome { drill, resolution_s, back: None, samples, holders: Vec::new(), hand_us, watched }
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
    hand: Option<(u64, String)>,
}

fn outage(service: &str, view: &View) -> ServiceOutage {
    let outage_s = view.outage_s().map(|s| (s * 1_000.0).round() / 1_000.0);
    ServiceOutage {
        service: service.to_owned(),
        outage_s,
        errors: view.errors,
        last_error: view.last_error.clone(),
        said: view.said.clone(),
    }
}

/// The journal of the first survivor that has something to say.
fn instants<'a>(
    ground: &dyn Ground,
    survivors: impl Iterator<Item = &'a str>,
    target: &str,
    fault_us: u64,
) -> Instants {
    let argv = ["journalctl", "--output=json", "--since=-10min", "--unit=corosync", "--unit=pacemaker"];
    let read = |head| ground.ask(head, &argv).map(|journal| instants_of(&journal, target, fault_us));
    survivors.filter_map(read).find(|i| *i != Instants::default()).unwrap_or_default()
}

/// Reads the drill's file on the head that now carries the group, and takes its folder away.
fn written(ground: &dyn Ground, head: &str, folder: &str, record: &Record) -> Option<Writes> {
    let file = ground.ask(head, &["cat", &format!("{folder}/probe")]).unwrap_or_default();
    let missing = missing_records(file.as_bytes(), &record.wrote).len();
    remove(ground, head, Some(folder));
    Some(Writes { acknowledged: record.wrote.len(), missing })
}

/// Takes the drill's own folder away; one that cannot be reached stays, and its name says whose it is.
fn remove(ground: &dyn Ground, head: &str, folder: Option<&str>) {
    if let Some(folder) = folder {
        ground.ask(head, &["rm", "--recursive", folder]);
    }
}

fn cpu_time() -> Option<CpuTime> {
    CpuTime::parse(&std::fs::read_to_string("/proc/stat").ok()?)
}
