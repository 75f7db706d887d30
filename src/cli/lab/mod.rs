//! `haoscar lab`: the same cluster as namespaces on this machine. One file a subcommand group; what a lab is, is
//! decided in `crate::lab`.

mod fault;
mod hidden;
mod inside;
mod life;

use clap::{Args, Subcommand};

use super::{Common, Exit, Failure, drill, source};
use crate::lab::{Lab, LabError, LabGround, choose};

/// Options of `haoscar lab`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar lab up specs/ha-oscar-2004.yaml   every machine of the spec, up in seconds
  haoscar lab exec head-1 -- ip address     run a command on a host
  haoscar lab fault power head-1            cut its power
  haoscar lab fault nic head-1 eno2         pull one cable; --heal puts it back
  haoscar lab boot head-1                   and switch it on again
  haoscar lab down                          take the lab away; nothing of it is left

Needs root. The first lab builds the root of its hosts with mmdebstrap (90 s, 400 MB in /var/cache/haoscar,
or where HAOSCAR_CACHE says); no daemon is ever installed on this machine itself.")]
pub struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the lab of a spec and wait until every host is up
    Up(life::Up),
    /// Take a lab away, running or dead; the cached root stays unless --purge-cache
    Down(life::Down),
    /// Run a command on a host
    Exec(inside::Exec),
    /// Open a shell on a host
    Shell(inside::Shell),
    /// Show the labs of this machine and their hosts
    Status(life::Status),
    /// Break something: power, cables, a storage, a unit
    Fault(fault::Options),
    /// Switch a host on
    Boot(fault::Boot),
    /// Shut a host down in order, and wait until it is off
    Poweroff(fault::Boot),
    /// Make a fault on purpose and show the outage that clients saw
    Drill(Drill),
    /// Own a lab and serve its fence agents (started by `lab up`)
    #[command(hide = true)]
    Keeper(hidden::Keeper),
    /// Be a fence agent (started by Pacemaker on a lab host)
    #[command(hide = true)]
    Fence(hidden::Fence),
}

/// Options of `haoscar lab drill`.
#[derive(Debug, Args)]
struct Drill {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    options: drill::Options,
}

fn run_drill(common: &Common, drill: &Drill) -> Result<Exit, Failure> {
    let lab = drill.which.choose()?;
    let spec = source::read(common, None)?;
    let name = spec.gathered.shown(&spec.gathered.sources.root);
    let program = super::own_program()?.to_string();
    let ground = LabGround { lab: lab.name.clone(), program, spec: name.to_string() };
    drill::run(common, &drill.options, (&name, &spec.loaded.cluster), &ground)
}

/// Which lab, if there is more than one.
#[derive(Debug, Args)]
struct Which {
    /// The lab; needed where several run
    #[arg(long = "name", env = "HAOSCAR_LAB", value_name = "LAB")]
    lab: Option<String>,
}

impl Which {
    fn choose(&self) -> Result<Lab, Failure> {
        choose(self.lab.as_deref()).map_err(failure)
    }
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    match &options.verb {
        Verb::Up(up) => life::up(common, up),
        Verb::Down(down) => life::down(common, down),
        Verb::Exec(exec) => inside::exec(exec),
        Verb::Shell(shell) => inside::shell(shell),
        Verb::Status(status) => life::status(common, status),
        Verb::Fault(fault) => fault::run(common, fault),
        Verb::Boot(boot) => fault::boot(common, boot),
        Verb::Poweroff(poweroff) => fault::poweroff(common, poweroff),
        Verb::Drill(drill) => run_drill(common, drill),
        Verb::Keeper(keeper) => hidden::keeper(keeper),
        Verb::Fence(fence) => hidden::fence(fence),
    }
}

/// The lab's trouble as an exit code and a mend.
fn failure(error: LabError) -> Failure {
    let exit = match &error {
        LabError::NotRoot | LabError::ProgramMissing { .. } => Exit::NotPermitted,
        LabError::NameBad { .. } => Exit::Usage,
        LabError::NoLab
        | LabError::LabMissing { .. }
        | LabError::HostMissing { .. }
        | LabError::StorageMissing { .. }
        | LabError::NicMissing { .. } => Exit::Missing,
        LabError::HostDown { .. } | LabError::HostStarting { .. } => Exit::Unreachable,
        LabError::Late { .. } | LabError::HostLate { .. } | LabError::HostStaysOn { .. } => Exit::TimedOut,
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, error.to_string());
    match hint(&error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint(error: &LabError) -> Option<String> {
    match error {
        LabError::NotRoot => Some("run it with sudo".to_owned()),
        LabError::ProgramMissing { program } => Some(format!("apt-get install {}", package(program))),
        LabError::NoLab | LabError::LabMissing { .. } => Some("haoscar lab up SPEC".to_owned()),
        LabError::SeveralLabs { .. } => Some("--name LAB, or set HAOSCAR_LAB".to_owned()),
        LabError::LabRuns { name } => Some(format!("haoscar lab down {name}, or another --name")),
        LabError::HostDown { host, .. } => Some(format!("haoscar lab boot {host}")),
        LabError::Instances { needed, .. } => {
            Some(format!("sysctl -w fs.inotify.max_user_instances={needed}, or fewer hosts: --hosts A,B"))
        }
        LabError::HostLate { .. } => {
            Some("a loaded machine needs longer: fewer hosts, --hosts A,B".to_owned())
        }
        LabError::UnitNotKilled { host, .. } => {
            Some(format!("haoscar lab exec {host} -- systemctl list-units --state=running"))
        }
        LabError::HostStaysOn { host, .. } => Some(format!("cut its power: haoscar lab fault power {host}")),
        LabError::RootUsed { .. } => Some("haoscar lab down --all --purge-cache".to_owned()),
        LabError::HostStarting { .. } => Some("try again in a second".to_owned()),
        _ => None,
    }
}

/// The Debian package of a program that a lab needs.
fn package(program: &str) -> &str {
    match program {
        "ip" => "iproute2",
        "unshare" | "nsenter" | "setsid" => "util-linux",
        "mount" | "umount" => "mount",
        other => other,
    }
}
