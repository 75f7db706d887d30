//! What compute nodes boot: for iPXE one script an image, and one list of which card boots which; for GRUB one file for all; never
//! a file a node.
//!
//! An image of nodes is a folder of boot files with a kernel and an initramfs in it, and what these do is the image's own affair; or it
//! was captured, and nodes run it in memory or on a disk.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{server, url};
use crate::backends::{Context, Part, Placement, folder};
use crate::desired::OnChange;
use crate::spec::{BootLoader, Cluster, Disk, Image, MacList, Nodes, Problem};

/// Where the server of boot files finds them, on every head of the group.
pub const ENTRIES: &str = "/etc/haoscar/boot";

/// The list: `[IMAGE]`, of a captured one what of it is run (see [`Run`]) in a line of JSON, and a card with its node's name a line.
pub const LIST: &str = "nodes";

/// What nodes get that run a captured image, beside it: their files, folders and units.
pub const OVERLAY: &str = "overlay.json";

/// How nodes run an image that was captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// `NAME`: the newest version; or `NAME@VERSION`.
    pub image: String,
    /// On this disk; none: in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// Files with secrets too.
    #[serde(default)]
    pub secrets: bool,
    /// Where its pieces lie, beside the heads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
}

impl Run {
    /// None where it lies at a path.
    pub fn of(name: &str, image: &Image) -> Option<Self> {
        image.capture.as_ref()?;
        let title =
            image.version.as_ref().map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        let Image { disk, secrets, servers, .. } = image.clone();
        Some(Self { image: title, disk, secrets, servers })
    }
}

/// The end of a script's name, behind the image's.
pub const SCRIPT: &str = ".ipxe";

/// What GRUB reads, for all images and nodes; the server of boot files puts it where GRUB looks.
pub const GRUB: &str = "grub.cfg";

/// Names in the image's folder, as Debian calls a kernel and an initramfs that a machine boots.
pub const KERNEL: &str = "vmlinuz";
const INITRAMFS: &str = "initrd.img";

/// The initramfs that haoscar makes for machines that are built or run an image.
pub const INSTALLER: &str = "initrd";

/// Whether some node boots what the cluster's own boot service gives it.
pub fn boot(cluster: &Cluster) -> bool {
    cluster.images.keys().any(|name| cluster.is_booted(name))
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
        let cards = image["cards"].take(); // of all nodes: in the list alone
        file(name, "boot/node.ipxe.hbs", image.clone())?;
        image["cards"] = cards;
    }
    file(LIST.to_owned(), "boot/nodes.hbs", json!({ "images": images }))
}

/// Each image that nodes boot, with where its files are and the cards of its nodes.
fn images(loader: BootLoader, context: &Context<'_>) -> Result<Vec<Value>, Problem> {
    let (cluster, address) = (context.cluster, context.private_address()?);
    let mut images = Vec::new();
    for (name, image) in cluster.images.iter().filter(|(name, _)| cluster.is_booted(name)) {
        let run = Run::of(name, image);
        let at = |file: &str| match (&image.path, loader) {
            (Some(path), BootLoader::Ipxe) => url(address, path.join(file).as_str()),
            (Some(path), BootLoader::Grub) => format!("/{}", path.join(file)), // below the root of TFTP
            (None, _) => format!("{}/file/{file}", own(address)),
        };
        let of_image = cluster.nodes.iter().filter(|(_, nodes)| nodes.image.as_ref() == Some(name));
        let cards: Vec<_> =
            of_image.flat_map(|(range, nodes)| cards(&range.names(), nodes, context)).collect();
        let told = run.iter().map(|_| format!("boot=haoscar-node haoscar={}", own(address)));
        let arguments: String = told.chain(image.arguments.clone()).map(|text| format!(" {text}")).collect();
        let (kernel, initramfs) = (at(KERNEL), at(if run.is_some() { INSTALLER } else { INITRAMFS }));
        images.push(json!({
            "image": name, "kernel": kernel, "initramfs": initramfs, "arguments": arguments, "cards": cards,
            "run": run.map(|run| json!(run).to_string()),
        }));
    }
    Ok(images)
}

/// Where a node asks for its own: the script that it boots fills in its card.
fn own(address: IpAddr) -> String {
    format!("{}/build/${{netX/mac}}", server(address))
}

/// Cards on networks where the group answers, each with its node's name.
fn cards(names: &[String], nodes: &Nodes, context: &Context<'_>) -> Vec<Value> {
    let answers = |network: &str| context.private_networks().any(|(name, _, _)| name == network);
    let known = nodes.nics.values().filter(|nic| answers(&nic.network)).flat_map(|nic| match &nic.macs {
        MacList::Given(macs) => names.iter().zip(macs.as_slice()),
        MacList::File(_) => names.iter().zip(&[][..]),
    });
    known.map(|(name, mac)| json!({ "mac": mac, "node": name })).collect()
}
