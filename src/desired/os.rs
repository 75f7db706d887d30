//! What distributions call the same things: packages, units, files and users. Data; backends say Debian's words, and nothing else here knows another.

use super::{Check, Directory, HostDesired, OnChange, Owner, Piece, Question, Rendered, Unit};
use crate::backends::Part;
use crate::engines::CarriedAs;
use crate::spec::Os;

/// Of one distribution, each beside Debian 12's.
struct Words {
    /// Several where one was split, with spaces between.
    packages: &'static [(&'static str, &'static str)],
    /// Units and paths, wherever they stand: in names, commands and files.
    texts: &'static [(&'static str, &'static str)],
    users: &'static [(&'static str, &'static str)],
}

/// RHEL 9 and what is built of it, with its High Availability add-on, EPEL (kea, munge, slurm) and the Storage SIG (nfs-ganesha).
/// General knowledge: no such package was there to be read.
const RHEL: Words = Words {
    packages: &[
        ("fence-agents", "fence-agents-all"),
        ("ipxe", "ipxe-bootimgs-x86"),
        ("iputils-arping", "iputils"),
        ("kea-common", "kea-hooks"),
        ("kea-dhcp4-server", "kea"),
        ("kea-dhcp6-server", "kea"),
        ("nfs-kernel-server", "nfs-utils"),
        ("openssh-client", "openssh-clients"),
        ("pacemaker-cli-utils", "pacemaker-cli"),
        ("slurm-client", "slurm"),
        ("slurmctld", "slurm-slurmctld"),
        ("slurmd", "slurm-slurmd"),
    ],
    texts: &[
        ("/etc/chrony/chrony.conf", "/etc/chrony.conf"),
        ("/etc/default/", "/etc/sysconfig/"),
        ("chrony.service", "chronyd.service"),
        ("kea-dhcp4-server.service", "kea-dhcp4.service"),
        ("kea-dhcp6-server.service", "kea-dhcp6.service"),
        ("_kea:_kea", "kea:kea"),
        ("User=_kea", "User=kea"),
        ("/usr/lib/x86_64-linux-gnu/kea/hooks", "/usr/lib64/kea/hooks"),
    ],
    users: &[("_chrony", "chrony"), ("_kea", "kea")],
};

/// Debian 13: an agent a package.
const DEBIAN_13: Words = Words { packages: &[("fence-agents", "fence-agents-all")], texts: &[], users: &[] };

/// Ubuntu sorts agents by what it supports.
const UBUNTU_FENCE_AGENTS: (&str, &str) = ("fence-agents", "fence-agents-base fence-agents-extra");
const UBUNTU_RESOURCE_AGENTS: (&str, &str) =
    ("resource-agents", "resource-agents-base resource-agents-extra");

/// Ubuntu 24.04: chrony 4.5 knows the leap seconds from a zone that is in a package of its own.
const UBUNTU_24_04: Words = Words {
    packages: &[("chrony", "chrony tzdata-legacy"), UBUNTU_FENCE_AGENTS, UBUNTU_RESOURCE_AGENTS],
    texts: &[],
    users: &[],
};

const UBUNTU_26_04: Words =
    Words { packages: &[UBUNTU_FENCE_AGENTS, UBUNTU_RESOURCE_AGENTS], texts: &[], users: &[] };

