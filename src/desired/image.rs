//! What heads need so that images can be taken of them: a key that signs, the same on all.

use std::collections::BTreeMap;

use super::{HostDesired, HostName, Role, SecretKind};
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
