//! What compute nodes boot: for iPXE one script an image, and one list of which card boots which; for GRUB one file for all; never
//! a file a node.
//!
//! An image of nodes is a folder of boot files with a kernel and an initramfs in it. What these do is the image's own affair.

use camino::Utf8Path;
use serde_json::{Value, json};

use super::url;
use crate::backends::{Context, Part, Placement, folder};
use crate::desired::OnChange;
use crate::spec::{BootLoader, Cluster, MacList, Nodes, Problem};

/// Where the server of boot files finds them, on every head of the group.
pub const ENTRIES: &str = "/etc/haoscar/boot";

/// The list: `[IMAGE]`, and below it a MAC a line.
pub const LIST: &str = "nodes";

/// The end of a script's name, behind the image's.
pub const SCRIPT: &str = ".ipxe";

/// What GRUB reads, for all images and nodes; the server of boot files puts it where GRUB looks.
pub const GRUB: &str = "grub.cfg";

/// Names in the image's folder, as Debian calls a kernel and an initramfs that a machine boots.
const KERNEL: &str = "vmlinuz";
const INITRAMFS: &str = "initrd.img";

/// Whether some node boots what the cluster's own boot service gives it.
pub fn boot(cluster: &Cluster) -> bool {
    cluster.nodes.values().any(|nodes| image(cluster, nodes).is_some())
}

fn image<'a>(cluster: &'a Cluster, nodes: &'a Nodes) -> Option<&'a Utf8Path> {
    cluster.images.get(nodes.image.as_deref()?)?.path.as_deref()
}

/// The scripts and the list, or GRUB's file.
pub(super) fn entries(loader: BootLoader, context: &Context<'_>, part: &mut Part) -> Result<(), Problem> {
    if !boot(context.cluster) {
        return Ok(());
    }
    part.directories.extend([folder("/etc/haoscar"), folder(ENTRIES)]);
    let mut file = |name: String, template: &str, values: Value| {
        let file = context.file(format!("{ENTRIES}/{name}"), template, values, OnChange::Nothing)?;
        part.files.push((Placement::Heads, file));
        Ok(())
    };
    let mut images = images(loader, context)?;
    if loader == BootLoader::Grub {
        return file(GRUB.to_owned(), "boot/grub.cfg.hbs", json!({ "images": images }));
    }
    for image in &mut images {
        let name = image["image"].as_str().unwrap_or_default().to_owned() + SCRIPT;
        let macs = image["macs"].take(); // of all nodes: in the list alone
        file(name, "boot/node.ipxe.hbs", image.clone())?;
        image["macs"] = macs;
    }
    file(LIST.to_owned(), "boot/nodes.hbs", json!({ "images": images }))
}

/// Each image that nodes boot, with where its files are and the cards of its nodes.
fn images(loader: BootLoader, context: &Context<'_>) -> Result<Vec<Value>, Problem> {
    let (cluster, address) = (context.cluster, context.private_address()?);
    let mut images = Vec::new();
    for (name, image) in &cluster.images {
        let of_image = || cluster.nodes.values().filter(|nodes| nodes.image.as_ref() == Some(name));
        let Some(path) = image.path.as_deref().filter(|_| of_image().next().is_some()) else { continue };
        let at = |file: &str| match loader {
            BootLoader::Ipxe => url(address, path.join(file).as_str()),
            BootLoader::Grub => format!("/{}", path.join(file)), // below the root of TFTP
        };
        let macs: Vec<_> = of_image().flat_map(|nodes| macs(nodes, context)).collect();
        let arguments: String = image.arguments.iter().map(|text| format!(" {text}")).collect();
        images.push(json!({
            "image": name, "kernel": at(KERNEL), "initramfs": at(INITRAMFS), "arguments": arguments, "macs": macs,
        }));
    }
    Ok(images)
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
