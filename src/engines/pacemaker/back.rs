//! The live CIB against the desired one: what differs, and the whole new CIB for a compare-and-swap push.
//!
//! Ours are resources that say so in their `description`, every other object whose id begins with `haoscar-`, and
//! the cluster's properties but for those that Pacemaker or an apply writes. Nodes, status and what somebody else
//! made stay, and are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::EngineError;
use super::again::{self, is_again};
use super::cib::{OURS, PROPERTIES};
use super::xml::Element;
use crate::engines::EngineDesired;

/// Sections of `<configuration>` that hold objects of ours beside the properties.
const SECTIONS: [&str; 5] = ["resources", "constraints", "fencing-topology", "rsc_defaults", "alerts"];

/// Properties that Pacemaker writes itself, and the one with which an apply or a person pauses the engine.
const KEPT: [&str; 6] = [
    "cluster-infrastructure",
    "cluster-name",
    "dc-version",
    "have-watchdog",
    "last-lrm-refresh",
    "maintenance-mode",
];

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// It is made.
    Add,
    /// It stays and changes.
    Modify,
    /// It goes.
    Remove,
}

/// One object of the CIB that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// What happens to it.
    pub sign: Sign,
    /// `property`, or the tag: `primitive`, `clone`, `rsc_colocation`.
    pub kind: String,
    /// Its id, or the property's name.
    pub id: String,
    /// What differs inside, a line each, `-` before and `+` after.
    pub details: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.sign {
            Sign::Add => '+',
            Sign::Modify => '~',
            Sign::Remove => '-',
        };
        write!(f, "{sign} {} {}", self.kind, self.id)?;
        self.details.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// A new whole CIB, and what in it is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// For `cibadmin --replace`, or `crm_diff` and `cibadmin --patch` against the CIB that it was made from.
    pub cib: String,
    /// Kinds and ids of what somebody else made: kept, for a person to see.
    pub foreign: Vec<String>,
    /// Constraints of somebody else that name a resource which goes, so that they must go too.
    pub dropped: Vec<String>,
}

fn ours(element: &Element) -> bool {
    element.id().starts_with("haoscar-") || element.get("description") == Some(OURS)
}

fn kept(property: &str) -> bool {
    KEPT.contains(&property) || property.starts_with("haoscar-")
}

/// Properties in the set that counts, by name.
pub(super) fn properties(configuration: &Element) -> BTreeMap<&str, &str> {
    let sets = configuration.child("crm_config").into_iter().flat_map(|section| &section.children);
    let values = sets.filter(|set| set.id() == PROPERTIES).flat_map(|set| &set.children);
    values.filter_map(|pair| Some((pair.get("name")?, pair.get("value")?))).collect()
}

/// Our objects of a `<configuration>`, by tag and id.
fn objects(configuration: &Element) -> BTreeMap<(&str, &str), &Element> {
    let sections = SECTIONS.iter().filter_map(|section| configuration.child(section));
    let nodes = configuration.child("nodes").into_iter().flat_map(|nodes| &nodes.children);
    let all = sections.flat_map(|section| &section.children).chain(nodes.flat_map(|node| &node.children));
    all.filter(|child| ours(child)).map(|child| ((child.name.as_str(), child.id()), child)).collect()
}

/// The same element with its children in order of id, so that order in the file is no difference, and without what only says
/// when it was restarted, or empty sets of attributes: `crm_resource --restart` leaves such behind.
fn canonical(element: &Element) -> Element {
    let mut copy = element.clone();
    let says = |child: &&Element| {
        !is_again(element, child) && (!child.name.ends_with("_attributes") || !child.children.is_empty())
    };
    copy.children = copy.children.iter().filter(says).map(canonical).collect();
    copy.children.sort_by(|a, b| (&a.name, a.id()).cmp(&(&b.name, b.id())));
    copy
}

/// What differs between the desired configuration and a live CIB (`cibadmin -Q`). Empty: in step.
///
/// # Errors
/// A CIB that cannot be read.
pub fn changes(desired: &EngineDesired, current: &str) -> Result<Vec<Change>, EngineError> {
    let wanted = Element::read(&desired.cib)?;
    let cib = Element::read(current)?;
    let live = cib.child("configuration").ok_or(EngineError::Missing("configuration"))?;
    let mut found = property_changes(&properties(&wanted), &properties(live));
    let (wanted, live) = (objects(&wanted), objects(live));
    let keys: BTreeSet<_> = wanted.keys().chain(live.keys()).collect();
    for key in keys {
        let (sign, details) = match (live.get(key), wanted.get(key)) {
            (Some(old), Some(new)) if canonical(old) == canonical(new) => continue,
            (Some(old), Some(new)) => (Sign::Modify, difference(old, new)),
            (None, _) => (Sign::Add, Vec::new()),
            (_, None) => (Sign::Remove, Vec::new()),
        };
        found.push(Change { sign, kind: key.0.to_owned(), id: key.1.to_owned(), details });
    }
    Ok(found)
}

fn property_changes(wanted: &BTreeMap<&str, &str>, live: &BTreeMap<&str, &str>) -> Vec<Change> {
    let names: BTreeSet<_> = wanted.keys().chain(live.keys().filter(|name| !kept(name))).collect();
    let change = |name: &&str| {
        let (old, new) = (live.get(name), wanted.get(name));
        let sign = match (old, new) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(_), Some(_)) => Sign::Modify,
            (None, _) => Sign::Add,
            (_, None) => Sign::Remove,
        };
        let lines = [old.map(|v| format!("- {v}")), new.map(|v| format!("+ {v}"))];
        let details = lines.into_iter().flatten().collect();
        Some(Change { sign, kind: "property".to_owned(), id: (*name).to_owned(), details })
    };
    names.into_iter().filter_map(change).collect()
}

