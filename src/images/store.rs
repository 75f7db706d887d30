//! Where images are kept: pieces by their digest, shared by all versions of all images, and a folder a version.
//!
//! `pieces/ab/abcd…` holds zstd; `NAME/VERSION/` holds `manifest.json`, `manifest.json.sig` and `files`. A version is there
//! when its folder is: it gets that name last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use camino::{Utf8Path, Utf8PathBuf};

use super::error::{ImageError, disk};
use super::manifest::{Manifest, Piece};
use super::seal::Seal;
use super::{Progress, Say};
use crate::desired::fingerprint;

/// Pieces are read on a slow machine as well: 3 is zstd's own default.
const LEVEL: i32 = 3;

const PIECES: &str = "pieces";
/// A manifest's file in the folder of its version.
pub(super) const MANIFEST: &str = "manifest.json";
/// Its signature's.
pub(super) const SIGNATURE: &str = "manifest.json.sig";
const FILES: &str = "files";

/// What is not there when its making ends: swept by the next one.
const HALF: &str = ".half-";

/// A store of images.
#[derive(Debug, Clone)]
pub struct Store {
    folder: Utf8PathBuf,
}

/// What was found good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Pieces that were read.
    pub pieces: u64,
    /// Bytes of the file system.
    pub bytes: u64,
}

/// What was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Versions, as `NAME@VERSION`.
    pub versions: Vec<String>,
    /// Bytes of pieces that no version names any more.
    pub bytes: u64,
}

/// `NAME` or `NAME@VERSION`.
pub fn parse_name(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    }
}

impl Store {
    /// In this folder, which need not be there yet.
    pub fn at(folder: impl Into<Utf8PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Held while something is added or taken away. Makes the folder: root's alone, for an image holds what a head holds.
    ///
    /// # Errors
    /// Somebody else holds it, or the disk refuses.
    pub fn lock(&self) -> Result<File, ImageError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(disk(&self.folder))?;
        let path = self.folder.join("lock");
        let file = File::create(&path).map_err(disk(&path))?;
        file.try_lock().map_err(|_| ImageError::Busy { store: self.folder.clone() })?;
        self.sweep();
        Ok(file)
    }

    /// What a making that was cut short has left.
    fn sweep(&self) {
        for path in entries(&self.folder).chain(entries(&self.folder).flat_map(|folder| entries(&folder))) {
            if path.file_name().is_some_and(|name| name.starts_with(HALF)) {
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
        }
    }

    /// A place for something half done, in the store's own file system; the next [`Store::lock`] sweeps it.
    pub fn half(&self, name: &str) -> Utf8PathBuf {
        self.folder.join(format!("{HALF}{name}"))
    }

    /// Versions of every image, the oldest first.
    pub fn images(&self) -> BTreeMap<String, Vec<String>> {
        let all = names(&self.folder).into_iter().map(|name| {
            let versions = self.versions(&name);
            (name, versions)
        });
        all.filter(|(_, versions)| !versions.is_empty()).collect()
    }

    /// Versions of an image, the oldest first; of no other one anything is looked at.
    fn versions(&self, name: &str) -> Vec<String> {
        if name == PIECES || name.starts_with('.') || name.contains('/') {
            return Vec::new();
        }
        let folder = self.folder.join(name);
        let mut versions = names(&folder);
        versions.retain(|version| folder.join(version).join(MANIFEST).exists());
        versions
    }

    /// The folder of `NAME@VERSION`, or of the newest version of `NAME`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, title: &str) -> Result<Utf8PathBuf, ImageError> {
        let (name, version) = parse_name(title);
        let missing = || ImageError::Missing { name: title.to_owned(), store: self.folder.clone() };
        let versions = self.versions(name);
        let found = match version {
            Some(version) => versions.into_iter().find(|known| known == version),
            None => versions.into_iter().next_back(),
        };
        Ok(self.folder.join(name).join(found.ok_or_else(missing)?))
    }

    /// A manifest, unproven.
    ///
    /// # Errors
    /// There is none, or it is none.
    pub fn manifest(&self, title: &str) -> Result<Manifest, ImageError> {
        let path = self.find(title)?.join(MANIFEST);
        parsed(&path, &fs::read(&path).map_err(disk(&path))?)
    }

