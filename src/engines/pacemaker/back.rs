//! The live CIB against the desired one: what differs, and the whole new CIB for a compare-and-swap push.
//!
//! Ours are resources that say so in their `description`, and every other object whose id begins with `haoscar-`.
//! What Pacemaker writes itself (nodes, status, cib-bootstrap-options) and what somebody else made stays.

use std::collections::BTreeMap;

use super::EngineError;
use super::cib::OURS;
use super::xml::Element;
use crate::engines::EngineDesired;

/// Sections of `<configuration>` that hold objects of ours.
const SECTIONS: [&str; 4] = ["crm_config", "resources", "constraints", "rsc_defaults"];

fn ours(element: &Element) -> bool {
    element.id().starts_with("haoscar-") || element.get("description") == Some(OURS)
}

/// Our objects of a `<configuration>`, by section and id.
fn objects(configuration: &Element) -> BTreeMap<(&str, &str), &Element> {
    let mut found = BTreeMap::new();
    for section in SECTIONS {
        let children = configuration.child(section).into_iter().flat_map(|section| &section.children);
        found.extend(children.filter(|child| ours(child)).map(|child| ((section, child.id()), child)));
    }
    found
}

/// The same element with its children in order of id, so that order in the file is no difference.
fn canonical(element: &Element) -> Element {
    let mut copy = element.clone();
    copy.children = copy.children.iter().map(canonical).collect();
    copy.children.sort_by(|a, b| (&a.name, a.id()).cmp(&(&b.name, b.id())));
    copy
}

/// What differs between the desired configuration and a live CIB (`cibadmin -Q`): `+ id`, `- id`, `~ id` with the
/// lines that change. Empty: in step.
///
/// # Errors
/// A CIB that cannot be read.
pub fn changes(desired: &EngineDesired, current: &str) -> Result<Vec<String>, EngineError> {
    let wanted = Element::read(&desired.cib)?;
    let cib = Element::read(current)?;
    let live = cib.child("configuration").ok_or(EngineError::Missing("configuration"))?;
    let (wanted, live) = (objects(&wanted), objects(live));
    let mut lines = Vec::new();
    for ((section, id), element) in &wanted {
        match live.get(&(*section, *id)) {
            None => lines.push(format!("+ {section} {id}")),
            Some(other) if canonical(other) != canonical(element) => {
                lines.extend(difference(section, id, other, element))
            }
            Some(_) => {}
        }
    }
    let gone = live.keys().filter(|key| !wanted.contains_key(*key));
    lines.extend(gone.map(|(section, id)| format!("- {section} {id}")));
    Ok(lines)
}

fn difference(section: &str, id: &str, old: &Element, new: &Element) -> Vec<String> {
    let (old, new) = (canonical(old).write(), canonical(new).write());
    let old: Vec<_> = old.lines().map(str::trim).collect();
    let new: Vec<_> = new.lines().map(str::trim).collect();
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("    - {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("    + {line}"));
    std::iter::once(format!("~ {section} {id}")).chain(gone).chain(come).collect()
}

/// The whole CIB with our objects as desired, everything else as it is, and the next epoch: `cibadmin --replace`
/// refuses it (103) when somebody else was faster.
///
/// # Errors
/// A CIB that cannot be read.
pub fn merged(desired: &EngineDesired, current: &str) -> Result<String, EngineError> {
    let wanted = Element::read(&desired.cib)?;
    let mut cib = Element::read(current)?;
    let epoch: u64 = cib.get("epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    cib.attributes.insert("epoch".to_owned(), (epoch + 1).to_string());
    cib.attributes.insert("num_updates".to_owned(), "0".to_owned());
    let configuration = cib.child_mut("configuration");
    for section in SECTIONS {
        let new = wanted.child(section).map(|section| section.children.clone()).unwrap_or_default();
        let old = configuration.child_mut(section);
        old.children.retain(|child| !ours(child));
        old.children.extend(new);
    }
    order_sections(configuration);
    Ok(cib.write())
}

/// The schema wants the sections in this order.
fn order_sections(configuration: &mut Element) {
    const ORDER: [&str; 6] =
        ["crm_config", "nodes", "resources", "constraints", "fencing-topology", "rsc_defaults"];
    let rank = |element: &Element| ORDER.iter().position(|name| *name == element.name).unwrap_or(ORDER.len());
    configuration.children.sort_by_key(rank);
}
