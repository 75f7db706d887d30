//! Resource scripts, one a resource with everything it needs inside: haresources splits arguments at `::`, which an
//! IPv6 address is full of, and a probe is a line of shell.
//!
//! Drop-ins make systemd start a stateless unit again that has died; what moves is haoscar's to start again.

use serde_json::json;

use super::Site;
use crate::desired::{Mode, OnChange, Rendered};
use crate::engines::{Carried, CarriedAs};
use crate::spec::Problem;

/// Scripts by resource, in start order: addresses, then services as the group names them.
///
/// # Errors
/// What a template says.
pub fn resources(site: &Site<'_>, carried: &[Carried]) -> Result<Vec<(String, Rendered)>, Problem> {
    let (name, group) = site.group;
    let mut found = Vec::new();
    let four = group.addresses.iter().map(|(network, address)| (network, address, ""));
    let six = group.addresses6.iter().map(|(network, address)| (network, address, "-6"));
    for (network, address, mark) in four.chain(six) {
        let Some(declared) = site.cluster.networks.get(network) else { continue }; // lint: ref/network
        let cidr = if mark.is_empty() { declared.cidr } else { declared.cidr6.unwrap_or(declared.cidr) };
        let values = json!({
            "ip": address, "network": declared.cidr.to_string(), "prefix": cidr.0.prefix_len(),
        });
        found.push(script(site, format!("{name}-address-{network}{mark}"), "address", values)?);
    }
    for service in carried.iter().filter(|service| !service.clone) {
        let CarriedAs::Unit { unit, probe } = &service.what else { continue }; // lint: engine/heartbeat-limits
        let values = json!({
            "unit": unit, "probe": probe.as_deref().map(quoted),
            "start": service.start_timeout_ms.div_ceil(1000), "stop": service.stop_timeout_ms.div_ceil(1000),
        });
        found.push(script(site, format!("{name}-{}", service.service), "unit", values)?);
    }
    Ok(found)
}

fn script(
    site: &Site<'_>,
    id: String,
    kind: &str,
    values: serde_json::Value,
) -> Result<(String, Rendered), Problem> {
    let path = format!("/etc/ha.d/resource.d/haoscar-{id}");
    let template = format!("engine/heartbeat/{kind}.hbs");
    let file = site.templates.file(path, &template, values, OnChange::Nothing)?;
    Ok((id, Rendered { mode: Mode(0o755), ..file }))
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// One drop-in for every unit of the group.
///
/// # Errors
/// What a template says.
pub fn drop_ins(site: &Site<'_>, carried: &[Carried]) -> Result<Vec<Rendered>, Problem> {
    let drop_in = |service: &Carried| {
        let CarriedAs::Unit { unit, .. } = &service.what else { return None };
        let path = format!("/etc/systemd/system/{unit}.d/haoscar-engine.conf");
        let values = json!({ "moving": !service.clone });
        let template = "engine/heartbeat/unit.conf.hbs";
        Some(site.templates.file(path, template, values, OnChange::DaemonReload(None)))
    };
    carried.iter().filter_map(drop_in).collect()
}
