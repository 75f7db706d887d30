//! Storages: one path each.

use super::{Lint, Mend};

pub(super) fn check(lint: &mut Lint<'_>) {
    let storages: Vec<_> = lint.cluster.storage.iter().collect();
    for (index, (name, storage)) in storages.iter().enumerate() {
        for (other, before) in &storages[..index] {
            if storage.path.starts_with(&before.path) || before.path.starts_with(&storage.path) {
                let places = [
                    lint.at(&format!("storage.{name}.path"), "this path"),
                    lint.at(&format!("storage.{other}.path"), "holds, or lies in, this one"),
                ];
                let message =
                    format!("storages {other} ({}) and {name} ({}) overlap", before.path, storage.path);
                lint.error("storage/twice", message, places).mend("give each a path of its own");
            }
        }
    }
}
