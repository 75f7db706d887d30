//! What NFS gives away, and to whom.

use camino::Utf8Path;

use super::{Lint, Mend};
use crate::spec::{Export, NetworkRole, Service};

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    for (name, service) in &cluster.services {
        let Service::Nfs(nfs) = service else { continue };
        let group = cluster.groups.iter().find(|(_, group)| group.services.contains(name));
        let storage = group.and_then(|(_, group)| group.storage.as_ref());
        let root = storage.and_then(|storage| Some((storage, &cluster.storage.get(storage)?.path)));
        for (index, export) in nfs.exports.iter().enumerate() {
            let path = format!("services.{name}.exports.{index}");
            let network = cluster.networks.get(&export.to);
            let mirrored =
                storage.filter(|name| cluster.storage.get(*name).is_some_and(|s| s.mirrored().is_some()));
            if let Some(storage) = mirrored.filter(|_| !export.external) {
                stale(lint, &path, &export.path, storage);
            }
            named(lint, &path, &export.path);
            let same = |other: &(usize, &Export)| other.1.path == export.path && other.1.to == export.to;
            if let Some((first, _)) = nfs.exports.iter().enumerate().take(index).find(same) {
                let places = [
                    lint.at(&format!("{path}.path"), "again"),
                    lint.at(&format!("services.{name}.exports.{first}.path"), "this folder"),
                ];
                let message = format!("service {name} exports {} to {} twice", export.path, export.to);
                lint.error("export/twice", message, places).mend("keep one of both");
            }
            if network.is_some_and(|n| n.role == NetworkRole::Public || n.cidr.0.prefix_len() == 0) {
                let places = [
                    lint.at(&format!("{path}.to"), "these machines may mount it"),
                    lint.at(&format!("networks.{}.role", export.to), "anybody can be here"),
                ];
                lint.error(
                    "export/open",
                    format!("{} of service {name} is open to the public network {}", export.path, export.to),
                    places,
                )
                .mend("export it to a private network; NFS believes what a client says about its users");
            }
            if let (Some((group, carrier)), true) = (group, network.is_some())
                && carrier.addresses.len() + carrier.addresses6.len() > 0
                && !carrier.addresses.contains_key(&export.to)
                && !carrier.addresses6.contains_key(&export.to)
            {
                let places = [
                    lint.at(&format!("{path}.to"), "its clients are here"),
                    lint.at_key(&format!("groups.{group}.addresses"), "no address there"),
                ];
                let message = format!(
                    "clients on {} cannot mount {}: group {group} has no address there",
                    export.to, export.path
                );
                lint.error("export/no-address", message, places).mend(format!(
                    "add an address on {} to group {group}, or export to another network",
                    export.to
                ));
            }
            let Some((storage, root)) =
                root.filter(|(_, root)| !export.external && !export.path.starts_with(root))
            else {
                continue;
            };
            let places = [
                lint.at(&format!("{path}.path"), "this folder"),
                lint.at(&format!("storage.{storage}.path"), format!("is not under storage {storage}")),
            ];
            lint.error("export/outside-storage", format!("{} of service {name} does not move with its group: it lies outside {root}", export.path), places)
                .mend("move it under the storage, or say `external: true` if it is mounted on every head by other means");
        }
    }
}

/// A copy of a file is another file to a client.
fn stale(lint: &mut Lint<'_>, place: &str, path: &Utf8Path, storage: &str) {
    let places = [
        lint.at(&format!("{place}.path"), "this folder"),
        lint.at(&format!("storage.{storage}.kind"), "is copied"),
    ];
    let message = format!(
        "{path} lies on a mirror: after a move everything that clients have mounted from it is stale"
    );
    lint.error("storage/mirror-nfs", message, places)
        .mend("export from a storage of kind exclusive or mounted");
}

/// A path that every server's own file can say.
fn named(lint: &mut Lint<'_>, place: &str, path: &Utf8Path) {
    let bad = |c: &char| c.is_whitespace() || c.is_control() || "\"'\\#;{}(),".contains(*c);
    if let Some(bad) = path.as_str().chars().find(bad) {
        let places = [lint.at(&format!("{place}.path"), format!("has {bad:?}"))];
        lint.error(
            "export/path",
            format!("NFS cannot export {path:?}: its servers end a path at {bad:?}"),
            places,
        )
        .mend("use a folder without spaces, quotes and the like");
    }
}
