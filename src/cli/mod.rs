//! The command line: one file a verb. Gathers sources, calls the pure rooms, shows what they say, sets exit codes.
//!
//! Only this room prints. It must not decide anything about a cluster.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod accept;
mod agent;
mod agents;
mod apply;
mod ask;
mod backup;
mod build;
mod confirm;
mod difference;
mod doctor;
mod drain;
mod drill;
mod events;
mod examine;
mod exit;
mod explain;
mod failover;
mod fenced;
mod generate;
mod history;
mod image;
mod init;
mod lab;
mod look;
mod macs;
mod moving;
mod observe;
mod out;
mod pause;
mod plan;
mod predict;
mod probe;
mod problems;
mod recover;
mod rehearse;
mod remove;
mod render;
mod rollback;
mod run;
mod secret;
mod serves;
mod source;
mod status;
mod strangers;
mod switchover;
mod trust;
mod validate;
mod via;

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use exit::{Exit, Failure};

/// Keep a Linux HPC cluster's head nodes what git says they are.
#[derive(Debug, Parser)]
#[command(name = "haoscar", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// Options that every verb knows.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The spec: a cluster.yaml, or a folder that holds one. Default: ./cluster.yaml, then
    /// /etc/haoscar/spec, then on a head what is accepted
    #[arg(short, long, global = true, value_name = "PATH")]
    spec: Option<Utf8PathBuf>,
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Say less (errors only)
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more; twice for every command on every host
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines, with a stable schema.
    Json,
    /// GitHub workflow annotations (validate).
    Github,
    /// JUnit XML (validate, lab drill).
    Junit,
    /// Markdown, for a comment on a change of the spec (plan).
    Markdown,
    /// Prometheus text, for node_exporter's textfile collector (status, doctor).
    Prometheus,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a first spec, from what a head says of itself and at most ten answers
    Init(init::Options),
    /// Check a spec: every problem with file, line, column, caret and mend
    Validate(validate::Options),
    /// Write the files of every host, as apply would, to a folder
    Render(render::Options),
    /// Explain a lint code, a field of the spec, or a template
    Explain(explain::Options),
    /// Write the JSON schema, man pages or shell completions
    Generate(generate::Options),
    /// List machines that asked for an address and are not in the spec, and name them in order
    Macs(macs::Options),
    /// Images of heads and nodes: take one of a head that runs or of a folder, list, prove, compare
    Image(image::Options),
    /// Build a blank machine as a head, from an image
    Build(build::Options),
    /// Show what would change on every machine
    Plan(plan::Options),
    /// Write what a plan needs to know of the hosts to a file, for a plan that is made elsewhere
    Observe(observe::Options),
    /// Carry a plan out as one transaction with a way back
    Apply(apply::Options),
    /// Keep a change that was applied with --confirm-within
    Confirm(confirm::Options),
    /// Go back to an earlier generation: a plan like any other
    Rollback(rollback::Options),
    /// List what was applied, when and by whom
    History(history::Options),
    /// What the loops of heads and witnesses did and saw
    Events(events::Options),
    /// Show what differs between two generations
    Diff(difference::Options),
    /// Make every host what it was before haoscar
    Remove(remove::Options),
    /// Make a secret of the cluster anew
    Secret(secret::Options),
    /// Write what is neither in the spec's repository nor in an image: secrets, generations, history
    Backup(backup::Options),
    /// Put a backup on a head that was lost
    Restore(backup::RestoreOptions),
    /// Keys that are believed on this head before the spec names some
    Trust(trust::Options),
    /// Say how the cluster is, in one sentence and a table
    Status(status::Options),
    /// Prove the standby before it is needed: everything that a failover relies on
    Doctor(doctor::Options),
    /// Watch this head and tell the engine at once what happens (started by systemd)
    Run(run::Options),
    /// Move a healthy group to a head that is proven healthy
    Switchover(switchover::Options),
    /// Drive a group away from a broken head
    Failover(failover::Options),
    /// Have a head carry nothing until undrain
    Drain(drain::Options),
    /// Let a drained head carry groups again
    Undrain(drain::Options),
    /// Have the engine do nothing for a while; ends by itself
    Pause(pause::Options),
    /// End a pause now
    Resume(pause::ResumeOptions),
    /// Tell the engine that a lost head is off, having seen it
    Fenced(fenced::Options),
    /// Move a group there and back, and measure what clients see
    Rehearse(rehearse::Options),
    /// Serve one session on this host over stdin and stdout (started by haoscar itself)
    #[command(hide = true)]
    Agent(agent::Options),
    /// Finish or put back an apply that was cut short on this host (started by systemd at boot)
    #[command(hide = true)]
    Recover(recover::Options),
    /// Whether a daemon of this host answers on its socket (asked by the engine)
    #[command(hide = true)]
    Serves(serves::Options),
    /// Make this machine a head, by its ticket (started by the initramfs that haoscar build makes)
    #[command(hide = true)]
    Install(build::InstallOptions),
    /// The same cluster as namespaces on this machine, with the real daemons
    Lab(lab::Options),
    /// Probe a lab's services from the network namespace that it is started in
    #[command(hide = true)]
    LabProbe(probe::Options),
    /// Run a drill on machines that are given as command lines
    #[command(hide = true)]
    LabDrill(drill::GroundOptions),
}

