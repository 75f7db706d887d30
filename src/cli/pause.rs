//! `haoscar pause --for TIME` and `haoscar resume`: the engine watches and does nothing, until the time is over.

use clap::Args;

use super::moving::{MOVE_LIMIT, consent, failed, gone, pacemaker_only, running};
use super::out::line;
use super::via::{self, Reach, Survey};
use super::{Common, Exit, Failure, source};
use crate::apply::{self, Engine};
use crate::desired::{HostName, Question};
use crate::engines::pacemaker;
use crate::host::Request;
use crate::spec::Span;

/// Options of `haoscar pause`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar pause --for 2h                    two hours of maintenance, then the engine works again

Meanwhile nothing is restarted and nothing fails over. The end is kept in the engine itself: it comes without haoscar,
and also after a reboot. `haoscar resume` ends it now.")]
pub struct Options {
    /// How long: 30m, 2h, 1d
    #[arg(long = "for", value_name = "TIME")]
    time: Span,
    #[command(flatten)]
    reach: Reach,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Options of `haoscar resume`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends a pause, and any maintenance of the engine; and the hold of a commit of the followed branch, which
`haoscar apply` of something else, `haoscar rollback` or a failed roll-out has set. Exit status: 0 the engine works again."
)]
pub struct ResumeOptions {
    #[command(flatten)]
    reach: Reach,
}

/// Longer than any maintenance that a person means; a pause is not a way to switch the engine off.
const LONGEST_MS: u64 = 7 * 86_400_000;

/// A signal to the loop.
const RELOAD_MS: u64 = 10_000;

/// The engine looks at its clock by whole seconds.
const SHORTEST_MS: u64 = 10_000;

pub(super) fn pause(common: &Common, options: &Options) -> Result<Exit, Failure> {
    if !(SHORTEST_MS..=LONGEST_MS).contains(&options.time.as_millis()) {
        return Err(Failure::new(Exit::Usage, format!("--for {}: 10s to 7d are possible", options.time)));
    }
    let spec = source::read(common, None)?;
    pacemaker_only(&spec, "pause", "stop it on the other head: systemctl stop heartbeat")?;
    let mut found = via::survey(&spec, &options.reach)?;
    let member = running(&found)?;
    let end = jiff::Timestamp::now() + options.time.as_duration();
    let end = end.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let question = format!("pause the engine for {}? nothing fails over until {end}", options.time);
    consent(options.yes, &question)?;
    let mut engine = Engine::on(found.crew.get(&member).ok_or_else(gone)?);
    engine.pause(Some(&end)).map_err(failed)?;
    until(&mut engine, true)?;
    line!(
        "the engine of cluster {} is paused until {end}: it restarts nothing and moves nothing",
        spec.loaded.cluster.name
    );
    Ok(Exit::Done)
}

pub(super) fn resume(common: &Common, options: &ResumeOptions) -> Result<Exit, Failure> {
    let spec = source::read(common, None)?;
    pacemaker_only(&spec, "pause", "stop it on the other head: systemctl stop heartbeat")?;
    let mut found = via::survey(&spec, &options.reach)?;
    let member = running(&found)?;
    let mut engine = Engine::on(found.crew.get(&member).ok_or_else(gone)?);
    engine.pause(None).map_err(failed)?;
    until(&mut engine, false)?;
    line!("the engine of cluster {} works again", spec.loaded.cluster.name);
    release(&mut found, &member)?;
    Ok(Exit::Done)
}

/// Takes the hold of a commit of the followed branch away, and has the heads look at it now.
fn release(found: &mut Survey, member: &HostName) -> Result<(), Failure> {
    let Some(hold) = found.observed.cib.as_deref().and_then(pacemaker::held) else { return Ok(()) };
    apply::hold(&mut found.crew, member, None).map_err(failed)?;
    let what = match hold.commit.get(..7) {
        Some(short) => format!("commit {short}"),
        None => "the followed branch".to_owned(),
    };
    line!("{what} is no longer held: policy.rollout says what happens to it");
    let heads: Vec<_> = found.crew.names();
    let reload = ["systemctl", "reload", "haoscar.service"].map(str::to_owned).into();
    let reload = Request::Ask(Question::Command { argv: reload, timeout_ms: RELOAD_MS });
    for (name, answer) in found.crew.each(&heads, |_, host| host.ask(&reload)) {
        if let Err(error) = answer {
            eprintln!("warning: {name} looks at it later: {error}");
        }
    }
    Ok(())
}

fn until(engine: &mut Engine<'_>, maintenance: bool) -> Result<(), Failure> {
    match engine.wait(MOVE_LIMIT, |state| state.maintenance == maintenance).map_err(failed)? {
        Some(_) => Ok(()),
        None => Err(Failure::new(
            Exit::TimedOut,
            "the engine has not taken it up; haoscar status tells how it is",
        )),
    }
}
