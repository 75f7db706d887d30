//! Takes an image of the machine that this runs on, while its services run: nothing of it is written to.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::process::Command;

use camino::Utf8Path;
use fastcdc::v2020::StreamCDC;
use sha2::{Digest, Sha256};

use super::error::{ImageError, disk};
use super::manifest::{FORMAT, Manifest};
use super::prepare;
use super::program::{ran, run};
use super::rules::Rule;
use super::seal::Seal;
use super::store::Store;
use super::tree::{Tree, within};
use super::{Progress, Say};
use crate::desired::{HostName, fingerprint, hex};

/// What an image is taken of.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The image's name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// This head.
    pub from: HostName,
    /// A folder of it; none: its own system.
    pub root: Option<&'a Utf8Path>,
    /// Nodes boot it.
    pub booted: bool,
    /// What stays behind.
    pub rules: &'a [Rule],
    /// Generation and commit that are accepted here.
    pub generation: Option<u64>,
    /// See there.
    pub commit: Option<String>,
    /// The program that every machine made of it has as /usr/sbin/haoscar.
    pub program: &'a Utf8Path,
}

/// Pieces are cut where the content says so (FastCDC), so that a file that grew changes the pieces around it alone.
/// Smaller ones are found again more often, and are more files: 1 MiB is some thousand for a head.
const PIECE_BYTES: [usize; 3] = [256 << 10, 1 << 20, 4 << 20];

/// ext4's own tables, journal, and files that grow while they are read.
const SPARE_PERCENT: u64 = 12;
const SPARE_BYTES: u64 = 192 << 20;

/// mke2fs makes one inode for so many bytes unless it is told a number.
const BYTES_AN_INODE: u64 = 16_384;

const PROGRAM: &str = "/usr/sbin/haoscar";

/// Takes an image and keeps it. Answers its manifest, and how many bytes of pieces are new in the store, which is locked.
///
/// # Errors
/// Nothing is kept then but pieces that the next one finds, or `prune` takes away.
pub fn capture(
    store: &Store,
    seal: &Seal,
    order: &Order<'_>,
    say: Say<'_>,
) -> Result<(Manifest, u64), ImageError> {
    seal.public()?; // before the work
    let stage = |stage| Progress { stage, done: 0, total: 0 };
    say(stage("looking"));
    let mut tree = order.root.map_or_else(Tree::of_this_machine, Tree::of_folder)?;
    for rule in order.rules {
        tree.leave_out(rule)?;
    }
    tree.put(order.program, PROGRAM.into())?;
    let (files, file_count, bytes) = tree.listed()?;
    say(stage("copying"));
    let half = store.half("image");
    let seed = order.root.map_or(order.name, Utf8Path::as_str); // two images of one folder share all pieces
    file_system(tree.root(), &half, seed, (bytes, file_count))?;
    let kernel = kernel(tree.root());
    let boots = match &kernel {
        Some(kernel) if order.booted => {
            say(stage("making what nodes boot"));
            prepare::of_nodes(store, tree.root(), kernel, seal, order.program)?
        }
        None if order.booted => return Err(ImageError::NothingToBoot),
        _ => Vec::new(),
    };
    let (pieces, new) = pieces(&half, store, say)?;
    fs::remove_file(&half).map_err(disk(&half))?;
    let manifest = Manifest {
        format: FORMAT,
        name: order.name.to_owned(),
        version: order.version.to_owned(),
        from: order.from.clone(),
        haoscar: env!("CARGO_PKG_VERSION").to_owned(),
        generation: order.generation,
        commit: order.commit.clone(),
        os: os(tree.root()),
        architecture: std::env::consts::ARCH.to_owned(),
        kernel,
        packages: packages(tree.root())?,
        left_out: tree.left_out().to_vec(),
        files: fingerprint(files.as_bytes()),
        file_count,
        bytes: pieces.iter().map(|piece| u64::from(piece.bytes)).sum(),
        pieces,
    };
    store.keep(&manifest, &files, &boots, seal)?;
    Ok((manifest, new))
}

/// An ext4 file system with all of the tree. The same tree gives the same bytes (but for times of reading, in the inodes), so
/// that the store finds them again: its UUID is made of `seed`, and whoever writes it to a disk gives it another one.
fn file_system(
    tree: &Utf8Path,
    to: &Utf8Path,
    seed: &str,
    (bytes, files): (u64, u64),
) -> Result<(), ImageError> {
    let size = bytes + bytes * SPARE_PERCENT / 100 + SPARE_BYTES;
    let inodes = (files + files / 5).max(size / BYTES_AN_INODE);
    let uuid = uuid_of(seed);
    let _ = fs::remove_file(to); // mke2fs leaves what it does not use
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-N", &inodes.to_string(), "-U", &uuid]);
    mke2fs.args(["-E", &format!("hash_seed={uuid},root_owner=0:0"), "-d", tree.as_str(), to.as_str()]);
    mke2fs.arg(format!("{}k", size.div_ceil(1_024)));
    run(mke2fs.env("E2FSPROGS_FAKE_TIME", "1"), b"").map(|_| ())
}

