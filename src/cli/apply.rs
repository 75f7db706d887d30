//! `haoscar apply`: carries a plan out, and looks again whether nothing is left.

use crate::cli::out::line;
use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::accept::{Origin, accept, refuse, settle};
use super::ask::confirmed;
use super::look::look;
use super::plan::{Saved, fingerprint, print};
use super::predict::with_impact;
use super::via::{self, Reach, Survey};
use super::{Common, Exit, Failure, agents, examine, source};
use crate::apply::{ApplyError, Order, STEADY_FOR, apply_for, install};
use crate::host::HostError;
use crate::plan::{Moved, Plan, diff, objects, sentence, unmoved};
use crate::spec::Span;
use crate::status::complaints;

/// Options of `haoscar apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar apply --spec cluster.yaml         shows the plan, asks, carries it out
  haoscar apply plan.json                   a saved plan, and nothing else; refused where an object of it has moved
  haoscar apply --via lab:demo --adopt -y
  haoscar apply --confirm-within 5m         goes back by itself unless `haoscar confirm` comes, also after a reboot

Where a head follows a branch, applying anything but its newest commit holds that commit until `haoscar resume`.
A host is left as it was when a check refuses its new files or a step fails before the commit.
Exit status: 0 done; 1 failed and reverted; 64 no terminal to ask and no -y; 69 a member is unreachable;
75 the world has moved since the plan, or somebody else is applying; 107 refused as unsafe.")]
pub struct Options {
    /// A saved plan (`haoscar plan -o`), or a spec
    path: Option<Utf8PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Files that haoscar did not write may be taken over; the originals are kept
    #[arg(long)]
    adopt: bool,
    /// Apply what is accepted on this head once more, for a host that was away
    #[arg(long, conflicts_with = "path")]
    accepted: bool,
    /// Put everything back by itself after this time, unless `haoscar confirm` comes: 5m
    #[arg(long, value_name = "TIME")]
    confirm_within: Option<Span>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// The commit of the followed branch that this is the spec of (said by the loop of the head that leads)
    #[arg(long, hide = true, value_name = "COMMIT")]
    followed: Option<String>,
}

/// A person needs some time to look whether he can still log in.
const CONFIRM_SHORTEST_MS: u64 = 10_000;

/// Nothing else can be applied meanwhile.
const CONFIRM_LONGEST_MS: u64 = 86_400_000;

fn window(options: &Options) -> Result<Option<u64>, Failure> {
    let Some(span) = options.confirm_within else { return Ok(None) };
    if (CONFIRM_SHORTEST_MS..=CONFIRM_LONGEST_MS).contains(&span.as_millis()) {
        return Ok(Some(span.as_duration().as_secs()));
    }
    Err(Failure::new(Exit::Usage, format!("--confirm-within {span}: 10s to 1d are possible")))
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let confirm = window(options)?;
    if options.reach.is_export() {
        let failure = Failure::new(Exit::Usage, "facts are no hosts: nothing can be applied to them");
        return Err(failure.hint("leave --via away, where the hosts can be reached"));
    }
    let saved =
        options.path.as_deref().filter(|path| path.extension() == Some("json")).map(read).transpose()?;
    let path = saved.as_ref().map_or(options.path.as_deref(), |saved| Some(saved.spec.as_path()));
    let spec = if options.accepted { source::accepted()? } else { source::read(common, path)? };
    let adopt = options.adopt || saved.as_ref().is_some_and(|saved| saved.adopt);
    let reach = saved.as_ref().map_or(&options.reach, |saved| &saved.reach);
    let origin = options.followed.as_deref().map_or(Origin::Person, Origin::Branch);
    let asked = Asked { reach, adopt, yes: options.yes, confirm, saved: saved.as_ref(), origin };
    let done = go(common, &spec, &asked).inspect_err(|failure| {
        if let Some(commit) = &options.followed {
            refuse(commit, failure);
        }
    })?;
    if let (Some(span), Exit::Done) = (options.confirm_within, done) {
        line!("all of it goes back in {span} unless you confirm it: haoscar confirm");
    }
    Ok(done)
}

