//! One cycle of the loop: the world is looked at, what drifted is put back where it may be, and one sentence says what came
//! of it. Everything is read anew each time; a notice only was the occasion.

use super::patience::{Advice, Patience};
use super::{heal, when};
use crate::apply::{self, Crew};
use crate::desired::{Accepted, Role};
use crate::engines::{EngineState, leads, pacemaker};
use crate::host::{HostError, Request};
use crate::observed::{Cycle, HostObserved, Word};
use crate::plan::{self, Heal};
use crate::spec;

/// The engine's configuration differs for a while whenever somebody moves or restarts something: only what stays so is
/// drift.
const CIB_STEADY_MS: u64 = 60_000;

/// What one cycle leaves for the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// How often the same was tried.
    pub patience: Patience,
    /// The engine answered at the last look.
    pub answers: bool,
    /// What the engine's configuration differs in, and since when.
    engine: Option<(Vec<String>, u64)>,
}

/// What a cycle has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How it ended.
    pub word: Word,
    /// One sentence.
    pub sentence: String,
    /// What differs or was put back.
    pub objects: Vec<String>,
    /// This head leads.
    pub leads: bool,
}

impl Said {
    /// As it is shown to others.
    pub fn cycle(self, accepted: Option<&Accepted>, healed: u64) -> Cycle {
        Cycle {
            at: crate::host::utc_now(),
            word: self.word,
            sentence: self.sentence,
            generation: accepted.map_or(0, |accepted| accepted.generation),
            commit: accepted.and_then(|accepted| accepted.commit.clone()),
            objects: self.objects,
            leads: self.leads,
            healed,
        }
    }
}

/// How this host is.
struct World {
    seen: HostObserved,
    ground: Ground,
}

/// How the engine is, as this host's own part of it says.
pub struct Ground {
    /// Its state; none: it does not answer.
    pub engine: Option<EngineState>,
    /// Its configuration.
    pub cib: Option<String>,
    /// This head carries the first group, and there is quorum.
    pub leads: bool,
}

/// Looks, decides, puts back, looks again. `now_ms`: by a clock that is never set.
pub fn cycle(accepted: &Accepted, memory: &mut Memory, now_ms: u64) -> Said {
    let mut crew = Crew::here(&accepted.host);
    let world = match look(accepted, &mut crew) {
        Ok(world) => world,
        Err(error) => return failed(&[], false, &error.to_string()),
    };
    memory.answers = world.ground.cib.is_some();
    let heal = plan::heal(accepted, &world.seen, world.ground.cib.as_deref().filter(|_| world.ground.leads));
    let heal = steady(heal, memory, now_ms);
    if heal.is_empty() {
        memory.patience.forget();
        return in_step(accepted, &heal, world.ground.leads);
    }
    match may(accepted, &world, &heal, memory, now_ms) {
        Ok(()) => act(accepted, heal, world.ground.leads, (memory, &mut crew), now_ms),
        Err((word, why)) => {
            let objects = heal.objects();
            Said {
                word,
                sentence: format!("{} differ: {why}", count(&objects)),
                objects,
                leads: world.ground.leads,
            }
        }
    }
}

fn look(accepted: &Accepted, crew: &mut Crew) -> Result<World, HostError> {
    let observe = Request::Observe {
        files: accepted.files.clone(),
        directories: accepted.directories.clone(),
        units: accepted.units.iter().map(|unit| unit.name.clone()).collect(),
    };
    let gone = || HostError::Failed { subject: accepted.host.clone(), why: "there is no session".to_owned() };
    let seen = heal::observe(&accepted.host, crew.get(&accepted.host).ok_or_else(gone)?, &observe)?;
    Ok(World { seen, ground: ground(accepted, crew) })
}

/// Asks the engine.
pub fn ground(accepted: &Accepted, crew: &mut Crew) -> Ground {
    let engine = accepted.engine.as_ref();
    let state = engine.and_then(|engine| apply::read_state(engine, crew, &accepted.host));
    let has_cib = engine.is_some_and(|engine| engine.kind == spec::EngineKind::Pacemaker);
    let cib = state.as_ref().filter(|_| has_cib).and_then(|_| apply::read_cib(crew, &accepted.host));
    let ids = engine.zip(accepted.group.as_ref()).and_then(|(engine, group)| engine.resources.get(group));
    let leads = accepted.role == Role::Head
        && state.as_ref().zip(ids).is_some_and(|(state, ids)| leads(&accepted.host, ids, state));
    Ground { engine: state, cib, leads }
}

