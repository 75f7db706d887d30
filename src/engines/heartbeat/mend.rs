//! The unit that ends heartbeat's known hang and answers failures of carried units, and the list that it needs instead of
//! the spec.

use serde_json::json;

use super::{Kept, PAIR, Pair, Site};
use crate::desired::{Mode, OnChange, Owner, Piece, Rendered};
use crate::engines::{Carried, CarriedAs};
use crate::recovery::usual;
use crate::spec::Problem;

/// The mender's unit.
pub const UNIT: &str = "haoscar-mend.service";

/// Files of one head; none for a group without an address, which has nothing to see it by.
///
/// # Errors
/// What the template says.
pub fn files(
    site: &Site<'_>,
    name: &str,
    ids: &[String],
    carried: &[Carried],
) -> Result<Vec<Rendered>, Problem> {
    let Some(pair) = pair(site, name, ids, carried) else { return Ok(Vec::new()) };
    let change = OnChange::DaemonReload(Some(UNIT.to_owned()));
    let path = format!("/etc/systemd/system/{UNIT}");
    let unit = site.templates.file(path, "engine/heartbeat/mend.service.hbs", json!({}), change)?;
    let text = serde_json::to_string_pretty(&pair).unwrap_or_default() + "\n"; // strings alone: it cannot fail
    let list = Rendered {
        path: PAIR.into(),
        owner: Owner::root(),
        mode: Mode(0o644),
        text: vec![Piece::Text(text.into())],
        on_change: OnChange::Restart(UNIT.to_owned()),
        source: "heads, groups".to_owned(),
    };
    Ok(vec![unit, list])
}

fn pair(site: &Site<'_>, name: &str, ids: &[String], carried: &[Carried]) -> Option<Pair> {
    let group = site.group.1;
    Some(Pair {
        made_by: "haoscar from heads and groups: change the spec, not this file".to_owned(),
        peer: site.cluster.heads.keys().find(|other| *other != name)?.clone(),
        preferred: site.preferred() == name,
        resource: format!("haoscar-{}", ids.first()?),
        address: *group.addresses.values().chain(group.addresses6.values()).next()?,
        units: carried.iter().filter(|service| !service.clone).filter_map(kept).collect(),
    })
}

fn kept(service: &Carried) -> Option<Kept> {
    let CarriedAs::Unit { unit, .. } = &service.what else { return None };
    Some(Kept { unit: unit.clone(), recovery: service.recovery.clone().unwrap_or_else(usual) })
}
