//! What can go wrong with an image.

use camino::Utf8PathBuf;

/// Why an image could not be taken, read or believed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The disk refused.
    #[error("{subject}: {source}")]
    Disk {
        /// A path.
        subject: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program refused.
    #[error("{program}: {said}")]
    Program {
        /// Its name.
        program: String,
        /// Its last words.
        said: String,
    },
    /// A program that is not installed.
    #[error("{program} is not installed")]
    NoProgram {
        /// Its name.
        program: String,
    },
    /// This machine does not have the kernel that an image has.
    #[error("{path}: {source}")]
    NoKernel {
        /// Where it was looked for.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder that an image was to be taken of.
    #[error("{0} holds no system: there is no etc/os-release in it")]
    NoSystem(Utf8PathBuf),
    /// Nodes boot the kernel of their image.
    #[error(
        "there is no kernel with its modules in it, which nodes boot: boot/vmlinuz-VERSION, lib/modules/VERSION"
    )]
    NothingToBoot,
    /// There is no such image.
    #[error("there is no image {name} in {store}")]
    Missing {
        /// As it was asked for.
        name: String,
        /// Where it was looked for.
        store: Utf8PathBuf,
    },
    /// A manifest that is none.
    #[error("{subject} is no manifest of an image: {why}")]
    Manifest {
        /// Its path.
        subject: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A signature that is not there, not right, or somebody else's.
    #[error("{subject} is not signed by this cluster's key: {why}")]
    Seal {
        /// The image.
        subject: String,
        /// What ssh-keygen said.
        why: String,
    },
    /// A piece whose bytes are not those that the manifest names.
    #[error("piece {piece} of {subject} is damaged: {why}")]
    Damaged {
        /// The image.
        subject: String,
        /// The piece's name.
        piece: String,
        /// What is wrong.
        why: String,
    },
    /// Somebody else changes the store.
    #[error("somebody else is changing the images in {store}")]
    Busy {
        /// The store.
        store: Utf8PathBuf,
    },
    /// The cluster has no key to sign with.
    #[error("there is no key to sign images with: {0} is not there")]
    NoKey(Utf8PathBuf),
}

impl ImageError {
    /// Whether the same may go well later.
    pub fn retry(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}

/// The error of a path.
pub(super) fn disk(subject: impl ToString) -> impl FnOnce(std::io::Error) -> ImageError {
    move |source| ImageError::Disk { subject: subject.to_string(), source }
}
