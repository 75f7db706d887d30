//! Network boot: TFTP here, the boot options in the dhcp backends.

mod dnsmasq;
pub mod nodes;

use std::net::IpAddr;

use camino::Utf8PathBuf;
use serde_json::json;

use crate::backends::{Context, Part, Placement, state_folder, validator};
use crate::desired::{OnChange, Unit, UnitWant};
use crate::engines::Carried;
use crate::spec::{BootLoader, BootService, Cluster, Problem};

pub use dnsmasq::Dnsmasq;

/// Where images lie when no group that carries a boot service has a storage.
const OWN: &str = "/var/lib/haoscar/images";

/// Beside the services' folders, and not in one: what boot serves is for everybody, and an image is not.
const SHARED: &str = "haoscar-images";

/// Where the images of a cluster lie: where every head that serves them can read them.
pub fn image_store(cluster: &Cluster) -> Utf8PathBuf {
    let mut shared = cluster.stored("boot").filter(|(storage, _)| storage.is_shared());
    shared.next().map_or_else(|| OWN.into(), |(storage, _)| storage.path.join(SHARED))
}

/// What serves boot files by HTTP, and images to machines that are built, on every head of the group; only the address moves.
pub(super) const UNIT: &str = "haoscar-images.service";

/// The server of all that, at an address.
fn server(address: IpAddr) -> String {
    format!("http://{}", std::net::SocketAddr::from((address, IMAGE_PORT)))
}

/// Boot files over HTTP, as TFTP gives them: what a UEFI firmware asks for that boots by HTTP.
pub fn url(address: IpAddr, file: &str) -> String {
    format!("{}{FILES}/{}", server(address), file.trim_start_matches('/'))
}

/// Where the server has them.
pub const FILES: &str = "/files";

/// Where it listens: free of what IANA and Debian's /etc/services give to others.
pub const IMAGE_PORT: u16 = 4_081;

/// What iPXE is given where haoscar has a script for it: the programs of Debian's package ipxe.
pub const BIOS: &str = "undionly.kpxe";
/// See there.
pub const UEFI: &str = "snponly.efi";

/// Programs that a head needs to have another one built (Debian's names).
const PACKAGES: [&str; 8] =
    ["initramfs-tools", "zstd", "fdisk", "e2fsprogs", "dosfstools", "udev", "openssh-client", "grub2-common"];

/// What machines load first where GRUB is the loader: shim asks for GRUB by its own name, beside itself; `grub-mknetdir` makes the
/// program for BIOS.
pub const GRUB_UEFI: &str = "shimx64.efi";
/// See there.
pub const GRUB_BIOS: &str = "grub/i386-pc/core.0";

/// Whether machines are told what to boot by a script: heads that are built, and nodes with an image.
pub fn scripted(cluster: &Cluster) -> bool {
    cluster.builds() || nodes::boot(cluster)
}

/// What iPXE asks for first, at the group's address.
pub fn script(address: IpAddr) -> String {
    format!("{}/boot", server(address))
}

/// Answers a machine's question for an IPv6 router: on every head, systemd's own.
const ROUTER_UNIT: &str = "radvd.service";

const ROUTER_CONF: &str = "/etc/radvd.conf";

/// Where nobody answers that question, iPXE waits 16 s before it goes on (knowledge/boot.md, pitfall 1).
fn router(context: &Context<'_>, part: &mut Part) -> Result<(), Problem> {
    for (name, head) in context.declared_heads() {
        let cards: Vec<_> =
            context.private_networks().filter_map(|(network, _, _)| Context::nic(head, network)).collect();
        if cards.is_empty() {
            continue;
        }
        let restart = OnChange::Restart(ROUTER_UNIT.to_owned());
        let file = context.file(ROUTER_CONF, "boot/radvd.conf.hbs", json!({ "cards": cards }), restart)?;
        let argv = ["radvd", "--configtest", "--config", &format!("{{staged:{ROUTER_CONF}}}")];
        let here = || Placement::Host(name.clone());
        part.files.push((here(), file));
        part.checks.push((here(), validator("radvd --configtest", &argv)));
        part.units.push((here(), Unit { name: ROUTER_UNIT.to_owned(), want: UnitWant::Running }));
        part.packages.push((here(), "radvd".to_owned()));
    }
    Ok(())
}

/// The server of boot files and images.
fn images(service: &BootService, context: &Context<'_>, part: &mut Part) -> Result<(), Problem> {
    let path = format!("/etc/systemd/system/{UNIT}");
    let store = image_store(context.cluster);
    let values = json!({ "store": store, "files": context.state()?, "entries": nodes::ENTRIES });
    let change = OnChange::DaemonReload(Some(UNIT.to_owned()));
    part.files.push((Placement::Heads, context.file(path, "boot/images.service.hbs", values, change)?));
    part.carried.push(Carried::everywhere(context.name, UNIT));
    nodes::entries(service.loader, context, part)?;
    if scripted(context.cluster) {
        let packages: &[&str] = match service.loader {
            BootLoader::Ipxe => &["ipxe"],
            BootLoader::Grub => &["shim-signed", "grub-efi-amd64-signed", "grub-pc-bin", "grub2-common"],
        };
        part.packages.extend(packages.iter().map(|name| (Placement::Heads, (*name).to_owned())));
    }
    if !context.cluster.serves_images() {
        return Ok(());
    }
    // root's alone: an image holds what a head holds
    part.directories.push(state_folder(store, "root", "root", 0o700));
    part.packages.extend(PACKAGES.map(|name| (Placement::Heads, name.to_owned())));
    Ok(())
}
