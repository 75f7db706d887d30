//! The same facts as Prometheus text (exposition format 0.0.4). Pure.
//!
//! A snapshot by a command, for node_exporter's textfile collector: no registry is kept, and the format is a line a
//! value with three characters to escape, so no library is needed. Names of the two commands are never the same: the
//! collector refuses a metric that two files have.

use std::fmt::Write;

use super::{Doctor, Status, Weight};
use crate::engines::LOOP_UNIT;
use crate::observed::{Cycle, FenceTry, Following, Observed, Seen, Standing, Word};

/// The unit whose life is asked.
const WATCHER: &str = "haoscar-watch.service";

type Labels<'a> = &'a [(&'a str, &'a str)];

/// Text that grows by metric.
#[derive(Default)]
struct Text(String);

impl Text {
    /// One gauge; `rows` are its labels and values. One without rows is left out.
    fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>,
    ) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        let _ = writeln!(self.0, "# HELP haoscar_{name} {help}\n# TYPE haoscar_{name} gauge");
        for (labels, value) in rows {
            let value = if value.is_infinite() { "+Inf".to_owned() } else { value.to_string() };
            let _ = writeln!(self.0, "haoscar_{name}{} {value}", shown(&labels));
        }
    }
}

fn shown(labels: Labels<'_>) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let each: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if each.is_empty() { String::new() } else { format!("{{{}}}", each.join(",")) }
}

fn flag(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

#[allow(clippy::cast_precision_loss)]
fn count(number: usize) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss)]
fn number(number: u64) -> f64 {
    number as f64
}

/// Seconds since the epoch of an RFC 3339 time.
#[allow(clippy::cast_precision_loss)]
fn seconds(at: &str) -> Option<f64> {
    at.parse::<jiff::Timestamp>().ok().map(|at| at.as_second() as f64)
}

/// What one host's loop says of itself; served by it (`haoscar run --metrics`).
pub fn of_loop(cycle: Option<&Cycle>, follows: Option<&Following>) -> String {
    let mut text = Text::default();
    text.gauge("run_up", "the loop runs", [(vec![], 1.0)]);
    let one = |value: f64| (vec![], value);
    let in_step = cycle.map(|cycle| one(flag(matches!(cycle.word, Word::InStep | Word::Healed))));
    text.gauge("run_in_step", "the last cycle found or made the host as accepted", in_step);
    let at = cycle.and_then(|cycle| seconds(&cycle.at)).map(one);
    text.gauge("run_cycle_timestamp_seconds", "when the loop looked last", at);
    let generation = cycle.map(|cycle| one(number(cycle.generation)));
    text.gauge("run_generation", "the generation that the host heals toward", generation);
    let leads = cycle.map(|cycle| one(flag(cycle.leads)));
    text.gauge("run_leads", "the host carries the first group, and there is quorum", leads);
    let healed = cycle.map(|cycle| one(number(cycle.healed)));
    text.gauge("run_healed_objects", "objects that were put back since the loop was started", healed);
    let follows = follows.map(|follows| one(flag(follows.standing == Standing::InStep)));
    text.gauge("run_follow_in_step", "the newest commit of the followed branch is accepted", follows);
    text.0
}

/// What `haoscar status` knows.
pub fn of_status(status: &Status, observed: &Observed) -> String {
    let mut text = Text::default();
    text.gauge("degraded", "something is not as it should be", [(vec![], flag(status.degraded))]);
    text.gauge("quorum", "the engine may act", [(vec![], flag(status.quorum))]);
    hosts(&mut text, status, observed);
    groups(&mut text, status);
    standby(&mut text, status, observed);
    mirrors(&mut text, status);
    disks(&mut text, status);
    text.0
}

fn disks(text: &mut Text, status: &Status) {
    let all = status.disks.iter().flat_map(|(name, disks)| disks.heads.iter().map(move |head| (name, head)));
    let whole = all.filter_map(|(name, (head, has))| {
        let whole = has.as_ref().ok()?.is_whole();
        Some((vec![("storage", name.as_str()), ("host", head.as_str())], flag(whole)))
    });
    text.gauge("disk_whole", "the disk has all that was acknowledged: its head may take over", whole);
}

