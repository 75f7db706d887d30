//! What is one machine's own, and therefore in no image: identity, secrets, membership, state and logs.
//!
//! A list, and nothing else: `capture` carries it out. A path that is not there is no matter.

use camino::Utf8PathBuf;

/// What is left where a rule is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing; where it is a link, what it leads to is gone too.
    Nothing,
    /// What a link leads to; of all else nothing.
    Target,
    /// The empty file.
    Empty,
    /// The empty folder, with its owner and mode.
    Folder,
    /// The folder and those in it, with their owners and modes: daemons want them.
    Folders,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Absolute; its last part may hold one `*`.
    pub path: Utf8PathBuf,
    /// What stays.
    pub keep: Keep,
    /// Why, for people.
    pub why: &'static str,
}

const IDENTITY: &str = "identity: every machine has its own";
const SECRET: &str = "a secret: a new member gets it when it joins";
const MEMBER: &str = "membership: a new member gets it when it joins";
const STATE: &str = "state of a service or of haoscar";
const LOG: &str = "a log";
const CACHE: &str = "made anew when it is needed";
const OWN: &str = "written by haoscar: a new member gets its own";
const ASKED: &str = "the spec leaves it out";

/// Path, what stays, why. Sources: knowledge/ha-oscar.md (what broke clones), hier(7), machine-id(5), and what the
/// packages of the daemons that haoscar drives keep where.
const RULES: &[(&str, Keep, &str)] = &[
    ("/etc/machine-id", Keep::Empty, IDENTITY),
    ("/var/lib/dbus/machine-id", Keep::Target, IDENTITY),
    ("/etc/hostname", Keep::Nothing, IDENTITY),
    ("/etc/fstab", Keep::Nothing, IDENTITY),
    ("/etc/ssh/ssh_host_*", Keep::Nothing, IDENTITY),
    ("/root/.ssh/id_*", Keep::Nothing, IDENTITY),
    ("/etc/network/interfaces", Keep::Nothing, IDENTITY),
    ("/etc/network/interfaces.d", Keep::Folders, IDENTITY),
    ("/etc/netplan", Keep::Folders, IDENTITY),
    ("/etc/NetworkManager/system-connections", Keep::Folders, IDENTITY),
    ("/etc/systemd/network", Keep::Folders, IDENTITY),
    ("/etc/udev/rules.d/70-persistent-net.rules", Keep::Nothing, IDENTITY),
    ("/etc/iscsi/initiatorname.iscsi", Keep::Nothing, IDENTITY),
    ("/etc/nvme/host*", Keep::Nothing, IDENTITY),
    ("/var/lib/systemd/random-seed", Keep::Nothing, IDENTITY),
    ("/boot/grub/grub.cfg", Keep::Nothing, IDENTITY),
    ("/boot/efi", Keep::Folder, IDENTITY),
    ("/etc/haoscar/secrets", Keep::Folder, SECRET),
    ("/etc/corosync/authkey", Keep::Nothing, SECRET),
    ("/etc/corosync/qdevice", Keep::Folder, SECRET),
    ("/etc/corosync/qnetd", Keep::Folder, SECRET),
    ("/etc/ha.d/authkeys", Keep::Nothing, SECRET),
    ("/etc/munge/munge.key", Keep::Nothing, SECRET),
    ("/etc/ssl/private", Keep::Folders, SECRET),
    ("/etc/krb5.keytab", Keep::Nothing, SECRET),
    ("/etc/corosync/corosync.conf", Keep::Nothing, MEMBER),
    ("/var/lib/corosync", Keep::Folders, MEMBER),
    ("/var/lib/pacemaker", Keep::Folders, MEMBER),
    ("/var/lib/heartbeat", Keep::Folders, MEMBER),
    ("/var/lib/haoscar", Keep::Folder, STATE),
    ("/var/lib/haoscar-leases4", Keep::Nothing, STATE),
    ("/var/lib/haoscar-leases6", Keep::Nothing, STATE),
    ("/var/lib/kea", Keep::Folders, STATE),
    ("/var/lib/chrony", Keep::Folders, STATE),
    ("/var/lib/dhcp", Keep::Folders, STATE),
    ("/var/lib/misc", Keep::Folders, STATE),
    ("/var/lib/nfs", Keep::Folders, STATE),
    ("/var/lib/slurm", Keep::Folders, STATE),
    ("/var/spool/slurm", Keep::Folders, STATE),
    ("/var/lib/systemd/coredump", Keep::Folders, STATE),
    ("/var/lib/systemd/timers", Keep::Folders, STATE),
    ("/var/crash", Keep::Folders, STATE),
    ("/var/log", Keep::Folders, LOG),
    ("/root/.bash_history", Keep::Nothing, LOG),
    ("/var/cache/apt/archives", Keep::Folders, CACHE),
    ("/var/lib/apt/lists", Keep::Folders, CACHE),
    ("/var/tmp", Keep::Folder, CACHE),
    ("/tmp", Keep::Folder, CACHE),
    ("/swapfile", Keep::Nothing, CACHE),
    ("/swap.img", Keep::Nothing, CACHE),
    ("/lost+found", Keep::Nothing, CACHE),
];

/// Every rule: the standing ones, files that haoscar owns, places of a group's state, and what the spec leaves out.
pub fn rules(owned: &[Utf8PathBuf], storages: &[Utf8PathBuf], exclude: &[Utf8PathBuf]) -> Vec<Rule> {
    let standing = RULES.iter().map(|&(path, keep, why)| Rule { path: path.into(), keep, why });
    let rule = |keep, why| move |path: &Utf8PathBuf| Rule { path: path.clone(), keep, why };
    let storages = storages.iter().map(rule(Keep::Folder, STATE));
    let owned = owned.iter().map(rule(Keep::Target, OWN));
    let exclude = exclude.iter().map(rule(Keep::Folder, ASKED));
    let mut all: Vec<_> = standing.chain(storages).chain(owned).chain(exclude).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path)); // a folder before what is in it
    all.dedup_by(|a, b| a.path == b.path);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_an_absolute_path_with_at_most_one_star_in_its_last_part() {
        for rule in rules(&[], &[], &[]) {
            let (folder, name) = (rule.path.parent().unwrap(), rule.path.file_name().unwrap());
            assert!(rule.path.is_absolute() && !folder.as_str().contains('*'), "{}", rule.path);
            assert!(name.matches('*').count() <= 1, "{}", rule.path);
        }
    }

    #[test]
    fn a_path_of_two_rules_is_named_once() {
        let twice = rules(&["/etc/hosts".into()], &["/srv/state".into()], &["/srv/state".into()]);
        assert_eq!(twice.iter().filter(|rule| rule.path == "/srv/state").count(), 1);
        assert!(twice.iter().any(|rule| rule.path == "/etc/hosts" && rule.keep == Keep::Target));
    }
}
