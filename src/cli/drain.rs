//! `haoscar drain HEAD` and `undrain HEAD`: a head that carries nothing until it is told otherwise.

use clap::Args;

use super::moving::{MOVE_LIMIT, consent, failed, gone, pacemaker_only, running};
use super::out::line;
use super::via::{self, Reach, Survey};
use super::{Common, Exit, Failure, source};
use crate::apply::Engine;
use crate::desired::HostName;
use crate::engines::{EngineResource, EngineState};
use crate::plan::diff;
use crate::status::unproven;

/// Options of `haoscar drain` and `haoscar undrain`.
#[derive(Debug, Args)]
#[command(after_help = "\
A drained head stays a member and votes, but carries nothing, also after a reboot, until `haoscar undrain HEAD`.
Exit status: 0 done; 64 no such head; 106 no quorum; 107 a group on it would have nowhere to go;
124 something still runs on it.")]
pub struct Options {
    /// The head
    head: HostName,
    #[command(flatten)]
    reach: Reach,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn drain(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let (spec, mut found) = find(common, options)?;
    let member = running(&found)?;
    let head = &options.head;
    homeless(&spec, &found, head)?;
    consent(options.yes, &format!("drain {head}?"))?;
    let mut engine = Engine::on(found.crew.get(&member).ok_or_else(gone)?);
    engine.drain(head, true).map_err(failed)?;
    let empty = engine.wait(MOVE_LIMIT, |state| runs_on(state, head).is_empty()).map_err(failed)?;
    let Some(took) = empty else {
        let left = runs_on(&engine.state().map_err(failed)?, head).join(", ");
        let failure = Failure::new(Exit::TimedOut, format!("{head} still carries {left}"));
        return Err(failure.hint(format!("haoscar status tells why; haoscar undrain {head} gives it back")));
    };
    line!(
        "{head} is drained after {:.1} s: it carries nothing until haoscar undrain {head}",
        took.as_secs_f64()
    );
    Ok(Exit::Done)
}

pub(super) fn undrain(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let (_, mut found) = find(common, options)?;
    let member = running(&found)?;
    let head = &options.head;
    let mut engine = Engine::on(found.crew.get(&member).ok_or_else(gone)?);
    engine.drain(head, false).map_err(failed)?;
    let fit = |state: &EngineState| state.nodes.get(head).is_some_and(|node| node.online && !node.standby);
    if engine.wait(MOVE_LIMIT, fit).map_err(failed)?.is_none() {
        return Err(Failure::new(
            Exit::TimedOut,
            format!("{head} is not online again; haoscar status tells why"),
        ));
    }
    line!("{head} may carry groups again");
    Ok(Exit::Done)
}

fn find(common: &Common, options: &Options) -> Result<(source::Spec, Survey), Failure> {
    let spec = source::read(common, None)?;
    pacemaker_only(&spec, "keep a head empty", "stop it there: systemctl disable --now heartbeat")?;
    let heads = &spec.loaded.cluster.heads;
    if !heads.contains_key(&options.head) {
        let known: Vec<_> = heads.keys().map(String::as_str).collect();
        let failure = Failure::new(Exit::Usage, format!("the spec has no head {}", options.head));
        return Err(failure.hint(format!("heads are: {}", known.join(", "))));
    }
    let found = via::survey(&spec, &options.reach)?;
    Ok((spec, found))
}

/// A group that is carried by `head` needs another head that is proven healthy.
fn homeless(spec: &source::Spec, found: &Survey, head: &str) -> Result<(), Failure> {
    let plan = diff(&found.desired, &found.observed, true);
    for (group, declared) in &spec.loaded.cluster.groups {
        if found.observed.carrier(&found.desired, group).as_deref() != Some(head) {
            continue;
        }
        let against = |other: &str| unproven(other, group, &found.desired, &found.observed, &plan);
        let others: Vec<_> = declared.heads.iter().filter(|other| *other != head).collect();
        if !others.iter().any(|other| against(other).is_empty()) {
            let reasons: Vec<_> = others.iter().map(|o| format!("{o}: {}", against(o).join("; "))).collect();
            let message = format!("group {group} would have nowhere to go: {}", reasons.join("; "));
            return Err(Failure::new(Exit::Unsafe, message).hint("mend that head first: haoscar status"));
        }
    }
    Ok(())
}

/// What is started there, or stops somewhere: the engine does not say where.
fn runs_on(state: &EngineState, head: &str) -> Vec<String> {
    let here = |found: &EngineResource| {
        let stops = found.pending.as_deref() == Some("Stopping");
        stops || found.on.iter().chain(&found.beside).any(|on| on == head)
    };
    state.resources.iter().filter(|(_, found)| here(found)).map(|(name, _)| name.clone()).collect()
}
