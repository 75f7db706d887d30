//! What a distribution does not have, or what haoscar does not do there.

use super::{Lint, Mend};
use crate::spec::{BootLoader, EngineKind, Os, Service};

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    if cluster.os != Os::Rhel9 {
        return;
    }
    let mut wrong = Vec::new();
    if cluster.ha.engine == EngineKind::Heartbeat {
        wrong.push((lint.at("ha.engine", ""), "heartbeat is neither in RHEL 9 nor in EPEL 9".to_owned()));
    }
    for (name, service) in &cluster.services {
        if matches!(service, Service::Boot(boot) if boot.loader == BootLoader::Grub) {
            let place = lint.at(&format!("services.{name}.loader"), "");
            wrong.push((
                place,
                "nodes are given Debian's signed shim and GRUB, which are not there".to_owned(),
            ));
        }
    }
    for (name, _) in cluster.storage.iter().filter(|(_, storage)| storage.replicated().is_some()) {
        let place = lint.at(&format!("storage.{name}.kind"), "");
        wrong.push((place, "DRBD is in no repository of it".to_owned()));
    }
    for (name, head) in &cluster.heads {
        if head.image.is_some() {
            let place = lint.at(&format!("heads.{name}.image"), "");
            wrong.push((
                place,
                format!("{name} would be built by an initramfs of initramfs-tools, which are not there"),
            ));
        }
    }
    for (name, _) in cluster.run_images() {
        let place = lint.at_key(&format!("images.{name}"), "");
        wrong.push((
            place,
            format!("nodes would run {name} by an initramfs of initramfs-tools, which are not there"),
        ));
    }
    for (place, what) in wrong {
        lint.error("os/not-there", format!("os is rhel-9: {what}"), [place])
            .mend("leave it out there; haoscar explain os/not-there says what is instead");
    }
}
