//! What the verbs that move groups have in common: the group and its heads as they are, the engine's own prediction,
//! the move itself, and a look at the services afterwards.

use std::time::Duration;

use super::ask::confirmed;
use super::look::look;
use super::out::line;
use super::predict::simulated;
use super::via::{self, Reach, Survey};
use super::{Common, Exit, Failure, examine, source};
use crate::apply::{ApplyError, Engine, carried_by, give_away, read_state, stays_on};
use crate::desired::HostName;
use crate::engines::EngineState;
use crate::engines::pacemaker::{Forecast, move_constraint, with_constraint};
use crate::observed::Examined;
use crate::plan::{Plan, diff, line_of};
use crate::spec::{EngineKind, Group};
use crate::status::{against, complaints, unproven};

/// A move that has not ended by then has failed: the slowest stop (30 s) and start (40 s) of one service.
pub const MOVE_LIMIT: Duration = Duration::from_secs(90);

/// A group that went back at once is not there again by then either.
const STAYS: Duration = Duration::from_secs(5);

/// A service that moved answers within seconds; ganesha's grace is the longest that is normal.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A group, and everything that is known when it is to be moved.
pub struct Moving {
    /// The cluster as it was found.
    pub found: Survey,
    /// The difference to the spec.
    pub plan: Plan,
    /// The spec that it was read from.
    pub spec: source::Spec,
    /// The group's name.
    pub group: String,
    /// Its resources, in start order.
    pub resources: Vec<String>,
    /// The head that carries it, if one does.
    pub from: Option<HostName>,
    /// A member to speak to.
    pub member: HostName,
}

impl Moving {
    /// Looks at the cluster.
    ///
    /// # Errors
    /// No such group (64), no engine (69), no quorum (106).
    pub fn find(common: &Common, reach: &Reach, group: &str) -> Result<Self, Failure> {
        let spec = source::read(common, None)?;
        if !spec.loaded.cluster.groups.contains_key(group) {
            let known: Vec<_> = spec.loaded.cluster.groups.keys().map(String::as_str).collect();
            let failure = Failure::new(Exit::Usage, format!("the spec has no group {group}"));
            return Err(failure.hint(format!("groups are: {}", known.join(", "))));
        }
        let found = via::survey(&spec, reach)?;
        let member = running(&found)?;
        let plan = diff(&found.desired, &found.observed, true);
        let resources = found.desired.engine.as_ref().and_then(|engine| engine.resources.get(group)).cloned();
        let from = found.observed.carrier(&found.desired, group);
        let resources = resources.unwrap_or_default();
        Ok(Self { found, plan, spec, group: group.to_owned(), resources, from, member })
    }

    /// The group in the spec.
    pub fn declared(&self) -> &Group {
        &self.spec.loaded.cluster.groups[&self.group]
    }

    /// The resource that the others follow.
    pub fn base(&self) -> &str {
        self.resources.iter().find(|id| !id.ends_with("-clone")).map_or("", String::as_str)
    }

    /// The head to go to: the one that was named, else the first in the group's order that is proven.
    ///
    /// # Errors
    /// It is none of the group's heads (64), or not proven healthy (107).
    pub fn target(&mut self, named: Option<&HostName>) -> Result<HostName, Failure> {
        let heads = self.declared().heads.clone();
        if let Some(named) = named.filter(|named| !heads.contains(named)) {
            let failure = Failure::new(Exit::Usage, format!("{named} is no head of group {}", self.group));
            return Err(failure.hint(format!("its heads are: {}", heads.join(", "))));
        }
        let others = heads.iter().filter(|head| Some(*head) != self.from.as_ref());
        let asked: Vec<_> = others.filter(|head| named.is_none_or(|named| named == *head)).collect();
        let mut examined = Examined::default();
        examine::storages(&self.spec.loaded.cluster, &mut self.found.crew, &mut examined);
        examine::standing(&mut self.found, &mut examined);
        let (desired, observed) = (&self.found.desired, &self.found.observed);
        let against = |head: &str| {
            let mut lines = unproven(head, &self.group, desired, observed, &self.plan);
            lines.extend(against(head, desired, &examined));
            lines.join("; ")
        };
        if let Some(proven) = asked.iter().find(|head| against(head).is_empty()) {
            return Ok((**proven).clone());
        }
        let reasons: Vec<_> = asked.iter().map(|head| format!("{head}: {}", against(head))).collect();
        let message = match reasons.as_slice() {
            [] => format!("group {} has no other head to go to", self.group),
            reasons => format!("no head is proven healthy: {}", reasons.join("\n       ")),
        };
        let hint =
            format!("mend it (haoscar doctor tells more), or force it: haoscar failover {}", self.group);
        Err(Failure::new(Exit::Unsafe, message).hint(hint))
    }

