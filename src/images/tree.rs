//! A running machine's file systems as they are, under a layer of our own in which things can be left out: in a mount
//! namespace of this process, so that the machine itself sees and keeps nothing of it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use walkdir::WalkDir;

use super::error::{ImageError, disk};
use super::manifest::LeftOut;
use super::rules::{Keep, Rule};

/// File systems of their own that are part of the system; what else is mounted somewhere is left out.
const PARTS: &[&str] = &["/boot", "/opt", "/usr", "/usr/local", "/var"];

/// In the machine's own /run, which is in no image.
const WORK: &str = "/run/haoscar/image";

/// What all that is left out takes in memory: names, and the program.
const LAYER: &str = "mode=700,size=512m";

/// The machine's files, less what was left out.
#[derive(Debug)]
pub struct Tree {
    root: Utf8PathBuf,
    left_out: Vec<LeftOut>,
}

impl Tree {
    /// Of the machine that this runs on. Whoever calls this process's own sees another mount namespace from now on.
    ///
    /// # Errors
    /// The kernel refuses: no root, or no overlayfs.
    pub fn of_this_machine() -> Result<Self, ImageError> {
        let mounted = mounted()?;
        let parts = PARTS.iter().copied().filter(|part| mounted.iter().any(|place| place == part));
        let parts: Vec<_> = std::iter::once("/").chain(parts).map(|part| (part, part)).collect();
        let root = layered(&parts)?;
        let why = "a file system of its own";
        let apart = mounted.into_iter().filter(|place| place != "/" && !PARTS.contains(&place.as_str()));
        let apart = apart.filter(|place| {
            !["/proc", "/sys", "/dev", "/run"].iter().any(|own| Utf8Path::new(place).starts_with(own))
        });
        let mut left_out: Vec<_> = apart.map(|path| LeftOut { path, why: why.to_owned() }).collect();
        left_out.sort();
        left_out.dedup();
        Ok(Self { root, left_out })
    }

    /// Of a folder of this machine with a whole system in it. The same holds.
    ///
    /// # Errors
    /// It holds no system, or the kernel refuses.
    pub fn of_folder(folder: &Utf8Path) -> Result<Self, ImageError> {
        if within(folder, "/etc/os-release").symlink_metadata().is_err() {
            return Err(ImageError::NoSystem(folder.to_owned()));
        }
        Ok(Self { root: layered(&[(folder.as_str(), "/")])?, left_out: Vec::new() })
    }

    /// Where it is, for this process and those that it starts.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// What was left out so far.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Carries a rule out.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn leave_out(&mut self, rule: &Rule) -> Result<(), ImageError> {
        for path in self.matches(&rule.path) {
            let link = self.link(&path);
            let target =
                if rule.keep == Keep::Target && link.is_some() { None } else { self.resolved(&path) };
            if target.is_none() && link.is_none() {
                continue;
            }
            // a folder is left out behind its link; of anything else the link alone is what was named
            let folder = target.as_ref().is_some_and(|place| place.is_dir());
            let itself = link.is_some() && rule.keep == Keep::Folder && !folder;
            let mut gone = match &target {
                Some(place) if !itself => self.carry_out(place, rule.keep)?,
                _ => false,
            };
            if let Some(link) = link.filter(|_| itself || matches!(rule.keep, Keep::Nothing | Keep::Target)) {
                fs::remove_file(&link).map_err(disk(&link))?;
                gone = true;
            }
            if gone {
                self.left_out.push(LeftOut { path: path.into_string(), why: rule.why.to_owned() });
            }
        }
        Ok(())
    }

    /// Whether there was something.
    fn carry_out(&self, place: &Utf8Path, keep: Keep) -> Result<bool, ImageError> {
        let folder = place.is_dir();
        match keep {
            Keep::Empty => {
                let before = fs::metadata(place).map_err(disk(place))?.len();
                fs::write(place, b"").map_err(disk(place))?;
                Ok(before > 0)
            }
            Keep::Nothing | Keep::Target if !folder => {
                fs::remove_file(place).map_err(disk(place)).map(|()| true)
            }
            Keep::Folders if folder => {
                let entries = WalkDir::new(place).into_iter().filter_map(Result::ok);
                let files: Vec<_> =
                    entries.filter(|e| !e.file_type().is_dir()).map(|e| e.into_path()).collect();
                for file in &files {
                    fs::remove_file(file).map_err(disk(file.display()))?;
                }
                Ok(!files.is_empty())
            }
            _ if folder => {
                let filled = fs::read_dir(place).map_err(disk(place))?.next().is_some();
                let meta = fs::metadata(place).map_err(disk(place))?;
                let options =
                    format!("mode={:o},uid={},gid={},size=64k", meta.mode() & 0o7777, meta.uid(), meta.gid());
                mount(
                    Some("haoscar"),
                    place.as_std_path(),
                    Some("tmpfs"),
                    MsFlags::empty(),
                    Some(options.as_str()),
                )
                .map_err(refused(place.as_str()))?;
                Ok(filled)
            }
            _ => fs::remove_file(place).map_err(disk(place)).map(|()| true),
        }
    }

    /// Paths on the machine that a rule means.
    fn matches(&self, path: &Utf8Path) -> Vec<Utf8PathBuf> {
        let (Some(folder), Some((before, after))) =
            (path.parent(), path.file_name().and_then(|n| n.split_once('*')))
        else {
            return vec![path.to_owned()];
        };
        let Some(place) = self.resolved(folder) else { return Vec::new() };
        let entries = place.read_dir_utf8().into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_owned());
        let fits = |name: &String| {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        };
        let mut found: Vec<_> = names.filter(fits).map(|name| folder.join(name)).collect();
        found.sort();
        found
    }

    /// Where a path is in the tree, if it is a link itself.
    fn link(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let place = self.resolved(path.parent()?)?.join(path.file_name()?);
        fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_symlink()).then_some(place)
    }

    /// Where a path of the machine is in the tree, links followed as the machine would: nothing is ever done outside of it.
    fn resolved(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        const LINKS_MAX: usize = 16;
        let mut place = within(&self.root, path.as_str());
        for _ in 0..LINKS_MAX {
            let found = place.canonicalize_utf8().ok()?;
            if found.starts_with(&self.root) {
                return Some(found);
            }
            place = within(&self.root, found.as_str()); // an absolute link
        }
        None
    }

    /// Puts a program of this machine into the tree, unless it is there.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn put(&self, from: &Utf8Path, path: &Utf8Path) -> Result<(), ImageError> {
        let place = within(&self.root, path.as_str());
        let same = fs::read(from).map_err(disk(from))? == fs::read(&place).unwrap_or_default();
        if same { Ok(()) } else { fs::copy(from, &place).map_err(disk(&place)).map(|_| ()) }
    }

    /// Every file and folder, one a line (see [`super::FileLine`]), how many they are, and how many bytes they need.
    ///
    /// # Errors
    /// One that cannot be looked at.
    pub fn listed(&self) -> Result<(String, u64, u64), ImageError> {
        const BLOCK: u64 = 4_096;
        let (mut text, mut count, mut bytes) = (String::new(), 0, 0);
        let mut seen = std::collections::BTreeSet::new();
        for entry in WalkDir::new(&self.root).sort_by_file_name() {
            let entry = entry.map_err(|error| disk(&self.root)(error.into()))?;
            let meta = entry.metadata().map_err(|error| disk(entry.path().display())(error.into()))?;
            let path = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            let (mode, size) = (meta.mode(), if meta.is_dir() { 0 } else { meta.size() });
            let line = format!(
                "{mode:o} {}:{} {size} {} /{}\n",
                meta.uid(),
                meta.gid(),
                meta.mtime(),
                path.display()
            );
            text += &line;
            count += 1;
            if meta.nlink() < 2 || meta.is_dir() || seen.insert((meta.dev(), meta.ino())) {
                bytes += size.div_ceil(BLOCK).max(u64::from(meta.is_dir())) * BLOCK;
            }
        }
        Ok((text, count, bytes))
    }
}

