//! The repository that is followed, as a bare copy on this machine: fetched and its signatures checked by the system's git,
//! so that the administrator's keys, proxies and helpers serve; read by git2. Nothing of it is ever run or checked out.

use std::fs;
use std::process::{Command, Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use git2::{ObjectType, Oid, Repository, Tree, TreeWalkMode, TreeWalkResult};

use super::HistoryError;
use super::folder::take;
use crate::spec::{BYTES_MAX, Source, Sources};

/// Where the branch stands as it was fetched last.
const TIP: &str = "refs/haoscar/tip";

/// The last tip that was believed.
const BELIEVED: &str = "refs/haoscar/believed";

/// A server that has not answered by then is tried at the next turn.
const FETCH_LIMIT_SECONDS: &str = "60";

/// A copy in a folder of this machine.
#[derive(Debug)]
pub struct Followed {
    folder: Utf8PathBuf,
}

/// The newest commit of the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its full name.
    pub commit: String,
    /// What people call it.
    pub short: String,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it.
    pub author: String,
}

impl Followed {
    /// In this folder, which need not be there yet.
    pub fn under(folder: &Utf8Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Brings the branch here. A copy that cannot be opened is made anew.
    ///
    /// # Errors
    /// The last words of git.
    pub fn fetch(&self, source: &Source) -> Result<(), HistoryError> {
        let good = |repository: Repository| repository.find_reference("HEAD").is_ok();
        if !Repository::open_bare(&self.folder).is_ok_and(good) {
            let _ = fs::remove_dir_all(&self.folder); // a copy, and a broken one
            Repository::init_bare(&self.folder).map_err(|source| self.git(source))?;
        }
        if let Some(folder) = &source.folder {
            return self.take(folder);
        }
        let branch = format!("+refs/heads/{}:{TIP}", source.branch);
        let argv = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", source.place(), &branch];
        self.run(&argv).map(|_| ())
    }

    fn take(&self, folder: &Utf8Path) -> Result<(), HistoryError> {
        let repository = Repository::open_bare(&self.folder).map_err(|source| self.git(source))?;
        let tip = take(&repository, folder)?;
        repository.reference(TIP, tip, true, "taken").map_err(|source| self.git(source)).map(|_| ())
    }

    /// The tip as it was fetched last; none: never.
    pub fn tip(&self) -> Option<Tip> {
        let repository = Repository::open_bare(&self.folder).ok()?;
        let commit = repository.find_reference(TIP).ok()?.peel_to_commit().ok()?;
        let short = commit.as_object().short_id().ok()?.as_str().ok()?.to_owned();
        let subject = commit.summary().ok().flatten().unwrap_or_default().to_owned();
        let author = commit.author().name().unwrap_or_default().to_owned();
        Some(Tip { commit: commit.id().to_string(), short, subject, author })
    }

    /// The full name of a commit that is here.
    pub fn full(&self, short: &str) -> Option<String> {
        let repository = Repository::open_bare(&self.folder).ok()?;
        Some(repository.find_commit_by_prefix(short).ok()?.id().to_string())
    }

    /// The commits of the branch itself after `old` up to `new`, oldest first: what was merged from elsewhere is its merge
    /// alone. None: `new` does not descend from `old`.
    ///
    /// # Errors
    /// git's.
    pub fn since(&self, old: &str, new: &str) -> Result<Option<Vec<String>>, HistoryError> {
        let walk = || {
            let repository = Repository::open_bare(&self.folder)?;
            let (old, new) = (Oid::from_str(old)?, Oid::from_str(new)?);
            if old != new && !repository.graph_descendant_of(new, old)? {
                return Ok(None);
            }
            let (mut found, mut at) = (Vec::new(), repository.find_commit(new)?);
            while at.id() != old && repository.graph_descendant_of(at.id(), old)? {
                found.push(at.id().to_string());
                at = at.parent(0)?;
            }
            found.reverse();
            Ok(Some(found))
        };
        walk().map_err(|source| self.git(source))
    }

    /// The last tip that was believed.
    pub fn believed(&self) -> Option<String> {
        let repository = Repository::open_bare(&self.folder).ok()?;
        Some(repository.find_reference(BELIEVED).ok()?.target()?.to_string())
    }

    /// From now on a tip that does not descend from this one is a branch that was rewritten.
    ///
    /// # Errors
    /// git's.
    pub fn believe(&self, commit: &str) -> Result<(), HistoryError> {
        let write = || {
            let repository = Repository::open_bare(&self.folder)?;
            repository.reference(BELIEVED, Oid::from_str(commit)?, true, "believed").map(|_| ())
        };
        write().map_err(|source| self.git(source))
    }

    /// Whether one of these public keys of ssh has signed a commit.
    ///
    /// # Errors
    /// The words of git and ssh-keygen that say why not.
    pub fn signed(&self, commit: &str, keys: &[String]) -> Result<(), HistoryError> {
        let path = self.folder.join("allowed_signers"); // ssh-keygen(1), ALLOWED SIGNERS
        let lines: String = keys.iter().map(|key| format!("* namespaces=\"git\" {key}\n")).collect();
        fs::write(&path, lines).map_err(|source| self.disk(source))?;
        let signers = format!("gpg.ssh.allowedSignersFile={path}");
        // a signature of OpenPGP or X.509 would be looked up in root's own keyring
        let others = ["gpg.program=false", "gpg.openpgp.program=false", "gpg.x509.program=false"];
        let settings = others.into_iter().chain(["gpg.minTrustLevel=fully", &signers]);
        let argv: Vec<_> =
            settings.flat_map(|setting| ["-c", setting]).chain(["verify-commit", "--", commit]).collect();
        self.run(&argv).map(|_| ())
    }

    /// The spec as a commit has it below `path`.
    ///
    /// # Errors
    /// There is none.
    pub fn sources(&self, commit: &str, path: &Utf8Path) -> Result<Sources, HistoryError> {
        let gather = || {
            let repository = Repository::open_bare(&self.folder)?;
            let mut tree = repository.find_commit(Oid::from_str(commit)?)?.tree()?;
            if !path.as_str().is_empty() {
                let entry = tree.get_path(path.as_std_path())?;
                tree = entry.to_object(&repository)?.peel_to_tree()?;
            }
            let root = tree.get_name(Sources::ROOT).ok_or_else(|| {
                git2::Error::from_str(&format!("{} is not in it", path.join(Sources::ROOT)))
            })?;
            let blob = repository.find_blob(root.id())?;
            let mut sources = Sources::of_text(Sources::ROOT, limited(blob.content()));
            beside(&repository, &tree, &mut sources)?;
            Ok(sources)
        };
        gather().map_err(|source| HistoryError::Git { subject: commit.to_owned(), source })
    }

    fn run(&self, argv: &[&str]) -> Result<Output, HistoryError> {
        let mut git = Command::new("timeout");
        git.args(["--kill-after=5", FETCH_LIMIT_SECONDS, "git", "--git-dir", self.folder.as_str()])
            .args(argv);
        git.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            git.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=10");
        }
        let output = git.output().map_err(|source| self.disk(source))?;
        match output.status.code() {
            Some(0) => Ok(output),
            Some(124 | 137) => {
                Err(HistoryError::Source { why: format!("no answer within {FETCH_LIMIT_SECONDS} s") })
            }
            _ => Err(HistoryError::Source { why: last_words(&output.stderr) }),
        }
    }

