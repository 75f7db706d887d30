//! `haoscar run`: what a head does all the time.

use clap::{Args, ValueEnum};

use super::{Common, Exit, Failure};
use crate::control::{self, Place, WatchProblem};

/// A part of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Main processes, network links and storage, told to the engine at once
    Watch,
    /// Under heartbeat: units that die are started again, and a takeover that hangs is mended
    Mend,
    /// An outside watch hears from this head while the cluster is whole
    Alive,
}

/// Options of `haoscar run`.
#[derive(Debug, Args)]
#[command(after_help = "\
The loop puts back what drifts on this head: files, folders and units of its own, as the accepted generation has them
(/var/lib/haoscar/accepted.json, which apply lays on every head and witness). Woken by changes of those files and units,
and every five minutes. It waits while an apply is at work, a service has failed, or the engine is paused; it starts,
stops and moves nothing that the engine carries. policy.heal says whether it acts (auto), asks (ask) or only tells (off).
With policy.source in the accepted spec, the head that leads (quorum, and it carries the first group) also fetches that branch
and has its newest commit rolled out, if it is believed and nothing speaks against it; haoscar status says how it stands.

SIGHUP has it look, and fetch, now. Ended or killed, it changes nothing that runs.

The watcher reads /etc/haoscar/watch.json, which apply lays on every head with haoscar-watch.service. It tells the
engine at once of a main process that ended though nobody stopped it (crm_resource --fail), and of a network or storage
that is lost (a node attribute with a finite score); the engine decides. Killed, it costs speed only.

With engine heartbeat the mender reads /etc/haoscar/pair.json. It starts a carried unit again that dies, as often as its
recovery policy says, then gives the group to the other head; and it does the step that a takeover which hangs has lost.

With ha.watched_by in the spec, the head that carries the first group asks for its address while the cluster is whole.

Examples:
  haoscar run                               # the loop: what haoscar.service runs
  haoscar run --metrics 127.0.0.1:9750      # and Prometheus may ask it; haoscar.service has a socket in /run/haoscar
  haoscar run --only watch                  # what haoscar-watch.service runs
  haoscar run --only mend                   # what haoscar-mend.service runs
  haoscar run --only alive                  # what haoscar-alive.service runs
  journalctl -u haoscar-watch               # what it told the engine")]
pub struct Options {
    /// Only this part: watch, mend, alive; the loop when left out
    #[arg(long, value_enum, value_name = "PART", hide_possible_values = true)]
    only: Option<Part>,
    /// Serve the loop's metrics for Prometheus: unix:/PATH or ADDRESS:PORT
    #[arg(long, value_name = "WHERE", conflicts_with = "only")]
    metrics: Option<Place>,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let say = |text: &str| {
        if !common.quiet {
            eprintln!("{text}");
        }
    };
    let Some(part) = options.only else {
        let say: &'static (dyn Fn(&str) + Sync) =
            if common.quiet { &|_| {} } else { &|text| eprintln!("{text}") };
        control::run(options.metrics.as_ref(), say).map_err(|problem| failure(&problem))?;
        return Ok(Exit::Done);
    };
    match part {
        Part::Watch => {
            let list = control::read_list().map_err(|problem| failure(&problem))?;
            control::watch(&list, &say).map_err(|problem| failure(&problem))?;
        }
        Part::Mend => {
            let pair = control::read_pair().map_err(|problem| failure(&problem))?;
            control::mend(&pair, &say).map_err(|problem| failure(&problem))?;
        }
        Part::Alive => {
            control::alive(&control::read_alive().map_err(|problem| failure(&problem))?, &say);
        }
    }
    Ok(Exit::Done)
}

fn failure(problem: &WatchProblem) -> Failure {
    let said = problem.to_string();
    match problem {
        WatchProblem::NoList { .. } => {
            Failure::new(Exit::Missing, said).hint("`haoscar apply` lays it on every head")
        }
        WatchProblem::BadList { .. } => Failure::new(Exit::Invalid, said)
            .hint("`haoscar apply` writes it anew; this haoscar may be older"),
        WatchProblem::Taken => Failure::new(Exit::Stale, said).hint("systemctl status haoscar-watch"),
        WatchProblem::System { .. } => Failure::new(Exit::Failed, said),
    }
}
