//! Machines that nobody knows, asked who they are: for a time, every such machine that boots from the network says what it is and which
//! port of which switch it hears, and waits to be given a name. Nothing is written to it.
//!
//! In `asking/` of the store: `window.json`, what they boot (`vmlinuz`, `initrd`), and `heard/MAC.json`, what each has said last.

use std::cmp::Ordering;
use std::fs;
use std::os::unix::fs::DirBuilderExt;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::error::{ImageError, disk};
use super::store::Store;
use super::ticket::{INITRAMFS, KERNEL};
use crate::spec::Mac;

/// For how long they are asked, and who is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// What a machine says to be heard.
    pub token: String,
    /// Seconds since the epoch after which nobody is asked.
    pub expires: u64,
    /// Cards of the spec: they boot what they always boot.
    pub known: Vec<Mac>,
    /// Their console, beside the screen: `ttyS0,115200`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
}

/// A machine, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// The card that it has booted with.
    pub mac: Mac,
    /// Maker and product, as its firmware says it.
    #[serde(default)]
    pub product: String,
    /// Its serial number, as its firmware says it.
    #[serde(default)]
    pub serial: String,
    /// Bytes of memory.
    #[serde(default)]
    pub memory_bytes: u64,
    /// Logical processors.
    #[serde(default)]
    pub processors: usize,
    /// Its disks: `/dev/sda (SERIAL, 447.1 GiB)`.
    #[serde(default)]
    pub disks: Vec<String>,
    /// Its cards.
    #[serde(default)]
    pub cards: Vec<OwnCard>,
}

/// A card of such a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCard {
    /// As its kernel calls it.
    pub name: String,
    /// Its own address.
    pub mac: Mac,
    /// It has a cable with somebody at the other end.
    pub linked: bool,
    /// Who that is, where LLDP tells (IEEE 802.1AB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The switch, by its name, or by its own address.
    pub switch: String,
    /// The port, as the switch calls it.
    pub name: String,
}

impl Stranger {
    /// The port that the card is plugged into by which it has booted.
    pub fn port(&self) -> Option<&Port> {
        self.cards.iter().find(|card| card.mac == self.mac)?.port.as_ref()
    }

    /// What people may see of it: anybody on the network can say such a thing.
    fn plain(mut self) -> Self {
        self.cards.truncate(MOST);
        self.disks.truncate(MOST);
        let cards = self.cards.iter_mut().flat_map(|card| {
            let port = card.port.iter_mut().flat_map(|port| [&mut port.switch, &mut port.name]);
            port.chain([&mut card.name])
        });
        for text in cards.chain([&mut self.product, &mut self.serial]).chain(&mut self.disks) {
            *text = plain(text);
        }
        self
    }
}

/// What a machine is told that has a name by now; else it waits.
pub const KNOWN: &str = "known";

/// Cards and disks of one machine.
const MOST: usize = 64;

/// Machines that are heard: more at once are nobody's racks, and a disk is not to be filled by them.
const HEARD_MAX: usize = 4_096;

/// A line of text that is safe on a terminal.
pub(super) fn plain(text: &str) -> String {
    let shown = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    shown.take(MOST).collect::<String>().trim().to_owned()
}

