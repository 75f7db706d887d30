//! What a head lays out before another machine is built: what that machine boots, and how the two know each other by ssh.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use nix::mount::{MsFlags, mount};

use super::error::{ImageError, disk};
use super::program::ran;
use super::seal::Seal;
use super::ticket::{INITRAMFS, KERNEL};
use super::{PUBLIC_KEY, Store, asking, ticket};
use crate::backends::boot::nodes::GRUB as GRUB_CFG;
use crate::backends::boot::{BIOS, GRUB_BIOS, GRUB_UEFI, UEFI};

/// What initramfs-tools(7) puts into the installer, and what it runs there.
const HOOK: &str = include_str!("../../templates/boot/installer.hook.sh");
const SCRIPT: &str = include_str!("../../templates/boot/installer.sh");
const NODE_SCRIPT: &str = include_str!("../../templates/boot/node.sh");
const STRANGER_SCRIPT: &str = include_str!("../../templates/boot/stranger.sh");

/// Every driver that the distribution puts into an initramfs: the machine is not this one.
const SETTINGS: &str = "MODULES=most\nBUSYBOX=y\nCOMPRESS=zstd\nRESUME=none\n";

/// The installer of a head's build: this machine's kernel of that version, and an initramfs of the distribution's own tools with
/// `program` in it.
///
/// # Errors
/// This machine has no such kernel, or a program refuses.
pub fn installer(
    store: &Store,
    head: &str,
    kernel: &str,
    seal: &Seal,
    program: &Utf8Path,
) -> Result<(), ImageError> {
    let folder = ticket::folder(store, head);
    fs::create_dir_all(&folder).map_err(disk(&folder))?;
    copy_kernel(Utf8Path::new("/"), kernel, &folder.join(KERNEL))?;
    initramfs(&folder, &folder.join(INITRAMFS), kernel, Some(seal), program)
}

