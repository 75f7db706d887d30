//! Makes a copy of one machine another one: name, cards, keys, disks, boot loader.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::medium::{Medium, Parts};
use super::node::Stays;
use super::{InstallError, SAY_UP, TARGET, system};
use crate::desired::{Owner, fingerprint, hex, unhex};
use crate::host::own_below;
use crate::images::ImageError;
use crate::images::overlay::Given;
use crate::images::program::{ran, run};
use crate::images::ticket::{Card, Ticket};
use crate::spec::Division;

/// Mounted in it while programs of the new system run.
const KERNEL: &[&str] = &["dev", "proc", "sys"];

/// The new system on its disk.
pub(super) struct Target {
    root: Utf8PathBuf,
    parts: Parts,
    /// File systems of their own, as they are mounted.
    mounted: Vec<Utf8PathBuf>,
}

impl Target {
    /// Gives the file system its own name and the whole partition, unless it stays, and mounts it.
    pub(super) fn mount(parts: &Parts, stays: Stays) -> Result<Self, InstallError> {
        let disk = parts.root.as_str();
        // it ends with 1 when it has mended something
        ran("e2fsck", &["-f", "-y", disk], "").or_else(|_| ran("e2fsck", &["-f", "-n", disk], ""))?;
        if stays != Stays::All {
            ran("resize2fs", &[disk], "")?;
            ran("tune2fs", &["-U", "random", disk], "y\n")?;
        }
        if let Some(esp) = parts.esp.as_ref().filter(|_| stays == Stays::Nothing) {
            ran("mkfs.vfat", &["-F", "32", "-n", "ESP", esp.as_str()], "")?;
        }
        let root = Utf8PathBuf::from(TARGET);
        fs::create_dir_all(&root).map_err(system(&root))?;
        attach(&parts.root, &root, Some("ext4"), MsFlags::empty())?;
        let mut target = Self { root, parts: parts.clone(), mounted: Vec::new() };
        for name in KERNEL {
            let (from, to) = (Utf8Path::new("/").join(name), target.root.join(name));
            fs::create_dir_all(&to).map_err(system(&to))?;
            attach(&from, &to, None, MsFlags::MS_BIND | MsFlags::MS_REC)?;
        }
        if let Some(esp) = &parts.esp {
            let efi = target.root.join("boot/efi");
            fs::create_dir_all(&efi).map_err(system(&efi))?;
            attach(esp, &efi, Some("vfat"), MsFlags::empty())?;
            target.mounted.push(efi);
        }
        target.divide(stays)?;
        Ok(target)
    }

    /// Makes the other parts of the layout; a folder takes what the image has in it along, by the image's own programs.
    fn divide(&mut self, stays: Stays) -> Result<(), InstallError> {
        let mut more = self.parts.more.clone();
        more.sort(); // what holds another comes before it
        for (at, disk) in &more {
            if stays != Stays::Nothing {
                continue; // the new system mounts them
            }
            if at == Division::SWAP {
                ran("mkswap", &[disk.as_str()], "")?;
                continue;
            }
            if Division::blank(at).is_some() {
                // of whatever was there before the disk was divided
                self.chroot(&["wipefs", "--quiet", "--all", disk.as_str()], b"")?;
                continue;
            }
            ran("mke2fs", &["-q", "-F", "-t", "ext4", disk.as_str()], "")?;
            let (aside, place) = (self.root.join(ASIDE), self.root.join(at.trim_start_matches('/')));
            for folder in [&aside, &place] {
                fs::create_dir_all(folder).map_err(system(folder))?;
            }
            attach(disk, &aside, Some("ext4"), MsFlags::empty())?;
            self.chroot(&["sh", "-c", TAKE_ALONG, "sh", at, &format!("/{ASIDE}")], b"")?;
            umount2(aside.as_std_path(), MntFlags::empty()).map_err(|error| system(&aside)(error.into()))?;
            fs::remove_dir(&aside).map_err(system(&aside))?;
            attach(disk, &place, Some("ext4"), MsFlags::empty())?;
            self.mounted.push(place);
        }
        Ok(())
    }