    /// What the engine says that it would do with this constraint; shown. Whether the group would go.
    pub fn predict(&mut self, constraint: &str, to: Option<&str>) -> bool {
        let cib = self.found.observed.cib.clone().unwrap_or_default();
        let said = simulated(&mut self.found, &with_constraint(&cib, constraint));
        for forecast in &said {
            line!("the engine would {}", line_of(forecast));
        }
        let base = self.base().to_owned();
        let goes = |forecast: &Forecast| {
            forecast.resource == base
                && to.is_none_or(|to| forecast.to.as_deref() == Some(to))
                && forecast.to.is_some()
        };
        said.iter().any(goes)
    }

    /// Whether heartbeat carries the group: it makes no predictions and knows no constraints.
    pub fn by_heartbeat(&self) -> bool {
        self.spec.loaded.cluster.ha.engine == EngineKind::Heartbeat
    }

    /// Whether the group is where it is to go; says so then.
    pub fn is_there(&self, to: Option<&HostName>) -> bool {
        let there = to.is_some() && to == self.from.as_ref();
        if there {
            let (group, head) = (&self.group, self.from.as_deref().unwrap_or_default());
            line!("group {group} is on {head} already: nothing to do");
        }
        there
    }

    /// A constraint that draws the group to a head.
    pub fn toward(&self, head: &str) -> String {
        move_constraint(&self.group, self.base(), head, "INFINITY")
    }

    /// A constraint that drives the group from a head.
    pub fn away_from(&self, head: &str) -> String {
        move_constraint(&self.group, self.base(), head, "-INFINITY")
    }

    /// Moves the group and takes the constraint away again, whatever came of it. Where it went and how long the
    /// engine took.
    ///
    /// # Errors
    /// The engine refused, or the group did not arrive in time (124).
    pub fn carry_out(&mut self, constraint: &str) -> Result<(HostName, Duration), Failure> {
        let heads = self.declared().heads.clone();
        let (group, resources, from) = (self.group.clone(), self.resources.clone(), self.from.clone());
        let host = self.found.crew.get(&self.member).ok_or_else(gone)?;
        moved(&mut Engine::on(host), constraint, &group, &resources, &heads, from.as_ref())
    }

    /// Has heartbeat hand the group over from the head that carries it. Where it went and how long that took.
    ///
    /// # Errors
    /// Nobody carries it (107), that head is not reached (69), or it did not arrive in time (124).
    pub fn hand_over(&mut self) -> Result<(HostName, Duration), Failure> {
        let group = self.group.clone();
        let from = self.from.clone().ok_or_else(|| {
            let failure = Failure::new(Exit::Unsafe, format!("group {group} runs nowhere"));
            failure.hint("haoscar status tells why; heartbeat itself starts it when a head is well")
        })?;
        let other = self.declared().heads.iter().find(|head| **head != from).cloned().unwrap_or_default();
        let host = self.found.crew.get(&from).ok_or_else(|| {
            let failure =
                Failure::new(Exit::Unreachable, format!("{from} carries the group and is not reached"));
            failure.hint("heartbeat fences a head that it does not hear, and takes the group over by itself")
        })?;
        let begin = std::time::Instant::now();
        give_away(host).map_err(failed)?;
        self.taken(&other)?;
        Ok((other, begin.elapsed()))
    }

