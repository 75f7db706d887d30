//! A storage that one head at a time has: mounted by the engine, with the folders of its group's services in it.
//!
//! Nobody can look into it where it is not mounted, so its folders are the agent's to make and no object of a host.

use super::Directory;
use crate::backends::{Part, Placement, validator};
use crate::engines::Carried;
use crate::spec::{Cluster, Group, Storage};

/// What each head must have, and must not have: the disk, and nobody else who mounts it at boot.
const CHECK: &str = r#"[ -e "$1" ] || { echo "there is no $1 on this head" >&2; exit 1; }
[ -b "$1" ] || [ -f "$1" ] || { echo "$1 is no disk" >&2; exit 1; }
! findmnt --fstab --mountpoint "$2" >/dev/null 2>&1 || { echo "$2 is in /etc/fstab: this head would mount it whoever has it" >&2; exit 1; }
[ "$(blkid -o value -s TYPE "$1")" ] || { echo "$1 has no file system" >&2; exit 1; }"#;

/// Takes the folders that lie in the storage out of a part.
pub(super) fn taken(part: &mut Part, storage: Option<&Storage>) -> Vec<Directory> {
    let Some(storage) = storage.filter(|storage| storage.exclusive().is_some()) else { return Vec::new() };
    let within = |directory: &Directory| directory.shared && directory.path.starts_with(&storage.path);
    let (inside, rest) = std::mem::take(&mut part.directories).into_iter().partition(|(_, d)| within(d));
    part.directories = rest;
    let inside: Vec<(Placement, Directory)> = inside;
    inside.into_iter().map(|(_, directory)| directory).collect()
}

/// The storage itself; nothing for one that all heads have always.
pub(super) fn part(cluster: &Cluster, group: &Group, folders: &[Directory]) -> Part {
    let named = group.storage.as_ref().and_then(|name| Some((name, cluster.storage.get(name)?)));
    let Some((name, storage)) = named else { return Part::default() };
    let (Some(device), Some(carried)) = (storage.exclusive(), Carried::exclusive(name, storage, folders))
    else {
        return Part::default();
    };
    let argv = ["sh", "-c", CHECK, "sh", device.as_str(), storage.path.as_str()];
    Part {
        carried: vec![carried],
        checks: vec![(Placement::Heads, validator(&format!("storage {name}"), &argv))],
        packages: vec![(Placement::Heads, "psmisc".to_owned())],
        ..Part::default()
    }
}
