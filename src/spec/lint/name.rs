//! Host names: heads, witnesses, nodes and groups share one DNS domain.

use std::collections::BTreeMap;

use super::{Lint, Mend};

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let mut seen: BTreeMap<String, (String, &str)> = BTreeMap::new();
    let heads = cluster.heads.keys().map(|name| (name.clone(), format!("heads.{name}"), "a head"));
    let witnesses =
        cluster.witnesses.keys().map(|name| (name.clone(), format!("witnesses.{name}"), "a witness"));
    let groups = cluster.groups.keys().map(|name| (name.clone(), format!("groups.{name}"), "a group"));
    let nodes = cluster.nodes.keys().flat_map(|range| {
        range.names().into_iter().map(move |name| (name, format!("nodes.{range}"), "a node"))
    });
    for (name, path, noun) in heads.chain(witnesses).chain(groups).chain(nodes) {
        if let Some((first, first_noun)) = seen.get(&name) {
            let places = [lint.at_key(&path, noun), lint.at_key(first, *first_noun)];
            lint.error("name/twice", format!("{name} is the name of {first_noun} and of {noun}"), places)
                .mend("rename one: both would be the same host in DNS");
            if lint.found.len() >= crate::spec::PROBLEMS_MAX {
                return;
            }
        } else {
            seen.insert(name, (path, noun));
        }
    }
}
