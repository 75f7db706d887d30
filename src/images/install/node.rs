//! A node that runs its image: in memory, or on its disk. Each time that it starts.
//!
//! In memory the file system lies on a compressed block device (zram): the image takes about what it takes on its head. On a disk the EFI
//! system partition says what is on it; it says nothing while that is being written.

use std::fs;

use camino::Utf8Path;
use nix::mount::{MntFlags, MsFlags, umount2};
use serde::{Deserialize, Serialize};

use super::fetch::Head;
use super::identity::{Target, attach};
use super::medium::{self, Parts, choose};
use super::{InstallError, PUBLIC_KEY, system, write};
use crate::images::manifest::Manifest;
use crate::images::program::ran;
use crate::images::ticket::{Becomes, STARTS, Ticket};
use crate::spec::Division;

/// Where the initramfs finds the name of the device that it goes on with.
const ROOT: &str = "/run/haoscar-root";

/// What of a disk stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    /// Nothing.
    Nothing,
    /// Parts beside the root file system.
    Others,
    /// All: the image is on it.
    All,
}

/// Runs each stage, which `enter` tells; at its end the device of the root file system is named for the initramfs.
pub(super) fn stages(
    head: &Head<'_>,
    ticket: &Ticket,
    enter: &mut dyn FnMut(&'static str, String),
) -> Result<(), InstallError> {
    enter("image", ticket.image.clone());
    let manifest = head.manifest(Utf8Path::new(PUBLIC_KEY))?;
    fits(ticket, &manifest, &running()?).map_err(|why| refused(&ticket.image, why))?;
    let (parts, stays, _held) = match ticket.becomes {
        Becomes::NodeOnDisk => on_disk(head, ticket, &manifest, enter)?,
        _ => {
            enter("memory", String::new());
            let parts = in_memory(&manifest)?;
            enter("writing", manifest.title());
            write::write(head, &manifest, &parts.root, true)?;
            (parts, Stays::Nothing, Vec::new())
        }
    };
    enter("identity", ticket.head.clone());
    let target = Target::mount(&parts, stays)?;
    target.make_node(ticket, stays)?;
    enter("overlay", String::new());
    target.lay(&head.overlay()?)?;
    target.leave()?;
    if let Some(esp) = &parts.esp {
        Holds::of(ticket).write(esp)?;
    }
    fs::write(ROOT, parts.root.as_str()).map_err(system(ROOT))?;
    enter(STARTS, String::new());
    Ok(())
}

fn refused(image: &str, why: String) -> InstallError {
    InstallError::System { subject: image.to_owned(), why }
}

fn running() -> Result<String, InstallError> {
    const RELEASE: &str = "/proc/sys/kernel/osrelease";
    Ok(fs::read_to_string(RELEASE).map_err(system(RELEASE))?.trim().to_owned())
}

/// A version that was taken after the kernel was loaded has another kernel's modules, perhaps.
fn fits(ticket: &Ticket, manifest: &Manifest, running: &str) -> Result<(), String> {
    if manifest.title() != ticket.image {
        return Err(format!("{} came, which was taken just now", manifest.title()));
    }
    match manifest.kernel.as_deref() {
        Some(kernel) if kernel == running => Ok(()),
        kernel => {
            let has = kernel.unwrap_or("none");
            Err(format!("linux {running} was booted, and it has {has}"))
        }
    }
}

/// The kernel compresses worse, page by page, than zstd did for the store.
const WORSE: u64 = 2;

/// A block device in memory. It may grow by half of all memory over the image, as a tmpfs would.
fn in_memory(manifest: &Manifest) -> Result<Parts, InstallError> {
    let text = fs::read_to_string("/proc/meminfo").map_err(system("/proc/meminfo"))?;
    let memory = memory_bytes(&text).unwrap_or_default();
    let needed = manifest.kept() * WORSE;
    if memory < needed {
        let (has, mib) = (memory >> 20, needed >> 20);
        let why = format!("it takes about {mib} MiB of memory, and this machine has {has} MiB");
        return Err(refused(&manifest.title(), why));
    }
    ran("modprobe", &["zram"], "")?;
    let size = "/sys/block/zram0/disksize";
    fs::write(size, (manifest.bytes + memory / 2).to_string()).map_err(system(size))?;
    Ok(Parts { esp: None, root: "/dev/zram0".into(), more: Vec::new() })
}

/// proc_meminfo(5).
pub(super) fn memory_bytes(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

type OnDisk = (Parts, Stays, Vec<fs::File>);

fn on_disk(
    head: &Head<'_>,
    ticket: &Ticket,
    manifest: &Manifest,
    enter: &mut dyn FnMut(&'static str, String),
) -> Result<OnDisk, InstallError> {
    enter("disk", String::new());
    let medium = choose(&medium::found(), &ticket.disk, manifest.bytes).map_err(InstallError::Medium)?;
    let (wanted, layout) = (Holds::of(ticket), &ticket.disk.layout);
    let known = medium::parts(&medium, layout);
    let holds = known.esp.as_deref().and_then(Holds::read);
    let stays = wanted.stays(holds.as_ref());
    let about = medium.about();
    let does = match stays {
        Stays::All => "has it",
        Stays::Others => "is written; what is beside the root file system stays",
        Stays::Nothing => "is wiped",
    };
    enter("disk", format!("{} ({about}) {does}", medium.path));
    if stays == Stays::All {
        return Ok((known, stays, Vec::new()));
    }
    let (parts, held) = if stays == Stays::Nothing {
        enter("partitioning", String::new());
        medium::partition(&medium, layout)?
    } else {
        known.esp.as_deref().map_or(Ok(()), Holds::forget)?;
        (known, Vec::new())
    };
    enter("writing", manifest.title());
    write::write(head, manifest, &parts.root, false)?;
    enter("proving", String::new());
    write::prove(head, manifest, &parts.root)?;
    Ok((parts, stays, held))
}

/// What is on a node's disk, as its EFI system partition says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holds {
    image: String,
    layout: Vec<Division>,
}

impl Holds {
    const FILE: &str = "haoscar";
    /// Where that partition is mounted for a moment.
    const PLACE: &str = "/run/haoscar-esp";

    fn of(ticket: &Ticket) -> Self {
        Self { image: ticket.image.clone(), layout: ticket.disk.layout.clone() }
    }

    fn stays(&self, there: Option<&Self>) -> Stays {
        match there {
            Some(there) if there == self => Stays::All,
            Some(there) if there.layout == self.layout => Stays::Others,
            _ => Stays::Nothing,
        }
    }

    /// None: the disk is blank, somebody else's, or half written.
    fn read(esp: &Utf8Path) -> Option<Self> {
        let read = |file: &Utf8Path| fs::read(file).map_err(system(file));
        serde_json::from_slice(&Self::within(esp, read).ok()?).ok()
    }

    fn forget(esp: &Utf8Path) -> Result<(), InstallError> {
        Self::within(esp, |file| fs::write(file, b"").map_err(system(file)))
    }

    fn write(&self, esp: &Utf8Path) -> Result<(), InstallError> {
        let text = serde_json::to_vec(self).unwrap_or_default(); // strings and numbers: it cannot fail
        Self::within(esp, |file| fs::write(file, &text).map_err(system(file)))
    }

    fn within<T>(
        esp: &Utf8Path,
        act: impl FnOnce(&Utf8Path) -> Result<T, InstallError>,
    ) -> Result<T, InstallError> {
        let place = Utf8Path::new(Self::PLACE);
        fs::create_dir_all(place).map_err(system(place))?;
        attach(esp, place, Some("vfat"), MsFlags::empty())?;
        let done = act(&place.join(Self::FILE));
        nix::unistd::sync();
        umount2(place.as_std_path(), MntFlags::empty()).map_err(|error| system(place)(error.into()))?;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ticket::tests::sample;

    #[test]
    fn a_disk_keeps_what_is_right_on_it() {
        let ticket = Ticket { becomes: Becomes::NodeOnDisk, ..sample(1) };
        let wanted = Holds::of(&ticket);
        assert_eq!(wanted.stays(None), Stays::Nothing);
        assert_eq!(wanted.stays(Some(&wanted)), Stays::All);
        let older = Holds { image: "head@0".to_owned(), ..wanted.clone() };
        assert_eq!(wanted.stays(Some(&older)), Stays::Others);
        let divided = Holds { layout: vec![Division { at: "/".to_owned(), gib: None }], ..wanted.clone() };
        assert_eq!(wanted.stays(Some(&divided)), Stays::Nothing);
    }

    #[test]
    fn a_node_says_how_much_memory_it_has() {
        assert_eq!(memory_bytes("MemTotal:        1513748 kB\nMemFree: 1 kB\n"), Some(1_513_748 << 10));
        assert_eq!(memory_bytes("MemFree: 1 kB\n"), None);
    }
}