impl Words {
    /// None: they are Debian's own.
    fn of(os: Os) -> Option<&'static Self> {
        match os {
            Os::Debian12 => None,
            Os::Debian13 => Some(&DEBIAN_13),
            Os::Ubuntu2404 => Some(&UBUNTU_24_04),
            Os::Ubuntu2604 => Some(&UBUNTU_26_04),
            Os::Rhel9 => Some(&RHEL),
        }
    }

    /// A text as it is there; none where it is the same.
    fn own(&self, text: &str) -> Option<String> {
        let known = self.texts.iter().filter(|(debian, _)| text.contains(debian));
        known.fold(None, |so_far, (debian, own)| Some(so_far.as_deref().unwrap_or(text).replace(debian, own)))
    }

    fn text(&self, text: &mut String) {
        if let Some(own) = self.own(text) {
            *text = own;
        }
    }

    fn owner(&self, owner: &mut Owner) {
        for name in [&mut owner.user, &mut owner.group] {
            if let Some((_, own)) = self.users.iter().find(|(debian, _)| debian == name) {
                *name = (*own).to_owned();
            }
        }
    }

    fn file(&self, file: &mut Rendered) {
        if let Some(own) = self.own(file.path.as_str()) {
            file.path = own.into();
        }
        self.owner(&mut file.owner);
        if let OnChange::Reload(unit) | OnChange::Restart(unit) | OnChange::DaemonReload(Some(unit)) =
            &mut file.on_change
        {
            self.text(unit);
        }
        for piece in &mut file.text {
            if let Piece::Text(text) = piece
                && let Some(own) = self.own(text)
            {
                *text = own.into();
            }
        }
    }

    fn question(&self, question: &mut Question) {
        if let Question::Command { argv, .. } = question {
            argv.iter_mut().for_each(|word| self.text(word));
        }
    }

    /// What a backend and the engine both lay on a host.
    fn laid<'a>(
        &self,
        files: impl Iterator<Item = &'a mut Rendered>,
        directories: impl Iterator<Item = &'a mut Directory>,
        units: impl Iterator<Item = &'a mut Unit>,
        checks: impl Iterator<Item = &'a mut Check>,
    ) {
        files.for_each(|file| self.file(file));
        directories.for_each(|directory| self.owner(&mut directory.owner));
        units.for_each(|unit| self.text(&mut unit.name));
        checks.for_each(|check| self.question(&mut check.question));
    }
}

/// A backend's part, in the words of that distribution; its packages are the host's affair.
pub(super) fn part(os: Os, part: &mut Part) {
    let Some(words) = Words::of(os) else { return };
    let Part { files, directories, units, checks, probes, carried, .. } = part;
    words.laid(
        files.iter_mut().map(|(_, file)| file),
        directories.iter_mut().map(|(_, directory)| directory),
        units.iter_mut().map(|(_, unit)| unit),
        checks.iter_mut().map(|(_, check)| check),
    );
    for probe in probes {
        words.text(&mut probe.unit);
        words.question(&mut probe.question);
    }
    for carried in carried {
        match &mut carried.what {
            CarriedAs::Unit { unit, probe } => {
                words.text(unit);
                probe.iter_mut().for_each(|probe| words.text(probe));
            }
            CarriedAs::Agent { parameters, .. } => parameters.values_mut().for_each(|value| {
                words.text(value);
                words.users.iter().for_each(|(debian, own)| *value = value.replace(debian, own)); // folders, with their owners
            }),
        }
    }
}

/// The engine's part of a host.
pub(super) fn host(os: Os, host: &mut HostDesired) {
    let Some(words) = Words::of(os) else { return };
    let HostDesired { files, directories, units, checks, .. } = host;
    words.laid(files.iter_mut(), directories.iter_mut(), units.iter_mut(), checks.iter_mut());
}

/// All packages of a host.
pub(super) fn packages(os: Os, host: &mut HostDesired) {
    host.packages =
        std::mem::take(&mut host.packages).into_iter().flat_map(|name| package(os, name)).collect();
}

/// What a package of Debian 12 is called there; several where it was split.
pub fn package(os: Os, name: String) -> Vec<String> {
    let known = Words::of(os).and_then(|words| words.packages.iter().find(|(debian, _)| *debian == name));
    known.map_or(vec![name], |(_, own)| own.split(' ').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_another_distribution_is_one_of_debians_again() {
        for (debian, own) in RHEL.texts {
            let mut once = (*debian).to_owned();
            RHEL.text(&mut once);
            assert_eq!(once, *own);
            RHEL.text(&mut once);
            assert_eq!(once, *own, "a part that is translated twice stays");
        }
    }
}
