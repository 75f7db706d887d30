//! `haoscar doctor`: the standby is proven before it is needed.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;

use super::out::line;
use super::via::{self, Reach, Survey};
use super::{Common, Exit, Failure, Format, examine, source};
use crate::desired::Role;
use crate::host::Request;
use crate::observed::Examined;
use crate::plan::diff;
use crate::spec::Span;
use crate::status::{Doctor, Weight, doctor, of_doctor};

/// Options of `haoscar doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Asks every head and witness for everything that a failover relies on: whether it is reached and in step with the spec,
whether packages are the same on all heads, whether all heads see one storage (a small file, .haoscar-token, is written
on one and read on the others), or have a copy of a mirror that is not behind, whether every fence device answers each
head that would use it and how fast, whether the daemons' own validators pass, whether clocks agree, when the groups
were last rehearsed, and whether the machines wake a process in time for `ha.detect`. Nothing else is written, moved or fenced.

It says what a power cut of each head is expected to cost: `ha.detect`, plus what its fence device took to answer (a
real power-off takes a BMC 1 to 5 s longer), plus the last rehearsed move.

Examples:
  haoscar doctor                            ./cluster.yaml, hosts by ssh
  haoscar doctor --for 1m                   a longer look for late wake-ups: the longer, the truer
  haoscar doctor --format json | jq .findings
  haoscar doctor --format prometheus > /var/lib/prometheus/node-exporter/haoscar-doctor.prom
  haoscar doctor || mail -s 'the standby is not proven' root    in a timer

Exit status: 0 all is well; 1 something was found; 64 usage; 65 spec invalid.")]
pub struct Options {
    /// The spec: a file, or a folder that holds cluster.yaml
    path: Option<Utf8PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// How long to look for late wake-ups
    #[arg(long = "for", value_name = "TIME", default_value = "5s")]
    window: Span,
}

/// A longer look hears nothing from hosts for as long: their answers are waited for 10 minutes.
const LONGEST: Duration = Duration::from_secs(300);

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let window = options.window.as_duration();
    if window > LONGEST {
        return Err(Failure::new(Exit::Usage, format!("--for {}: 5m is the longest look", options.window))
            .hint("run it several times: haoscar doctor --for 5m"));
    }
    let spec = source::read(common, options.path.as_deref())?;
    let mut reached = via::reached(&spec, &options.reach)?;
    let mut examined = examine::begin(&reached.facts);
    examine::storages(&spec.loaded.cluster, &mut reached.crew, &mut examined);
    examined.mirrors = examine::mirrors(&spec.loaded.cluster, &mut reached.crew);
    examined.disks = examine::disks(&spec.loaded.cluster, &mut reached.crew);
    examine::leave_hanging(&mut reached, &examined);
    let mut found = via::surveyed(reached)?;
    examine::standing(&mut found, &mut examined);
    examine::fences(&mut found, &mut examined);
    examine::machines(&found.desired, window, &mut found.crew, &mut examined);
    let said = judged(&spec, &found, &examined);
    keep(&mut found, &said);
    match common.format {
        Format::Json => line!("{}", serde_json::to_string_pretty(&said).unwrap_or_default()),
        Format::Prometheus => line!("{}", of_doctor(&said).trim_end()),
        _ => print(&said),
    }
    Ok(if said.well { Exit::Done } else { Exit::Failed })
}

fn judged(spec: &source::Spec, found: &Survey, examined: &Examined) -> Doctor {
    let plan = diff(&found.desired, &found.observed, true);
    doctor(&spec.loaded.cluster, &found.desired, &found.observed, &plan, examined)
}

/// Every head that is reached keeps the result; one that cannot has been said to be broken in other ways.
fn keep(found: &mut Survey, said: &Doctor) {
    let at = crate::host::utc_now();
    let heads: Vec<_> = found
        .desired
        .hosts
        .iter()
        .filter(|(_, (role, _))| *role == Role::Head)
        .map(|(n, _)| n.clone())
        .collect();
    let request = Request::Checkup(said.checkup(at));
    let _ = found.crew.each(&heads, |_, host| host.ask(&request));
}

fn print(said: &Doctor) {
    line!("{}", said.sentence);
    for finding in &said.findings {
        let weight = match finding.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
            Weight::Note => "note",
        };
        line!("{weight}: {}", finding.message);
        line!("  help: {}", finding.mend);
    }
    for tried in &said.examined.fences {
        if let Ok(seconds) = tried.answer {
            line!("fence device {} answers {} in {seconds:.2} s", tried.device, tried.from);
        }
    }
    for (host, stall) in &said.examined.stalls {
        let class = if stall.realtime { "" } else { ", without real-time priority" };
        line!(
            "{host} wakes a process at most {} ms late, {:.0} % of its time stolen{class}",
            stall.longest_ms,
            stall.steal * 100.0
        );
    }
    for (head, cost) in &said.power_cut {
        let parts = format!("detect {:.2} s", cost.detect_s);
        match (cost.fence_s, cost.total_s) {
            (Some(fence), Some(total)) => line!(
                "a power cut of {head} is expected to cost {total:.2} s: {parts}, fence device {fence:.2} s, move {:.2} s",
                cost.move_s
            ),
            _ => line!("a power cut of {head} costs {parts} and longer: none of its fence devices answered"),
        }
    }
}