    /// fstab(5).
    fn mounts(&self) -> Result<String, InstallError> {
        let mut text = format!("UUID={} / ext4 errors=remount-ro 0 1\n", uuid(&self.parts.root)?);
        if let Some(esp) = &self.parts.esp {
            text += &format!("UUID={} /boot/efi vfat umask=0077,nofail 0 2\n", uuid(esp)?);
        }
        for (at, disk) in self.parts.more.iter().filter(|(at, _)| Division::blank(at).is_none()) {
            let id = uuid(disk)?;
            text += &match at.as_str() {
                Division::SWAP => format!("UUID={id} none swap sw 0 0\n"),
                at => format!("UUID={id} {at} ext4 defaults 0 2\n"),
            };
        }
        Ok(text)
    }

    /// Writes what makes it itself, but for its keys.
    pub(super) fn make_own(&self, ticket: &Ticket, url: &str) -> Result<(), InstallError> {
        let mounts = self.mounts()?;
        let mut id = [0_u8; 16];
        getrandom::fill(&mut id).map_err(|error| system("random bytes")(error.into()))?;
        let id = hex(&id);
        for (path, text) in files(ticket, &id, mounts, url) {
            self.write(&path, &text, 0o644)?;
        }
        let keys = "root/.ssh/authorized_keys";
        let mut known = fs::read_to_string(self.root.join(keys)).unwrap_or_default();
        for key in &ticket.identity.authorized {
            if known.contains(key.as_str()) {
                continue;
            }
            let end = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
            known += &format!("{end}{key}\n");
        }
        self.write(keys, &known, 0o600)?;
        let ssh = self.root.join("root/.ssh");
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o700)).map_err(system(&ssh))?;
        self.chroot(&["systemctl", "enable", "--quiet", "systemd-networkd.service", UP_UNIT], b"")?;
        let _ = self.chroot(&["systemctl", "enable", "--quiet", "ssh.service"], b""); // sshd.service elsewhere
        Ok(())
    }

    /// Makes its keys of ssh; answers the public ones.
    pub(super) fn make_keys(&self) -> Result<Vec<String>, InstallError> {
        self.chroot(&["ssh-keygen", "-A"], b"")?;
        let made = self.root.join("etc/ssh").read_dir_utf8().map_err(system("etc/ssh"))?.flatten();
        let public = made.filter(|entry| {
            entry.file_name().starts_with("ssh_host_") && entry.file_name().ends_with(".pub")
        });
        let mut keys: Vec<_> = public.filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect();
        keys.iter_mut().for_each(|key| *key = key.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
        keys.sort();
        Ok(keys)
    }

    /// Writes what makes it a node; of one that stays all is there but for what may have changed.
    pub(super) fn make_node(&self, ticket: &Ticket, stays: Stays) -> Result<(), InstallError> {
        // the same at each start, so that its journal and its leases are one machine's
        let id = fingerprint(format!("haoscar node {} {}", ticket.head, ticket.token).as_bytes());
        let mut files = vec![("etc/hostname", format!("{}\n", ticket.head))];
        if stays != Stays::All {
            files.push(("etc/machine-id", format!("{}\n", &id[..32])));
            files.push(("etc/fstab", self.mounts()?));
        }
        let boots: String = ticket.macs.iter().map(|mac| format!("MACAddress={mac}\n")).collect();
        files.push(("etc/systemd/network/89-haoscar-boot.network", format!("[Match]\n{boots}{DHCP}")));
        let others = format!("[Match]\nType=ether\n\n[Link]\nRequiredForOnline=no\n{DHCP}");
        files.push(("etc/systemd/network/90-haoscar.network", others));
        let resolv = self.root.join("etc/resolv.conf");
        if !resolv.is_symlink()
            && let Some(text) = told_by_dhcp()
        {
            files.push(("etc/resolv.conf", text));
        }
        for (path, text) in files {
            self.write(path, &text, 0o644)?;
        }
        let _ = self.chroot(&["systemctl", "enable", "--quiet", "systemd-networkd.service"], b""); // others have NetworkManager
        Ok(())
    }

    /// Lays what the spec gives to nodes over the image.
    pub(super) fn lay(&self, given: &Given) -> Result<(), InstallError> {
        let whose = |owner: &Owner| format!("{}:{}", owner.user, owner.group);
        for directory in given.directories.iter().filter(|directory| !directory.shared) {
            let (path, mode) = (directory.path.as_str(), directory.mode.to_string());
            self.chroot(&["sh", "-c", MAKE, "sh", path, &whose(&directory.owner), &mode], b"")?;
        }
        let mut owned = Vec::new();
        for file in &given.files {
            let wrong = || InstallError::System {
                subject: file.path.to_string(),
                why: "it did not come as hex".to_owned(),
            };
            let bytes = unhex(&file.bytes).ok_or_else(wrong)?;
            let (path, mode) = (file.path.as_str(), file.mode.to_string());
            self.chroot(&["sh", "-c", PUT, "sh", path, &whose(&file.owner), &mode], &bytes)?;
            owned.push((file.path.clone(), fingerprint(&bytes), file.source.clone()));
        }
        // a later apply that reaches the node by ssh finds its own
        own_below(&self.root, owned).map_err(|error| InstallError::System {
            subject: "the ledger".to_owned(),
            why: error.to_string(),
        })?;
        for unit in &given.units {
            self.chroot(&["systemctl", "enable", "--quiet", unit], b"")?;
        }
        // what the spec or an earlier start has given it stays
        if self.root.join("usr/bin/ssh-keygen").exists() {
            self.chroot(&["ssh-keygen", "-A"], b"")?;
        }
        Ok(())
    }

    fn write(&self, path: &str, text: &str, mode: u32) -> Result<(), InstallError> {
        let place = self.root.join(path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(system(folder))?;
        }
        let _ = fs::remove_file(&place); // a link of the image's leads elsewhere
        fs::write(&place, text).map_err(system(&place))?;
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).map_err(system(&place))
    }

    /// GRUB of the new system itself, for the firmware that has booted this machine.
    pub(super) fn boot_loader(&self, medium: &Medium) -> Result<(), InstallError> {
        let uefi = Utf8Path::new("/sys/firmware/efi").exists();
        let disk = medium.path.as_str();
        // removable: found without an entry in the firmware's memory, which may hold another machine's
        let argv: &[&str] = match uefi {
            true => &[
                "grub-install",
                "--target=x86_64-efi",
                "--efi-directory=/boot/efi",
                "--removable",
                "--no-nvram",
            ],
            false => &["grub-install", "--target=i386-pc", disk],
        };
        self.chroot(argv, b"")?;
        self.chroot(&["sh", "-c", MENU], b"")
    }

    fn chroot(&self, argv: &[&str], input: &[u8]) -> Result<(), InstallError> {
        let mut within = Command::new("chroot");
        within.arg(&self.root).args(argv);
        run(&mut within, input).map(|_| ()).map_err(|error| match error {
            ImageError::Program { said, .. } => {
                ImageError::Program { program: argv[0].to_owned(), said }.into()
            }
            other => other.into(),
        })
    }

    /// All is on the disk, and nothing holds it.
    pub(super) fn leave(self) -> Result<(), InstallError> {
        nix::unistd::sync();
        let places = ["sys", "proc", "dev"].map(|name| self.root.join(name));
        for place in self.mounted.iter().rev().chain(&places).chain([&self.root]) {
            umount2(place.as_std_path(), MntFlags::MNT_DETACH)
                .map_err(|error| system(place)(error.into()))?;
        }
        nix::unistd::sync();
        Ok(())
    }
}

