//! What compute nodes boot: one script of iPXE an image, and one list of which card boots which; never a file a node.
//!
//! An image of nodes is a folder of boot files with a kernel and an initramfs in it. What these do is the image's own affair.

use camino::Utf8Path;
use serde_json::json;

use super::url;
use crate::backends::{Context, Part, Placement, folder};
use crate::desired::OnChange;
use crate::spec::{Cluster, Image, MacList, Nodes, Problem};

/// Where the server of boot files finds them, on every head of the group.
pub const ENTRIES: &str = "/etc/haoscar/boot";

/// The list: `[IMAGE]`, and below it a MAC a line.
pub const LIST: &str = "nodes";

/// The end of a script's name, behind the image's.
pub const SCRIPT: &str = ".ipxe";

/// Names in the image's folder, as Debian calls a kernel and an initramfs that a machine boots.
const KERNEL: &str = "vmlinuz";
const INITRAMFS: &str = "initrd.img";

/// Whether some node boots what the cluster's own boot service gives it.
pub fn boot(cluster: &Cluster) -> bool {
    cluster.nodes.values().any(|nodes| image(cluster, nodes).is_some())
}

fn image<'a>(cluster: &'a Cluster, nodes: &'a Nodes) -> Option<(&'a str, &'a Image, &'a Utf8Path)> {
    let name = nodes.image.as_deref()?;
    let image = cluster.images.get(name)?;
    Some((name, image, image.path.as_deref()?))
}

/// The scripts and the list.
pub(super) fn entries(context: &Context<'_>, part: &mut Part) -> Result<(), Problem> {
    let cluster = context.cluster;
    if !boot(cluster) {
        return Ok(());
    }
    let address = context.private_address()?;
    part.directories.extend([folder("/etc/haoscar"), folder(ENTRIES)]);
    let mut list = Vec::new();
    for (name, image) in &cluster.images {
        let of_image = || cluster.nodes.values().filter(|nodes| nodes.image.as_ref() == Some(name));
        let Some(path) = image.path.as_deref().filter(|_| of_image().next().is_some()) else { continue };
        let at = |file: &str| url(address, path.join(file).as_str());
        let values = json!({
            "image": name, "kernel": at(KERNEL), "initramfs": at(INITRAMFS),
            "arguments": image.arguments.iter().map(|text| format!(" {text}")).collect::<String>(),
        });
        let script = format!("{ENTRIES}/{name}{SCRIPT}");
        part.files
            .push((Placement::Heads, context.file(script, "boot/node.ipxe.hbs", values, OnChange::Nothing)?));
        let macs: Vec<_> = of_image().flat_map(|nodes| macs(nodes, context)).collect();
        list.push(json!({ "image": name, "macs": macs }));
    }
    let values = json!({ "images": list });
    let list = context.file(format!("{ENTRIES}/{LIST}"), "boot/nodes.hbs", values, OnChange::Nothing)?;
    part.files.push((Placement::Heads, list));
    Ok(())
}

/// Cards on networks where the group answers.
fn macs(nodes: &Nodes, context: &Context<'_>) -> Vec<String> {
    let answers = |network: &str| context.private_networks().any(|(name, _, _)| name == network);
    let cards = nodes.nics.values().filter(|nic| answers(&nic.network));
    let known = cards.flat_map(|nic| match &nic.macs {
        MacList::Given(macs) => macs.as_slice(),
        MacList::File(_) => &[],
    });
    known.map(ToString::to_string).collect()
}
