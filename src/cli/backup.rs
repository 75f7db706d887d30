//! `haoscar backup` and `haoscar restore`: what is neither in the spec's repository nor in an image, of the head that this runs on.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, IsTerminal, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::out::line;
use super::{Common, Exit, Failure, Format, as_root, source, via};
use crate::engines::units;
use crate::host::{Backup, BackupError, Machine, Real};
use crate::spec::{Cluster, EngineKind};

/// Options of `haoscar backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples, on a head, as root:
  haoscar backup /root/oscar.tar
  haoscar backup --state - | age -r age1… > oscar.tar.age
  ssh head-1 haoscar backup - > oscar.tar

In it: every secret, keys that were trusted by hand, all generations with their specs, rehearsals and events of this head; with
--state also what dhcp and the scheduler have written. Not in it: what the spec's repository and an image have, users' files, and
what other heads alone know. THE SECRETS ARE READABLE: keep it as you keep them. It is a tar; `tar -tf` shows it.
Exit status: 0 made; 64 the file is there already, or a terminal would get it; 77 root is needed.")]
pub struct Options {
    /// The file to write, which must not be there yet; - for standard output
    file: Utf8PathBuf,
    /// Also what dhcp and the scheduler have written to the storage of their group
    #[arg(long)]
    state: bool,
}

/// Options of `haoscar restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples, on a blank head, as root, before its first apply:
  haoscar restore /root/oscar.tar && haoscar apply
  age -d oscar.tar.age | haoscar restore --state -

The whole archive is read and proven before a byte is written. Nothing that is there is replaced, unless --over says so; then it
is kept below /var/lib/haoscar/replaced. One head is enough: `haoscar apply` gives the others their secrets.
Exit status: 0 restored; 65 the archive is damaged; 66 it is not there; 77 root is needed; 107 this head's engine runs, files are
in the way, or a storage is not mounted.")]
pub struct RestoreOptions {
    /// What `haoscar backup` has made; - for standard input
    file: Utf8PathBuf,
    /// Also what dhcp and the scheduler had written; the storage must be mounted, and its owners must be known here
    #[arg(long)]
    state: bool,
    /// Replace what is there, and keep it aside
    #[arg(long)]
    over: bool,
}

pub(super) fn backup(common: &Common, options: &Options) -> Result<Exit, Failure> {
    as_root("secrets are root's alone", "sudo haoscar backup …")?;
    let spec = source::read(common, None)?;
    let cluster = &spec.loaded.cluster;
    let machine = Real::under("/");
    let state = if options.state { stores(cluster) } else { Vec::new() };
    let made = Backup::of(&machine, (&cluster.name, &via::own_name()), &state).map_err(|e| failure(&e))?;
    if options.file == "-" {
        if std::io::stdout().is_terminal() {
            return Err(Failure::new(Exit::Usage, "a terminal is no place for secrets")
                .hint("name a file, or pipe it on"));
        }
        made.write(&mut std::io::stdout().lock()).map_err(|e| failed(&options.file, &e))?;
    } else {
        written(&made, &options.file)?;
    }
    let about = &made.about;
    match common.format {
        Format::Json if options.file != "-" => line!("{:#}", serde_json::json!(about)),
        _ if common.quiet => {}
        _ => eprintln!(
            "{}: generation {} of cluster {}, {} files of {}; whoever reads it has the cluster's secrets",
            options.file,
            about.generation,
            about.cluster,
            about.files.len(),
            about.host
        ),
    }
    Ok(Exit::Done)
}

/// Folders of services whose state is small, and theirs alone.
fn stores(cluster: &Cluster) -> Vec<Utf8PathBuf> {
    let kinds = ["dhcp", "scheduler"];
    kinds.into_iter().flat_map(|kind| cluster.stored(kind)).map(|(_, folder)| folder).collect()
}

fn written(made: &Backup, path: &Utf8Path) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Exit::Usage, format!("{path} is there already")).hint("name another file")
        }
        _ => failed(path, &error),
    })?;
    let done = made.write(&mut file).and_then(|()| file.sync_all());
    done.map_err(|error| {
        let _ = std::fs::remove_file(path); // half of one is none
        failed(path, &error)
    })
}

pub(super) fn restore(common: &Common, options: &RestoreOptions) -> Result<Exit, Failure> {
    as_root("secrets are root's alone", "sudo haoscar restore …")?;
    let path = &options.file;
    let mut from: Box<dyn Read> = match path.as_str() {
        "-" => Box::new(std::io::stdin().lock()),
        _ => Box::new(BufReader::new(
            File::open(path).map_err(|error| Failure::new(Exit::Missing, format!("{path}: {error}")))?,
        )),
    };
    let found = Backup::read(&mut from).map_err(|e| failure(&e))?;
    let machine = Real::under("/");
    blank(&machine)?;
    if options.state {
        found.about.state.iter().try_for_each(|folder| mounted(folder))?;
    }
    let files = found.put(&machine, options.state, options.over).map_err(|e| failure(&e))?;
    let about = &found.about;
    match common.format {
        Format::Json => line!("{:#}", serde_json::json!(about)),
        _ if common.quiet => {}
        _ => line!(
            "restored {files} files of {}, generation {} of cluster {}: haoscar apply makes the cluster again",
            about.host,
            about.generation,
            about.cluster
        ),
    }
    Ok(Exit::Done)
}

/// A member has what is newer.
fn blank(machine: &dyn Machine) -> Result<(), Failure> {
    let engines = [EngineKind::Pacemaker, EngineKind::Heartbeat].map(|kind| units(kind)[0].to_owned());
    let runs = machine.units(&engines).into_iter().find(|(_, fact)| fact.active == "active");
    let Some((unit, _)) = runs else { return Ok(()) };
    Err(Failure::new(Exit::Unsafe, format!("{unit} runs: this head is a member, and what it has is newer"))
        .hint("a restore is for a head that was lost; a member gets what it lacks from `haoscar apply`"))
}

/// Its nearest folder that is there does not lie on the root file system.
fn mounted(folder: &Utf8Path) -> Result<(), Failure> {
    let device = |path: &Utf8Path| std::fs::metadata(path).map(|meta| meta.dev()).ok();
    let there = folder.ancestors().find_map(device);
    if there != device(Utf8Path::new("/")) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Unsafe,
        format!("{folder} would lie on the root file system: its storage is not mounted"),
    )
    .hint("mount it first; or restore without --state"))
}

fn failed(path: &Utf8Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{path}: {error}"))
}

fn failure(error: &BackupError) -> Failure {
    match error {
        BackupError::Damaged(_) => Failure::new(Exit::Invalid, error.to_string()),
        BackupError::Taken(_) => Failure::new(Exit::Unsafe, error.to_string())
            .hint("nothing was changed; --over puts the backup's in their place, and keeps these aside"),
        BackupError::Host(_) => Failure::new(Exit::Failed, error.to_string()),
    }
}
