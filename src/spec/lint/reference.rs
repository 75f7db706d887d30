//! Names that must exist elsewhere in the spec.

use super::{Lint, Mend};
use crate::spec::{NodeRange, Service, nearest};

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let heads = cluster.heads.iter().map(|(name, head)| (format!("heads.{name}"), &head.nics));
    let witnesses =
        cluster.witnesses.iter().map(|(name, witness)| (format!("witnesses.{name}"), &witness.nics));
    for (path, nics) in heads.chain(witnesses) {
        for (nic, card) in nics {
            network(lint, &format!("{path}.nics.{nic}.network"), &card.network);
        }
    }
    for (name, head) in &cluster.heads {
        image(lint, &format!("heads.{name}.image"), head.image.as_deref());
    }
    for (range, nodes) in &cluster.nodes {
        image(lint, &format!("nodes.{range}.image"), nodes.image.as_deref());
        for (nic, card) in &nodes.nics {
            network(lint, &format!("nodes.{range}.nics.{nic}.network"), &card.network);
        }
    }
    for (name, image) in &cluster.images {
        if let Some(capture) = &image.capture {
            head(lint, &format!("images.{name}.capture.from"), &capture.from);
        }
    }
    for (name, storage) in &cluster.storage {
        if let Some(word) = &storage.network {
            network(lint, &format!("storage.{name}.network"), word);
        }
    }
    groups(lint);
    services(lint);
}

fn groups(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    for (name, group) in &cluster.groups {
        for (index, word) in group.heads.iter().enumerate() {
            head(lint, &format!("groups.{name}.heads.{index}"), word);
        }
        for (index, word) in group.services.iter().enumerate() {
            let known = cluster.services.keys().map(String::as_str);
            exists(lint, "service", &format!("groups.{name}.services.{index}"), word, known);
        }
        for word in group.apart.keys() {
            let known = cluster.groups.keys().map(String::as_str);
            exists(lint, "group", &format!("groups.{name}.apart.{word}"), word, known);
        }
        for word in group.addresses.keys() {
            network(lint, &format!("groups.{name}.addresses.{word}"), word);
        }
        for word in group.addresses6.keys() {
            network(lint, &format!("groups.{name}.addresses6.{word}"), word);
        }
        if let Some(word) = &group.storage {
            exists(
                lint,
                "storage",
                &format!("groups.{name}.storage"),
                word,
                cluster.storage.keys().map(String::as_str),
            );
        }
    }
}

fn services(lint: &mut Lint<'_>) {
    for (name, service) in &lint.cluster.services {
        match service {
            Service::Nfs(nfs) => {
                for (index, export) in nfs.exports.iter().enumerate() {
                    network(lint, &format!("services.{name}.exports.{index}.to"), &export.to);
                }
            }
            Service::Scheduler(scheduler) => {
                for (partition, words) in &scheduler.partitions {
                    nodes(lint, &format!("services.{name}.partitions.{partition}.nodes"), &words.nodes);
                }
            }
            _ => {}
        }
    }
}

/// A partition's nodes: a range of the spec, a part of one, or an image that nodes boot.
fn nodes(lint: &mut Lint<'_>, path: &str, word: &str) {
    let cluster = lint.cluster;
    if cluster.nodes.keys().any(|range| range.as_str() == word)
        || cluster.nodes.values().any(|nodes| nodes.image.as_deref() == Some(word))
    {
        return;
    }
    if let Ok(range) = word.parse::<NodeRange>() {
        let all: std::collections::BTreeSet<String> =
            cluster.nodes.keys().flat_map(NodeRange::names).collect();
        if range.names().iter().all(|name| all.contains(name)) {
            return;
        }
    }
    let known = cluster.nodes.keys().map(NodeRange::as_str);
    let images = cluster.nodes.values().filter_map(|nodes| nodes.image.as_deref());
    missing(lint, "nodes", path, word, known.chain(images));
}

fn network(lint: &mut Lint<'_>, path: &str, word: &str) {
    let known = lint.cluster.networks.keys().map(String::as_str);
    exists(lint, "network", path, word, known);
}

fn head(lint: &mut Lint<'_>, path: &str, word: &str) {
    exists(lint, "head", path, word, lint.cluster.heads.keys().map(String::as_str));
}

fn image(lint: &mut Lint<'_>, path: &str, word: Option<&str>) {
    if let Some(word) = word {
        exists(lint, "image", path, word, lint.cluster.images.keys().map(String::as_str));
    }
}

fn exists<'a>(
    lint: &mut Lint<'_>,
    noun: &str,
    path: &str,
    word: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) {
    if !known.clone().any(|name| name == word) {
        missing(lint, noun, path, word, known);
    }
}

fn missing<'a>(
    lint: &mut Lint<'_>,
    noun: &str,
    path: &str,
    word: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) {
    let hint = match nearest(word, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.clone().next().is_none() => format!("this spec has none; add `{word}`"),
        None => format!("known: {}", known.take(12).collect::<Vec<_>>().join(", ")),
    };
    let place = lint.at(path, format!("no such {noun}"));
    let message = if noun == "nodes" {
        format!("`{word}` is neither a node range of this spec nor an image that nodes boot")
    } else {
        format!("there is no {noun} `{word}`")
    };
    lint.error(&format!("ref/{noun}"), message, [place]).mend(hint);
}
