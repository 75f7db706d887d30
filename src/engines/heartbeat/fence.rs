//! Fencing: one stonith plugin for both heads, which asks the fence agents of the spec.
//!
//! The plugin holds no secret, for heartbeat wants it readable by all. What an agent needs lies beside it in a file a
//! head that only root reads, secrets included, in the form of the agent's standard input.

use serde_json::json;

use super::Site;
use crate::desired::{Directory, HostDesired, Mode, OnChange, Owner, Piece, Rendered, SecretKind};
use crate::engines::pacemaker::fence;
use crate::spec::{FenceDevice, FenceValue, Problem, fence_agent};

/// Where heartbeat's stonith library looks for a plugin of the name `external/haoscar`.
const PLUGIN: &str = "/usr/lib/stonith/plugins/external/haoscar";

/// The agent that stands in for every fence device in a lab.
const LAB_AGENT: &str = "fence_haoscar";

/// Fencing of the preferred head waits so long where the spec says nothing, as with pacemaker: BMCs take 1 to 5 s.
const DELAY_SECONDS: u64 = 5;

/// The plugin, the same for both heads.
///
/// # Errors
/// What the template says.
pub fn plugin(site: &Site<'_>) -> Result<Rendered, Problem> {
    let agent = |name: &str| {
        let agent = device(site, name).map(fence_agent).unwrap_or_default();
        if site.lab { LAB_AGENT.to_owned() } else { agent.to_owned() }
    };
    let heads: Vec<_> =
        site.cluster.heads.keys().map(|name| json!({ "name": name, "agent": agent(name) })).collect();
    let delay = site.cluster.ha.fence_delay.map_or(DELAY_SECONDS, |delay| delay.as_millis().div_ceil(1000));
    let values = json!({
        "heads": heads, "ping": site.ping, "preferred": site.preferred(),
        "delay": delay, "lost": 2 * delay, // a whole delay later than a healthy head, whichever it shoots
    });
    let file = site.templates.file(PLUGIN, "engine/heartbeat/stonith.hbs", values, OnChange::Nothing)?;
    Ok(Rendered { mode: Mode(0o755), ..file })
}

/// Adds each head's options, and the secrets in them.
pub fn options(site: &Site<'_>, host: &mut HostDesired) {
    host.directories.push(Directory::of_root("/etc/haoscar/fence", 0o700));
    for name in site.cluster.heads.keys() {
        let text = if site.lab { lab_text(name) } else { text(site, name) };
        let file = Rendered {
            path: format!("/etc/haoscar/fence/{name}").into(),
            owner: Owner::root(),
            mode: Mode(0o600),
            text,
            on_change: OnChange::Nothing,
            source: format!("heads.{name}.fence"),
        };
        let given = file.secrets().map(|secret| (secret.to_owned(), SecretKind::Given));
        host.secrets.extend(given);
        host.files.push(file);
    }
}

/// The head's one device: levels are refused ([`crate::spec::heartbeat_limits`]).
fn device<'a>(site: &Site<'a>, name: &str) -> Option<&'a FenceDevice> {
    fence::of(site.cluster, name)?.levels().into_iter().flatten().next()
}

fn lab_text(name: &str) -> Vec<Piece> {
    vec![Piece::Text(format!("# made by haoscar for the lab's own fence agent\nport={name}\n").into())]
}

fn text(site: &Site<'_>, name: &str) -> Vec<Piece> {
    let title = format!("# made by haoscar from heads.{name}.fence: change the spec, not this file\n");
    let mut pieces = vec![Piece::Text(title.into())];
    let device = device(site, name).into_iter().flatten();
    for (name, value) in device.filter(|(name, _)| *name != "agent") {
        match value {
            FenceValue::Secret { secret } => pieces.extend([
                Piece::Text(format!("{name}=").into()),
                Piece::Secret(secret.clone()),
                Piece::Text("\n".into()),
            ]),
            FenceValue::Flag(flag) => {
                pieces.push(Piece::Text(format!("{name}={}\n", u8::from(*flag)).into()))
            }
            FenceValue::Number(number) => pieces.push(Piece::Text(format!("{name}={number}\n").into())),
            FenceValue::Text(text) => pieces.push(Piece::Text(format!("{name}={text}\n").into())),
        }
    }
    pieces
}
