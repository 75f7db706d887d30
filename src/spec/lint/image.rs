//! Images: one source each, and a path that a machine can ask for.

use camino::{Utf8Component, Utf8Path};

use super::{Lint, Mend};
use crate::spec::{BootLoader, Cluster, Image, Service};

pub(super) fn check(lint: &mut Lint<'_>) {
    for (name, image) in &lint.cluster.images {
        path(lint, name, image);
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
        () if image.path.is_none() => "are for nodes, and this image has no `path`",
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
