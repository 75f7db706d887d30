//! The watcher's part of a head: its list, its unit, and the rules by which a group goes where its networks and storage
//! are.
//!
//! What a head has is worth a finite score: a head that still has what another has lost wins, and equal loss moves
//! nothing. The score is positive for those who have, for Pacemaker runs nothing where the sum is negative: a penalty
//! would stop a group that has lost its network everywhere.

use std::collections::BTreeSet;

use serde_json::json;

use super::xml::Element;
use crate::desired::{Mode, OnChange, Owner, Piece, Rendered, Unit, UnitWant};
use crate::engines::EngineDesired;
use crate::engines::watchlist::{
    WATCHLIST, WatchedLink, WatchedStore, WatchedUnit, Watchlist, link_attribute, store_attribute,
};
use crate::spec::{Cluster, Group, Head, Problem};
use crate::templates::Templates;

/// The watcher's unit.
const UNIT: &str = "haoscar-watch.service";

/// A network or storage is worth more than the clones of a group that do not run (10,000 each) and its stickiness (100
/// a resource), and nineteen of them are still finite (INFINITY is 1,000,000).
const WORTH: &str = "50000";

/// Files of a head's watcher.
///
/// # Errors
/// What a template says.
pub fn files(
    name: &str,
    cluster: &Cluster,
    engine: &EngineDesired,
    configuration: &Element,
    templates: &Templates,
) -> Result<Vec<Rendered>, Problem> {
    let Some(head) = cluster.heads.get(name) else { return Ok(Vec::new()) };
    let change = OnChange::DaemonReload(Some(UNIT.to_owned()));
    let unit = templates.file(
        format!("/etc/systemd/system/{UNIT}"),
        "engine/pacemaker/watch.service.hbs",
        json!({}),
        change,
    )?;
    Ok(vec![unit, list_file(&list((name, head), cluster, engine, configuration))])
}

/// The watcher runs on every head.
pub fn unit() -> Unit {
    Unit { name: UNIT.to_owned(), want: UnitWant::Running }
}

fn list_file(list: &Watchlist) -> Rendered {
    let text = serde_json::to_string_pretty(list).unwrap_or_default() + "\n"; // strings alone: it cannot fail
    Rendered {
        path: WATCHLIST.into(),
        owner: Owner::root(),
        mode: Mode(0o644),
        text: vec![Piece::Text(text.into())],
        on_change: OnChange::Restart(UNIT.to_owned()),
        source: "the engine's resources".to_owned(),
    }
}

fn list(
    (name, head): (&str, &Head),
    cluster: &Cluster,
    engine: &EngineDesired,
    configuration: &Element,
) -> Watchlist {
    let here = || cluster.groups.iter().filter(|(_, group)| group.heads.iter().any(|head| head == name));
    let link = |network: &String| WatchedLink {
        attribute: link_attribute(network),
        cards: head.nics.iter().filter(|(_, nic)| nic.network == *network).map(|(c, _)| c.clone()).collect(),
    };
    let store = |storage: &String| {
        // one that one head has alone is asked by the engine itself, where it is
        let path = cluster.shared_storage(storage)?.path.clone();
        Some(WatchedStore { attribute: store_attribute(storage), path })
    };
    let networks: BTreeSet<_> = here().flat_map(|(_, group)| networks(group)).collect();
    let stores: BTreeSet<_> = here().filter_map(|(_, group)| group.storage.as_ref()).collect();
    Watchlist {
        made_by: "haoscar: change the spec, not this file".to_owned(),
        host: name.to_owned(),
        units: here()
            .filter_map(|(group, _)| engine.resources.get(group))
            .flat_map(|ids| units(configuration, ids))
            .collect(),
        links: networks.into_iter().map(link).filter(|link| !link.cards.is_empty()).collect(),
        stores: stores.into_iter().filter_map(store).collect(),
    }
}

fn networks(group: &Group) -> impl Iterator<Item = &String> {
    group.addresses.keys().chain(group.addresses6.keys())
}

/// Units under `ocf:haoscar:unit` in the resources of those ids.
fn units(configuration: &Element, ids: &[String]) -> Vec<WatchedUnit> {
    let resources = configuration.child("resources").into_iter().flat_map(|resources| &resources.children);
    let own = resources.filter(|resource| ids.iter().any(|id| id == resource.id()));
    let ours = |e: &&Element| e.get("provider") == Some("haoscar") && e.get("type") == Some("unit");
    let watched = |primitive: &Element| {
        let values = primitive.walk();
        let unit = values.iter().find(|e| e.name == "nvpair" && e.get("name") == Some("unit"))?;
        Some(WatchedUnit { unit: unit.get("value")?.to_owned(), resource: primitive.id().to_owned() })
    };
    own.flat_map(|resource| resource.walk()).filter(ours).filter_map(watched).collect()
}

/// One constraint a network and storage of the group, on its base.
pub fn worths(base: &str, group: &Group, cluster: &Cluster) -> Vec<Element> {
    let networks: BTreeSet<_> = networks(group).collect();
    let links = networks.into_iter().map(|network| link_attribute(network));
    let stores = group.storage.iter().filter(|name| cluster.shared_storage(name).is_some());
    let stores = stores.map(|storage| store_attribute(storage));
    links.chain(stores).map(|attribute| worth(base, &attribute)).collect()
}

/// The attribute of a head by which it says whether its copy of a storage is the newest, and the word for one that is not:
/// `ocf:haoscar:mirror` sets them.
pub(super) const MIRROR: &str = "haoscar-mirror-";
pub(super) const BEHIND: &str = "behind";

/// A group does not go where the copy of its storage is behind, or where nobody has looked yet.
pub fn behind(base: &str, group: &Group, cluster: &Cluster) -> Option<Element> {
    let name = group.storage.as_ref()?;
    cluster.storage.get(name)?.mirrored()?;
    let id = format!("haoscar-{base}-not-behind-{name}");
    let rule = format!("{id}-rule");
    let expression = |what: &str, operation: &str| {
        Element::new("expression")
            .with("id", format!("{rule}-{what}"))
            .with("attribute", format!("{MIRROR}{name}"))
            .with("operation", operation)
    };
    let unfit = [expression("unknown", "not_defined"), expression("behind", "eq").with("value", BEHIND)];
    Some(
        Element::new("rsc_location").with("id", id).with("rsc", base).holding([Element::new("rule")
            .with("id", rule)
            .with("boolean-op", "or")
            .with("score", "-INFINITY")
            .holding(unfit)]),
    )
}

/// A head has what its watcher has not called lost; without a watcher nothing is lost.
fn worth(base: &str, attribute: &str) -> Element {
    let id = format!("haoscar-{base}-by-{}", attribute.trim_start_matches("haoscar-"));
    let rule = format!("{id}-rule");
    let expression = |name: &str, operation: &str| {
        Element::new("expression")
            .with("id", format!("{rule}-{name}"))
            .with("attribute", attribute)
            .with("operation", operation)
    };
    let there = [expression("silent", "not_defined"), expression("kept", "ne").with("value", "0")];
    Element::new("rsc_location").with("id", id).with("rsc", base).holding([Element::new("rule")
        .with("id", rule)
        .with("boolean-op", "or")
        .with("score", WORTH)
        .holding(there)])
}