/// What a person asked for, beside the spec.
pub(super) struct Asked<'a> {
    pub(super) reach: &'a Reach,
    pub(super) adopt: bool,
    pub(super) yes: bool,
    pub(super) confirm: Option<u64>,
    pub(super) saved: Option<&'a Saved>,
    pub(super) origin: Origin<'a>,
}

/// Plans, shows, asks, carries out, has it accepted, looks again.
pub(super) fn go(common: &Common, spec: &source::Spec, asked: &Asked<'_>) -> Result<Exit, Failure> {
    let mut found = via::survey(spec, asked.reach)?;
    agents::ask(spec, &mut found, asked.reach.is_lab())?;
    examine::missing(&mut found);
    let plan =
        with_impact(diff(&found.desired, &found.observed, asked.adopt), &spec.loaded.cluster, &mut found);
    let (plan, others) = match asked.saved {
        Some(saved) => reviewed(spec, saved, plan)?,
        None => (plan, BTreeSet::new()),
    };
    if !common.quiet {
        print(common, &plan);
    }
    if plan.is_empty() {
        settle(common, spec, &mut found, &plan, asked.origin);
        return Ok(Exit::Done);
    }
    refused(&plan)?;
    if !asked.yes && asked.saved.is_none() && !confirmed("apply?")? {
        return Err(Failure::new(Exit::Failed, "not confirmed: nothing was changed"));
    }
    if installed(common, &plan, &mut found)? {
        drop(found);
        return again(common, spec, asked);
    }
    carry_out(common, &plan, &mut found, asked.confirm)?;
    accept(common, spec, &mut found, &plan, asked.origin, asked.confirm.is_some());
    drop(found);
    verify(spec, asked.reach, common, &plan, &others)
}

/// Installs what hosts lack. Whether there was anything.
fn installed(common: &Common, plan: &Plan, found: &mut Survey) -> Result<bool, Failure> {
    install(plan, &mut found.crew, &order_id(), &teller(common)).map_err(of_apply)
}

/// Says each step, with the seconds since now.
fn teller(common: &Common) -> impl Fn(&str) + Sync + use<> {
    let begin = std::time::Instant::now();
    let quiet = common.quiet;
    move |line: &str| {
        if !quiet {
            line!("[{:6.1} s] {line}", begin.elapsed().as_secs_f64());
        }
    }
}

/// What packages brought is looked at: files are there now that were to be made.
fn again(common: &Common, spec: &source::Spec, asked: &Asked<'_>) -> Result<Exit, Failure> {
    if asked.saved.is_some() {
        let message =
            "packages were installed, and nothing else was changed: what they brought is in no saved plan";
        return Err(Failure::new(Exit::Stale, message).hint("make the plan again: haoscar plan -o FILE"));
    }
    if !common.quiet {
        line!("packages are installed; the rest:");
    }
    go(common, spec, asked)
}

fn read(path: &Utf8Path) -> Result<Saved, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::new(Exit::Missing, format!("{path}: {e}")))?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::new(Exit::Invalid, format!("{path} is not a saved plan: {e}")))
}

/// A saved plan is carried out as far as it goes, where nothing that it touches has moved. What else differs is answered.
fn reviewed(spec: &source::Spec, saved: &Saved, now: Plan) -> Result<(Plan, BTreeSet<String>), Failure> {
    let stale = |message: String| {
        Failure::new(Exit::Stale, message).hint("make the plan again: haoscar plan -o FILE")
    };
    if !saved.sources.is_empty() && saved.sources != fingerprint(spec) {
        return Err(stale("the spec has changed since this plan was made".to_owned()));
    }
    let others = objects(&now).difference(&objects(&saved.plan)).cloned().collect();
    let moved = |moved: Vec<Moved>| {
        let lines: Vec<_> = moved.iter().map(Moved::to_string).collect();
        stale(format!("the world has moved since this plan was made:\n  {}", lines.join("\n  ")))
    };
    Ok((unmoved(&saved.plan, now).map_err(moved)?, others))
}

