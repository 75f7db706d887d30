//! MACs from a CSV file beside the spec (columns `name,mac`), put in the order of the node range.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::places::{Lines, Places};
use crate::spec::{Cluster, Mac, MacList, NodeRange, Place, Problem, Sources, nearest};

/// Replaces every [`MacList::File`] by what the file says.
pub(super) fn expand(cluster: &mut Cluster, places: &mut Places, sources: &Sources) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (range, nodes) in &mut cluster.nodes {
        for (nic, card) in &mut nodes.nics {
            let MacList::File(file) = &card.macs else { continue };
            let path = format!("nodes.{range}.nics.{nic}.macs");
            match read(file, range, sources, &|| places.nearest(&path)) {
                Ok(macs) => {
                    for (index, (_, place)) in macs.iter().enumerate() {
                        places.add(format!("{path}.{index}"), place.clone());
                    }
                    card.macs = MacList::Given(macs.into_iter().map(|(mac, _)| mac).collect());
                }
                Err(found) => problems.extend(found),
            }
        }
    }
    problems
}

type Placed = (Mac, Place);

fn read(
    file: &Utf8Path,
    range: &NodeRange,
    sources: &Sources,
    from: &dyn Fn() -> Place,
) -> Result<Vec<Placed>, Vec<Problem>> {
    let Some(bytes) = sources.get(file) else {
        let problem = Problem::error("spec/csv-missing", format!("{file} is not beside the spec")).at(from());
        let near = nearest(file.as_str(), sources.files.keys().map(|path| path.as_str()));
        let hint = near.map_or_else(
            || "add it with the columns name,mac".to_owned(),
            |n| format!("did you mean `{n}`?"),
        );
        return Err(vec![problem.hint(hint)]);
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(vec![
            Problem::error("spec/csv-bad", format!("{file} is not a text in UTF-8")).at(from()),
        ]);
    };
    let lines = Lines::new(file.to_owned(), text.trim_start_matches('\u{feff}'));
    let mut problems = Vec::new();
    let found = rows(&lines, &mut problems);
    let names = range.names();
    let mut macs = Vec::new();
    for name in &names {
        match found.get(name.as_str()) {
            Some(placed) => macs.push(placed.clone()),
            None if problems.is_empty() => {
                let message = format!("{file} has no row for {name} of {range}");
                problems.push(
                    Problem::error("spec/csv-bad", message).at(from()).hint(format!("add `{name},MAC`")),
                );
            }
            None => {}
        }
    }
    if problems.is_empty() { Ok(macs) } else { Err(problems) }
}

/// The rows of such a list, by name.
///
/// # Errors
/// Every row that is none, at its place.
pub fn mac_rows(file: &Utf8Path, text: &str) -> Result<BTreeMap<String, Mac>, Vec<Problem>> {
    let lines = Lines::new(file.to_owned(), text.trim_start_matches('\u{feff}'));
    let mut problems = Vec::new();
    let found = rows(&lines, &mut problems);
    let found = found.into_iter().map(|(name, (mac, _))| (name.to_owned(), mac)).collect();
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn rows<'a>(lines: &'a Lines, problems: &mut Vec<Problem>) -> BTreeMap<&'a str, Placed> {
    let mut found: BTreeMap<&str, Placed> = BTreeMap::new();
    let mut start = 0;
    let bad = |message: String, place: Place| Problem::error("spec/csv-bad", message).at(place);
    for (number, line) in lines.text().split_inclusive('\n').enumerate() {
        let row = line.trim_end();
        let place = lines.place(start..start + row.len(), "");
        start += line.len();
        if number == 0 {
            if row.replace(' ', "") != "name,mac" {
                problems.push(bad("the first line must be `name,mac`".to_owned(), place));
            }
            continue;
        }
        if row.trim().is_empty() || row.starts_with('#') {
            continue;
        }
        let Some((name, mac)) = row.split_once(',') else {
            problems.push(bad(format!("`{row}` is not a row: NAME,MAC is expected"), place));
            continue;
        };
        match mac.trim().trim_matches('"').parse::<Mac>() {
            Err(message) => problems.push(bad(message, place)),
            Ok(mac) => {
                let name = name.trim().trim_matches('"');
                if let Some((_, first)) = found.get(name) {
                    let twice = bad(format!("{name} stands twice"), place);
                    problems.push(twice.at(first.clone()));
                } else {
                    found.insert(name, (mac, place));
                }
            }
        }
    }
    problems.truncate(super::PROBLEMS_MAX);
    found
}