    fn git(&self, source: git2::Error) -> HistoryError {
        HistoryError::Git { subject: self.folder.to_string(), source }
    }

    fn disk(&self, source: std::io::Error) -> HistoryError {
        HistoryError::Disk { subject: self.folder.to_string(), source }
    }
}

/// What git says last is what went wrong; before it come its hints.
fn last_words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let fatal = text.lines().find(|line| line.starts_with("fatal: ") || line.starts_with("ssh: "));
    let last = fatal.or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    last.unwrap_or("git said nothing").trim_start_matches("fatal: ").trim().to_owned()
}

/// One byte more than the loader takes is enough for it to say so.
fn limited(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(BYTES_MAX + 1)].to_owned()
}

fn beside(repository: &Repository, tree: &Tree<'_>, sources: &mut Sources) -> Result<(), git2::Error> {
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let name = Utf8Path::new(folder).join(entry.name().unwrap_or("."));
        if entry.kind() == Some(ObjectType::Tree) {
            return if Sources::may_lead(&name) { TreeWalkResult::Ok } else { TreeWalkResult::Skip };
        }
        let plain = entry.kind() == Some(ObjectType::Blob) && entry.filemode() & 0o170_000 == 0o100_000;
        if plain
            && Sources::may_hold(&name)
            && let Ok(blob) = repository.find_blob(entry.id())
        {
            sources.files.entry(name).or_insert_with(|| limited(blob.content()));
        }
        TreeWalkResult::Ok
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Span;

    /// A repository that people push to, their keys, and the copy that follows it.
    struct Site {
        _folder: tempfile::TempDir,
        at: Utf8PathBuf,
        copy: Followed,
    }

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let at = Utf8Path::from_path(folder.path()).unwrap().to_owned();
            let site = Self { copy: Followed::under(&at.join("copy.git")), at, _folder: folder };
            site.sh("git init -q -b main work && for k in ops eve; do ssh-keygen -q -t ed25519 -N '' -C $k -f $k; done");
            site
        }

        fn sh(&self, script: &str) -> String {
            let mut sh = Command::new("sh");
            let me = ["GIT_AUTHOR", "GIT_COMMITTER"]
                .map(|who| [(format!("{who}_NAME"), "Ops"), (format!("{who}_EMAIL"), "ops@site")]);
            sh.args(["-ec", script]).current_dir(&self.at).envs(me.into_iter().flatten());
            let output = sh.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
            assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        /// A commit with this text in the spec, signed with this key where one is named; fetched.
        fn commit(&self, text: &str, key: Option<&str>) -> String {
            let sign = key.map_or(String::new(), |key| {
                format!("-c gpg.format=ssh -c user.signingkey={}/{key} ", self.at)
            });
            let flag = if key.is_some() { "-S" } else { "" };
            let script = format!(
                "cd work; echo '{text}' > cluster.yaml; git add -A; git {sign}commit -q --allow-empty {flag} -m '{text}'; git rev-parse HEAD"
            );
            let commit = self.sh(&script);
            self.fetch().unwrap();
            commit
        }

        fn fetch(&self) -> Result<(), HistoryError> {
            self.copy.fetch(&Source {
                repository: Some(self.at.join("work").to_string()),
                folder: None,
                branch: "main".to_owned(),
                path: Utf8PathBuf::new(),
                every: Span::from_millis(60_000),
            })
        }

        fn key(&self, name: &str) -> Vec<String> {
            vec![fs::read_to_string(self.at.join(format!("{name}.pub"))).unwrap().trim().to_owned()]
        }
    }

    #[test]
    fn the_tip_is_what_was_fetched_last() {
        let site = Site::new();
        assert_eq!(site.copy.tip(), None);
        let commit = site.commit("one", None);
        let tip = site.copy.tip().unwrap();
        assert_eq!(
            (tip.commit.as_str(), tip.subject.as_str(), tip.author.as_str()),
            (commit.as_str(), "one", "Ops")
        );
        assert_eq!(site.copy.full(&tip.short), Some(commit));
        assert_eq!(site.copy.full("0123456"), None);
    }

    #[test]
    fn a_commit_is_believed_only_with_the_signature_of_an_allowed_key() {
        let site = Site::new();
        let (bare, ops, eve) =
            (site.commit("one", None), site.commit("two", Some("ops")), site.commit("three", Some("eve")));
        assert!(site.copy.signed(&ops, &site.key("ops")).is_ok());
        for commit in [&bare, &eve] {
            assert!(site.copy.signed(commit, &site.key("ops")).is_err(), "{commit}");
        }
        assert!(site.copy.signed(&ops, &[]).is_err(), "no key is allowed");
        assert!(site.copy.signed(&ops, &site.key("eve")).is_err());
        // the signature of one commit on another's content
        let forged = site.sh(&format!("cd work; git cat-file commit {ops} | sed 's/^two$/forged/' | git hash-object -t commit -w --stdin"));
        site.sh(&format!("cd work; git update-ref refs/heads/main {forged}"));
        site.fetch().unwrap();
        assert!(site.copy.signed(&forged, &site.key("ops")).is_err());
    }

    #[test]
    fn commits_since_are_those_of_the_branch_oldest_first_and_a_rewritten_branch_has_none() {
        let site = Site::new();
        let (one, two, three) =
            (site.commit("one", None), site.commit("two", None), site.commit("three", None));
        assert_eq!(site.copy.since(&one, &three).unwrap(), Some(vec![two.clone(), three.clone()]));
        assert_eq!(site.copy.since(&three, &three).unwrap(), Some(vec![]));
        assert_eq!(site.copy.since(&three, &one).unwrap(), None, "rewound");
        site.sh(&format!("cd work; git reset -q --hard {one}"));
        let other = site.commit("other", None);
        assert_eq!(site.copy.since(&two, &other).unwrap(), None, "rewritten");
        assert_eq!(site.copy.believed(), None);
        site.copy.believe(&other).unwrap();
        assert_eq!(site.copy.believed(), Some(other));
    }

    #[test]
    fn the_spec_of_a_commit_has_its_lists_and_keys_and_no_link_out_of_it() {
        let site = Site::new();
        site.sh("cd work; mkdir -p site/deep .hidden; echo a > site/macs.csv; echo b > site/deep/ops.pub; echo c > .hidden/x.csv; echo d > README; ln -s /etc/shadow site/shadow.csv; echo root > site/cluster.yaml");
        let commit = site.commit("one", None);
        let names = |path: &str| {
            site.copy
                .sources(&commit, Utf8Path::new(path))
                .unwrap()
                .files
                .into_keys()
                .map(String::from)
                .collect::<Vec<_>>()
        };
        assert_eq!(names("site"), ["cluster.yaml", "deep/ops.pub", "macs.csv"]);
        assert_eq!(names(""), ["cluster.yaml", "site/deep/ops.pub", "site/macs.csv"]);
        assert!(site.copy.sources(&commit, Utf8Path::new("nowhere")).is_err());
    }

    #[test]
    fn a_repository_that_is_not_there_is_said_in_gits_words_and_what_was_fetched_stays() {
        let site = Site::new();
        let commit = site.commit("one", None);
        site.sh("mv work elsewhere");
        let why = site.fetch().unwrap_err().to_string();
        assert!(why.contains("does not appear to be a git repository"), "{why}");
        assert_eq!(site.copy.tip().unwrap().commit, commit);
        site.sh("mv elsewhere work; echo broken > copy.git/HEAD");
        site.fetch().unwrap();
        assert_eq!(site.copy.tip().unwrap().commit, commit, "a broken copy is made anew");
    }
}
