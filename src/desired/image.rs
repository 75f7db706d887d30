//! What heads need so that images can be taken of them: a key that signs, the same on all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Directory, HostDesired, HostName, Mode, OnChange, Owner, Piece, Rendered, Role, SecretKind, Unit,
};
use crate::backends::boot::nodes;
use crate::spec::Cluster;

/// The secret that signs images: a private key of ssh, on every head.
pub const IMAGE_KEY: &str = "image-key";

/// Makes one, and prints it in hex.
const MAKE: &str = "umask 077 && folder=$(mktemp -d) && ssh-keygen -q -t ed25519 -N '' -C 'images of haoscar' -f $folder/key && \
od -An -v -tx1 $folder/key | tr -d ' \\n'; status=$?; rm -rf $folder; exit $status";

/// Program and arguments that make a key.
pub fn make_image_key() -> Vec<String> {
    ["sh", "-c", MAKE].map(str::to_owned).into()
}

/// Of the programs that take an image.
const PACKAGES: [&str; 2] = ["e2fsprogs", "openssh-client"];

/// What every head gets when an image is taken of one of them, which makes the key.
pub(super) fn lay(cluster: &Cluster, hosts: &mut BTreeMap<HostName, (Role, HostDesired)>) {
    let Some(capture) = cluster.images.values().find_map(|image| image.capture.as_ref()) else { return };
    let kind = SecretKind::Made { host: capture.from.clone(), argv: make_image_key() };
    for (_, head) in hosts.values_mut().filter(|(role, _)| *role == Role::Head) {
        head.secrets.insert(IMAGE_KEY.to_owned(), kind.clone());
        head.packages.extend(PACKAGES.map(str::to_owned));
    }
}

/// What a node has beside its image: it is given it before it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Folders.
    pub directories: Vec<Directory>,
    /// Files, with secrets as names.
    pub files: Vec<Rendered>,
    /// Units that are started at boot.
    pub units: Vec<Unit>,
}

/// Where nodes run captured images, heads that serve them have what a node is given, by image, and the secrets in it.
pub(super) fn overlay(
    cluster: &Cluster,
    (all, of_image): (&HostDesired, &BTreeMap<String, HostDesired>),
    hosts: &mut BTreeMap<HostName, (Role, HostDesired)>,
) {
    let given = |name: &String| {
        let HostDesired { directories, files, units, .. } = of_image.get(name).unwrap_or(all).clone();
        (name.clone(), Overlay { directories, files, units })
    };
    let run: BTreeMap<_, _> = cluster.run_images().collect();
    let overlays: BTreeMap<_, _> = run.keys().copied().map(given).collect();
    if overlays.is_empty() {
        return;
    }
    let text = serde_json::to_string_pretty(&overlays).unwrap_or_default() + "\n"; // strings and numbers: it cannot fail
    let file = Rendered {
        path: format!("{}/{}", nodes::ENTRIES, nodes::OVERLAY).into(),
        owner: Owner::root(),
        mode: Mode(0o600),
        text: vec![Piece::Text(text.into())],
        on_change: OnChange::Nothing,
        source: "what nodes are".to_owned(),
    };
    let serves = |name: &HostName| cluster.serving_heads().any(|head| head == name);
    for (_, head) in hosts.iter_mut().filter(|(name, _)| serves(name)).map(|(_, host)| host) {
        head.files.push(file.clone());
        for name in run.iter().filter(|(_, image)| image.secrets).map(|(name, _)| *name) {
            head.secrets.extend(of_image.get(name).unwrap_or(all).secrets.clone());
        }
    }
}