/// Parses the arguments, runs the verb, and answers with its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::of_usage(&error),
    };
    exit::report(run(&cli), cli.common.quiet)
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.verb {
        Verb::Init(options) => init::run(&cli.common, options),
        Verb::Validate(options) => validate::run(&cli.common, options),
        Verb::Render(options) => render::run(&cli.common, options),
        Verb::Explain(options) => explain::run(&cli.common, options),
        Verb::Generate(options) => generate::run(&cli.common, options),
        Verb::Macs(options) => macs::run(&cli.common, options),
        Verb::Image(options) => image::run(&cli.common, options),
        Verb::Build(options) => build::run(&cli.common, options),
        Verb::Install(options) => build::install(options),
        Verb::Plan(options) => plan::run(&cli.common, options),
        Verb::Observe(options) => observe::run(&cli.common, options),
        Verb::Apply(options) => apply::run(&cli.common, options),
        Verb::Confirm(options) => confirm::run(&cli.common, options),
        Verb::Rollback(options) => rollback::run(&cli.common, options),
        Verb::History(options) => history::run(&cli.common, options),
        Verb::Events(options) => events::run(&cli.common, options),
        Verb::Diff(options) => difference::run(&cli.common, options),
        Verb::Remove(options) => remove::run(&cli.common, options),
        Verb::Secret(options) => secret::run(&cli.common, options),
        Verb::Backup(options) => backup::backup(&cli.common, options),
        Verb::Restore(options) => backup::restore(&cli.common, options),
        Verb::Trust(options) => trust::run(&cli.common, options),
        Verb::Status(options) => status::run(&cli.common, options),
        Verb::Doctor(options) => doctor::run(&cli.common, options),
        Verb::Run(options) => run::run(&cli.common, options),
        Verb::Switchover(options) => switchover::run(&cli.common, options),
        Verb::Failover(options) => failover::run(&cli.common, options),
        Verb::Drain(options) => drain::drain(&cli.common, options),
        Verb::Undrain(options) => drain::undrain(&cli.common, options),
        Verb::Pause(options) => pause::pause(&cli.common, options),
        Verb::Resume(options) => pause::resume(&cli.common, options),
        Verb::Fenced(options) => fenced::run(&cli.common, options),
        Verb::Rehearse(options) => rehearse::run(&cli.common, options),
        Verb::Agent(options) => agent::run(&cli.common, options),
        Verb::Recover(options) => recover::run(&cli.common, options),
        Verb::Serves(options) => serves::run(&cli.common, options),
        Verb::Lab(options) => lab::run(&cli.common, options),
        Verb::LabProbe(options) => probe::run(&cli.common, options),
        Verb::LabDrill(options) => drill::run_on_ground(&cli.common, options),
    }
}

/// What only root may do.
fn as_root(what: &str, hint: &str) -> Result<(), Failure> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(Exit::NotPermitted, what).hint(hint))
}

/// This program's own file: what a lab's hosts and machines that are built get.
fn own_program() -> Result<Utf8PathBuf, Failure> {
    let broken = |said: String| Failure::new(Exit::Failed, format!("this program's own file: {said}"));
    let path = std::env::current_exe().map_err(|error| broken(error.to_string()))?;
    Utf8PathBuf::from_path_buf(path).map_err(|path| broken(format!("{} is not UTF-8", path.display())))
}
