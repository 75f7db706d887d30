//! `haoscar diff A B`: what differs between two generations, in the spec and in every host's files.

use std::collections::BTreeSet;

use camino::Utf8Path;
use clap::Args;

use super::history::{heads, known, recall};
use super::out;
use super::via::Reach;
use super::{Common, Exit, Failure};
use crate::observed::Record;

/// Options of `haoscar diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar diff 11 12                        what generation 12 changed
  haoscar diff 11                           from 11 to the newest

Exit status: 0 shown; 66 a generation is not kept.")]
pub struct Options {
    /// The older generation
    from: u64,
    /// The newer one. Default: the newest
    to: Option<u64>,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let (mut found, heads) = heads(common, &options.reach)?;
    let known = known(&mut found, &heads)?;
    let newest = known.generations.keys().next_back().copied().unwrap_or_default();
    let from = recall(&mut found, &known, options.from)?;
    let to = recall(&mut found, &known, options.to.unwrap_or(newest))?;
    let text = difference(&from, &to);
    out::say(if text.is_empty() { "no difference\n" } else { &text });
    Ok(Exit::Done)
}

/// A unified diff of every file but the plans, which always differ.
fn difference(from: &Record, to: &Record) -> String {
    let mut text = String::new();
    let paths: BTreeSet<_> =
        from.files.keys().chain(to.files.keys()).filter(|path| *path != "plan.txt").collect();
    for path in paths {
        let (old, new) = (from.files.get(path), to.files.get(path));
        if old == new {
            continue;
        }
        let sides = [from, to].map(|side| side.generation.number.to_string());
        text += &unified(path, (&sides[0], old), (&sides[1], new));
    }
    text
}

/// How a file differs between two sides, each with its name; none where it is not there.
pub(super) fn unified(path: &Utf8Path, old: (&str, Option<&String>), new: (&str, Option<&String>)) -> String {
    let name = |(side, text): (&str, Option<&String>)| {
        text.map_or_else(|| "/dev/null".to_owned(), |_| format!("{side}/{path}"))
    };
    let lines = |text: Option<&String>| text.cloned().unwrap_or_default();
    let (before, after) = (lines(old.1), lines(new.1));
    let diff = similar::TextDiff::from_lines(&before, &after);
    diff.unified_diff().context_radius(2).header(&name(old), &name(new)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, files: &[(&str, &str)]) -> Record {
        let mut record = Record::default();
        record.generation.number = number;
        record.files = files.iter().map(|(path, text)| ((*path).into(), (*text).to_owned())).collect();
        record
    }

    #[test]
    fn two_generations_differ_by_their_files_and_never_by_their_plans() {
        let from = record(1, &[("plan.txt", "one\n"), ("spec/a", "x\ny\n"), ("hosts/h/etc/gone", "old\n")]);
        let to = record(2, &[("plan.txt", "two\n"), ("spec/a", "x\nz\n")]);
        let wanted = "--- 1/hosts/h/etc/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n\
                      --- 1/spec/a\n+++ 2/spec/a\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n";
        assert_eq!(difference(&from, &to), wanted);
        assert_eq!(difference(&from, &from), "");
    }
}
