//! Who held the group's address, one after the other, and whether two ever did at the same time. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spec::Cluster;

/// An owner that answers again so soon after another one had never let the address go: no engine moves a group away and
/// back in this time, and two holders answer each question one after the other.
const RETURN_MIN_US: u64 = 300_000;

/// Who answered on the wire for the group's address, from before the fault until the cluster was whole again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners {
    /// Heads (or MACs that are nobody's in the spec), in the order in which they held it.
    pub order: Vec<String>,
    /// How often one answered while another one held it: more than 0 is the end of every promise.
    pub twice: usize,
    /// Units that only one head may run, each with how often it was seen to run on two: more than 0 is the same end.
    #[serde(default)]
    pub copies: BTreeMap<String, usize>,
}

impl Owners {
    /// Two heads never were one.
    pub fn is_one(&self) -> bool {
        self.twice == 0 && self.copies.values().all(|times| *times == 0)
    }

    /// From answers at each change, in order, by address: microseconds and the holder's name. The order is the first
    /// address's; none if nobody answered.
    pub(super) fn of(addresses: &[Vec<(u64, String)>]) -> Option<Self> {
        let returns = |three: &&[(u64, String)]| {
            let [(_, first), (left_us, _), (back_us, last)] = three else { return false };
            first == last && back_us.saturating_sub(*left_us) < RETURN_MIN_US
        };
        let order = addresses.first()?.iter().map(|(_, name)| name.clone()).collect();
        let twice = addresses.iter().map(|holders| holders.windows(3).filter(returns).count()).sum();
        Some(Self { order, twice, copies: BTreeMap::new() })
    }
}

/// The same answers with the hosts that the spec gives the MACs to.
pub(super) fn named(cluster: &Cluster, holders: &[(u64, String)]) -> Vec<(u64, String)> {
    let names = names(cluster);
    let name = |mac: &String| names.get(&mac.to_lowercase()).unwrap_or(mac).clone();
    holders.iter().map(|(us, mac)| (*us, name(mac))).collect()
}

/// Hosts by their MACs.
fn names(cluster: &Cluster) -> BTreeMap<String, String> {
    let nics = cluster.heads.iter().flat_map(|(name, head)| head.nics.values().map(move |nic| (name, nic)));
    nics.map(|(name, nic)| (nic.mac.to_string().to_lowercase(), name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Sources, load};

    fn owners(holders: &[(u64, &str)]) -> Owners {
        let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml")).unwrap();
        let cluster = load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster;
        let holders: Vec<_> = holders.iter().map(|(us, mac)| (*us, (*mac).to_owned())).collect();
        Owners::of(&[named(&cluster, &holders)]).unwrap()
    }

    const ONE: &str = "52:54:00:20:00:11";
    const TWO: &str = "52:54:00:20:00:12";

    #[test]
    fn a_move_has_two_owners_one_after_the_other() {
        let moved = owners(&[(0, ONE), (2_000_000, TWO)]);
        assert_eq!(
            (moved.order.as_slice(), moved.twice),
            (&["head-1".to_owned(), "head-2".to_owned()][..], 0)
        );
        let back = owners(&[(0, ONE), (2_000_000, TWO), (2_400_000, ONE)]);
        assert_eq!((back.order.len(), back.twice), (3, 0));
    }

    #[test]
    fn two_that_answer_in_turns_hold_it_at_the_same_time() {
        let both = owners(&[(0, ONE), (2_000_000, TWO), (2_000_400, ONE), (2_010_000, TWO)]);
        assert_eq!(both.twice, 2);
    }

    #[test]
    fn two_that_hold_an_address_of_the_other_family_count_too() {
        let list = |heads: [&str; 3]| heads.map(|head| (1_000, head.to_owned())).to_vec();
        let owners = Owners::of(&[list(["1", "2", "3"]), list(["1", "2", "1"])]).unwrap();
        assert_eq!((owners.order, owners.twice), (["1", "2", "3"].map(str::to_owned).to_vec(), 1));
        assert_eq!(Owners::of(&[]), None);
    }

    #[test]
    fn a_stranger_is_named_by_its_mac() {
        assert_eq!(owners(&[(0, "02:00:00:00:00:99")]).order, ["02:00:00:00:00:99"]);
    }
}
