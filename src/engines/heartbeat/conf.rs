//! ha.cf, haresources and authkeys: who the heads are, how they hear each other, and what the active one carries.
//!
//! They change on both heads at once. ha.cf differs by head, for each names the other's addresses.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Site, Timings};
use crate::desired::{Mode, OnChange, Rendered, SecretKind};
use crate::engines::slots::{slot, with_secrets};
use crate::spec::{Cluster, Failback, NetworkRole, Nic, Problem, heartbeat_paths};
use crate::templates::Templates;

/// The shared key of both heads.
const SECRET: &str = "heartbeat-authkey";

/// 256 bits of chance: more than the 160 of sha1 itself.
const SECRET_BYTES: usize = 32;

/// The key's name, and how it is made: hex digits, for the file is text.
pub fn secret() -> (String, SecretKind) {
    (SECRET.to_owned(), SecretKind::RandomHex(SECRET_BYTES))
}

/// ha.cf of one head.
///
/// # Errors
/// What the template says.
pub fn ha_cf(site: &Site<'_>, name: &str) -> Result<Rendered, Problem> {
    let times = Timings::of(site.cluster.ha.detect.as_millis());
    let heads: Vec<_> = site.cluster.heads.keys().collect();
    let values = json!({
        "keepalive": times.keepalive, "warn": times.warn, "dead": times.dead, "initial": times.initial,
        "deadping": times.ping, "paths": paths(site.cluster, name), "heads": heads, "ping": site.ping,
        "failback": if site.cluster.ha.failback == Failback::Auto { "on" } else { "off" },
    });
    site.templates.file("/etc/ha.d/ha.cf", "engine/heartbeat/ha.cf.hbs", values, OnChange::Joint)
}

/// This head's card and the other head's address on every network that both share: link, private, public.
fn paths(cluster: &Cluster, name: &str) -> Vec<serde_json::Value> {
    let card = |nics: &BTreeMap<String, Nic>, network: &str| {
        nics.iter().find(|(_, nic)| nic.network == network).map(|(card, nic)| (card.clone(), nic.address))
    };
    let Some(own) = cluster.heads.get(name) else { return Vec::new() };
    let Some((_, other)) = cluster.heads.iter().find(|(other, _)| *other != name) else { return Vec::new() };
    let rank = |network: &str| match cluster.networks[network].role {
        NetworkRole::Link => 0,
        NetworkRole::Private => 1,
        NetworkRole::Public => 2,
    };
    let mut networks: Vec<_> = heartbeat_paths(cluster).into_iter().collect();
    networks.sort_by_key(|network| (rank(network), *network));
    let path = |network: &str| {
        let ((card, _), (_, address)) = (card(&own.nics, network)?, card(&other.nics, network)?);
        Some(json!({ "card": card, "peer": address }))
    };
    networks.into_iter().filter_map(path).collect()
}

/// haresources: the preferred head, then what the active one starts from left to right.
///
/// # Errors
/// What the template says.
pub fn haresources(site: &Site<'_>, ids: &[String]) -> Result<Rendered, Problem> {
    let values = json!({ "preferred": site.preferred(), "resources": ids });
    let template = "engine/heartbeat/haresources.hbs";
    site.templates.file("/etc/ha.d/haresources", template, values, OnChange::Joint)
}

/// authkeys: heartbeat does not start where anybody else may read it.
///
/// # Errors
/// What the template says.
pub fn authkeys(templates: &Templates) -> Result<Rendered, Problem> {
    let values = json!({ "secret": slot(SECRET) });
    let template = "engine/heartbeat/authkeys.hbs";
    let file = with_secrets(templates, "/etc/ha.d/authkeys", template, values, Mode(0o600))?;
    Ok(Rendered { on_change: OnChange::Joint, ..file })
}