/// Without what the engine's configuration has differed in for a short time only.
fn steady(mut heal: Heal, memory: &mut Memory, now_ms: u64) -> Heal {
    let since = match &memory.engine {
        Some((known, since)) if *known == heal.engine => *since,
        _ => now_ms,
    };
    memory.engine = Some((heal.engine.clone(), since)).filter(|(changes, _)| !changes.is_empty());
    if now_ms < since + CIB_STEADY_MS {
        heal.engine.clear();
    }
    heal
}

/// Whether it may be put back now; else how the cycle ends, and why.
fn may(
    accepted: &Accepted,
    world: &World,
    heal: &Heal,
    memory: &mut Memory,
    now_ms: u64,
) -> Result<(), (Word, String)> {
    match accepted.policy.heal {
        spec::Heal::Auto => {}
        spec::Heal::Ask => {
            let why = "policy.heal is ask: `haoscar apply` puts it back".to_owned();
            return Err((Word::Degraded, why));
        }
        spec::Heal::Off => return Err((Word::Degraded, "policy.heal is off".to_owned())),
    }
    let named = world.ground.cib.as_deref().map_or(0, pacemaker::generation);
    if let Some(why) = when::hinders(accepted, &world.seen, world.ground.engine.as_ref(), named) {
        return Err((Word::Waits, why));
    }
    match memory.patience.advice(&heal.objects(), now_ms) {
        Advice::Try => Ok(()),
        Advice::Later(ms) => {
            Err((Word::Waits, format!("it failed, and is tried again in {} s", ms.div_ceil(1_000))))
        }
        Advice::Leave(why) => Err((Word::Degraded, why)),
    }
}

fn act(
    accepted: &Accepted,
    heal: Heal,
    leads: bool,
    (memory, crew): (&mut Memory, &mut Crew),
    now_ms: u64,
) -> Said {
    let objects = heal.objects();
    let id = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ-heal").to_string();
    match carry_out(accepted, heal::spared(heal), &id, crew) {
        Ok(()) => {
            memory.patience.healed(&objects, now_ms);
            let generation = accepted.generation;
            let sentence = format!("put back to generation {generation}: {}", objects.join(", "));
            Said { word: Word::Healed, sentence, objects, leads }
        }
        Err(Trouble::Busy) => {
            let sentence = format!("{} differ: an apply is at work here", count(&objects));
            Said { word: Word::Waits, sentence, objects, leads }
        }
        Err(Trouble::Failed(why)) => {
            memory.patience.failed(&objects, now_ms, jitter());
            failed(&objects, leads, &why)
        }
    }
}

enum Trouble {
    Busy,
    Failed(String),
}

impl From<HostError> for Trouble {
    fn from(error: HostError) -> Self {
        if matches!(error, HostError::Locked { .. }) { Self::Busy } else { Self::Failed(error.to_string()) }
    }
}

impl From<apply::ApplyError> for Trouble {
    fn from(error: apply::ApplyError) -> Self {
        match error {
            apply::ApplyError::Host(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

fn carry_out(accepted: &Accepted, heal: Heal, id: &str, crew: &mut Crew) -> Result<(), Trouble> {
    if !heal.host.is_empty() || !heal.host.restarts.is_empty() {
        let gone = || Trouble::Failed("there is no session".to_owned());
        heal::put_back(accepted, &heal, id, crew.get(&accepted.host).ok_or_else(gone)?)?;
        heal::restart(accepted, &heal, crew)?;
    }
    if !heal.engine.is_empty() {
        heal::configure(accepted, id, crew)?;
    }
    let left = plan::heal(accepted, &look(accepted, crew)?.seen, None);
    let left = left.objects();
    if left.is_empty() {
        Ok(())
    } else {
        Err(Trouble::Failed(format!("put back, and differs still: {}", left.join(", "))))
    }
}

fn in_step(accepted: &Accepted, heal: &Heal, leads: bool) -> Said {
    let (host, generation) = (&accepted.host, accepted.generation);
    if heal.left.is_empty() {
        let sentence = format!("{host} is as generation {generation} asks");
        return Said { word: Word::InStep, sentence, objects: Vec::new(), leads };
    }
    Said { word: Word::Degraded, sentence: heal.left.join("; "), objects: heal.left.clone(), leads }
}

fn failed(objects: &[String], leads: bool, why: &str) -> Said {
    let sentence = format!("what differs could not be put back: {why}");
    Said { word: Word::Waits, sentence, objects: objects.to_vec(), leads }
}

fn count(objects: &[String]) -> String {
    match objects {
        [one] => format!("1 object ({one})"),
        [first, ..] => format!("{} objects ({first} first)", objects.len()),
        [] => "no object".to_owned(),
    }
}

/// 0 to 1.
pub fn jitter() -> f64 {
    let mut byte = [128];
    let _ = getrandom::fill(&mut byte); // the middle is as good
    f64::from(byte[0]) / 255.0
}
