//! `haoscar lab up`, `down` and `status`: how labs come, go and are.

use crate::cli::out::line;
use std::process::Command;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use nix::sys::signal::{SigSet, Signal};

use super::super::{Common, Exit, Failure, Format, own_program, source};
use super::failure;
use crate::lab::{self, HostKind, Lab, Request};

/// Options of `haoscar lab up`.
#[derive(Debug, Args)]
pub(super) struct Up {
    /// The spec: a file, or a folder that holds cluster.yaml
    path: Option<Utf8PathBuf>,
    /// The lab's name [default: the cluster's]
    #[arg(long, value_name = "LAB")]
    name: Option<String>,
    /// Only these hosts
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    hosts: Vec<String>,
    /// Packages of Debian that the hosts have beside haoscar's own: a root of its own is built for them
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    packages: Vec<String>,
    /// Only build the root that its hosts stand on, and say where it is
    #[arg(long, conflicts_with = "hosts")]
    root_only: bool,
}

/// Options of `haoscar lab down`.
#[derive(Debug, Args)]
pub(super) struct Down {
    /// The lab; needed where several run
    #[arg(env = "HAOSCAR_LAB")]
    name: Option<String>,
    /// Every lab of this machine
    #[arg(long)]
    all: bool,
    /// The cached roots too: the next lab builds one again (90 s)
    #[arg(long)]
    purge_cache: bool,
}

/// Options of `haoscar lab status`.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// The lab; all that run, if none is named
    #[arg(env = "HAOSCAR_LAB")]
    name: Option<String>,
}

pub(super) fn up(common: &Common, options: &Up) -> Result<Exit, Failure> {
    let spec = source::read(common, options.path.as_deref())?;
    let cluster = &spec.loaded.cluster;
    let name = options.name.as_deref().unwrap_or(&cluster.name);
    let program = own_program()?;
    lab::check_root().map_err(failure)?;
    let request =
        Request { cluster, name, hosts: &options.hosts, packages: &options.packages, program: &program };
    let recipe = request.recipe();
    let root = recipe.path();
    if !common.quiet && !root.exists() && recipe.os.release().is_some() {
        eprintln!("the lab's root is not there yet: building {root} (90 s, once)");
    }
    if options.root_only {
        line!("{}", recipe.build().map_err(failure)?);
        return Ok(Exit::Done);
    }
    recipe.build().map_err(failure)?; // before signals are held back, so that Ctrl-C ends mmdebstrap as well
    sweep_when_interrupted(name, &program)?;
    let start = Instant::now();
    let words = lab::up(&request).map_err(failure)?;
    if !common.quiet {
        line!("lab {name}: {} hosts up in {:.1} s", words.len(), start.elapsed().as_secs_f64());
        for (host, word) in words.iter().filter(|(_, word)| *word != "running") {
            line!("  {host} is {word}: haoscar lab exec {host} -- systemctl --failed");
        }
    }
    Ok(Exit::Done)
}

/// Ctrl-C while a lab is made: this process ends, and another sweeps what it had made. Whatever is interrupted
/// otherwise, the next `up` or `down` sweeps.
fn sweep_when_interrupted(name: &str, program: &Utf8Path) -> Result<(), Failure> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(|error| Failure::new(Exit::Failed, format!("signals: {error}")))?;
    let (name, program) = (name.to_owned(), program.to_owned());
    std::thread::spawn(move || {
        let Ok(signal) = signals.wait() else { return };
        if lab::find(&name).is_ok_and(|lab| Some(lab.owner) == lab::Process::own()) {
            let sweep = Command::new("setsid").arg(program).args(["--quiet", "lab", "down", &name]).spawn();
            if let Err(error) = sweep {
                eprintln!("setsid: {error}; `haoscar lab down {name}` sweeps what was made");
            }
        }
        std::process::exit(128 + signal as i32);
    });
    Ok(())
}

pub(super) fn down(common: &Common, options: &Down) -> Result<Exit, Failure> {
    let gone = if options.all {
        lab::down_all().map_err(failure)?
    } else if options.name.is_none() && options.purge_cache && lab::names().is_empty() {
        Vec::new()
    } else {
        let name = match &options.name {
            Some(name) => name.clone(),
            None => only_one()?,
        };
        if lab::down(&name).map_err(failure)? { vec![name] } else { Vec::new() }
    };
    let purged = if options.purge_cache { lab::purge_cache().map_err(failure)? } else { Vec::new() };
    if !common.quiet {
        match gone.as_slice() {
            [] => line!("no lab was there"),
            names => line!("gone: {}", names.join(", ")),
        }
        purged.iter().for_each(|root| line!("gone: {root}"));
    }
    Ok(Exit::Done)
}

/// A dead lab counts too: `down` is how it is swept.
fn only_one() -> Result<String, Failure> {
    match lab::names().as_slice() {
        [name] => Ok(name.clone()),
        [] => Err(failure(lab::LabError::NoLab)),
        names => Err(failure(lab::LabError::SeveralLabs { names: names.join(", ") })),
    }
}

pub(super) fn status(common: &Common, options: &Status) -> Result<Exit, Failure> {
    let labs = match &options.name {
        Some(name) => vec![lab::find(name).map_err(failure)?],
        None => lab::running(),
    };
    if common.format == Format::Json {
        line!("{}", serde_json::Value::from(labs.iter().map(as_json).collect::<Vec<_>>()));
        return Ok(Exit::Done);
    }
    if labs.is_empty() {
        line!("no lab runs here");
    }
    for lab in &labs {
        line!(
            "lab {}{}",
            lab.name,
            if lab.owner.runs() { "" } else { " (dead: haoscar lab down sweeps it)" }
        );
        for (host, about) in &lab.layout.hosts {
            let process =
                lab.process(host).map_or_else(|| "off".to_owned(), |p| format!("on, pid {}", p.pid));
            let out: Vec<_> = lab.pulled(host).into_iter().collect();
            let cables =
                if out.is_empty() { String::new() } else { format!(", without cable: {}", out.join(", ")) };
            line!("  {host:<20} {:<8} {process}{cables}", kind(about.kind));
        }
    }
    Ok(Exit::Done)
}

fn kind(kind: HostKind) -> &'static str {
    match kind {
        HostKind::Head => "head",
        HostKind::Witness => "witness",
        HostKind::Node => "node",
    }
}

fn as_json(lab: &Lab) -> serde_json::Value {
    let hosts = lab.layout.hosts.iter().map(|(host, about)| {
        let pid = lab.process(host).map(|process| process.pid);
        let fields = serde_json::json!({
            "kind": kind(about.kind), "on": pid.is_some(), "pid": pid, "pulled": lab.pulled(host),
        });
        (host.clone(), fields)
    });
    let hosts: serde_json::Map<_, _> = hosts.collect();
    serde_json::json!({ "name": lab.name, "alive": lab.owner.runs(), "up": lab.up, "root": lab.root, "hosts": hosts })
}