fn difference(old: &Element, new: &Element) -> Vec<String> {
    let (old, new) = (canonical(old).write(), canonical(new).write());
    let (old, new): (Vec<_>, Vec<_>) =
        (old.lines().map(str::trim).collect(), new.lines().map(str::trim).collect());
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

/// Whether haoscar has configured this CIB before: an empty one is nothing to go back to.
pub fn is_ours(cib: &str) -> bool {
    let cib = Element::read(cib).ok();
    cib.as_ref().and_then(|cib| cib.child("configuration")).is_some_and(|found| !objects(found).is_empty())
}

/// The current CIB with the configuration of an older one, and the next epoch. Nodes and status stay as they are.
///
/// # Errors
/// A CIB that cannot be read.
pub fn put_back(old: &str, current: &str) -> Result<String, EngineError> {
    let old = Element::read(old)?;
    let mut cib = Element::read(current)?;
    let before = old.child("configuration").ok_or(EngineError::Missing("configuration"))?;
    next_epoch(&mut cib);
    let configuration = cib.child_mut("configuration");
    let nodes = configuration.child("nodes").cloned();
    configuration.children = before.children.iter().filter(|child| child.name != "nodes").cloned().collect();
    configuration.children.extend(nodes);
    order_sections(configuration);
    Ok(cib.write())
}

/// Its next version, as `cibadmin --replace` wants it.
pub(super) fn next_epoch(cib: &mut Element) {
    let epoch: u64 = cib.get("epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    cib.attributes.insert("epoch".to_owned(), (epoch + 1).to_string());
    cib.attributes.insert("num_updates".to_owned(), "0".to_owned());
}

/// The whole CIB with our objects as desired, everything else as it is, and the next epoch: `cibadmin --replace`
/// refuses it (103) when somebody else was faster.
///
/// # Errors
/// A CIB that cannot be read.
pub fn merged(desired: &EngineDesired, current: &str) -> Result<Merged, EngineError> {
    let wanted = Element::read(&desired.cib)?;
    let mut cib = Element::read(current)?;
    next_epoch(&mut cib);
    let configuration = cib.child_mut("configuration");
    merge_properties(&wanted, configuration);
    merge_nodes(&wanted, configuration);
    for section in SECTIONS {
        let mut new = wanted.child(section).map(|section| section.children.clone()).unwrap_or_default();
        if new.is_empty() && configuration.child(section).is_none() {
            continue; // an empty section says nothing
        }
        let old = configuration.child_mut(section);
        again::keep(&old.children, &mut new);
        old.children.retain(|child| !ours(child) && !new.iter().any(|n| n.id() == child.id()));
        old.children.extend(new);
    }
    let dropped = drop_dangling(configuration);
    order_sections(configuration);
    let foreign = foreign(configuration);
    Ok(Merged { cib: cib.write(), foreign, dropped })
}

fn merge_properties(wanted: &Element, configuration: &mut Element) {
    let new = wanted.child("crm_config").and_then(|section| section.children.first()).cloned();
    let section = configuration.child_mut("crm_config");
    let old =
        section.children.iter().position(|set| set.id() == PROPERTIES).map(|at| section.children.remove(at));
    let Some(mut set) = new else { return };
    let live = old.map(|set| set.children).unwrap_or_default();
    set.children.extend(live.into_iter().filter(|pair| pair.get("name").is_some_and(kept)));
    section.children.insert(0, set);
}

/// Nodes are Pacemaker's, and so is what else they hold; one that has not joined yet is written as it will be.
fn merge_nodes(wanted: &Element, configuration: &mut Element) {
    let live = configuration.child_mut("nodes");
    live.children.iter_mut().for_each(|node| node.children.retain(|child| !ours(child)));
    for new in wanted.child("nodes").into_iter().flat_map(|nodes| &nodes.children) {
        match live.children.iter_mut().find(|node| node.get("uname") == new.get("uname")) {
            Some(node) => node.children.extend(new.children.iter().cloned()),
            None => live.children.push(new.clone()),
        }
    }
}

/// A constraint must not name a resource that is gone: the schema refuses the whole CIB.
fn drop_dangling(configuration: &mut Element) -> Vec<String> {
    let resources = configuration.child("resources");
    let known: BTreeSet<_> =
        resources.into_iter().flat_map(Element::walk).map(|element| element.id().to_owned()).collect();
    let names = |constraint: &Element| {
        let attributes =
            ["rsc", "with-rsc", "first", "then"].map(|name| constraint.get(name).map(str::to_owned));
        let inside = constraint
            .walk()
            .into_iter()
            .filter(|e| e.name == "resource_ref")
            .map(|e| Some(e.id().to_owned()));
        attributes.into_iter().chain(inside).flatten().collect::<Vec<_>>()
    };
    let mut dropped = Vec::new();
    configuration.child_mut("constraints").children.retain(|constraint| {
        let stays = names(constraint).iter().all(|name| known.contains(name));
        if !stays {
            dropped.push(constraint.id().to_owned());
        }
        stays
    });
    dropped
}

fn foreign(configuration: &Element) -> Vec<String> {
    let sections = SECTIONS.iter().filter_map(|section| configuration.child(section));
    let others = sections.flat_map(|section| &section.children).filter(|child| !ours(child));
    others.map(|child| format!("{} {}", child.name, child.id())).collect()
}

/// The schema wants the sections in this order.
fn order_sections(configuration: &mut Element) {
    const ORDER: [&str; 7] =
        ["crm_config", "nodes", "resources", "constraints", "fencing-topology", "rsc_defaults", "alerts"];
    let rank = |element: &Element| ORDER.iter().position(|name| *name == element.name).unwrap_or(ORDER.len());
    configuration.children.sort_by_key(rank);
}
