//! A storage that one head at a time has, with the folders of its group's services in it: a disk that the engine mounts, or a folder
//! that one head owns and the others copy. The disk may be one of each of two heads, kept the same.
//!
//! Nobody may look into it, or change it, where it is not owned, so its folders are the agent's to make and no object of a host.

use std::net::{IpAddr, SocketAddr};

use serde_json::json;

use super::{Directory, Mode, OnChange, Rendered, SecretKind, Unit, UnitWant};
use crate::backends::{Part, Placement, validator};
use crate::engines::Carried;
use crate::spec::{Cluster, Group, Problem, Replicated, Storage};
use crate::templates::{Templates, slot};

/// What each head must have, and must not have: the disk, and nobody else who mounts it at boot.
const CHECK: &str = r#"[ -e "$1" ] || { echo "there is no $1 on this head" >&2; exit 1; }
[ -b "$1" ] || [ -f "$1" ] || { echo "$1 is no disk" >&2; exit 1; }
! findmnt --fstab --mountpoint "$2" >/dev/null 2>&1 || { echo "$2 is in /etc/fstab: this head would mount it whoever has it" >&2; exit 1; }
[ "$(blkid -o value -s TYPE "$1")" ] || { echo "$1 has no file system" >&2; exit 1; }"#;

/// What each of two heads must have before the file is there: the module, a disk that is blank or has the copy already, and nobody else who
/// mounts it; and what DRBD says of the file.
const REPLICATED: &str = r#"[ -b "$1" ] || { echo "there is no disk $1 on this head" >&2; exit 1; }
[ -e /proc/drbd ] || modprobe drbd || { echo "this kernel has no module drbd" >&2; exit 1; }
! findmnt --fstab --mountpoint "$2" >/dev/null 2>&1 || { echo "$2 is in /etc/fstab: this head would mount it whoever has it" >&2; exit 1; }
case $(blkid -p -o value -s TYPE "$1") in drbd) ;; *) [ -e "$4" ] || { found=$(wipefs --no-act --parsable "$1") && [ -z "$found" ]; } || { wipefs --no-act "$1"; echo "$1 is not blank: haoscar takes a disk with nothing on it (wipefs -a $1 takes all away that is on it)" >&2; exit 1; } ;; esac
drbdadm -c "$3" sh-nop"#;

/// A secret of cram-hmac is 63 characters at most (drbd.conf(5)).
const SECRET_BYTES: usize = 24;

/// Takes the folders that lie in the storage out of a part.
pub(super) fn taken(part: &mut Part, storage: Option<&Storage>) -> Vec<Directory> {
    let Some(storage) = storage.filter(|storage| !storage.is_shared()) else { return Vec::new() };
    let within = |directory: &Directory| directory.shared && directory.path.starts_with(&storage.path);
    let (inside, rest) = std::mem::take(&mut part.directories).into_iter().partition(|(_, d)| within(d));
    part.directories = rest;
    let inside: Vec<(Placement, Directory)> = inside;
    inside.into_iter().map(|(_, directory)| directory).collect()
}

/// The storage itself; nothing for one that all heads have always.
///
/// # Errors
/// What a template says.
pub(super) fn part(
    cluster: &Cluster,
    group: &Group,
    folders: &[Directory],
    templates: &Templates,
) -> Result<Part, Problem> {
    let named = group.storage.as_ref().and_then(|name| Some((name, cluster.storage.get(name)?)));
    let Some((name, storage)) = named else { return Ok(Part::default()) };
    let carried = Carried::owned(name, storage, folders).into_iter().collect();
    if let Some(device) = storage.exclusive() {
        let argv = ["sh", "-c", CHECK, "sh", device.as_str(), storage.path.as_str()];
        return Ok(Part {
            carried,
            checks: vec![(Placement::Heads, validator(&format!("storage {name}"), &argv))],
            packages: vec![(Placement::Heads, "psmisc".to_owned())],
            ..Part::default()
        });
    }
    let mut part = Part { carried, ..Part::default() };
    if let Some(about) = storage.replicated() {
        part.carried.extend(Carried::replicated(name, storage));
        lay_replicated(&mut part, (name, storage, about), cluster, group, templates)?;
    }
    if let Some(every) = storage.mirrored() {
        let unit = format!("haoscar-mirror-{name}.service");
        let path = format!("/etc/systemd/system/{unit}");
        for head in &group.heads {
            let others: Vec<_> = group.heads.iter().filter(|other| *other != head).collect();
            let every = every.as_millis().div_ceil(1000);
            let values = json!({ "name": name, "path": storage.path, "every": every, "others": others });
            let change = OnChange::DaemonReload(Some(unit.clone()));
            let file = templates.file(path.clone(), "storage/mirror.service.hbs", values, change)?;
            part.files.push((Placement::Host(head.clone()), file));
        }
        part.units.push((Placement::Heads, Unit { name: unit, want: UnitWant::Running }));
        part.packages = ["rsync", "openssh-client"].map(|p| (Placement::Heads, p.to_owned())).into();
    }
    Ok(part)
}

/// DRBD's file, which holds a secret, and what asks for its settings to be taken up.
fn lay_replicated(
    part: &mut Part,
    (name, storage, about): (&str, &Storage, Replicated<'_>),
    cluster: &Cluster,
    group: &Group,
    templates: &Templates,
) -> Result<(), Problem> {
    let over = cluster.written_over(storage, &group.heads).unwrap_or_default(); // lint: storage/drbd
    let row = |(head, address): (&String, IpAddr)| {
        let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
        json!({ "name": head, "family": family, "address": SocketAddr::from((address, about.port())).to_string() })
    };
    let heads: Vec<_> = over.into_iter().map(row).collect();
    let (unit, secret) = (format!("haoscar-drbd-{name}.service"), format!("drbd-{name}"));
    let resource = Replicated::resource(name);
    let values = json!({ "resource": resource, "disk": about.disk, "minor": about.minor, "heads": heads, "secret": slot(&secret) });
    let path = format!("/etc/drbd.d/{resource}.res");
    let file =
        templates.file(path.clone(), "storage/drbd.res.hbs", values, OnChange::Restart(unit.clone()))?;
    part.files.push((Placement::Heads, Rendered { mode: Mode(0o600), ..file }));
    let change = OnChange::DaemonReload(Some(unit.clone()));
    let path_of_unit = format!("/etc/systemd/system/{unit}");
    let values = json!({ "name": name, "resource": resource });
    part.files
        .push((Placement::Heads, templates.file(path_of_unit, "storage/drbd.service.hbs", values, change)?));
    part.units.push((Placement::Heads, Unit { name: unit, want: UnitWant::Running }));
    part.secrets.push((Placement::Heads, secret, SecretKind::RandomHex(SECRET_BYTES)));
    let staged = format!("{{staged:{path}}}");
    let argv = ["sh", "-c", REPLICATED, "sh", about.disk.as_str(), storage.path.as_str(), &staged, &path];
    part.checks.push((Placement::Heads, validator(&format!("storage {name}"), &argv)));
    part.packages = ["drbd-utils", "e2fsprogs", "psmisc"].map(|p| (Placement::Heads, p.to_owned())).into();
    Ok(())
}
