//! Rules across fields, a file a noun. Each problem marks every place that takes part and proposes the mend.
//!
//! A rule is waived by its code with a reason, where [`super::code`] allows it. This room must not look at types
//! or forms of single values: [`super::load()`] has done so.

mod address;
mod agent;
mod disk;
mod engine;
mod export;
mod fence;
mod group;
mod ha;
mod image;
mod mac;
mod name;
mod network;
mod nodes;
mod os;
mod policy;
mod reference;
mod service;
mod storage;
mod waive;
mod watched;

pub use mac::macs;

use super::{Cluster, Loaded, Place, Places, Problem, Severity, Sources, load};

/// What every rule works with.
struct Lint<'a> {
    cluster: &'a Cluster,
    places: &'a Places,
    found: Vec<Problem>,
    /// The last problem that came when there were enough.
    unsaid: Problem,
}

impl Lint<'_> {
    /// The place of a value, or of the nearest part of its path that is there.
    fn at(&self, path: &str, label: impl Into<String>) -> Place {
        Place { label: label.into(), ..self.places.nearest(self.wanted(path)) }
    }

    /// The place of a key.
    fn at_key(&self, path: &str, label: impl Into<String>) -> Place {
        let path = self.wanted(path);
        let place = self.places.key(path).unwrap_or_else(|| self.places.nearest(path));
        Place { label: label.into(), ..place }
    }

    /// Nobody reads more than so many problems: their places are not looked up, which costs a walk each.
    fn wanted<'p>(&self, path: &'p str) -> &'p str {
        if self.is_full() { "" } else { path }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= super::PROBLEMS_MAX
    }

    /// Whether a name of this noun leads nowhere; what follows from that is then not said too.
    fn is_broken(&self, noun: &str) -> bool {
        let code = format!("ref/{noun}");
        self.found.iter().any(|problem| problem.code == code)
    }

    fn error(
        &mut self,
        code: &str,
        message: impl Into<String>,
        places: impl IntoIterator<Item = Place>,
    ) -> &mut Problem {
        let mut problem = Problem::error(code, message);
        problem.places.extend(places);
        if self.is_full() {
            self.unsaid = problem;
            return &mut self.unsaid;
        }
        self.found.push(problem);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    fn note(
        &mut self,
        code: &str,
        message: impl Into<String>,
        places: impl IntoIterator<Item = Place>,
    ) -> &mut Problem {
        let problem = self.error(code, message, places);
        problem.severity = Severity::Note;
        problem
    }
}

/// Sets the mend of the problem that was just said.
trait Mend {
    fn mend(&mut self, hint: impl Into<String>);
}

impl Mend for Problem {
    fn mend(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Loads and lints: what the spec says with its notes, or every problem.
///
/// # Errors
/// One error or more, with the notes beside them.
pub fn judge(sources: &Sources) -> Result<(Loaded, Vec<Problem>), Vec<Problem>> {
    let loaded = load(sources)?;
    let found = lint(&loaded);
    let wrong = found.iter().any(|problem| problem.severity == Severity::Error);
    if wrong { Err(found) } else { Ok((loaded, found)) }
}

/// Every rule over the whole spec, waivers applied, in the order of the file.
pub fn lint(loaded: &Loaded) -> Vec<Problem> {
    let mut lint = Lint {
        cluster: &loaded.cluster,
        places: &loaded.places,
        found: Vec::new(),
        unsaid: Problem::error("", ""),
    };
    for rule in RULES {
        rule(&mut lint);
    }
    waive::apply(&mut lint);
    let mut found = lint.found;
    found
        .sort_by_key(|p| (p.severity, p.places.first().map(|place| (place.file.clone(), place.bytes.start))));
    found.dedup();
    found
}

const RULES: &[fn(&mut Lint<'_>)] = &[
    reference::check,
    network::check,
    address::check,
    mac::check,
    name::check,
    fence::check,
    agent::check,
    ha::check,
    watched::check,
    engine::check,
    group::check,
    service::check,
    storage::check,
    export::check,
    disk::check,
    image::check,
    nodes::check,
    os::check,
    policy::check,
];
