//! NFS-Ganesha: NFSv4 only, bound to the group's address, recovery state on the group's storage.
//!
//! Ganesha has no switch that only checks its configuration (knowledge/formats.md): a broken one shows at start.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::backends::{Backend, Context, Part, Placement, question, state_folder};
use crate::desired::OnChange;
use crate::engines::Carried;
use crate::spec::{Access, Export, NfsService, Problem, Span};

/// The NFS-Ganesha backend.
pub struct Ganesha;

const UNIT: &str = "nfs-ganesha.service";
const CONF: &str = "/etc/ganesha/ganesha.conf";

/// Short enough for a failover, long enough for a client that is asked for its locks (knowledge/managed.md 3).
const GRACE: Span = Span::from_millis(10_000);

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
        let grace = service.grace.unwrap_or(GRACE).as_millis().div_ceil(1000);
        let address = context.private_address()?;
        // a host name by default, which changes with the head (RFC 8881, section 2.10.4)
        let scope = format!("{}-{}", context.cluster.name, context.group.0);
        let values = json!({
            "address": address, "grace": grace, "state": recovery, "exports": exports, "scope": scope,
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

/// Whether the daemon answers: a NULL call of NFSv4 over TCP (RFC 5531: record mark, xid, CALL, RPC 2, program 100003, version 4,
/// procedure 0, no credential, no verifier), which every server answers, also in its grace. Any answer is one.
fn null_call(address: IpAddr) -> String {
    let call = [0x8000_0028_u32, 1, 0, 2, 100_003, 4, 0, 0, 0, 0, 0];
    let bytes: String =
        call.iter().flat_map(|word| word.to_be_bytes()).map(|b| format!("\\{b:03o}")).collect();
    question(&format!("tcp/{address}/2049"), &format!("printf \"{bytes}\" >&3"), 4)
}

fn export(id: usize, export: &Export, context: &Context<'_>) -> Result<Value, Problem> {
    let network = context.cluster.networks.get(&export.to).ok_or_else(|| {
        let (path, to) = (&export.path, &export.to);
        Problem::error(
            "reference/network",
            format!("export {path} goes to network {to}, which is not declared"),
        )
    })?;
    let clients = [Some(network.cidr), network.cidr6].into_iter().flatten();
    let clients: Vec<_> = clients.map(|cidr| cidr.to_string()).collect();
    let access = match export.access {
        Access::Ro => "RO",
        Access::Rw => "RW",
    };
    Ok(json!({ "id": id, "path": export.path, "clients": clients.join(", "), "access": access }))
}
