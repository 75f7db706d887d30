//! What DHCP servers have given out, as their own files say it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::spec::Mac;

/// An address that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub mac: Mac,
    /// What.
    pub address: IpAddr,
    /// How it calls itself; empty: not at all.
    pub name: String,
    /// Until when, in seconds of the epoch.
    pub until: u64,
}

/// The files below a dhcp service's state that hold leases: Kea's, its one of before the last clean-up, and dnsmasq's.
pub const LEASE_FILES: [&str; 3] = ["kea-leases4.csv.2", "kea-leases4.csv", "dnsmasq.leases"];

/// Leases of such files, one after the other in that order, that have not ended at `now`: of each machine the newest, in the order in which they
/// asked last. What is no lease is passed over.
pub fn read(text: &str, now: u64) -> Vec<Lease> {
    let mut known: BTreeMap<Mac, Lease> = BTreeMap::new();
    for line in text.lines() {
        let Some(lease) = of_kea(line).or_else(|| of_dnsmasq(line)) else { continue };
        if known.get(&lease.mac).is_none_or(|before| before.until <= lease.until) {
            known.insert(lease.mac, lease);
        }
    }
    let mut leases: Vec<_> = known.into_values().filter(|lease| lease.until > now).collect();
    leases.sort_by_key(|lease| (lease.until, lease.address));
    leases
}

/// `address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,…`; state 0 is a lease.
fn of_kea(line: &str) -> Option<Lease> {
    let words: Vec<_> = line.split(',').collect();
    let [address, mac, _, _, until, _, _, _, name, "0", ..] = words[..] else { return None };
    lease(mac, address, name, until)
}

/// `EXPIRY MAC ADDRESS NAME CLIENT-ID`.
fn of_dnsmasq(line: &str) -> Option<Lease> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [until, mac, address, name, _] = words[..] else { return None };
    lease(mac, address, if name == "*" { "" } else { name }, until)
}

fn lease(mac: &str, address: &str, name: &str, until: &str) -> Option<Lease> {
    let (mac, address, until) = (mac.parse().ok()?, address.parse().ok()?, until.parse().ok()?);
    Some(Lease { mac, address, name: name.trim_end_matches('.').to_owned(), until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lease_of_each_machine_counts_whichever_server_gave_it() {
        let kea = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n\
                   10.60.250.1,02:00:00:00:00:01,,43200,900,1,0,0,old.,0,\n\
                   10.60.250.1,02:00:00:00:00:01,,43200,2000,1,0,0,new.,0,\n\
                   10.60.250.2,02:00:00:00:00:02,,43200,1500,1,0,0,,0,\n\
                   10.60.250.9,02:00:00:00:00:09,,43200,1500,1,0,0,,1,\n";
        let dnsmasq =
            "2500 02:00:00:00:00:02 10.60.250.7 node *\n100 02:00:00:00:00:03 10.60.250.8 * *\nduid 00:01\n";
        let found = read(&format!("{kea}{dnsmasq}"), 1000);
        let said: Vec<_> =
            found.iter().map(|lease| format!("{} {} {}", lease.mac, lease.address, lease.name)).collect();
        assert_eq!(said, ["02:00:00:00:00:01 10.60.250.1 new", "02:00:00:00:00:02 10.60.250.7 node"]);
    }
}
