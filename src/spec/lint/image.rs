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
}