/// GRUB's menu. What makes it asks grub-probe thirty times, a dozen different questions, and each answer takes a look at all of all disks
/// (1.7 s in an emulated machine, of 50 s in all): while the menu is made an answer stays the same, and is kept.
const MENU: &str = r#"
set -e
kept=/run/haoscar-probe
probe=$(command -v grub-probe)
rm -rf $kept
mkdir -p $kept
cp "$probe" $kept/grub-probe
cat >$kept/ask <<'ASK'
#!/bin/sh
name() { set -f; IFS=/; set -- $*; IFS=,; echo "$*"; }
answer=/run/haoscar-probe/answer:$(name "$@")
[ -e "$answer" ] || { /run/haoscar-probe/grub-probe "$@" >"$answer.new" && mv "$answer.new" "$answer"; } || exit
exec cat "$answer"
ASK
chmod +x $kept/ask
mount --bind $kept/ask "$probe"
status=0
grub-mkconfig -o /boot/grub/grub.cfg || status=$?
umount "$probe"
rm -r $kept
exit $status
"#;

/// A folder (`$1`) of somebody (`$2`), with its mode (`$3`); by the image's own names.
const MAKE: &str = r#"mkdir -p "$1" && chown "$2" "$1" && chmod "$3" "$1""#;

/// The same of a file, whose bytes come in.
const PUT: &str = r#"mkdir -p "$(dirname "$1")" && rm -f "$1" && umask 077 && cat >"$1" && chown "$2" "$1" && chmod "$3" "$1""#;