/// By numbers where they have numbers: `Gi1/0/9` is before `Gi1/0/10`.
pub fn by_number(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (Some(a), Some(b)) = (one.chars().next(), other.chars().next()) else {
            return one.len().cmp(&other.len());
        };
        let order = if a.is_ascii_digit() && b.is_ascii_digit() {
            let take = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let ((x, rest), (y, rest_of_other)) = (one.split_at(take(one)), other.split_at(take(other)));
            (one, other) = (rest, rest_of_other);
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then(x.cmp(y))
        } else {
            (one, other) = (&one[a.len_utf8()..], &other[b.len_utf8()..]);
            a.cmp(&b)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Where all of it lies.
pub fn folder(store: &Store) -> Utf8PathBuf {
    store.folder().join("asking")
}

/// What those machines have said, a file each.
pub fn heard(store: &Store) -> Utf8PathBuf {
    folder(store).join("heard")
}

/// Asks from now on; what was heard before is forgotten.
///
/// # Errors
/// The disk refuses.
pub fn open(store: &Store, window: &Window) -> Result<(), ImageError> {
    let heard = heard(store);
    let _ = fs::remove_dir_all(&heard);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&heard).map_err(disk(&heard))?;
    let text = serde_json::to_vec_pretty(window).unwrap_or_default(); // strings and numbers: it cannot fail
    put(&folder(store).join(WINDOW), &text)
}

const WINDOW: &str = "window.json";

fn put(path: &Utf8PathBuf, text: &[u8]) -> Result<(), ImageError> {
    let beside = path.with_extension("new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(disk(path))
}

/// Asks nobody any more; what was heard stays. Answers whether somebody was asked.
///
/// # Errors
/// The disk refuses.
pub fn close(store: &Store) -> Result<bool, ImageError> {
    let folder = folder(store);
    let gone = |name: &str| match fs::remove_file(folder.join(name)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk(folder.join(name))(error)),
    };
    let was = gone(WINDOW)?;
    gone(KERNEL)?;
    gone(INITRAMFS)?;
    Ok(was)
}

/// For how long machines are asked; none: they are not, or it is over.
pub fn window(store: &Store, now: u64) -> Option<Window> {
    let window: Window = serde_json::from_slice(&fs::read(folder(store).join(WINDOW)).ok()?).ok()?;
    (now < window.expires).then_some(window)
}

/// Keeps what a machine says.
///
/// # Errors
/// The disk refuses, or too many have said something.
pub(super) fn hear(store: &Store, said: Stranger) -> Result<(), ImageError> {
    let folder = heard(store);
    let path = folder.join(format!("{}.json", said.mac));
    let many = folder.read_dir_utf8().map_err(disk(&folder))?.count() >= HEARD_MAX;
    if many && !path.exists() {
        return Err(disk(&folder)(std::io::ErrorKind::StorageFull.into()));
    }
    let mut text = serde_json::to_vec(&said.plain()).unwrap_or_default();
    text.push(b'\n');
    put(&path, &text)
}

impl Window {
    /// What such a machine boots by iPXE, from this server as it calls it.
    pub(super) fn script(&self, own: &str, mac: Mac) -> String {
        let (at, dashed) = (format!("http://{own}/ask/{}", self.token), mac.to_string().replace(':', "-"));
        let console = self.console.as_ref().map(|console| format!(" console=tty0 console={console}"));
        let console = console.unwrap_or_default();
        format!(
            "#!ipxe\n\
             kernel {at}/file/{KERNEL} initrd={INITRAMFS} boot=haoscar-ask haoscar={at} ip=dhcp BOOTIF=01-{dashed}{console}\n\
             initrd --name {INITRAMFS} {at}/file/{INITRAMFS}\n\
             boot\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_in_the_order_in_which_people_count() {
        let mut ports = ["Gi1/0/10", "Gi1/0/9", "Gi1/0/09", "Gi2/0/1", "Gi1/0", "eth"];
        ports.sort_by(|a, b| by_number(a, b));
        assert_eq!(ports, ["Gi1/0", "Gi1/0/9", "Gi1/0/09", "Gi1/0/10", "Gi2/0/1", "eth"]);
    }

    #[test]
    fn what_a_stranger_says_is_kept_plain_and_by_its_card() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        assert_eq!(window(&store, 0), None);
        let asking = Window { token: "t".to_owned(), expires: 10, known: Vec::new(), console: None };
        open(&store, &asking).unwrap();
        assert_eq!((window(&store, 9), window(&store, 10)), (Some(asking), None));
        let mac: Mac = "52:54:00:99:99:99".parse().unwrap();
        let port = Port { switch: "sw\u{1b}[31m1".to_owned(), name: "x".repeat(999) };
        let card = OwnCard { name: "eth0".to_owned(), mac, linked: true, port: Some(port) };
        hear(&store, Stranger { mac, product: "a\nb".to_owned(), cards: vec![card], ..Stranger::default() })
            .unwrap();
        let text = fs::read(heard(&store).join("52:54:00:99:99:99.json")).unwrap();
        let kept: Stranger = serde_json::from_slice(&text).unwrap();
        assert_eq!((kept.product.as_str(), kept.port().unwrap().switch.as_str()), ("ab", "sw[31m1"));
        assert_eq!(kept.port().unwrap().name.len(), MOST);
        assert!(close(&store).unwrap() && !close(&store).unwrap());
        assert!(heard(&store).join("52:54:00:99:99:99.json").exists(), "it is still to be given a name");
    }
}
