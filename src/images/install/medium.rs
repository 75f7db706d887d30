//! The disk that a ticket means, and its partitions.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::InstallError;
use crate::images::program::ran;
use crate::spec::{Disk, Division};

/// A disk of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medium {
    /// `/dev/vda`.
    pub path: Utf8PathBuf,
    /// What the disk says of itself; empty: nothing.
    pub serial: String,
    /// Its size.
    pub bytes: u64,
}

impl Medium {
    /// For people.
    pub fn about(&self) -> String {
        let serial = if self.serial.is_empty() { "no serial number" } else { self.serial.as_str() };
        format!("{serial}, {:.1} GiB", gib(self.bytes))
    }

    /// Its partition of that number, as the kernel calls it.
    fn part(&self, number: u32) -> Utf8PathBuf {
        let between = if self.path.as_str().ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
        format!("{}{between}{number}", self.path).into()
    }
}

/// Where a machine's own things lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// The EFI system partition; none: there is no disk.
    pub(super) esp: Option<Utf8PathBuf>,
    /// The root file system.
    pub(super) root: Utf8PathBuf,
    /// All others of the layout: what it is for, and where it lies.
    pub(super) more: Vec<(String, Utf8PathBuf)>,
}

#[allow(clippy::cast_precision_loss)] // for people
fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// A boot loader, an EFI system partition, and ext4's own needs.
const BESIDE_BYTES: u64 = 1 << 30;

/// The one disk that may be wiped.
///
/// # Errors
/// None, or more than one: what was found is told.
pub fn choose(found: &[Medium], wanted: &Disk, image_bytes: u64) -> Result<Medium, String> {
    let at_least = u64::from(wanted.at_least_gib.unwrap_or_default()) << 30;
    let fits = |medium: &&Medium| {
        wanted.serial.as_ref().is_none_or(|serial| *serial == medium.serial) && medium.bytes >= at_least
    };
    let fitting: Vec<_> = found.iter().filter(fits).collect();
    let listed: Vec<_> = found.iter().map(|medium| format!("{} ({})", medium.path, medium.about())).collect();
    let listed =
        if listed.is_empty() { "it has none".to_owned() } else { format!("it has {}", listed.join(", ")) };
    let needed = needed(&wanted.layout, image_bytes)?;
    match fitting.as_slice() {
        [one] if one.bytes < needed => {
            let what =
                if wanted.layout.is_empty() { "the image needs" } else { "the image and the layout need" };
            Err(format!("{} has {:.1} GiB, and {what} {:.1} GiB", one.path, gib(one.bytes), gib(needed)))
        }
        [one] => Ok((*one).clone()),
        [] => Err(format!("no disk of this machine is the one that may be wiped ({wanted}): {listed}")),
        _ => Err(format!("more than one disk of this machine fits {wanted}, and one may be wiped: {listed}")),
    }
}

/// What a disk must have: a root that the image fits into, and the others.
fn needed(layout: &[Division], image_bytes: u64) -> Result<u64, String> {
    let bytes = |part: &Division| u64::from(part.gib.unwrap_or_default()) << 30;
    let root = layout.iter().find(|part| part.at == "/").map(bytes).unwrap_or_default();
    if root != 0 && root < image_bytes {
        let (has, needs) = (gib(root), gib(image_bytes));
        return Err(format!("the layout gives `/` {has:.1} GiB, and the image needs {needs:.1} GiB"));
    }
    let others: u64 = layout.iter().filter(|part| part.at != "/").map(bytes).sum();
    Ok(root.max(image_bytes) + others + BESIDE_BYTES)
}