/// Where a new file system is mounted while it takes a folder's place.
const ASIDE: &str = ".haoscar-part";

const TAKE_ALONG: &str = r#"cp -a "$1/." "$2/" && find "$1" -xdev -mindepth 1 -delete"#;

fn uuid(disk: &Utf8Path) -> Result<String, InstallError> {
    Ok(ran("blkid", &["-s", "UUID", "-o", "value", disk.as_str()], "")?.trim().to_owned())
}

/// Every card asks, as iPXE did: under another identifier a lease would be another machine's. The one that it boots with is waited for by
/// who wants a network; another may have no cable.
const DHCP: &str = "
[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
UseDomains=yes
";

/// resolv.conf(5), as the initramfs has heard it (ipconfig of klibc); none: DHCP said nothing of it.
fn told_by_dhcp() -> Option<String> {
    let entries = Utf8Path::new("/run").read_dir_utf8().ok()?.flatten();
    let mut heard = entries.filter(|entry| entry.file_name().starts_with("net-"));
    heard.find_map(|entry| resolv_conf(&fs::read_to_string(entry.path()).ok()?))
}

fn resolv_conf(heard: &str) -> Option<String> {
    let of = |key: &'static str| {
        heard
            .lines()
            .filter_map(move |line| Some(line.strip_prefix(key)?.trim_matches(['\'', '"']).to_owned()))
    };
    let servers =
        of("IPV4DNS0=").chain(of("IPV4DNS1=")).filter(|server| !["", "0.0.0.0"].contains(&server.as_str()));
    let servers: String = servers.map(|server| format!("nameserver {server}\n")).collect();
    let domain = of("DNSDOMAIN=").find(|domain| !domain.is_empty());
    let search = domain.map(|domain| format!("search {domain}\n")).unwrap_or_default();
    (!servers.is_empty()).then(|| search + &servers)
}

pub(super) fn attach(
    from: &Utf8Path,
    to: &Utf8Path,
    kind: Option<&str>,
    flags: MsFlags,
) -> Result<(), InstallError> {
    let none: Option<&str> = None;
    mount(Some(from.as_std_path()), to.as_std_path(), kind, flags, none)
        .map_err(|error| system(to)(error.into()))
}

/// Says to the head that the machine is up. Not after network-online.target: networkd waits 12 s for a router's word by IPv6, and it need not come.
const UP_UNIT: &str = "haoscar-built.service";

const UP_TEXT: &str = "[Unit]
Description=Tell the head that has built this machine that it is up
Wants=network.target
After=network.target ssh.service
ConditionPathExists=/etc/haoscar/built
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/usr/sbin/haoscar install --up
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
";

/// A card that the initramfs, which is the image's, has named already gets its own name before networkd raises it: one that is up keeps the
/// other name, and a race decided. Only these cards are waited for: udev's queue may be busy with all else for half a minute; for all of it
/// where a card is missing, or udev is older than `wait` (systemd 251). Not `trigger --settle`: it waits for a card by the name that it had.
fn named_first(cards: &[Card]) -> String {
    let paths: Vec<_> = cards.iter().map(|card| format!("/sys/class/net/{}", card.name)).collect();
    format!(
        "[Service]
ExecStartPre=-+/usr/bin/udevadm trigger --action=add --subsystem-match=net
ExecStartPre=-+/bin/sh -c 'udevadm wait --timeout=15 {} || udevadm settle --timeout=30'
",
        paths.join(" ")
    )
}