/// Folders of this machine under a layer of our own, each at its place in the tree; in a mount namespace that this process is in from now on.
fn layered(parts: &[(&str, &str)]) -> Result<Utf8PathBuf, ImageError> {
    let work = Utf8Path::new(WORK);
    fs::create_dir_all(work).map_err(disk(work))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(refused("a mount namespace"))?;
    private()?;
    let none: Option<&str> = None;
    mount(Some("haoscar"), work.as_std_path(), Some("tmpfs"), MsFlags::empty(), Some(LAYER))
        .map_err(refused(WORK))?;
    let root = work.join("root");
    fs::create_dir(&root).map_err(disk(&root))?;
    for (number, (part, at)) in parts.iter().enumerate() {
        let layer = work.join(number.to_string());
        let [lower, upper, own] = ["lower", "upper", "own"].map(|name| layer.join(name));
        for folder in [&layer, &lower, &upper, &own] {
            fs::create_dir(folder).map_err(disk(folder))?;
        }
        mount(Some(*part), lower.as_std_path(), none, MsFlags::MS_BIND, none).map_err(refused(part))?;
        copy_owner(&lower, &upper)?;
        let options = format!("lowerdir={lower},upperdir={upper},workdir={own}");
        let place = within(&root, at);
        let kind = Some("overlay");
        mount(Some("haoscar"), place.as_std_path(), kind, MsFlags::empty(), Some(options.as_str()))
            .map_err(refused("overlayfs"))?;
    }
    Ok(root)
}

/// A path of the machine below a root.
pub fn within(root: &Utf8Path, path: &str) -> Utf8PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn private() -> Result<(), ImageError> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(refused("a mount namespace"))
}

/// Places where something is mounted.
fn mounted() -> Result<Vec<String>, ImageError> {
    let text = fs::read_to_string("/proc/self/mountinfo").map_err(disk("/proc/self/mountinfo"))?;
    let places = text.lines().filter_map(|line| line.split(' ').nth(4)); // proc(5): blanks stand as \040
    Ok(places.map(|place| place.replace("\\040", " ")).filter(|place| !place.starts_with(WORK)).collect())
}

fn copy_owner(from: &Utf8Path, to: &Utf8Path) -> Result<(), ImageError> {
    let meta = fs::metadata(from).map_err(disk(from))?;
    std::os::unix::fs::chown(to, Some(meta.uid()), Some(meta.gid())).map_err(disk(to))?;
    fs::set_permissions(to, meta.permissions()).map_err(disk(to))
}

fn refused(subject: &str) -> impl FnOnce(nix::Error) -> ImageError + '_ {
    move |error| disk(subject)(error.into())
}