fn refused(plan: &Plan) -> Result<(), Failure> {
    let Some(first) = plan.refused.iter().find(|r| r.unreachable).or(plan.refused.first()) else {
        return Ok(());
    };
    let more = match plan.refused.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let exit = if first.unreachable { Exit::Unreachable } else { Exit::Unsafe };
    Err(Failure::new(exit, format!("{}{more}", first.why)).hint(first.mend.clone()))
}

fn carry_out(common: &Common, plan: &Plan, found: &mut Survey, confirm: Option<u64>) -> Result<(), Failure> {
    let id = order_id();
    let generation = Some(found.observed.generation + 1);
    let order = Order { id: &id, confirm, generation, steady_for: STEADY_FOR };
    apply_for(plan, &found.desired, &mut found.crew, &order, &teller(common)).map_err(of_apply)
}

/// Names an apply: when it began.
fn order_id() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn of_apply(error: ApplyError) -> Failure {
    let exit = match &error {
        ApplyError::Host(HostError::Unreachable { .. }) => Exit::Unreachable,
        ApplyError::Host(HostError::Locked { .. } | HostError::Outdated { .. }) => Exit::Stale,
        ApplyError::Unconfirmable => Exit::Unsafe,
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, error.to_string());
    match &error {
            ApplyError::SecretMissing(name) => failure.hint(format!(
                "put it on one head: printf %s SECRET | ssh HEAD 'umask 077; mkdir -p /etc/haoscar/secrets; cat > /etc/haoscar/secrets/{name}'"
            )),
            ApplyError::SecretsDiffer { name, .. } => {
                failure.hint(format!("remove the wrong one: rm /etc/haoscar/secrets/{name}"))
            }
            _ => failure,
        }
}

/// An engine's change carries its edit in the lines below.
fn first_line(object: &str) -> String {
    object.lines().next().unwrap_or_default().to_owned()
}

/// Enough to know where to look: all of it is in the plan above.
fn shortened(wrong: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = match wrong.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!("; and {n} more, see above"),
    };
    wrong.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ") + &more
}

/// A service that has just been started or reloaded answers within seconds: ganesha's grace is the longest normal one.
const VERIFY_LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// Verify is diff again, and a look at every service as its client: asked again until nothing is left or the time is
/// over. What is left then is said, and is a failure.
fn verify(
    spec: &source::Spec,
    reach: &Reach,
    common: &Common,
    plan: &Plan,
    others: &BTreeSet<String>,
) -> Result<Exit, Failure> {
    let begin = std::time::Instant::now();
    loop {
        let mut found = via::survey(spec, reach)?;
        look(spec, &mut found);
        let mut left = diff(&found.desired, &found.observed, true);
        let late = left.leave_late(plan);
        let wrong = complaints(&found.observed);
        let differ = objects(&left);
        if differ.is_subset(others) && left.statements().next().is_none() && wrong.is_empty() {
            if !common.quiet {
                line!("applied: {}", sentence(&left));
            }
            for host in late {
                eprintln!("warning: {host} came up meanwhile, and was no part of this: apply again");
            }
            for object in differ {
                eprintln!("warning: {object}: differs, and the saved plan did not touch it");
            }
            return Ok(Exit::Done);
        }
        if begin.elapsed() > VERIFY_LIMIT {
            print(common, &left);
            let mut wrong = wrong;
            wrong.extend(differ.difference(others).map(|object| first_line(object)));
            wrong.extend(left.statements().map(|(service, asked)| format!("{service}: {}", asked.text)));
            let seconds = VERIFY_LIMIT.as_secs();
            let message = format!(
                "applied, but after {seconds} s this is still not as the spec says: {}",
                shortened(&wrong)
            );
            return Err(Failure::new(Exit::Failed, message).hint("haoscar status asks again"));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
