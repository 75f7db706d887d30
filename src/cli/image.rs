//! `haoscar image`: images of heads and nodes, kept in versions, proven, compared.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, Format, as_root, own_program, source};
use crate::apply::spread;
use crate::backends::boot;
use crate::desired::{IMAGE_KEY, Surroundings};
use crate::host::{accepted_here, owned_here, secret_path};
use crate::images::{self, ImageError, Manifest, Order, Progress, Seal, Store};
use crate::spec::Cluster;

/// Options of `haoscar image`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar image capture head            take the image that the spec calls head, from the head that it names there
  haoscar image capture compute         the same of a folder there with a whole system in it (capture.root), for nodes
  haoscar image list
  haoscar image show head               what is in the newest version, and what was left out
  haoscar image verify                  prove every version: signature, list of files, every byte
  haoscar image diff head@20261101T020000Z head
  haoscar image prune head --keep 3

The head's services run on while an image is taken, and nothing of the head is written to. Identity, secrets, membership,
state and logs are in no image; `capture` and `show` say what was left out. Images lie on the storage of the group that
carries the boot service, else in /var/lib/haoscar/images; they are root's alone, for they hold what a head holds.
A second image keeps only what has changed since.
Exit status: 0 done; 1 damaged, or not signed by this cluster's key; 66 no such image; 69 the head is not reached;
75 somebody else is changing the images; 77 root is needed.")]
pub struct Options {
    #[command(subcommand)]
    verb: Verb,
    /// Another place than the spec's storage
    #[arg(long, global = true, value_name = "FOLDER")]
    store: Option<Utf8PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take an image from the head that the spec names for it
    Capture {
        /// The image's name in the spec
        name: String,
        /// This host is that head, and has the key
        #[arg(long, hide = true)]
        here: bool,
    },
    /// Serve boot files to everybody, and images to machines that are built (started by systemd)
    #[command(hide = true)]
    Serve {
        /// The folder of the boot files
        #[arg(long, value_name = "FOLDER")]
        files: Utf8PathBuf,
        /// The folder that says what nodes boot
        #[arg(long, value_name = "FOLDER")]
        entries: Utf8PathBuf,
    },
    /// Show every version
    List,
    /// Show what is in an image, and what was left out
    Show {
        /// NAME, or NAME@VERSION
        name: String,
    },
    /// Prove images: signature, list of files, every byte
    Verify {
        /// NAME, or NAME@VERSION; every version of every image if none is named
        name: Option<String>,
    },
    /// Show what differs between two images
    Diff {
        /// NAME@VERSION
        old: String,
        /// NAME, or NAME@VERSION; the newest of the same name if none is named
        new: Option<String>,
    },
    /// Take older versions away, and what only they held
    Prune {
        /// The image's name
        name: String,
        /// How many versions stay; `keep` of the spec if it is not said
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
    },
}

/// As many stay where neither the spec nor the caller says.
const KEEP: u32 = 3;

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    if let (Verb::Serve { files, entries }, Some(store)) = (&options.verb, &options.store) {
        let told = |text: &str| eprintln!("{text}");
        return images::serve(Store::at(store), (files, entries), boot::IMAGE_PORT, told)
            .map(|()| Exit::Done)
            .map_err(|e| failure(&e));
    }
    let spec = source::read(common, None)?;
    let cluster = &spec.loaded.cluster;
    let head = head(cluster, &options.verb)?;
    if let Verb::Capture { here: false, .. } = options.verb {
        share_key(&spec, &options.reach, &head)?;
    }
    if via::own_name() != head {
        return via::elsewhere(&head, &options.reach, &argv(common, options));
    }
    as_root("images are root's alone", "sudo haoscar image …")?;
    let store = Store::at(options.store.clone().unwrap_or_else(|| boot::image_store(cluster)));
    let seal = Seal::of(secret_path(IMAGE_KEY));
    match &options.verb {
        Verb::Capture { name, .. } => capture(common, &spec, name, &store, &seal),
        Verb::Serve { .. } => Err(Failure::new(Exit::Usage, "which images? --store FOLDER")),
        Verb::List => list(common, &store, &seal),
        Verb::Show { name } => show(common, &store, name),
        Verb::Verify { name } => verify(common, &store, name.as_deref(), &seal),
        Verb::Diff { old, new } => diff(common, &store, old, new.as_deref()),
        Verb::Prune { name, keep } => {
            let keep = keep.or_else(|| cluster.images.get(name)?.keep).unwrap_or(KEEP);
            let _lock = store.lock().map_err(|e| failure(&e))?;
            store.find(name).map_err(|e| failure(&e))?;
            prune(common, &store, name, keep)
        }
    }
}

