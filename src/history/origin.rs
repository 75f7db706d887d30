//! Where a spec comes from: the commit of the repository that it lies in.

use camino::{Utf8Path, Utf8PathBuf};
use git2::{Repository, StatusOptions};

/// The commit that the files of `folder` come from, in short; with a `+` where one of them differs from it. None where
/// the folder is in no repository, or in one that has no commit or belongs to somebody else.
pub fn commit_of(folder: &Utf8Path, files: &[Utf8PathBuf]) -> Option<String> {
    let folder = if folder.as_str().is_empty() { Utf8Path::new(".") } else { folder };
    let folder = folder.canonicalize_utf8().ok()?;
    let repository = Repository::discover(&folder).ok()?;
    let commit = repository.head().ok()?.peel_to_commit().ok()?;
    let short = commit.as_object().short_id().ok()?;
    let top = Utf8Path::from_path(repository.workdir()?)?.canonicalize_utf8().ok()?;
    let within = folder.strip_prefix(&top).ok()?;
    let mark = if differs(&repository, within, files)? { "+" } else { "" };
    Some(format!("{}{mark}", short.as_str().ok()?))
}

/// A commit as history, the engine and people name it, from its full name.
pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

fn differs(repository: &Repository, within: &Utf8Path, files: &[Utf8PathBuf]) -> Option<bool> {
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).disable_pathspec_match(true);
    for file in files {
        options.pathspec(within.join(file).as_str());
    }
    Some(!repository.statuses(Some(&mut options)).ok()?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_named_by_its_commit_and_marked_where_it_differs() {
        let folder = tempfile::tempdir().unwrap();
        let at = Utf8Path::from_path(folder.path()).unwrap();
        let files = [Utf8PathBuf::from("cluster.yaml")];
        let repository = Repository::init(at).unwrap();
        std::fs::create_dir(at.join("site")).unwrap();
        std::fs::write(at.join("site/cluster.yaml"), "name: one\n").unwrap();
        assert_eq!(commit_of(&at.join("site"), &files), None, "no commit yet");

        let mut index = repository.index().unwrap();
        index.add_path(std::path::Path::new("site/cluster.yaml")).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let me = git2::Signature::now("tester", "tester@example").unwrap();
        let commit = repository.commit(Some("HEAD"), &me, &me, "one", &tree, &[]).unwrap();
        let short = &commit.to_string()[..7];
        assert_eq!(commit_of(&at.join("site"), &files).as_deref(), Some(short));

        std::fs::write(at.join("other"), "beside the spec\n").unwrap();
        assert_eq!(commit_of(&at.join("site"), &files).as_deref(), Some(short));
        std::fs::write(at.join("site/cluster.yaml"), "name: two\n").unwrap();
        assert_eq!(commit_of(&at.join("site"), &files), Some(format!("{short}+")));
    }

    #[test]
    fn a_spec_outside_of_git_has_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(commit_of(Utf8Path::from_path(folder.path()).unwrap(), &[]), None);
    }
}