    /// Waits until heartbeat has the group on a head.
    ///
    /// # Errors
    /// It did not arrive in time (124).
    pub fn taken(&mut self, other: &HostName) -> Result<(), Failure> {
        let group = &self.group;
        let engine = self.found.desired.engine.clone().unwrap_or_default();
        let begin = std::time::Instant::now();
        while begin.elapsed() < MOVE_LIMIT {
            let state = read_state(&engine, &mut self.found.crew, other).unwrap_or_default();
            if carried_by(&state, &self.resources, other) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let seconds = MOVE_LIMIT.as_secs();
        let failure =
            Failure::new(Exit::TimedOut, format!("group {group} is not on {other} after {seconds} s"));
        Err(failure.hint("haoscar status tells where it is"))
    }

    /// Looks whether every service answers again.
    ///
    /// # Errors
    /// What does not, when the time is over.
    pub fn answering(&mut self, reach: &Reach) -> Result<(), Failure> {
        let begin = std::time::Instant::now();
        loop {
            let mut found = via::survey(&self.spec, reach)?;
            look(&self.spec, &mut found);
            let wrong = complaints(&found.observed);
            if wrong.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > ANSWER_LIMIT {
                let failure =
                    Failure::new(Exit::Failed, format!("the group has moved, but {}", wrong.join("; ")));
                return Err(failure.hint("haoscar status asks again"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Moves a group with a constraint that does not outlive the move.
///
/// # Errors
/// The engine refused, or the group did not arrive in time (124).
pub fn moved(
    engine: &mut Engine<'_>,
    constraint: &str,
    group: &str,
    resources: &[String],
    heads: &[HostName],
    from: Option<&HostName>,
) -> Result<(HostName, Duration), Failure> {
    engine.constrain(constraint).map_err(failed)?;
    let others: Vec<_> = heads.iter().filter(|head| Some(*head) != from).collect();
    let arrived =
        engine.wait(MOVE_LIMIT, |state| others.iter().any(|head| carried_by(state, resources, head)));
    let released = engine.release(group).map_err(failed);
    let Some(took) = arrived.map_err(failed)? else {
        let seconds = MOVE_LIMIT.as_secs();
        let failure =
            Failure::new(Exit::TimedOut, format!("group {group} has not arrived after {seconds} s"));
        return Err(failure.hint("haoscar status tells where it is; the move's constraint was taken away"));
    };
    released?;
    // a look at a service that has just begun shows it as not quite there
    let there = std::cell::RefCell::new(None);
    let stays = |state: &EngineState| {
        *there.borrow_mut() = others.iter().find(|head| stays_on(state, resources, head)).copied();
        there.borrow().is_some()
    };
    engine.wait(STAYS, stays).map_err(failed)?;
    there.into_inner().map(|to| (to.clone(), took)).ok_or_else(|| {
        let failure = Failure::new(Exit::Failed, format!("group {group} arrived and did not stay"));
        failure.hint("haoscar status tells where it is; `ha.failback: auto` draws it to its first head")
    })
}

/// Refuses what heartbeat has no word for.
///
/// # Errors
/// The spec's engine is heartbeat (64).
pub fn pacemaker_only(spec: &source::Spec, what: &str, instead: &str) -> Result<(), Failure> {
    if spec.loaded.cluster.ha.engine == EngineKind::Pacemaker {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("engine heartbeat cannot {what}"))
        .hint(format!("{instead}, or use `engine: pacemaker`")))
}

/// A member whose engine runs and has quorum.
///
/// # Errors
/// No engine (69), no quorum (106).
pub fn running(found: &Survey) -> Result<HostName, Failure> {
    let member = found.member.clone().ok_or_else(|| {
        Failure::new(Exit::Unreachable, "no head with a running engine was reached")
            .hint("haoscar status tells what was; haoscar apply starts the engine")
    })?;
    if found.observed.engine.as_ref().is_some_and(|state| state.quorum) {
        return Ok(member);
    }
    Err(Failure::new(Exit::NoQuorum, format!("the engine on {member} has no quorum and moves nothing"))
        .hint("bring another member back, or confirm that it is off: haoscar fenced HEAD --i-saw-it-off"))
}

/// Asks at a terminal unless -y was said.
///
/// # Errors
/// Not confirmed.
pub fn consent(yes: bool, question: &str) -> Result<(), Failure> {
    if yes || confirmed(question)? {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "not confirmed: nothing was changed"))
}

/// What the engine or a host said, with its exit code.
pub fn failed(error: ApplyError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

/// The session with the member has ended.
pub fn gone() -> Failure {
    Failure::new(Exit::Unreachable, "the session with the member is over")
}
