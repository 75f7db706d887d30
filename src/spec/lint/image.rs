//! Images: one source each, and a path that a machine can ask for.

use camino::{Utf8Component, Utf8Path};

use super::{Lint, Mend};
use crate::spec::{BootLoader, Cluster, Image, Service};

pub(super) fn check(lint: &mut Lint<'_>) {
    for (name, image) in &lint.cluster.images {
        path(lint, name, image);
        captured(lint, name, image);
        let message = match (&image.capture, &image.path) {
            (None, None) => "comes from nowhere",
            (Some(_), Some(_)) => "has two sources",
            _ => continue,
        };
        let place = lint.at_key(&format!("images.{name}"), "");
        lint.error("image/source", format!("image {name} {message}"), [place])
            .mend("give it either `capture: { from: HEAD }` or `path: FOLDER`");
    }
    builders(lint);
}

/// It becomes a part of a URL, and the arguments a part of one line of a script.
fn path(lint: &mut Lint<'_>, name: &str, image: &Image) {
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
    let parts =
        |path: &Utf8Path| path.components().all(|c| matches!(c, Utf8Component::Normal(part) if plain(part)));
    if let Some(path) = image.path.as_deref().filter(|path| !parts(path)) {
        let place = lint.at(&format!("images.{name}.path"), "");
        let message = format!("{path} is no folder of the boot files");
        lint.error("image/path", message, [place])
            .mend("name a folder below the boot service's own, in letters, digits and -_.+: images/compute");
    }
    let Some(text) = &image.arguments else { return };
    let why = match () {
        () if image.path.is_none() && !lint.cluster.is_booted(name) => {
            "are for nodes, and none boots this image"
        }
        () if text.chars().any(char::is_control) => "are one line of text",
        () if loads_grub(lint.cluster) && text.contains(FOR_GRUB) => {
            "stand in a script of GRUB here, without quotes, `$`, `;` and the like"
        }
        () => return,
    };
    let place = lint.at(&format!("images.{name}.arguments"), "");
    lint.error("image/arguments", format!("arguments of a kernel {why}"), [place])
        .mend("images: { compute: { path: images/compute, arguments: \"console=ttyS0\" } }");
}

/// What is said of an image that nodes boot as it was captured.
fn captured(lint: &mut Lint<'_>, name: &str, image: &Image) {
    let said =
        [("version", image.version.is_some()), ("disk", image.disk.is_some()), ("secrets", image.secrets)];
    if let Some((key, _)) = said.iter().find(|(_, said)| *said && image.capture.is_none()) {
        let place = lint.at_key(&format!("images.{name}.{key}"), "");
        lint.error("image/captured", format!("`{key}` is for an image that is captured, and {name} lies at a path"), [place])
            .mend("leave it out, or have haoscar take the image: images: { compute: { capture: { from: head-1, root: /srv/images/compute } } }");
    }
    if image.disk.as_ref().is_some_and(|disk| !disk.wipe) {
        let place = lint.at(&format!("images.{name}.disk"), "");
        let message =
            format!("nodes write {name} to their disks when they start, and nobody is there to be asked");
        lint.error("image/wipe", message, [place]).mend(
            "say that it may be wiped: disk: { wipe: true }; or leave `disk` out: it runs in memory then",
        );
    }
    let url = |server: &str| {
        let rest = server.strip_prefix("http://").or_else(|| server.strip_prefix("https://"));
        rest.is_some_and(|rest| {
            !rest.starts_with('/') && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic())
        })
    };
    for (at, server) in image.servers.iter().enumerate().filter(|(_, server)| !url(server)) {
        let place = lint.at(&format!("images.{name}.servers.{at}"), "");
        lint.error("image/server", format!("`{server}` is no address of a web server"), [place])
            .mend("name the folder with the pieces: http://10.20.0.50/haoscar-images/pieces");
    }
    let root = image.capture.as_ref().and_then(|capture| capture.root.as_deref());
    let whole = |root: &Utf8Path| {
        root.is_absolute() && root != "/" && !root.components().any(|part| part == Utf8Component::ParentDir)
    };
    if let Some(root) = root.filter(|root| !whole(root)) {
        let place = lint.at(&format!("images.{name}.capture.root"), "");
        lint.error("image/root", format!("{root} is no folder of a head with a system in it"), [place])
            .mend("name it from `/` on; leave `root` out for the head's own system");
    }
    if image.capture.is_some() && lint.cluster.is_booted(name) && loads_grub(lint.cluster) {
        let place = lint.at_key(&format!("images.{name}"), "");
        let message = format!(
            "nodes boot {name}, which haoscar takes, and the loader is GRUB: it boots images that lie at a path"
        );
        lint.error("image/loader", message, [place]).mend("say `loader: ipxe`, or give it a `path`");
    }
}

/// What a script of GRUB takes for more than text (its manual, 6.2).
const FOR_GRUB: [char; 13] = ['$', '\'', '"', '\\', ';', '{', '}', '|', '&', '<', '>', '#', '`'];

fn loads_grub(cluster: &Cluster) -> bool {
    let grub = |service: &Service| matches!(service, Service::Boot(boot) if boot.loader == BootLoader::Grub);
    cluster.services.values().any(grub)
}

fn builders(lint: &mut Lint<'_>) {
    for (name, head) in &lint.cluster.heads {
        if head.image.is_some() && lint.cluster.builders(name).next().is_none() {
            let place = lint.at(&format!("heads.{name}.image"), "");
            let message = format!(
                "{name} has an image, and no other head carries both dhcp and boot: it cannot be built"
            );
            lint.note("image/no-builder", message, [place])
                .mend("a machine that is built boots from the network: `services: { dhcp: {}, boot: {} }` in one group");
        }
        if head.image.is_some() && loads_grub(lint.cluster) {
            let place = lint.at(&format!("heads.{name}.image"), "");
            let message =
                format!("{name} has an image, and the loader is GRUB: heads are built by iPXE alone");
            lint.error("image/loader", message, [place])
                .mend("say `loader: ipxe`, or install that head by other means and leave its `image` out");
        }
    }
}
