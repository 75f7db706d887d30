//! When and how the loop may act by itself.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// What happens to drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Heal {
    /// It is put back at once.
    #[default]
    Auto,
    /// It is reported and waits for a person.
    Ask,
    /// It is left alone.
    Off,
}

/// What happens to a new commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rollout {
    /// It waits for `haoscar apply`.
    #[default]
    Manual,
    /// It is applied; signed commits are then required.
    Auto,
}

/// What happens to packages that a host lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Packages {
    /// They are named, and nothing is applied where a head or witness lacks one.
    #[default]
    Report,
    /// `haoscar apply` installs them (apt-get), and what they bring is not started by them.
    Ensure,
}

impl Packages {
    /// Whether nothing was said.
    pub fn is_report(&self) -> bool {
        *self == Self::Report
    }
}

/// Whose commits are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Public keys of ssh: files beside the spec (`ops.pub`), or keys as they stand in such a file. Loading puts keys in
    /// the place of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Whether unsigned commits are refused.
    #[serde(default)]
    pub required: bool,
}

/// Where new commits come from: a branch of a repository, or a folder. The head that carries the first group looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What `git fetch` takes, as root on a head: an address or a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// In its place: a folder that every head has, on shared storage, with cluster.yaml in it. It is watched; nothing in it is
    /// signed, so only root may write there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub folder: Option<Utf8PathBuf>,
    /// The branch that is followed.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// The folder of `cluster.yaml` in the repository; its top when left out.
    #[serde(default, skip_serializing_if = "no_path")]
    #[schemars(with = "String")]
    pub path: Utf8PathBuf,
    /// How often it is asked (a fetch over ssh takes 0.13 s of a core); `systemctl reload haoscar` asks now.
    #[serde(default = "every_two_minutes")]
    pub every: Span,
}

impl Policy {
    /// A folder is followed, in which nothing is signed and nothing goes on from anything.
    pub fn follows_folder(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.folder.is_some())
    }
}

impl Source {
    /// What it is called: the branch, or the folder.
    pub fn name(&self) -> &str {
        self.folder.as_ref().map_or(&self.branch, |folder| folder.as_str())
    }

    /// Where it is: the repository, or the folder.
    pub fn place(&self) -> &str {
        self.folder.as_ref().map(|folder| folder.as_str()).or(self.repository.as_deref()).unwrap_or_default()
    }
}

fn main_branch() -> String {
    "main".to_owned()
}

fn no_path(path: &Utf8PathBuf) -> bool {
    path.as_str().is_empty()
}

fn every_two_minutes() -> Span {
    Span::from_millis(120_000)
}

/// When and how the loop may act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What happens to drift.
    #[serde(default)]
    pub heal: Heal,
    /// What happens to a new commit.
    #[serde(default)]
    pub rollout: Rollout,
    /// What happens to packages that a host lacks.
    #[serde(default, skip_serializing_if = "Packages::is_report")]
    pub packages: Packages,
    /// Where new commits come from; none: only `haoscar apply` brings something new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Whose commits are believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// When roll-out may begin, in the heads' local time: `Sat 02:00-06:00`, `Mon-Fri 22:00-02:00`; always when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<String>,
    /// Days on which nothing is rolled out, first and last: `2026-12-20..2027-01-06`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<String>,
    /// How many generations every head keeps in its history; 200 when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub history: Option<u32>,
}