/// Text files of a machine's own, by path below its root.
fn files(ticket: &Ticket, machine_id: &str, mounts: String, url: &str) -> Vec<(String, String)> {
    let host = &ticket.identity.host;
    let mut files = vec![
        ("etc/hostname".to_owned(), format!("{host}\n")),
        // never empty: systemd would take this boot for the first one and enable what packages like
        ("etc/machine-id".to_owned(), format!("{machine_id}\n")),
        ("etc/fstab".to_owned(), mounts),
        (SAY_UP.trim_start_matches('/').to_owned(), format!("{url}\n")),
        (format!("etc/systemd/system/{UP_UNIT}"), UP_TEXT.to_owned()),
        (
            "etc/systemd/system/systemd-networkd.service.d/haoscar.conf".to_owned(),
            named_first(&ticket.identity.cards),
        ),
    ];
    for card in &ticket.identity.cards {
        let base = format!("etc/systemd/network/10-{}", card.name);
        files.push((
            format!("{base}.link"),
            format!("[Match]\nMACAddress={}\nType=ether\n\n[Link]\nName={}\n", card.mac, card.name),
        ));
        files.push((format!("{base}.network"), network(card)));
    }
    let grub = format!(
        "GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX_DEFAULT=\"\"\nGRUB_CMDLINE_LINUX=\"{}\"\n",
        ticket.consoles().trim_start()
    );
    files.push(("etc/default/grub.d/haoscar.cfg".to_owned(), grub));
    files
}

/// systemd.network(5).
fn network(card: &Card) -> String {
    let mut text = format!("[Match]\nMACAddress={}\n\n[Network]\nLinkLocalAddressing=ipv6\n", card.mac);
    for address in &card.addresses {
        let _ = writeln!(text, "Address={address}");
    }
    if let Some(gateway) = card.gateway {
        let _ = writeln!(text, "Gateway={gateway}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ticket::tests::sample;

    #[test]
    fn a_node_asks_the_servers_that_dhcp_has_named() {
        let heard = "DEVICE='eth0'\nIPV4DNS0='10.20.0.10'\nIPV4DNS1='0.0.0.0'\nHOSTNAME='compute1'\nDNSDOMAIN='grown.example'\n";
        assert_eq!(resolv_conf(heard).unwrap(), "search grown.example\nnameserver 10.20.0.10\n");
        assert_eq!(resolv_conf("IPV4DNS0='0.0.0.0'\n"), None);
    }

    #[test]
    fn a_machine_gets_its_own_name_cards_disks_and_console() {
        let ticket = Ticket { console: Some("ttyS0".to_owned()), ..sample(1) };
        let mounts = "UUID=root-uuid / ext4 errors=remount-ro 0 1\n".to_owned();
        let files = files(&ticket, "0123", mounts, "http://10.0.0.10:4081/build/secret");
        let text = |path: &str| {
            files.iter().find(|(known, _)| known == path).map(|(_, text)| text.as_str()).unwrap()
        };
        assert_eq!(text("etc/hostname"), "head-2\n");
        assert_eq!(text("etc/machine-id"), "0123\n");
        assert!(text("etc/fstab").starts_with("UUID=root-uuid / ext4 "));
        assert_eq!(
            text("etc/systemd/network/10-eno1.link"),
            "[Match]\nMACAddress=52:54:00:20:00:02\nType=ether\n\n[Link]\nName=eno1\n"
        );
        assert!(
            text("etc/systemd/network/10-eno1.network")
                .ends_with("Address=192.0.2.12/24\nGateway=192.0.2.1\n")
        );
        let waits = "'udevadm wait --timeout=15 /sys/class/net/eno1 || udevadm settle";
        assert!(text("etc/systemd/system/systemd-networkd.service.d/haoscar.conf").contains(waits));
        assert!(
            text("etc/default/grub.d/haoscar.cfg")
                .contains("GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0\"")
        );
        assert_eq!(text("etc/haoscar/built"), "http://10.0.0.10:4081/build/secret\n");
    }
}
