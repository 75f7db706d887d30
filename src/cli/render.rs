//! `haoscar render`: the files of every host, as apply would write them, into a folder.

use crate::cli::out::line;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::{Common, Exit, Failure, problems, source};
use crate::desired::{Desired, Rendered, Surroundings, resolve};
use crate::templates::Templates;

/// Options of `haoscar render`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar render -o out                     one folder a host: out/head-1/etc/corosync/corosync.conf
  haoscar render specs/two-node.yaml -o out --on head-1,head-2

Secrets stand as their names. Every declared head counts as a member, and versions are those of the spec's `os`.")]
pub struct Options {
    /// The spec: a file, a folder that holds cluster.yaml, or - for standard input
    path: Option<Utf8PathBuf>,
    /// The folder to write; must be empty, absent, or written by an earlier render
    #[arg(short, long, value_name = "DIR")]
    output: Utf8PathBuf,
    /// Only these hosts
    #[arg(long, value_delimiter = ',', value_name = "HOST")]
    on: Vec<String>,
}

/// Tells a folder that render made from one that it must not touch.
const MARK: &str = ".haoscar-render";

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, options.path.as_deref())?;
    let desired = resolved(&spec)?;
    let trees = trees(&desired, &options.on)?;
    prepare(&options.output)?;
    for (host, files) in &trees {
        for file in *files {
            write(&options.output.join(host), file)?;
        }
    }
    if let Some(engine) = desired.engine.as_ref().filter(|_| options.on.is_empty()) {
        write_text(&options.output.join("cluster/cib.xml"), &engine.cib, 0o644)?;
    }
    if !common.quiet {
        let files: usize = trees.values().map(|files| files.len()).sum();
        let os = serde_json::to_value(spec.loaded.cluster.os).unwrap_or_default();
        let os = os.as_str().unwrap_or_default();
        line!("rendered {files} files of {} hosts to {} (versions of {os})", trees.len(), options.output);
    }
    Ok(Exit::Done)
}

fn resolved(spec: &source::Spec) -> Result<Desired, Failure> {
    let cluster = &spec.loaded.cluster;
    let templates = Templates::packaged().map_err(|p| Failure::new(Exit::Failed, p.message))?;
    resolve(cluster, &Surroundings::whole(cluster), &templates).map_err(|found| {
        eprint!("{}", problems::text(&found, &spec.gathered, problems::colour_of_stderr()));
        source::invalid(&found, &spec.gathered)
    })
}

fn trees<'a>(desired: &'a Desired, on: &[String]) -> Result<BTreeMap<&'a str, &'a [Rendered]>, Failure> {
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
    write_text(&tree.join(file.path.strip_prefix("/").unwrap_or(&file.path)), &file.shown(), file.mode.0)
}

fn write_text(path: &Utf8Path, text: &str, mode: u32) -> Result<(), Failure> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o200))
    };
    write().map_err(|e| Failure::new(Exit::Failed, format!("{path} cannot be written: {e}")))
}