/// Disks that can be written to and stay in the machine.
pub(super) fn found() -> Vec<Medium> {
    const NO_DISKS: &[&str] = &["loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd"];
    let entries = Utf8Path::new("/sys/block").read_dir_utf8().into_iter().flatten().flatten();
    let disks = entries.filter(|entry| !NO_DISKS.iter().any(|kind| entry.file_name().starts_with(kind)));
    let mut found: Vec<_> = disks.filter_map(|entry| medium(entry.file_name())).collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn medium(name: &str) -> Option<Medium> {
    let about = |file: &str| {
        fs::read_to_string(format!("/sys/block/{name}/{file}")).map(|text| text.trim().to_owned())
    };
    let number = |file: &str| about(file).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    if number("removable") != 0 || number("ro") != 0 || number("size") == 0 {
        return None;
    }
    let udev = |device: String| {
        let text = fs::read_to_string(format!("/run/udev/data/b{device}")).ok()?;
        let serial = |word| text.lines().find_map(|line| line.strip_prefix(word));
        serial("E:ID_SERIAL_SHORT=").or_else(|| serial("E:ID_SERIAL=")).map(str::to_owned)
    };
    let own = about("serial").or_else(|_| about("device/serial")).ok().filter(|text| !text.is_empty());
    let serial = own.or_else(|| udev(about("dev").ok()?)).unwrap_or_default();
    Some(Medium { path: format!("/dev/{name}").into(), serial, bytes: number("size") * SECTOR_BYTES })
}

/// `size` of sysfs counts these, whatever the disk's own sectors are (block/size in sysfs-block of the kernel).
const SECTOR_BYTES: u64 = 512;

/// GPT, for BIOS and UEFI alike: GRUB's own partition, the EFI system partition, then the layout (UEFI 2.10, 5.3; DPS for the types).
const TABLE: &str = "label: gpt
size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=bios
size=256MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp
";
const ROOT: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
const SWAP: &str = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F";
const OTHER: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// The table of a layout for sfdisk(8), and its parts in the order of their numbers, from 3: who gets the rest comes last.
fn table(layout: &[Division]) -> (String, Vec<&str>) {
    let sized = layout.iter().filter(|part| part.gib.is_some());
    let rest = layout.iter().filter(|part| part.gib.is_none());
    let (mut text, mut order) = (TABLE.to_owned(), Vec::new());
    for part in sized.chain(rest) {
        let size = part.gib.map_or_else(String::new, |gib| format!("size={gib}GiB, "));
        let (kind, name) = match part.at.as_str() {
            "/" => (ROOT, "root"),
            Division::SWAP => (SWAP, "swap"),
            at => (OTHER, Division::blank(at).unwrap_or(at.trim_start_matches('/'))),
        };
        text += &format!("{size}type={kind}, name={}\n", name.replace('/', "-"));
        order.push(part.at.as_str());
    }
    if order.is_empty() {
        text += &format!("type={ROOT}, name=root\n");
        order.push("/");
    }
    (text, order)
}

/// Where the parts of a layout are on a disk that is divided so.
pub(super) fn parts(medium: &Medium, layout: &[Division]) -> Parts {
    let (_, order) = table(layout);
    let mut parts = Parts { esp: Some(medium.part(2)), root: Utf8PathBuf::new(), more: Vec::new() };
    for (number, at) in (3..).zip(order) {
        match at {
            "/" => parts.root = medium.part(number),
            at => parts.more.push((at.to_owned(), medium.part(number))),
        }
    }
    parts
}

/// udev needs a moment.
const PARTS_WITHIN: Duration = Duration::from_secs(30);

/// Wipes a disk, and divides it. The partitions are open as long as the files that come with them: udev reads the table once more
/// when somebody has written it, and would take them away for a moment, but the kernel refuses that while one is open (BLKRRPART, EBUSY).
pub(super) fn partition(medium: &Medium, layout: &[Division]) -> Result<(Parts, Vec<File>), InstallError> {
    let (table, _) = table(layout);
    let argv = ["--quiet", "--wipe=always", "--wipe-partitions=always", medium.path.as_str()];
    ran("sfdisk", &argv, &table)?;
    let parts = parts(medium, layout);
    let all = || parts.esp.iter().chain([&parts.root]).chain(parts.more.iter().map(|(_, path)| path));
    let begin = Instant::now();
    loop {
        if let Ok(held) = all().map(File::open).collect() {
            return Ok((parts, held));
        }
        if begin.elapsed() > PARTS_WITHIN {
            let why = "the kernel does not show the partitions that were made".to_owned();
            return Err(InstallError::System { subject: medium.path.to_string(), why });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(path: &str, serial: &str, gib: u64) -> Medium {
        Medium { path: path.into(), serial: serial.to_owned(), bytes: gib << 30 }
    }

    #[test]
    fn one_disk_is_the_one_that_may_be_wiped_or_none_is() {
        let found = [disk("/dev/vda", "A1", 8), disk("/dev/vdb", "", 100)];
        let by = |serial: Option<&str>, at_least_gib| Disk {
            serial: serial.map(str::to_owned),
            at_least_gib,
            ..Disk::default()
        };
        assert_eq!(choose(&found, &by(Some("A1"), None), 1 << 30).unwrap().path, "/dev/vda");
        assert_eq!(choose(&found, &by(None, Some(50)), 1 << 30).unwrap().path, "/dev/vdb");
        let two = choose(&found, &by(None, Some(4)), 1 << 30).unwrap_err();
        assert!(
            two.starts_with("more than one disk") && two.contains("/dev/vdb (no serial number, 100.0 GiB)"),
            "{two}"
        );
        let none = choose(&found, &by(Some("B2"), None), 1 << 30).unwrap_err();
        assert!(none.contains("(serial B2): it has /dev/vda (A1, 8.0 GiB)"), "{none}");
        let small = choose(&found, &by(Some("A1"), None), 8 << 30).unwrap_err();
        assert_eq!(small, "/dev/vda has 8.0 GiB, and the image needs 9.0 GiB");
        assert!(choose(&[], &by(Some("A1"), None), 0).unwrap_err().ends_with("it has none"));
    }

    #[test]
    fn a_layout_becomes_a_table_in_which_the_rest_comes_last() {
        let part = |at: &str, gib| Division { at: at.to_owned(), gib };
        let layout = [part("/", None), part("swap", Some(8)), part("/var/log", Some(20))];
        let (text, order) = table(&layout);
        assert_eq!(order, ["swap", "/var/log", "/"]);
        assert!(text.ends_with(&format!(
            "size=8GiB, type={SWAP}, name=swap\nsize=20GiB, type={OTHER}, name=var-log\ntype={ROOT}, name=root\n"
        )));
        let blank = [part("/", None), part("/dev/disk/by-partlabel/state", Some(20))];
        assert!(
            table(&blank)
                .0
                .ends_with(&format!("size=20GiB, type={OTHER}, name=state\ntype={ROOT}, name=root\n"))
        );
        assert_eq!(table(&[]).1, ["/"]);
        let of = |layout: &[Division]| Disk { layout: layout.to_vec(), ..Disk::default() };
        let found = [disk("/dev/vda", "A1", 32)];
        assert!(choose(&found, &of(&layout), 1 << 30).is_ok());
        let small = choose(&[disk("/dev/vda", "A1", 29)], &of(&layout), 1 << 30).unwrap_err();
        assert_eq!(small, "/dev/vda has 29.0 GiB, and the image and the layout need 30.0 GiB");
        let tight = choose(&found, &of(&[part("/", Some(1)), part("/scratch", None)]), 2 << 30).unwrap_err();
        assert_eq!(tight, "the layout gives `/` 1.0 GiB, and the image needs 2.0 GiB");
    }

    #[test]
    fn a_disk_whose_name_ends_in_a_digit_has_a_p_before_the_number_of_its_partitions() {
        assert_eq!(disk("/dev/nvme0n1", "", 1).part(3), "/dev/nvme0n1p3");
        assert_eq!(disk("/dev/sda", "", 1).part(3), "/dev/sda3");
    }
}