    /// A manifest that this key has signed.
    ///
    /// # Errors
    /// As above, or it is not signed.
    pub fn proven(&self, title: &str, seal: &Seal) -> Result<Manifest, ImageError> {
        let folder = self.find(title)?;
        let path = folder.join(MANIFEST);
        let bytes = fs::read(&path).map_err(disk(&path))?;
        seal.prove(title, &bytes, &folder.join(SIGNATURE))?;
        parsed(&path, &bytes)
    }

    /// The list of files of an image, proven by its manifest.
    ///
    /// # Errors
    /// It is not there, or another one.
    pub fn files(&self, manifest: &Manifest) -> Result<String, ImageError> {
        let path = self.find(&manifest.title())?.join(FILES);
        let text = fs::read_to_string(&path).map_err(disk(&path))?;
        let damaged = || damaged(manifest, FILES, "it is not what the manifest names");
        if fingerprint(text.as_bytes()) == manifest.files { Ok(text) } else { Err(damaged()) }
    }

    /// Where a piece is kept.
    pub fn path_of(&self, sha256: &str) -> Utf8PathBuf {
        self.folder.join(PIECES).join(sha256.get(..2).unwrap_or("00")).join(sha256)
    }

    /// The bytes of a piece, proven by its name.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn piece(&self, piece: &Piece) -> Result<Vec<u8>, String> {
        let packed = fs::read(self.path_of(&piece.sha256)).map_err(|error| error.to_string())?;
        unpacked(&packed, piece)
    }

    /// Keeps a piece, unless it is there and good. Answers it, and whether it is new.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn put(&self, bytes: &[u8]) -> Result<(Piece, bool), ImageError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok((Piece::zeros(length), false));
        }
        let sha256 = fingerprint(bytes);
        let path = self.path_of(&sha256);
        let mut piece = Piece { sha256, bytes: length, kept: 0 };
        if let Ok(meta) = fs::metadata(&path)
            && self.piece(&piece).is_ok()
        {
            piece.kept = u32::try_from(meta.len()).unwrap_or(u32::MAX);
            return Ok((piece, false));
        }
        let packed = zstd::bulk::compress(bytes, LEVEL).map_err(disk(&path))?;
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(disk(folder))?;
        let beside = folder.join(format!("{HALF}{}", piece.sha256));
        fs::write(&beside, &packed).and_then(|()| fs::rename(&beside, &path)).map_err(disk(&path))?;
        piece.kept = u32::try_from(packed.len()).unwrap_or(u32::MAX);
        Ok((piece, true))
    }

    /// Signs a manifest whose pieces are here, and makes it a version of its image; `boots` (name, half) are moved there.
    ///
    /// # Errors
    /// No key, or the disk refuses: then there is no such version.
    pub fn keep(
        &self,
        manifest: &Manifest,
        files: &str,
        boots: &[(&str, Utf8PathBuf)],
        seal: &Seal,
    ) -> Result<(), ImageError> {
        let text = serde_json::to_vec_pretty(manifest).unwrap_or_default(); // strings and numbers: it cannot fail
        let signature = seal.sign(&text)?;
        let image = self.folder.join(&manifest.name);
        let half = image.join(format!("{HALF}{}", manifest.version));
        fs::create_dir_all(&half).map_err(disk(&half))?;
        for (name, bytes) in [(MANIFEST, &text[..]), (SIGNATURE, &signature), (FILES, files.as_bytes())] {
            let path = half.join(name);
            let write = || {
                let options = &mut fs::OpenOptions::new();
                let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
                file.write_all(bytes)?;
                file.sync_all()
            };
            write().map_err(disk(&path))?;
        }
        for (name, from) in boots {
            fs::rename(from, half.join(name)).map_err(disk(from))?;
        }
        sync(&self.folder)?; // the pieces too
        let place = image.join(&manifest.version);
        fs::rename(&half, &place).map_err(disk(&place))?;
        File::open(&image).and_then(|folder| folder.sync_all()).map_err(disk(&image))
    }

    /// Proves an image: its signature, its list of files, and every byte.
    ///
    /// # Errors
    /// The first thing that is not right.
    pub fn verify(&self, title: &str, seal: &Seal, say: Say<'_>) -> Result<(Manifest, Verified), ImageError> {
        let manifest = self.proven(title, seal)?;
        self.files(&manifest)?;
        let mut found = Verified::default();
        for piece in &manifest.pieces {
            if !piece.is_zeros() {
                self.piece(piece).map_err(|why| damaged(&manifest, &piece.sha256, &why))?;
                found.pieces += 1;
            }
            found.bytes += u64::from(piece.bytes);
            say(Progress { stage: "verifying", done: found.bytes, total: manifest.bytes });
        }
        Ok((manifest, found))
    }

    /// Takes all but the newest versions of an image away, and pieces that no version names. The lock is held.
    ///
    /// # Errors
    /// A manifest that cannot be read: then no piece is taken away, for it may name each.
    pub fn prune(&self, name: &str, keep: usize) -> Result<Pruned, ImageError> {
        let mut pruned = Pruned::default();
        let versions = self.versions(name);
        for version in versions.iter().take(versions.len().saturating_sub(keep.max(1))) {
            let (place, half) = (
                self.folder.join(name).join(version),
                self.folder.join(name).join(format!("{HALF}{version}")),
            );
            fs::rename(&place, &half).and_then(|()| fs::remove_dir_all(&half)).map_err(disk(&place))?;
            pruned.versions.push(format!("{name}@{version}"));
        }
        let mut named = BTreeSet::new();
        for (name, versions) in self.images() {
            for version in versions {
                let manifest = self.manifest(&format!("{name}@{version}"))?;
                named.extend(manifest.pieces.into_iter().map(|piece| piece.sha256));
            }
        }
        for piece in entries(&self.folder.join(PIECES)).flat_map(|folder| entries(&folder)) {
            if !piece.file_name().is_some_and(|name| named.contains(name)) {
                pruned.bytes += fs::metadata(&piece).map(|meta| meta.len()).unwrap_or_default();
                fs::remove_file(&piece).map_err(disk(&piece))?;
            }
        }
        Ok(pruned)
    }
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Utf8Path) -> impl Iterator<Item = Utf8PathBuf> + use<> {
    folder.read_dir_utf8().into_iter().flatten().flatten().map(|entry| entry.into_path())
}

