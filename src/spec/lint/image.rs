//! Images: one source each.

use super::{Lint, Mend};

pub(super) fn check(lint: &mut Lint<'_>) {
    for (name, image) in &lint.cluster.images {
        let message = match (&image.capture, &image.path) {
            (None, None) => "comes from nowhere",
            (Some(_), Some(_)) => "has two sources",
            _ => continue,
        };
        let place = lint.at_key(&format!("images.{name}"), "");
        lint.error("image/source", format!("image {name} {message}"), [place])
            .mend("give it either `capture: { from: HEAD }` or `path: FOLDER`");
    }
    for (name, head) in &lint.cluster.heads {
        if head.image.is_some() && lint.cluster.builders(name).next().is_none() {
            let place = lint.at(&format!("heads.{name}.image"), "");
            let message = format!(
                "{name} has an image, and no other head carries both dhcp and boot: it cannot be built"
            );
            lint.note("image/no-builder", message, [place])
                .mend("a machine that is built boots from the network: `services: { dhcp: {}, boot: {} }` in one group");
        }
    }
}
