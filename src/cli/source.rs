//! Finds the spec that a verb works on and gathers it with the lists beside it. Shared by every verb that reads
//! a spec. It must not judge: `spec::load` and `spec::lint` do.

use camino::{Utf8Path, Utf8PathBuf};

use super::history::accepted_record;
use super::{Common, Exit, Failure, problems};
use crate::desired::{Desired, Surroundings, resolve};
use crate::history;
use crate::observed::{Generation, Record};
use crate::spec::{Loaded, Problem, Severity, Sources, judge};
use crate::templates::Templates;

/// Where a spec lies when none is named; on a head the accepted generation's comes after these.
const DEFAULTS: [&str; 2] = ["cluster.yaml", "/etc/haoscar/spec"];

/// A spec's files, and the folder that their paths are relative to.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) sources: Sources,
    pub(super) folder: Utf8PathBuf,
    /// The generation whose spec it is, where a history gave it.
    pub(super) kept: Option<Generation>,
}

impl Gathered {
    /// A path of [`Sources`] as the user would write it from here.
    pub(super) fn shown(&self, file: &Utf8Path) -> Utf8PathBuf {
        if self.folder.as_str().is_empty() { file.to_owned() } else { self.folder.join(file) }
    }
}

#[allow(dead_code)] // its fields serve render, plan and apply
/// A spec that may be worked with: loaded, linted, only notes left.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) gathered: Gathered,
    pub(super) loaded: Loaded,
    pub(super) notes: Vec<Problem>,
}

impl Spec {
    /// What every host must be.
    ///
    /// # Errors
    /// 65, with every problem printed at its place.
    pub(super) fn resolved(&self, surroundings: &Surroundings) -> Result<Desired, Failure> {
        let templates = Templates::of(&self.gathered.sources);
        let resolved = templates.and_then(|all| resolve(&self.loaded.cluster, surroundings, &all));
        resolved.map_err(|found| {
            eprint!("{}", problems::text(&found, &self.gathered, problems::colour_of_stderr()));
            invalid(&found, &self.gathered)
        })
    }
}

/// Gathers, loads and lints the spec that `argument`, `--spec` or the defaults name. Problems are printed to
/// standard error as text.
///
/// # Errors
/// 66 where there is no spec, 65 where it is invalid.
#[allow(dead_code)] // render, plan and apply call it
pub(super) fn read(common: &Common, argument: Option<&Utf8Path>) -> Result<Spec, Failure> {
    checked(gather(common, argument)?)
}

/// The same of what is accepted.
///
/// # Errors
/// 66 where nothing is, or no head that was reached keeps it.
pub(super) fn accepted() -> Result<Spec, Failure> {
    let missing = || {
        Failure::new(Exit::Missing, "nothing is accepted on this host, or its history cannot be read")
            .hint("haoscar apply --spec PATH")
    };
    checked(of_record(accepted_record()?.ok_or_else(missing)?))
}

/// The same of files that lie elsewhere: in a history.
pub(super) fn checked(gathered: Gathered) -> Result<Spec, Failure> {
    match judge(&gathered.sources) {
        Ok((loaded, notes)) => Ok(Spec { gathered, loaded, notes }),
        Err(found) => {
            eprint!("{}", problems::text(&found, &gathered, problems::colour_of_stderr()));
            Err(invalid(&found, &gathered))
        }
    }
}

/// The last line of an invalid spec.
pub(super) fn invalid(found: &[Problem], gathered: &Gathered) -> Failure {
    let errors = found.iter().filter(|problem| problem.severity == Severity::Error).count();
    let file = gathered.shown(&gathered.sources.root);
    let word = if errors == 1 { "problem" } else { "problems" };
    Failure::new(Exit::Invalid, format!("{file} has {errors} {word}"))
        .hint("`haoscar explain CODE` says why a code is refused and how to mend it")
}

/// The files of the spec that `argument`, `--spec` or the defaults name.
pub(super) fn gather(common: &Common, argument: Option<&Utf8Path>) -> Result<Gathered, Failure> {
    let named = argument.or(common.spec.as_deref()).map(Utf8Path::to_owned);
    let lies = || DEFAULTS.map(Utf8PathBuf::from).into_iter().find(|path| path.exists());
    let Some(path) = named.or_else(lies) else {
        return accepted_record()?.map(of_record).ok_or_else(|| {
            Failure::new(Exit::Missing, "there is no spec: neither ./cluster.yaml nor /etc/haoscar/spec")
                .hint("name one: --spec PATH")
        });
    };
    if path == "-" {
        let bytes = history::limited(&mut std::io::stdin().lock()).map_err(|e| unreadable(&path, &e))?;
        return Ok(Gathered {
            sources: Sources::of_text("stdin", bytes),
            folder: Utf8PathBuf::new(),
            kept: None,
        });
    }
    let root = if path.is_dir() { path.join(Sources::ROOT) } else { path };
    let mut sources = history::gather(&root).map_err(|e| unreadable(&root, &e))?;
    history::gather_machine(&mut sources);
    let folder = root.parent().map(Utf8Path::to_owned).unwrap_or_default();
    Ok(Gathered { sources, folder, kept: None })
}

/// Where a history keeps a file of the spec; one of a machine's own apart.
pub(super) fn in_record(path: &Utf8Path) -> Utf8PathBuf {
    match path.strip_prefix("/") {
        Ok(own) => Utf8Path::new("machine").join(own),
        Err(_) => Utf8Path::new("spec").join(path),
    }
}

/// What [`in_record`] was given; none for what is no file of the spec.
fn of_spec(kept: &Utf8Path) -> Option<Utf8PathBuf> {
    match kept.strip_prefix("machine") {
        Ok(own) => Some(Utf8Path::new("/").join(own)),
        Err(_) => Some(kept.strip_prefix("spec").ok()?.to_owned()),
    }
}

/// The spec of a generation, as a history keeps it.
pub(super) fn of_record(record: Record) -> Gathered {
    let within = |(path, text): (Utf8PathBuf, String)| Some((of_spec(&path)?, text.into_bytes()));
    let files = record.files.into_iter().filter_map(within).collect();
    let folder = Utf8PathBuf::from(format!("generation-{}", record.generation.number));
    Gathered { sources: Sources { root: record.root, files }, folder, kept: Some(record.generation) }
}

fn unreadable(path: &Utf8Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(Exit::Missing, format!("{path} is not there")).hint("name the spec: --spec PATH")
        }
        std::io::ErrorKind::PermissionDenied => Failure::new(Exit::NotPermitted, format!("{path}: {error}")),
        _ => Failure::new(Exit::Missing, format!("{path}: {error}")),
    }
}
