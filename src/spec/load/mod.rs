//! From bytes to a [`Cluster`] with places: everything that can be found wrong is found in one run.
//!
//! The way: text, tree (YAML with spans), kinds filled in, shape (the tree against the schema of the Rust types),
//! then serde, then the CSV lists and public keys beside the spec. Rules across fields are [`mod@super::lint`]'s. It must not read a
//! file: callers gather [`Sources`].

mod formats;
mod keys;
mod macs;
mod places;
mod plain;
mod shape;
mod text;
mod tree;
mod typed;

use serde::Deserialize;

use super::{Cluster, Problem, Sources};

pub use formats::check as check_format;
pub use keys::public_keys;
pub use macs::mac_rows;
pub use places::{Places, place_in};
pub use text::BYTES_MAX;
pub use tree::small;

/// A spec that has the right shape, and where each of its words stands.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says. Every list of MACs is [`super::MacList::Given`], every trusted key a key.
    pub cluster: Cluster,
    /// Where it says so.
    pub places: Places,
}

/// More problems than this in one run help nobody; a file of garbage could have millions.
pub const PROBLEMS_MAX: usize = 1_000;

/// Reads the root document of `sources` and the lists that it names.
///
/// # Errors
/// Every problem that can be found in one run, in the order of the file.
pub fn load(sources: &Sources) -> Result<Loaded, Vec<Problem>> {
    let text = text::read(sources).map_err(|problem| vec![*problem])?;
    let lines = places::Lines::new(sources.root.clone(), text);
    let mut tree = tree::parse(&lines)?;
    let mut problems = tree::duplicate_keys(&tree, &lines);
    shape::fill_kinds(&mut tree);
    problems.extend(shape::check(&tree, &lines));
    if !problems.is_empty() {
        return Err(in_order(problems));
    }
    let mut cluster = Cluster::deserialize(&tree).map_err(|error| {
        vec![Problem::error("spec/bad-value", error.to_string()).at(lines.place(0..0, ""))]
    })?;
    let mut places = Places::new(lines, tree);
    let mut problems = macs::expand(&mut cluster, &mut places, sources);
    problems.extend(keys::expand(&mut cluster, &places, sources));
    if problems.is_empty() { Ok(Loaded { cluster, places }) } else { Err(in_order(problems)) }
}

/// By place, without repetition (an alias shows the same mistake twice), and not without end.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|p| p.places.first().map(|place| (place.file.clone(), place.bytes.start)));
    problems.dedup();
    problems.truncate(PROBLEMS_MAX);
    problems
}
