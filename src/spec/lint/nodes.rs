//! Node ranges: as many MACs as nodes, and addresses that count.

use super::{Lint, Mend};
use crate::spec::MacList;

pub(super) fn check(lint: &mut Lint<'_>) {
    for (range, nodes) in &lint.cluster.nodes {
        let count = range.names().len();
        for (nic, card) in &nodes.nics {
            let path = format!("nodes.{range}.nics.{nic}");
            if let MacList::Given(macs) = &card.macs
                && !macs.is_empty()
                && macs.len() != count
            {
                let places = [
                    lint.at_key(&format!("{path}.macs"), format!("{} MACs", macs.len())),
                    lint.at_key(&format!("nodes.{range}"), format!("{count} nodes")),
                ];
                lint.error(
                    "nodes/mac-count",
                    format!("{range} has {count} nodes but {} MACs", macs.len()),
                    places,
                )
                .mend("one MAC a node, in the order of the range; leave `macs` out while none is known");
            }
            let words = [("address", Some(&card.address)), ("address6", card.address6.as_ref())];
            for (word, text) in words {
                if text.is_some_and(|text| count > 1 && !text.ends_with('+')) {
                    let places = [
                        lint.at(&format!("{path}.{word}"), "one address"),
                        lint.at_key(&format!("nodes.{range}"), format!("{count} nodes")),
                    ];
                    lint.error(
                        "nodes/one-address",
                        format!("all {count} nodes of {range} would have the same address"),
                        places,
                    )
                    .mend(format!(
                        "write `{word}: {}+`: addresses count up from it",
                        text.map_or("", |t| t.as_str())
                    ));
                }
            }
        }
    }
}
