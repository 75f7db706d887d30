//! The kernel's own NFS server: NFSv4 only, bound to the group's addresses, recovery state on the group's storage.
//!
//! nfs-utils of Debian 12 has no word for the server's scope, so the server is started under a host name that every head gives it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{access, clients, grace_seconds, null_call};
use crate::backends::{Backend, Context, Part, Placement, folder, state_folder, validator};
use crate::desired::{OnChange, fingerprint};
use crate::engines::Carried;
use crate::spec::{Export, NfsService, Problem};

/// The backend of the kernel's NFS server.
pub struct Kernel;

const UNIT: &str = "nfs-server.service";

/// Keeps on storage which clients hold something; the kernel asks it.
const CLIENTS: &str = "nfsdcld.service";

const CONF: &str = "/etc/nfs.conf.d/haoscar.conf";
const EXPORTS: &str = "/etc/exports.d/haoscar.exports";
const SERVER: &str = "/etc/systemd/system/nfs-server.service.d/haoscar.conf";

/// `exportfs` has no dry run: it gets the lines in place of the machine's own, and neither the kernel nor what it keeps is within its
/// reach. The folders are others here: those of a storage that another head has are not to be seen.
const CHECK: &str = r#"set -e
mount -t tmpfs none /var/lib/nfs
awk '/^"/ { own = "/var/lib/nfs/" NR; system("mkdir " own); sub(/^"[^"]*"/, own) } { print }' "$1" >/var/lib/nfs/lines
mount --bind /var/lib/nfs/lines /etc/exports
for folder in /etc/exports.d /proc/net/rpc /proc/fs/nfsd; do [ ! -d $folder ] || mount -t tmpfs none $folder; done
exec exportfs -ra"#;

impl Backend for Kernel {
    type Service = NfsService;

    fn name(&self) -> &'static str {
        "kernel"
    }

    fn resolve(&self, service: &NfsService, context: &Context<'_>) -> Result<Part, Problem> {
        // beside the service's folder, not in it: that may be the export, where clients could remove it
        let state = context.state()?;
        let recovery = state.with_file_name(format!("{}-recovery", context.name));
        let exports: Vec<_> = service.exports.iter().map(|e| export(e, context)).collect::<Result<_, _>>()?;
        let address = context.private_address()?;
        let to: BTreeSet<_> = service.exports.iter().map(|export| export.to.as_str()).collect();
        let own = context.private_networks().filter(|(name, ..)| to.contains(name));
        let own6 = to.iter().filter_map(|name| context.address6(name));
        let addresses: BTreeSet<_> =
            own.map(|(_, _, address)| address).chain(own6).chain([address]).collect();
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let conf = json!({
            "addresses": addresses.join(","), "grace": grace_seconds(service), "state": recovery,
        });
        let scope = json!({ "scope": format!("{}-{}", context.cluster.name, context.group.0) });
        let restart = OnChange::Restart(UNIT.to_owned());
        let files = [
            context.file(CONF, "nfs/kernel/nfs.conf.hbs", conf, restart)?,
            context.file(
                SERVER,
                "nfs/kernel/server.conf.hbs",
                scope,
                OnChange::DaemonReload(Some(UNIT.to_owned())),
            )?,
            context.file(
                EXPORTS,
                "nfs/kernel/exports.hbs",
                json!({ "exports": exports }),
                OnChange::Reload(UNIT.to_owned()),
            )?,
        ];
        let own = service.exports.iter().filter(|e| !e.external).map(|e| e.path.clone());
        let folders = own.chain([state, recovery]).map(|path| state_folder(path, "root", "root", 0o755));
        let configured = ["/etc/nfs.conf.d", "/etc/exports.d", "/etc/systemd/system/nfs-server.service.d"];
        let staged = format!("{{staged:{EXPORTS}}}");
        let argv = ["unshare", "--mount", "sh", "-c", CHECK, "sh", staged.as_str()];
        let server = Carried::moving(context.name, UNIT, Some(&null_call(address)));
        let clients = Carried {
            outlives: Some(context.name.to_owned()),
            ..Carried::moving(&format!("{}-clients", context.name), CLIENTS, None)
        };
        Ok(Part {
            files: files.map(|file| (Placement::Heads, file)).into(),
            directories: folders.chain(configured.map(folder)).collect(),
            carried: vec![clients, Carried { recovery: service.recovery.clone(), ..server }],
            checks: vec![(Placement::Heads, validator("exportfs", &argv))],
            packages: vec![(Placement::Heads, "nfs-kernel-server".to_owned())],
            ..Part::default()
        })
    }
}

/// An export is known to clients by its fsid, in every handle of a file: the same on every head, whatever else is exported.
fn export(export: &Export, context: &Context<'_>) -> Result<Value, Problem> {
    let mut fsid = fingerprint(format!("{} {}", context.cluster.name, export.path).as_bytes());
    fsid.truncate(32); // a UUID
    for place in [8, 13, 18, 23] {
        fsid.insert(place, '-');
    }
    let access = access(export).to_lowercase();
    Ok(json!({ "path": export.path, "clients": clients(export, context)?, "access": access, "fsid": fsid }))
}