/// What is in a folder and not half done, in order.
fn names(folder: &Utf8Path) -> Vec<String> {
    let names = entries(folder).filter_map(|path| Some(path.file_name()?.to_owned()));
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// A piece out of its zstd, proven by its name and size: no more than that is ever unpacked.
///
/// # Errors
/// It is damaged.
pub fn unpacked(packed: &[u8], piece: &Piece) -> Result<Vec<u8>, String> {
    let bytes = zstd::bulk::decompress(packed, piece.bytes as usize).map_err(|error| error.to_string())?;
    let found = fingerprint(&bytes);
    if found == piece.sha256 && bytes.len() == piece.bytes as usize {
        return Ok(bytes);
    }
    Err(format!("its sha256 is {found}"))
}

/// A manifest out of its bytes, if it can be what it says.
///
/// # Errors
/// It is none.
pub fn parsed(path: &Utf8Path, bytes: &[u8]) -> Result<Manifest, ImageError> {
    let wrong = |why: String| ImageError::Manifest { subject: path.to_owned(), why };
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    manifest.wrong().map_or(Ok(manifest), |why| Err(wrong(why)))
}

fn damaged(manifest: &Manifest, piece: &str, why: &str) -> ImageError {
    ImageError::Damaged { subject: manifest.title(), piece: piece.to_owned(), why: why.to_owned() }
}

/// Makes all on the disk of a folder durable.
fn sync(folder: &Utf8Path) -> Result<(), ImageError> {
    let opened = File::open(folder).map_err(disk(folder))?;
    nix::unistd::syncfs(opened).map_err(|error| disk(folder)(error.into()))
}