fn mirrors(text: &mut Text, status: &Status) {
    let all =
        status.mirrors.iter().flat_map(|(name, mirror)| mirror.heads.iter().map(move |head| (name, head)));
    let copies = all.filter_map(|(name, (head, has))| {
        let has = has.as_ref().ok().filter(|has| !has.owner)?;
        Some((vec![("storage", name.as_str()), ("host", head.as_str())], has))
    });
    let copies: Vec<_> = copies.collect();
    let whole = copies.iter().map(|(labels, has)| (labels.clone(), flag(has.have == has.best)));
    text.gauge("mirror_whole", "the copy is of the newest generation: its head may take over", whole);
    let age = copies.iter().map(|(labels, has)| (labels.clone(), number(has.age_s)));
    text.gauge(
        "mirror_age_seconds",
        "how old the copy of a mirrored storage is: what a power cut of its owner costs",
        age,
    );
}

fn hosts(text: &mut Text, status: &Status, observed: &Observed) {
    let all = || status.hosts.iter().map(|(name, host)| (vec![("host", name.as_str())], host));
    let reached = all().map(|(labels, host)| (labels, flag(host.reached)));
    text.gauge("host_reached", "the host answers haoscar", reached);
    let members = all().filter(|(_, host)| !host.engine.is_empty());
    let online = members.map(|(labels, host)| (labels, flag(host.engine == "online")));
    text.gauge("member_online", "the member is online and not drained", online);
    let step = all().filter(|(_, host)| host.reached).map(|(labels, host)| (labels, count(host.drift)));
    text.gauge("objects_out_of_step", "objects that differ from the spec", step);
    let runs = |unit: &'static str| {
        observed.hosts.iter().filter_map(move |(name, host)| {
            Some((vec![("host", name.as_str())], flag(host.units.get(unit)?.active == "active")))
        })
    };
    text.gauge("watcher_alive", "the watcher runs on the head", runs(WATCHER));
    text.gauge("loop_alive", "the loop runs on the host", runs(LOOP_UNIT));
    let cycles = || observed.cycles.iter().map(|(name, cycle)| (vec![("host", name.as_str())], cycle));
    let content =
        cycles().map(|(host, cycle)| (host, flag(matches!(cycle.word, Word::InStep | Word::Healed))));
    text.gauge("loop_in_step", "the host's last cycle found or made it as accepted", content);
    let at = cycles().filter_map(|(host, cycle)| Some((host, seconds(&cycle.at)?)));
    text.gauge("loop_cycle_timestamp_seconds", "when the host's loop looked last", at);
    let in_step = |follows: &Following| (Vec::new(), flag(follows.standing == Standing::InStep));
    let follows = observed.follows.iter().map(in_step);
    text.gauge("follow_in_step", "the newest commit of the followed branch is accepted", follows);
    let told = observed.hosts.iter().filter(|(_, host)| host.accepted > 0);
    let told = told.map(|(name, host)| (vec![("host", name.as_str())], number(host.accepted)));
    text.gauge("accepted_generation", "the generation that the host heals toward", told);
}

fn groups(text: &mut Text, status: &Status) {
    let carried = status.groups.iter().flat_map(|(name, group)| {
        let heads = group.on.iter().chain(group.standby.keys());
        heads.map(move |head| {
            (vec![("group", name.as_str()), ("head", head.as_str())], flag(group.on.as_ref() == Some(head)))
        })
    });
    text.gauge("group_carried", "the head carries the group", carried);
    let started = status
        .groups
        .iter()
        .map(|(name, group)| (vec![("group", name.as_str())], flag(group.missing.is_empty())));
    text.gauge("group_started", "everything of the group is started", started);
    let services = status.groups.iter().flat_map(|(name, group)| {
        let asked = group.services.iter().filter(|(_, seen)| !matches!(seen, Seen::NotAsked(_)));
        asked.map(move |(service, seen)| {
            let up = matches!(seen, Seen::Answers | Seen::NotYet(_));
            (vec![("group", name.as_str()), ("service", service.as_str())], flag(up))
        })
    });
    text.gauge("service_up", "a client gets the right answer from the service", services);
}

