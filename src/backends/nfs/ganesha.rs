//! NFS-Ganesha: NFSv4 only, bound to the group's address, recovery state on the group's storage.
//!
//! Ganesha has no switch that only checks its configuration (knowledge/formats.md): a broken one shows at start.

use serde_json::{Value, json};

use super::{access, clients, grace_seconds, null_call};
use crate::backends::{Backend, Context, Part, Placement, state_folder};
use crate::desired::OnChange;
use crate::engines::Carried;
use crate::spec::{Export, NfsService, Problem};

/// The NFS-Ganesha backend.
pub struct Ganesha;

const UNIT: &str = "nfs-ganesha.service";
const CONF: &str = "/etc/ganesha/ganesha.conf";

impl Backend for Ganesha {
    type Service = NfsService;

    fn name(&self) -> &'static str {
        "ganesha"
    }

    fn resolve(&self, service: &NfsService, context: &Context<'_>) -> Result<Part, Problem> {
        // beside the service's folder, not in it: that may be the export, where clients could remove it
        let state = context.state()?;
        let recovery = state.with_file_name(format!("{}-recovery", context.name));
        let numbered = service.exports.iter().enumerate();
        let exports: Vec<_> = numbered.map(|(i, e)| export(i + 1, e, context)).collect::<Result<_, _>>()?;
        let grace = grace_seconds(service);
        let address = context.private_address()?;
        // a host name by default, which changes with the head (RFC 8881, section 2.10.4)
        let scope = format!("{}-{}", context.cluster.name, context.group.0);
        let values = json!({
            "address": address, "grace": grace, "state": recovery, "exports": exports, "scope": scope,
            "contained": context.cluster.os.versions().ganesha >= (6, 0),
        });
        let restart = OnChange::Restart(UNIT.to_owned());
        let own = service.exports.iter().filter(|e| !e.external).map(|e| e.path.clone());
        let folders = own.chain([state, recovery]).map(|path| state_folder(path, "root", "root", 0o755));
        Ok(Part {
            files: vec![(
                Placement::Heads,
                context.file(CONF, "nfs/ganesha/ganesha.conf.hbs", values, restart)?,
            )],
            directories: folders.collect(),
            carried: vec![Carried {
                recovery: service.recovery.clone(),
                ..Carried::moving(context.name, UNIT, Some(&null_call(address)))
            }],
            packages: ["nfs-ganesha", "nfs-ganesha-vfs"].map(|p| (Placement::Heads, p.to_owned())).into(),
            ..Part::default()
        })
    }
}

fn export(id: usize, export: &Export, context: &Context<'_>) -> Result<Value, Problem> {
    let clients = clients(export, context)?.join(", ");
    Ok(json!({ "id": id, "path": export.path, "clients": clients, "access": access(export) }))
}
