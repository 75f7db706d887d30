//! Storages: one path each; one that a head has alone needs a disk, and belongs to one group.

use super::{Lint, Mend};
use crate::spec::{Span, Storage, StorageKind};

pub(super) fn check(lint: &mut Lint<'_>) {
    for (name, storage) in &lint.cluster.storage {
        device(lint, name, storage);
        match storage.kind {
            StorageKind::Mounted => {}
            StorageKind::Exclusive => owners(lint, name, "exclusive"),
            StorageKind::Mirror => owners(lint, name, "a mirror"),
            StorageKind::Drbd => {
                owners(lint, name, "drbd");
                replicated(lint, name, storage);
            }
        }
        if let Some(every) = storage.mirrored() {
            loses(lint, name, every);
        }
    }
    images(lint);
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

fn device(lint: &mut Lint<'_>, name: &str, storage: &Storage) {
    use StorageKind::{Drbd, Exclusive, Mirror};
    let on_disk: &[_] = &[(Exclusive, "exclusive"), (Drbd, "drbd")];
    let kind = on_disk.iter().find(|(kind, _)| *kind == storage.kind);
    if let Some((_, word)) = kind.filter(|_| storage.device.is_none()) {
        let place = lint.at_key(&format!("storage.{name}"), "");
        lint.error("storage/device", format!("storage {name} is {word}, and names no disk"), [place])
            .mend("add `device: /dev/disk/by-id/...`, a name that is the same on every head");
    }
    let drbd = &on_disk[1..];
    let fields = [
        ("device", storage.device.is_some(), on_disk),
        ("options", storage.options.is_some(), on_disk),
        ("every", storage.every.is_some(), &[(Mirror, "mirror")]),
        ("network", storage.network.is_some(), drbd),
        ("minor", storage.minor.is_some(), drbd),
    ];
    let given = fields.into_iter().filter(|(_, given, _)| *given);
    for (field, _, kinds) in
        given.filter(|(_, _, kinds)| !kinds.iter().any(|(kind, _)| *kind == storage.kind))
    {
        let words: Vec<_> = kinds.iter().map(|(_, word)| *word).collect();
        let place = lint.at(&format!("storage.{name}.{field}"), "");
        let message =
            format!("storage {name} is not of kind {}, and `{field}` is not looked at", words.join(" or "));
        lint.error("storage/device", message, [place])
            .mend(format!("say `kind: {}` if that is what is meant, or take this away", words[0]));
    }
}

/// Two disks, a wire between them, a number of its own.
fn replicated(lint: &mut Lint<'_>, name: &str, storage: &Storage) {
    let cluster = lint.cluster;
    for (group, about) in cluster.groups.iter().filter(|(_, group)| group.storage.as_deref() == Some(name)) {
        if about.heads.len() != 2 {
            let place = lint.at(&format!("groups.{group}.heads"), "");
            let message = format!(
                "storage {name} is drbd: it is written to two heads, and group {group} has {}",
                about.heads.len()
            );
            lint.error("storage/drbd", message, [place])
                .mend("name two heads; a third one can vote (`witnesses`) or carry other groups");
        } else if cluster.written_over(storage, &about.heads).is_none() {
            let place = lint.at_key(&format!("storage.{name}"), "");
            let message = match &storage.network {
                Some(network) => format!(
                    "storage {name} is drbd, and not all heads of group {group} have a card in network {network}"
                ),
                None => {
                    format!("storage {name} is drbd, and no private network has all heads of group {group}")
                }
            };
            lint.error("storage/drbd", message, [place])
                .mend("say `network:`, one that both heads have a card in");
        }
    }
    let number = |storage: &Storage| storage.replicated().map(|about| about.minor);
    let before = cluster.storage.iter().take_while(|(other, _)| *other != name);
    if let Some((other, _)) =
        before.into_iter().find(|(_, other)| number(other).is_some() && number(other) == number(storage))
    {
        let places = [
            lint.at_key(&format!("storage.{name}"), "this one"),
            lint.at_key(&format!("storage.{other}"), "has it"),
        ];
        let message = format!(
            "storages {other} and {name} would both be /dev/drbd{}",
            number(storage).unwrap_or_default()
        );
        lint.error("storage/drbd", message, places).mend(
            "give each its own `minor: 0` to `255`, and leave those of storages that are in use as they are",
        );
    }
}

/// It is where its group is: another group may be elsewhere.
fn owners(lint: &mut Lint<'_>, name: &str, kind: &str) {
    let groups = lint.cluster.groups.iter().filter(|(_, group)| group.storage.as_deref() == Some(name));
    let groups: Vec<_> = groups.map(|(group, _)| group.clone()).collect();
    if groups.len() > 1 {
        let at = |group: &String| lint.at(&format!("groups.{group}.storage"), "needs it");
        let places: Vec<_> = groups.iter().map(at).collect();
        let message =
            format!("storage {name} is {kind}: groups {} cannot both have it", groups.join(" and "));
        lint.error("storage/two-groups", message, places)
            .mend("make them one group, or give each a storage of its own");
    }
}

/// What a power cut costs is said before it does.
fn loses(lint: &mut Lint<'_>, name: &str, every: Span) {
    let place = lint.at(&format!("storage.{name}.kind"), "");
    let message = format!(
        "what was written to storage {name} in the {every} before a power cut, and longer while a copy runs, is lost with its head"
    );
    lint.note("storage/mirror-loses", message, [place])
        .mend("use a disk that both heads reach (`exclusive`) for what must not be lost, or waive this");
}

/// A head is built by one that need not be the one that carries the group.
fn images(lint: &mut Lint<'_>) {
    if !lint.cluster.builds() {
        return;
    }
    let Some((storage, _)) = lint.cluster.stored("boot").next() else { return };
    let same = |(_, known): &(&String, &Storage)| known.path == storage.path;
    let Some((name, _)) = lint.cluster.storage.iter().find(same).filter(|_| !storage.is_shared()) else {
        return;
    };
    let place = lint.at(&format!("storage.{name}.kind"), "");
    let message =
        format!("images of heads lie beside the boot files, on {name}, and one head alone has that");
    lint.error("image/exclusive-store", message, [place])
        .mend("give `boot` a group with a storage of kind mounted");
}