/// Who does it: the head that the image is taken from, else this head, else the first one.
fn head(cluster: &Cluster, verb: &Verb) -> Result<String, Failure> {
    let own = via::own_name();
    let any = cluster.heads.keys().find(|name| **name == own).or_else(|| cluster.heads.keys().next());
    let Verb::Capture { name, .. } = verb else { return Ok(any.cloned().unwrap_or_default()) };
    let known: Vec<_> = cluster.images.keys().map(String::as_str).collect();
    let image = cluster.images.get(name).ok_or_else(|| {
        let failure = Failure::new(Exit::Missing, format!("the spec has no image {name}"));
        match known.as_slice() {
            [] => failure.hint("add one, and apply: images: { head: { capture: { from: head-1 } } }"),
            known => failure.hint(format!("it has: {}", known.join(", "))),
        }
    })?;
    let capture = image.capture.as_ref().ok_or_else(|| {
        Failure::new(Exit::Usage, format!("image {name} lies at a path, and is taken from nobody"))
    })?;
    Ok(capture.from.clone())
}

/// Every head that is reached has the key: one of them makes it.
fn share_key(spec: &source::Spec, reach: &Reach, head: &str) -> Result<(), Failure> {
    let mut reached = via::reached(spec, reach)?;
    if !reached.crew.names().iter().any(|name| name == head) {
        let why = reached.unreachable.get(head).cloned().unwrap_or_else(|| "not in --on".to_owned());
        return Err(Failure::new(Exit::Unreachable, format!("{head}: {why}")));
    }
    spread(&reached.desired, &mut reached.crew, &|words| eprintln!("{words}"))
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// The same command, for the head that does it.
fn argv(common: &Common, options: &Options) -> Vec<String> {
    let mut argv = vec!["haoscar".to_owned(), "image".to_owned()];
    match &options.verb {
        Verb::Capture { name, .. } => argv.extend(["capture", "--here", name].map(str::to_owned)),
        Verb::Serve { .. } => {} // systemd says it, where it is
        Verb::List => argv.push("list".to_owned()),
        Verb::Show { name } => argv.extend(["show", name].map(str::to_owned)),
        Verb::Verify { name } => argv.extend(["verify".to_owned()].into_iter().chain(name.clone())),
        Verb::Diff { old, new } => {
            argv.extend(["diff".to_owned(), old.clone()].into_iter().chain(new.clone()))
        }
        Verb::Prune { name, keep } => {
            argv.extend(["prune", name].map(str::to_owned));
            argv.extend(keep.iter().map(|keep| format!("--keep={keep}")));
        }
    }
    argv.extend(options.store.iter().map(|store| format!("--store={store}")));
    argv.extend((common.format == Format::Json).then(|| "--format=json".to_owned()));
    argv.extend(common.quiet.then(|| "--quiet".to_owned()));
    argv
}

fn capture(
    common: &Common,
    spec: &source::Spec,
    name: &str,
    store: &Store,
    seal: &Seal,
) -> Result<Exit, Failure> {
    let cluster = &spec.loaded.cluster;
    let image = &cluster.images[name];
    let exclude = image.capture.as_ref().map(|capture| capture.exclude.clone()).unwrap_or_default();
    let failed = |error: crate::host::HostError| Failure::new(Exit::Failed, error.to_string());
    let accepted = accepted_here().map_err(failed)?;
    let storages: Vec<_> = cluster.storage.values().map(|storage| storage.path.clone()).collect();
    let program = own_program()?;
    let root = image.capture.as_ref().and_then(|capture| capture.root.as_deref());
    // of a folder nothing is this head's own
    let rules = match root {
        Some(_) => images::rules(&[], &[], &exclude),
        None => images::rules(&owned_here().map_err(failed)?, &storages, &exclude),
    };
    let order = Order {
        name,
        version: &jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string(),
        from: via::own_name(),
        root,
        booted: cluster.is_booted(name),
        rules: &rules,
        generation: accepted.as_ref().map(|accepted| accepted.generation),
        commit: accepted.and_then(|accepted| accepted.commit),
        program: &program,
    };
    let _lock = store.lock().map_err(|e| failure(&e))?;
    let bar = Bar::new(common);
    let taken = images::capture(store, seal, &order, &mut |progress| bar.show(progress));
    bar.end();
    let (manifest, new) = taken.map_err(|e| failure(&e))?;
    if common.format == Format::Json {
        line!("{}", described(&manifest));
    } else if !common.quiet {
        told(&manifest);
        line!(
            "{} taken from {}: {} files, {}; kept in {}, {} of it new",
            manifest.title(),
            manifest.from,
            manifest.file_count,
            HumanBytes(manifest.bytes),
            HumanBytes(manifest.kept()),
            HumanBytes(new)
        );
        if manifest.kernel.is_none() {
            eprintln!("warning: there is no kernel in it: no machine can be built from it");
        }
    }
    let lacks = lacks(spec, &manifest);
    if !lacks.is_empty() {
        eprintln!("warning: nodes need packages that are not in it: {}", lacks.join(" "));
    }
    prune(common, store, name, image.keep.unwrap_or(KEEP))
}

/// Packages that the spec needs on nodes which boot this image, and it does not have.
fn lacks(spec: &source::Spec, manifest: &Manifest) -> Vec<String> {
    if manifest.packages.is_empty() {
        return Vec::new(); // nobody could be asked
    }
    let mut nodes = spec.loaded.cluster.nodes.iter();
    let first = nodes.find(|(_, nodes)| nodes.image.as_ref() == Some(&manifest.name));
    let Some(name) = first.and_then(|(range, _)| range.names().into_iter().next()) else { return Vec::new() };
    let Ok(desired) = spec.resolved(&Surroundings::whole(&spec.loaded.cluster)) else { return Vec::new() };
    let wanted = desired.hosts.get(&name).map(|(_, host)| host.packages.clone()).unwrap_or_default();
    let names: BTreeSet<_> =
        manifest.packages.keys().filter_map(|name| name.split([':', '.']).next()).collect();
    wanted.into_iter().filter(|package| !names.contains(package.as_str())).collect()
}

fn prune(common: &Common, store: &Store, name: &str, keep: u32) -> Result<Exit, Failure> {
    let pruned = store.prune(name, keep as usize).map_err(|e| failure(&e))?;
    if !common.quiet && common.format == Format::Text && !pruned.versions.is_empty() {
        line!("gone: {} ({} freed)", pruned.versions.join(", "), HumanBytes(pruned.bytes));
    }
    Ok(Exit::Done)
}

/// A manifest without its pieces.
fn described(manifest: &Manifest) -> serde_json::Value {
    let mut value = json!(manifest);
    if let Some(object) = value.as_object_mut() {
        object.remove("pieces");
        object.insert("kept".to_owned(), manifest.kept().into());
    }
    value
}

/// What was left out, by reason.
fn told(manifest: &Manifest) {
    let mut reasons: Vec<_> = manifest.left_out.iter().map(|left| left.why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for why in reasons {
        line!("left out, {why}:");
        manifest.left_out.iter().filter(|left| left.why == why).for_each(|left| line!("  {}", left.path));
    }
}

fn list(common: &Common, store: &Store, seal: &Seal) -> Result<Exit, Failure> {
    let images = store.images();
    for (name, versions) in &images {
        for version in versions {
            let title = format!("{name}@{version}");
            let manifest = store.manifest(&title).map_err(|e| failure(&e))?;
            let signed = store.proven(&title, seal);
            if common.format == Format::Json {
                let mut value = described(&manifest);
                value["signed"] = signed.is_ok().into();
                line!("{value}");
                continue;
            }
            let generation = manifest.generation.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let kernel = manifest.kernel.as_deref().unwrap_or("no kernel");
            let word = signed.err().map_or("signed", |_| "NOT SIGNED by this cluster's key");
            let (size, from) = (HumanBytes(manifest.kept()).to_string(), &manifest.from);
            line!("{title:<28} of {from:<10} generation {generation:<4} {size:>11}  {kernel}  {word}");
        }
    }
    if images.is_empty() && common.format == Format::Text && !common.quiet {
        line!("there is no image in {}", store.folder());
    }
    Ok(Exit::Done)
}

fn show(common: &Common, store: &Store, name: &str) -> Result<Exit, Failure> {
    let manifest = store.manifest(name).map_err(|e| failure(&e))?;
    if common.format == Format::Json {
        line!("{}", described(&manifest));
        return Ok(Exit::Done);
    }
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    line!("image       {}", manifest.title());
    line!("from        {}, haoscar {}", manifest.from, manifest.haoscar);
    line!("generation  {}", or(manifest.generation.map(|number| number.to_string())));
    line!("commit      {}", or(manifest.commit.clone()));
    line!("system      {} ({})", manifest.os, manifest.architecture);
    line!("kernel      {}", or(manifest.kernel.clone()));
    line!("packages    {}", manifest.packages.len());
    line!("files       {}", manifest.file_count);
    line!("size        {}, kept in {}", HumanBytes(manifest.bytes), HumanBytes(manifest.kept()));
    told(&manifest);
    Ok(Exit::Done)
}

fn verify(common: &Common, store: &Store, name: Option<&str>, seal: &Seal) -> Result<Exit, Failure> {
    let all = store.images().into_iter();
    let all =
        all.flat_map(|(name, versions)| versions.into_iter().map(move |version| format!("{name}@{version}")));
    let titles: Vec<_> = name.map_or_else(|| all.collect(), |name| vec![name.to_owned()]);
    let mut exit = Exit::Done;
    for title in titles {
        let bar = Bar::new(common);
        let verified = store.verify(&title, seal, &mut |progress| bar.show(progress));
        bar.end();
        match verified {
            Ok((manifest, found)) if common.format == Format::Json => {
                line!("{}", json!({ "image": manifest.title(), "good": true, "pieces": found.pieces }));
            }
            Ok((manifest, found)) if !common.quiet => {
                line!("{}: good, {} pieces, {}", manifest.title(), found.pieces, HumanBytes(found.bytes));
            }
            Ok(_) => {}
            Err(error @ ImageError::Missing { .. }) => return Err(failure(&error)),
            Err(error) => {
                if common.format == Format::Json {
                    line!("{}", json!({ "image": title, "good": false, "why": error.to_string() }));
                }
                eprintln!("error: {error}");
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

fn diff(common: &Common, store: &Store, old: &str, new: Option<&str>) -> Result<Exit, Failure> {
    let new = new.unwrap_or_else(|| images::parse_name(old).0);
    let read = |title: &str| {
        let manifest = store.manifest(title)?;
        let files = store.files(&manifest)?;
        Ok((manifest, files))
    };
    let [old, new] = [read(old).map_err(|e| failure(&e))?, read(new).map_err(|e| failure(&e))?];
    let found = images::difference((&old.0, &old.1), (&new.0, &new.1));
    if common.format == Format::Json {
        line!("{}", json!({ "old": old.0.title(), "new": new.0.title(), "difference": found }));
        return Ok(Exit::Done);
    }
    for (name, (was, is)) in &found.packages {
        match (was, is) {
            (Some(was), Some(is)) => line!("~ package {name} {was} -> {is}"),
            (None, Some(is)) => line!("+ package {name} {is}"),
            (was, None) => line!("- package {name} {}", was.as_deref().unwrap_or_default()),
        }
    }
    let marked = [("+", &found.added), ("~", &found.changed), ("-", &found.gone)];
    let mut files: Vec<_> =
        marked.iter().flat_map(|(mark, paths)| paths.iter().map(move |path| (path, mark))).collect();
    files.sort();
    files.iter().for_each(|(path, mark)| line!("{mark} {path}"));
    let (packages, files) = (found.packages.len(), files.len());
    line!("{} and {}: {packages} packages and {files} files differ", old.0.title(), new.0.title());
    Ok(Exit::Done)
}

/// A bar on a terminal; elsewhere one line a stage.
struct Bar {
    bar: ProgressBar,
    lines: bool,
    last: std::cell::Cell<&'static str>,
}

impl Bar {
    fn new(common: &Common) -> Self {
        let quiet = common.quiet || common.format != Format::Text;
        let terminal = std::io::stderr().is_terminal();
        let target =
            if quiet || !terminal { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar, lines: !quiet && !terminal, last: std::cell::Cell::new("") }
    }

    fn show(&self, progress: Progress) {
        if self.last.replace(progress.stage) != progress.stage {
            self.bar.set_message(progress.stage);
            if self.lines {
                eprintln!("{}", progress.stage);
            }
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// An image's failure with its exit code and mend.
pub(super) fn failure(error: &ImageError) -> Failure {
    let exit = match error {
        ImageError::Missing { .. }
        | ImageError::NoKey(_)
        | ImageError::NoKernel { .. }
        | ImageError::NoProgram { .. } => Exit::Missing,
        ImageError::Busy { .. } => Exit::Stale,
        _ => Exit::Failed,
    };
    let failed = Failure::new(exit, error.to_string());
    match error {
        ImageError::Missing { .. } => failed.hint("haoscar image list"),
        ImageError::NoKernel { .. } => failed
            .hint("the installer runs the image's kernel, and takes it from this head: take the image again"),
        ImageError::NoProgram { .. } => failed.hint("haoscar plan names the packages that this head needs"),
        ImageError::NoKey(_) => {
            failed.hint("haoscar image capture NAME makes it on every head that is reached")
        }
        ImageError::Damaged { .. } => {
            failed.hint("take it again: haoscar image capture NAME; pieces that are damaged are written anew")
        }
        ImageError::Seal { .. } => {
            failed.hint("nothing is built from it; take one again: haoscar image capture NAME")
        }
        ImageError::Busy { .. } => failed.hint("wait until it has ended, and try again"),
        _ => failed,
    }
}