/// What machines boot that nobody knows: the newest kernel of this one, and the same initramfs without a key, for it takes nothing.
///
/// # Errors
/// See there.
pub fn of_strangers(store: &Store, program: &Utf8Path) -> Result<(), ImageError> {
    const BOOT: &str = "/boot";
    let folder = asking::folder(store);
    fs::create_dir_all(&folder).map_err(disk(&folder))?;
    let entries = Utf8Path::new(BOOT).read_dir_utf8().into_iter().flatten().flatten();
    let kernels = entries.filter_map(|entry| entry.file_name().strip_prefix("vmlinuz-").map(str::to_owned));
    let newest = kernels.max_by(|one, other| asking::by_number(one, other));
    let kernel = newest.ok_or_else(|| ImageError::NoKernel {
        path: format!("{BOOT}/vmlinuz-*").into(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    copy_kernel(Utf8Path::new("/"), &kernel, &folder.join(KERNEL))?;
    initramfs(&folder, &folder.join(INITRAMFS), &kernel, None, program)
}

fn copy_kernel(root: &Utf8Path, kernel: &str, to: &Utf8Path) -> Result<(), ImageError> {
    let own = kernel_of(root, kernel).unwrap_or_else(|| root.join("boot").join(format!("vmlinuz-{kernel}")));
    fs::copy(&own, to).map_err(|source| ImageError::NoKernel { path: own, source }).map(|_| ())
}

/// Where a system has a kernel: Debian's place, or beside its modules.
pub(super) fn kernel_of(root: &Utf8Path, kernel: &str) -> Option<Utf8PathBuf> {
    let places = [format!("boot/vmlinuz-{kernel}"), format!("lib/modules/{kernel}/vmlinuz")];
    places.map(|place| root.join(place)).into_iter().find(|path| path.is_file())
}

/// Work and what it needs lie in `folder`.
fn initramfs(
    folder: &Utf8Path,
    to: &Utf8Path,
    kernel: &str,
    seal: Option<&Seal>,
    program: &Utf8Path,
) -> Result<(), ImageError> {
    let (conf, key) = (folder.join("initramfs-tools"), folder.join("image-key.pub"));
    let _ = fs::remove_dir_all(&conf); // of a build that was cut short
    ran("cp", &["-a", "/etc/initramfs-tools", conf.as_str()], "")?;
    let public = seal.map(Seal::public).transpose()?.unwrap_or_default();
    fs::write(&key, public + "\n").map_err(disk(&key))?;
    let filled = |text: &str| {
        let text = text.replace("@PROGRAM@", program.as_str());
        text.replace("@KEY@", key.as_str()).replace("@PLACE@", PUBLIC_KEY)
    };
    let files = [
        ("hooks/haoscar", filled(HOOK)),
        ("scripts/haoscar", SCRIPT.to_owned()),
        ("scripts/haoscar-node", NODE_SCRIPT.to_owned()),
        ("scripts/haoscar-ask", STRANGER_SCRIPT.to_owned()),
        ("conf.d/haoscar", SETTINGS.to_owned()),
    ];
    for (name, text) in files {
        let path = conf.join(name);
        let parent = path.parent().unwrap_or(&conf);
        fs::create_dir_all(parent).map_err(disk(parent))?;
        fs::write(&path, text).map_err(disk(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(disk(&path))?;
    }
    ran("mkinitramfs", &["-d", conf.as_str(), "-o", to.as_str(), kernel], "")?;
    let _ = fs::remove_dir_all(&conf);
    Ok(())
}

/// Folders of an image that this machine's own programs look into while they make its initramfs.
const OF_KERNEL: [&str; 3] = ["boot", "usr/lib/modules", "usr/lib/firmware"];

/// What nodes boot that run the system in `tree`: its kernel, and an initramfs with its modules and this machine's programs; by their names,
/// as halves of the store. The mount namespace is this process's own: its kernel is the tree's from now on.
///
/// # Errors
/// The tree has no such kernel, or a program refuses.
pub(super) fn of_nodes(
    store: &Store,
    tree: &Utf8Path,
    kernel: &str,
    seal: &Seal,
    program: &Utf8Path,
) -> Result<Vec<(&'static str, Utf8PathBuf)>, ImageError> {
    let none: Option<&str> = None;
    for folder in OF_KERNEL {
        let (from, to) = (tree.join(folder), Utf8Path::new("/").join(folder));
        if from.is_dir() && to.is_dir() {
            mount(Some(from.as_std_path()), to.as_std_path(), none, MsFlags::MS_BIND, none)
                .map_err(|error| disk(&to)(error.into()))?;
        }
    }
    let (folder, made) = (store.half("boot"), [KERNEL, INITRAMFS].map(|name| (name, store.half(name))));
    fs::create_dir_all(&folder).map_err(disk(&folder))?;
    copy_kernel(tree, kernel, &made[0].1)?;
    initramfs(&folder, &made[1].1, kernel, Some(seal), program)?;
    Ok(made.into())
}

/// Programs of iPXE by the names under which they are given, and where packages have them: Debian's ipxe, RHEL's ipxe-bootimgs-x86.
const IPXE: [(&str, &str); 4] = [
    (BIOS, "/usr/lib/ipxe/undionly.kpxe"),
    (BIOS, "/usr/share/ipxe/undionly.kpxe"),
    (UEFI, "/usr/lib/ipxe/snponly.efi"),
    (UEFI, "/usr/share/ipxe/ipxe-snponly-x86_64.efi"),
];

/// Programs of iPXE, for machines whose firmware has none, in the folder that TFTP gives; what is there stays.
///
/// # Errors
/// The disk refuses.
pub fn ipxe(folder: &Utf8Path) -> Result<(), ImageError> {
    IPXE.iter().try_for_each(|(name, from)| put_missing(Utf8Path::new(from), &folder.join(name)))
}

/// What is there stays, and what the machine does not have is nobody's fault.
fn put_missing(from: &Utf8Path, to: &Utf8Path) -> Result<(), ImageError> {
    if to.exists() || !from.exists() { Ok(()) } else { put(from, to) }
}

/// Where Debian has the signed shim and GRUB, and what the firmware and shim call them.
const SIGNED: [(&str, &str); 2] = [
    ("/usr/lib/shim/shimx64.efi.signed", GRUB_UEFI),
    ("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "grubx64.efi"),
];

/// Of Debian's grub-pc-bin.
const GRUB_MODULES: &str = "/usr/lib/grub/i386-pc";

/// GRUB for machines that boot from the network, and what it reads (`cfg`), in the folder that TFTP gives; programs that are there stay.
///
/// # Errors
/// The disk or grub-mknetdir refuses.
pub fn grub(cfg: &Utf8Path, folder: &Utf8Path) -> Result<(), ImageError> {
    for (from, name) in SIGNED {
        put_missing(Utf8Path::new(from), &folder.join(name))?;
    }
    let own = folder.join("grub");
    // whoever serves them is not root, and this program makes files for root alone
    let readable = || ran("chmod", &["-R", "u=rwX,go=rX", own.as_str()], "");
    if !folder.join(GRUB_BIOS).exists() && Utf8Path::new(GRUB_MODULES).exists() {
        let to = format!("--net-directory={folder}");
        ran("grub-mknetdir", &[&to, "--subdir=grub", "-d", GRUB_MODULES], "")?;
        readable()?;
    }
    if fs::read(cfg).ok() != fs::read(own.join(GRUB_CFG)).ok() {
        fs::create_dir_all(&own).map_err(disk(&own))?;
        put(cfg, &own.join(GRUB_CFG))?;
        readable()?;
    }
    Ok(())
}

/// Whole or not at all: another head may do the same, and a machine may ask for it now.
fn put(from: &Utf8Path, to: &Utf8Path) -> Result<(), ImageError> {
    let half = to.with_file_name(format!(".{}.{}", to.file_name().unwrap_or("half"), std::process::id()));
    fs::copy(from, &half).and_then(|_| fs::rename(&half, to)).map_err(disk(to))
}

const SSH: &str = "/root/.ssh";

/// The public key by which root of this machine comes into the one that is built; made where root has none.
///
/// # Errors
/// The disk or ssh-keygen refuses.
pub fn own_key(host: &str) -> Result<String, ImageError> {
    let path = Utf8Path::new(SSH).join("id_ed25519");
    if !path.exists() {
        fs::create_dir_all(SSH).map_err(disk(SSH))?;
        fs::set_permissions(SSH, fs::Permissions::from_mode(0o700)).map_err(disk(SSH))?;
        let comment = format!("root@{host}");
        ran("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", &comment, "-f", path.as_str()], "")?;
    }
    let public = path.with_extension("pub");
    Ok(fs::read_to_string(&public).map_err(disk(&public))?.trim().to_owned())
}

/// On each head: ssh knows the machine's names (`$1`) by the lines that come in, and by no older ones.
pub const KNOW: &str = r#"umask 077; mkdir -p /root/.ssh && cd /root/.ssh || exit
for name in $1; do ssh-keygen -q -R "$name" -f known_hosts >/dev/null 2>&1 || true; done
exec cat >>known_hosts"#;

/// On each head: its root's public keys, if it has any.
pub const PUBLIC_KEYS: &str = "cat /root/.ssh/id_*.pub 2>/dev/null || true";

/// What [`KNOW`] is given: a line a key, for all of the names.
pub fn known(names: &[String], keys: &[String]) -> String {
    let keys: BTreeSet<_> = keys.iter().collect();
    keys.into_iter().map(|key| format!("{} {key}\n", names.join(","))).collect()
}
