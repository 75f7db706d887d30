//! `haoscar render`: the files of every host, as apply would write them, into a folder.

use crate::cli::out::line;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::difference::unified;
use super::{Common, Exit, Failure, out, source};
use crate::desired::{Desired, Rendered, Surroundings};

/// Options of `haoscar render`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar render -o out                     one folder a host: out/head-1/etc/corosync/corosync.conf
  haoscar render specs/two-node.yaml -o out --on head-1,head-2
  haoscar render --test golden              compares with what an earlier render wrote there, and changes nothing

Secrets stand as their names. Every declared head counts as a member, and versions are those of the spec's `os`.
Exit status: 0 rendered, or as it stands there; 1 --test found a difference.")]
pub struct Options {
    /// The spec: a file, a folder that holds cluster.yaml, or - for standard input
    path: Option<Utf8PathBuf>,
    /// The folder to write; must be empty, absent, or written by an earlier render
    #[arg(short, long, value_name = "DIR", required_unless_present = "test")]
    output: Option<Utf8PathBuf>,
    /// A folder that an earlier render wrote: every difference from it is shown
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    test: Option<Utf8PathBuf>,
    /// Only these hosts
    #[arg(long, value_delimiter = ',', value_name = "HOST")]
    on: Vec<String>,
}

/// Tells a folder that render made from one that it must not touch.
const MARK: &str = ".haoscar-render";

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, options.path.as_deref())?;
    let desired = spec.resolved(&Surroundings::whole(&spec.loaded.cluster))?;
    let trees = trees(&desired, &options.on)?;
    let engine = desired.engine.as_ref().filter(|_| options.on.is_empty());
    let engine = engine.map(|engine| engine.cib.as_str()).filter(|cib| !cib.is_empty());
    if let Some(golden) = &options.test {
        return test(common, golden, &trees, engine);
    }
    let output = options.output.as_deref().unwrap_or(Utf8Path::new("."));
    prepare(output)?;
    for (host, files) in &trees {
        for file in *files {
            write(&output.join(host), file)?;
        }
    }
    if let Some(cib) = engine {
        write_text(&output.join("cluster/cib.xml"), cib, 0o644)?;
    }
    if !common.quiet {
        let files: usize = trees.values().map(|files| files.len()).sum();
        let os = serde_json::to_value(spec.loaded.cluster.os).unwrap_or_default();
        let os = os.as_str().unwrap_or_default();
        line!("rendered {files} files of {} hosts to {output} (versions of {os})", trees.len());
        desired.notes.iter().for_each(|note| line!("note: {note}"));
    }
    Ok(Exit::Done)
}

type Trees<'a> = BTreeMap<&'a str, &'a [Rendered]>;

/// Every difference from what an earlier render wrote.
fn test(common: &Common, golden: &Utf8Path, trees: &Trees<'_>, cib: Option<&str>) -> Result<Exit, Failure> {
    if !golden.join(MARK).exists() {
        let failure = Failure::new(Exit::Missing, format!("{golden} was not written by render"));
        return Err(failure.hint(format!("haoscar render -o {golden}")));
    }
    let cluster = cib.map(|cib| ("cluster", BTreeMap::from([("cib.xml".into(), cib.to_owned())])));
    let (mut count, mut differ) = (0, 0);
    for (top, wanted) in trees.iter().map(|(host, files)| (*host, tree(files))).chain(cluster) {
        let mut known = BTreeMap::new();
        read_tree(&golden.join(top), Utf8Path::new(""), &mut known);
        let names: BTreeSet<_> = wanted.keys().chain(known.keys()).collect();
        for name in names.into_iter().filter(|name| wanted.get(*name) != known.get(*name)) {
            let sides = ((golden.as_str(), known.get(name)), ("rendered", wanted.get(name)));
            out::say(&unified(&Utf8Path::new(top).join(name), sides.0, sides.1));
            differ += 1;
        }
        count += wanted.len();
    }
    match differ {
        0 if common.quiet => Ok(Exit::Done),
        0 => {
            line!("{count} files are as in {golden}");
            Ok(Exit::Done)
        }
        n => {
            let message = format!("{n} of {count} files differ from {golden}");
            let hint = format!("where the new ones are right: haoscar render -o {golden}");
            Err(Failure::new(Exit::Failed, message).hint(hint))
        }
    }
}

/// A host's files by their paths below its root, as people see them.
pub(super) fn tree(files: &[Rendered]) -> BTreeMap<Utf8PathBuf, String> {
    files.iter().map(|file| (below_root(file), file.shown())).collect()
}

fn below_root(file: &Rendered) -> Utf8PathBuf {
    file.path.strip_prefix("/").unwrap_or(&file.path).to_owned()
}

fn read_tree(root: &Utf8Path, below: &Utf8Path, known: &mut BTreeMap<Utf8PathBuf, String>) {
    let Ok(entries) = root.join(below).read_dir_utf8() else { return };
    for entry in entries.flatten() {
        let name = below.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            read_tree(root, &name, known);
        } else if let Ok(bytes) = fs::read(entry.path()) {
            known.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

fn trees<'a>(desired: &'a Desired, on: &[String]) -> Result<Trees<'a>, Failure> {
    if let Some(unknown) = on.iter().find(|name| !desired.hosts.contains_key(*name)) {
        return Err(Failure::new(Exit::Usage, format!("--on {unknown}: the spec has no such host")));
    }
    let wanted = desired.hosts.iter().filter(|(name, _)| on.is_empty() || on.contains(name));
    Ok(wanted.map(|(name, (_, host))| (name.as_str(), host.files.as_slice())).collect())
}

fn prepare(output: &Utf8Path) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::new(Exit::Failed, format!("{output} cannot be written: {e}"));
    let taken = output.read_dir_utf8().is_ok_and(|mut entries| entries.next().is_some());
    if taken && !output.join(MARK).exists() {
        let message = format!("{output} is not empty and was not made by render: nothing was touched");
        return Err(Failure::new(Exit::Unsafe, message).hint("name an empty folder"));
    }
    if taken {
        fs::remove_dir_all(output).map_err(failed)?;
    }
    fs::create_dir_all(output).map_err(failed)?;
    fs::write(output.join(MARK), "made by haoscar render; may be removed by the next one\n").map_err(failed)
}

fn write(tree: &Utf8Path, file: &Rendered) -> Result<(), Failure> {
    write_text(&tree.join(below_root(file)), &file.shown(), file.mode.0)
}

fn write_text(path: &Utf8Path, text: &str, mode: u32) -> Result<(), Failure> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o200))
    };
    write().map_err(|e| Failure::new(Exit::Failed, format!("{path} cannot be written: {e}")))
}