fn standby(text: &mut Text, status: &Status, observed: &Observed) {
    let proven = status.groups.iter().flat_map(|(name, group)| {
        let heads = group.standby.iter();
        heads.map(move |(head, against)| {
            (vec![("group", name.as_str()), ("head", head.as_str())], flag(against.is_empty()))
        })
    });
    text.gauge("standby_proven", "nothing speaks against the head as the group's next carrier", proven);
    let resources = observed.engine.iter().flat_map(|state| &state.resources);
    let fences = resources.filter(|(name, _)| name.starts_with("fence-"));
    let answers = fences
        .map(|(name, found)| (vec![("device", name.as_str())], flag(!found.failed && !found.on.is_empty())));
    text.gauge("fence_answers", "the fence device answers the engine", answers);
    let rehearsed = observed
        .rehearsals
        .iter()
        .filter_map(|(name, rehearsal)| Some((vec![("group", name.as_str())], seconds(&rehearsal.at)?)));
    text.gauge("rehearsal_timestamp_seconds", "when the group was last rehearsed", rehearsed);
    let outages = observed.rehearsals.iter().flat_map(|(name, rehearsal)| {
        let services = rehearsal.outage_s.iter();
        services.map(move |(service, outage)| {
            (vec![("group", name.as_str()), ("service", service.as_str())], outage.unwrap_or(f64::INFINITY))
        })
    });
    text.gauge("rehearsal_outage_seconds", "the outage that clients saw in it", outages);
    let Some(last) = &status.doctor else { return };
    let at = seconds(&last.at).map(|at| (vec![], at));
    text.gauge("last_doctor_timestamp_seconds", "when haoscar doctor was last run", at);
    let found = [("error", last.errors), ("warning", last.warnings)];
    let found = found.map(|(weight, number)| (vec![("weight", weight)], count(number)));
    text.gauge("last_doctor_findings", "what it found", found);
    let took =
        last.fences.iter().filter_map(|(name, took)| Some((vec![("device", name.as_str())], (*took)?)));
    text.gauge("fence_answer_seconds", "how long the fence device took to answer it", took);
}

/// What `haoscar doctor` found.
#[allow(clippy::cast_precision_loss)]
pub fn of_doctor(doctor: &Doctor) -> String {
    let mut text = Text::default();
    let now = doctor.examined.now_s as f64;
    text.gauge("doctor_timestamp_seconds", "when this was asked", [(vec![], now)]);
    let weights = [("error", Weight::Error), ("warning", Weight::Warning)];
    let found = weights.map(|(name, weight)| (vec![("weight", name)], count(doctor.count(weight))));
    text.gauge("doctor_findings", "what speaks against the standby, or should be looked at", found);
    let examined = &doctor.examined;
    let fences = || {
        examined.fences.iter().map(|tried: &FenceTry| {
            (vec![("device", tried.device.as_str()), ("head", tried.from.as_str())], &tried.answer)
        })
    };
    let answers = fences().map(|(labels, answer)| (labels, flag(answer.is_ok())));
    text.gauge("doctor_fence_answers", "the fence device answers the head", answers);
    let took = fences().filter_map(|(labels, answer)| Some((labels, *answer.as_ref().ok()?)));
    text.gauge("doctor_fence_seconds", "how long it took to answer", took);
    let late = examined.stalls.iter();
    let late = late.map(|(host, stall)| (vec![("host", host.as_str())], stall.longest_ms as f64 / 1_000.0));
    text.gauge("doctor_wakeup_delay_seconds", "how late a process was woken at most", late);
    let steal = examined.stalls.iter().map(|(host, stall)| (vec![("host", host.as_str())], stall.steal));
    text.gauge("doctor_steal_ratio", "time that the hypervisor gave to others", steal);
    let cuts = doctor
        .power_cut
        .iter()
        .filter_map(|(head, cost)| Some((vec![("head", head.as_str())], cost.total_s?)));
    text.gauge("doctor_power_cut_seconds", "what a power cut of the head is expected to cost", cuts);
    text.0
}