/// RFC 9562, version 8: of our own making.
fn uuid_of(name: &str) -> String {
    let mut bytes: [u8; 16] = std::array::from_fn(|_| 0);
    bytes.copy_from_slice(&Sha256::digest(format!("haoscar image {name}"))[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The file system in pieces, and how many bytes of them are new.
fn pieces(from: &Utf8Path, store: &Store, say: Say<'_>) -> Result<(Vec<super::Piece>, u64), ImageError> {
    let file = File::open(from).map_err(disk(from))?;
    let total = file.metadata().map_err(disk(from))?.len();
    let [min, average, max] = PIECE_BYTES;
    let (mut pieces, mut new, mut done) = (Vec::new(), 0, 0);
    for chunk in StreamCDC::new(BufReader::new(file).take(total), min, average, max) {
        let chunk = chunk.map_err(|error| disk(from)(error.into()))?;
        let (piece, fresh) = store.put(&chunk.data)?;
        done += u64::from(piece.bytes);
        new += if fresh { u64::from(piece.kept) } else { 0 };
        pieces.push(piece);
        say(Progress { stage: "packing", done, total });
    }
    Ok((pieces, new))
}

fn os(root: &Utf8Path) -> String {
    let text = fs::read_to_string(within(root, "/etc/os-release")).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("an unknown distribution").trim_matches('"').to_owned()
}

/// The newest kernel with its modules.
fn kernel(root: &Utf8Path) -> Option<String> {
    let entries = within(root, "/lib/modules").read_dir_utf8().ok()?.flatten();
    let names = entries.map(|entry| entry.file_name().to_owned());
    names.filter(|name| prepare::kernel_of(root, name).is_some()).max_by_key(|name| in_order(name))
}

/// Numbers in a version count as numbers.
fn in_order(version: &str) -> Vec<u64> {
    let digits = version.split(|c: char| !c.is_ascii_digit());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

/// Packages by the tree's own package manager: dpkg or rpm.
fn packages(root: &Utf8Path) -> Result<std::collections::BTreeMap<String, String>, ImageError> {
    let known = within(root, "/var/lib/dpkg");
    let admindir = format!("--admindir={known}");
    let (program, argv) = match known.join("status").exists() {
        true => ("dpkg-query", [&admindir, "-W", "-f", "${db:Status-Abbrev} ${binary:Package} ${Version}\n"]),
        false => ("rpm", ["--root", root.as_str(), "-qa", "--qf=ii  %{NAME}.%{ARCH} %{EVR}\n"]),
    };
    let text = match ran(program, &argv, "") {
        // a system of another family, in a folder of this machine
        Err(ImageError::NoProgram { .. }) => return Ok(std::collections::BTreeMap::new()),
        said => said?,
    };
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (state, name, version) = (words.next()?, words.next()?, words.next()?);
        (state == "ii").then(|| (name.to_owned(), version.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;

    #[test]
    fn a_kernel_lies_where_debian_or_where_rhel_has_it_and_has_its_modules() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        assert_eq!(kernel(root), None);
        for made in ["boot", "lib/modules/6.1.0-9", "lib/modules/5.14.0-362.el9"] {
            fs::create_dir_all(root.join(made)).unwrap();
        }
        fs::write(root.join("boot/vmlinuz-6.1.0-50"), "").unwrap();
        assert_eq!(kernel(root), None, "modules without a kernel, and a kernel without modules");
        fs::write(root.join("lib/modules/5.14.0-362.el9/vmlinuz"), "").unwrap();
        assert_eq!(kernel(root).as_deref(), Some("5.14.0-362.el9"));
        fs::write(root.join("boot/vmlinuz-6.1.0-9"), "").unwrap();
        assert_eq!(kernel(root).as_deref(), Some("6.1.0-9"));
    }

    #[test]
    fn the_newest_kernel_is_that_of_the_highest_numbers() {
        let mut names = ["6.1.0-9-amd64", "6.1.0-50-amd64", "5.10.0-99-amd64"];
        names.sort_by_key(|name| in_order(name));
        assert_eq!(names.last(), Some(&"6.1.0-50-amd64"));
    }

    #[test]
    fn a_tree_gives_the_same_bytes_again_and_a_file_that_grew_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let (tree, store) = (folder.join("tree"), Store::at(folder.join("store")));
        fs::create_dir_all(tree.join("etc")).unwrap();
        let noise = |seed: u64, bytes: u64| -> Vec<u8> {
            (0..bytes / 8)
                .flat_map(|n| (n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).to_ne_bytes())
                .collect()
        };
        for number in 0..12 {
            fs::write(tree.join(format!("etc/{number:02}")), noise(number << 32, 3 << 20)).unwrap();
        }
        let _lock = store.lock().unwrap();
        // mke2fs takes the time of the last reading over, which the kernel sets at the first one
        fs::read_dir(tree.join("etc"))
            .unwrap()
            .for_each(|entry| drop(fs::read(entry.unwrap().path()).unwrap()));
        let taken = || {
            let image = folder.join("image");
            file_system(&tree, &image, "head", (40 << 20, 20)).unwrap();
            pieces(&image, &store, &mut |_| ()).unwrap()
        };
        let (first, new) = taken();
        assert!(new > 30 << 20, "{new}");
        assert_eq!(taken(), (first.clone(), 0));
        fs::write(tree.join("etc/03"), noise(99 << 32, 5 << 20)).unwrap();
        let (second, new) = taken();
        assert!((4 << 20..14 << 20).contains(&new), "{new}");
        let again: u64 = second.iter().filter(|p| first.contains(p)).map(|p| u64::from(p.bytes)).sum();
        let all: u64 = second.iter().map(|p| u64::from(p.bytes)).sum();
        assert!(again * 100 > all * 80, "{again} of {all}");
    }
}
