//! How the disk of a machine that is built is divided: one root, one rest, and nothing apart that booting needs.

use std::collections::BTreeSet;

use super::{Lint, Mend};
use crate::spec::Division;

/// Needed before anything of /etc/fstab is mounted, or no folder of a disk.
const NOT_APART: [&str; 14] = [
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "root", "run", "sbin", "sys",
    "usr",
];

pub(super) fn check(lint: &mut Lint<'_>) {
    let heads = lint.cluster.heads.iter().map(|(name, head)| ("heads", name, &head.disk));
    let images = lint.cluster.images.iter().map(|(name, image)| ("images", name, &image.disk));
    for (kind, name, disk) in heads.chain(images) {
        let layout = disk.as_ref().map_or(&[][..], |disk| &disk.layout);
        if let Some(wrong) = wrong(layout) {
            let place = lint.at(&format!("{kind}.{name}.disk.layout"), "");
            lint.error("disk/layout", format!("the disk of {name} cannot be divided so: {wrong}"), [place])
                .mend("one `/`, each other part once, and one of them at most without `gib`: layout: [{ at: swap, gib: 8 }, { at: / }]");
        }
    }
}

/// Names of what booting needs, and what a GPT cannot hold (UEFI 2.10, 5.3.3: 36 characters).
fn is_taken(name: &str) -> bool {
    name.contains('/') || name.len() > 36 || ["", "bios", "esp", "root", "swap"].contains(&name)
}

fn wrong(layout: &[Division]) -> Option<String> {
    if layout.is_empty() {
        return None;
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = layout.iter().find(|part| !seen.insert(&part.at)) {
        return Some(format!("`{}` is named twice", twice.at));
    }
    if let Some(part) = layout.iter().find(|part| Division::blank(&part.at).is_some_and(is_taken)) {
        return Some(format!("`{}` cannot be the name of a part with nothing on it", part.at));
    }
    let apart = |part: &&Division| {
        let top = part.at.trim_start_matches('/').split('/').next().unwrap_or_default();
        part.at.starts_with('/') && NOT_APART.contains(&top) && Division::blank(&part.at).is_none()
    };
    if let Some(part) = layout.iter().find(apart) {
        return Some(format!("`{}` is needed before it would be mounted", part.at));
    }
    if !layout.iter().any(|part| part.at == "/") {
        return Some("no part is `/`".to_owned());
    }
    let open: Vec<_> = layout.iter().filter(|part| part.gib.is_none()).map(|part| part.at.as_str()).collect();
    (open.len() > 1).then(|| format!("{} each want the rest", open.join(" and ")))
}
