//! `haoscar remove`: every host becomes what it was before haoscar came.

use clap::Args;

use super::ask::confirmed;
use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, source};
use crate::apply::remove;
use crate::spec::EngineKind;

/// Options of `haoscar remove`.
#[derive(Debug, Args)]
#[command(after_help = "\
The engine stops what it carries, or with --keep-services lets go of it (it stays in maintenance: haoscar resume, should
haoscar come back); files that were there before come back with owner and mode, others go; units are
enabled and run as they did. Secrets (/etc/haoscar/secrets), data of services, packages, and what was kept of originals
and hand edits (/var/lib/haoscar) stay.

Exit status: 0 done; 1 failed, and every host is as it was; 69 a host is not reached.")]
pub struct Options {
    #[command(flatten)]
    reach: Reach,
    /// Services and addresses run on, until somebody stops them; only the engine and haoscar stop
    #[arg(long)]
    keep_services: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, None)?;
    let mut found = via::survey(&spec, &options.reach)?;
    if let Some((name, why)) = found.observed.unreachable.iter().next() {
        return Err(Failure::new(Exit::Unreachable, format!("{name} cannot be reached: {why}"))
            .hint("bring it back, so that none is left behind"));
    }
    let names = found.crew.names();
    let services = if options.keep_services { "leave all services unwatched" } else { "stop all services" };
    let question = format!("{services} and take haoscar off {}?", names.join(", "));
    if !options.yes && !confirmed(&question)? {
        return Err(Failure::new(Exit::Failed, "not confirmed: nothing was changed"));
    }
    let kind = found.desired.engine.as_ref().map_or_else(EngineKind::default, |engine| engine.kind);
    if kind == EngineKind::Heartbeat && options.keep_services {
        return Err(Failure::new(
            Exit::Unsafe,
            "heartbeat stops what it carries when it stops: --keep-services cannot be kept",
        ));
    }
    let member = found.member.clone().filter(|_| kind == EngineKind::Pacemaker);
    let id = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let quiet = common.quiet;
    let say = move |text: &str| {
        if !quiet {
            line!("{text}");
        }
    };
    remove(&mut found.crew, member.as_ref(), (&id, options.keep_services), &say)
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    line!("removed: files and units are as before on {}", names.join(", "));
    Ok(Exit::Done)
}
