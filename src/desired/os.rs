//! What distributions call the same things: packages, units, files and users. Data; backends say Debian's words, and nothing else here knows another.

use super::{HostDesired, OnChange, Owner, Piece, Question, Rendered};
use crate::backends::Part;
use crate::engines::CarriedAs;
use crate::spec::Os;

/// Of one distribution, each beside Debian's.
struct Words {
    packages: &'static [(&'static str, &'static str)],
    /// Units and paths, wherever they stand: in names, commands and files.
    texts: &'static [(&'static str, &'static str)],
    users: &'static [(&'static str, &'static str)],
}

const DEBIAN: Words = Words { packages: &[], texts: &[], users: &[] };

/// RHEL 9 and what is built of it, with its High Availability add-on, EPEL (kea, munge, slurm) and the Storage SIG (nfs-ganesha).
/// Sources: these packages' lists of files.
const RHEL: Words = Words {
    packages: &[
        ("fence-agents", "fence-agents-all"),
        ("ipxe", "ipxe-bootimgs-x86"),
        ("iputils-arping", "iputils"),
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
    ],
    users: &[("_chrony", "chrony"), ("_kea", "kea")],
};

impl Words {
    fn of(os: Os) -> &'static Self {
        match os {
            Os::Debian12 => &DEBIAN,
            Os::Rhel9 => &RHEL,
        }
    }

    fn text(&self, text: &mut String) {
        for (debian, own) in self.texts {
            if text.contains(debian) {
                *text = text.replace(debian, own);
            }
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
        let mut path = file.path.to_string();
        self.text(&mut path);
        file.path = path.into();
        self.owner(&mut file.owner);
        if let OnChange::Reload(unit) | OnChange::Restart(unit) | OnChange::DaemonReload(Some(unit)) =
            &mut file.on_change
        {
            self.text(unit);
        }
        for piece in &mut file.text {
            if let Piece::Text(text) = piece
                && self.texts.iter().any(|(debian, _)| text.contains(debian))
            {
                let mut own = text.to_string();
                self.text(&mut own);
                *text = own.into();
            }
        }
    }

    fn question(&self, question: &mut Question) {
        if let Question::Command { argv, .. } = question {
            argv.iter_mut().for_each(|word| self.text(word));
        }
    }
}

/// A backend's part, in the words of that distribution; its packages are the host's affair.
pub(super) fn part(os: Os, part: &mut Part) {
    let words = Words::of(os);
    part.files.iter_mut().for_each(|(_, file)| words.file(file));
    part.directories.iter_mut().for_each(|(_, directory)| words.owner(&mut directory.owner));
    part.units.iter_mut().for_each(|(_, unit)| words.text(&mut unit.name));
    part.checks.iter_mut().for_each(|(_, check)| words.question(&mut check.question));
    for probe in &mut part.probes {
        words.text(&mut probe.unit);
        words.question(&mut probe.question);
    }
    for carried in &mut part.carried {
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
    let words = Words::of(os);
    host.files.iter_mut().for_each(|file| words.file(file));
    host.directories.iter_mut().for_each(|directory| words.owner(&mut directory.owner));
    host.units.iter_mut().for_each(|unit| words.text(&mut unit.name));
    host.checks.iter_mut().for_each(|check| words.question(&mut check.question));
}

/// All packages of a host.
pub(super) fn packages(os: Os, host: &mut HostDesired) {
    let own = |name: String| {
        let known = Words::of(os).packages.iter().find(|(debian, _)| *debian == name);
        known.map_or(name, |(_, own)| (*own).to_owned())
    };
    host.packages = std::mem::take(&mut host.packages).into_iter().map(own).collect();
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
