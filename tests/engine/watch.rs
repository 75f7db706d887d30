//! What a head's watcher is told to look at.

use haoscar::engines::watchlist::{WATCHLIST, Watchlist};

use super::{text, with_members};

fn list(host: &str) -> Watchlist {
    let desired = with_members(&["arbiter", "head-1", "head-2"]);
    serde_json::from_str(&text(&desired, host, WATCHLIST).unwrap()).unwrap()
}

#[test]
fn every_unit_that_the_engine_carries_is_watched_by_its_primitive() {
    let desired = with_members(&["arbiter", "head-1", "head-2"]);
    let engine = desired.engine.as_ref().unwrap();
    let watched = list("head-2").units;
    assert_eq!(watched.len(), engine.units.len());
    for unit in &watched {
        assert!(engine.units.contains_key(&unit.unit), "{unit:?}");
        let primitive = format!("id=\"{}\" provider=\"haoscar\" type=\"unit\"", unit.resource);
        assert!(engine.cib.contains(&primitive), "{unit:?}");
    }
}

#[test]
fn every_attribute_that_a_watcher_sets_stands_in_a_rule() {
    let desired = with_members(&["arbiter", "head-1", "head-2"]);
    let cib = &desired.engine.as_ref().unwrap().cib;
    let list = list("head-1");
    let links = list.links.iter().map(|link| &link.attribute);
    for attribute in links.chain(list.stores.iter().map(|store| &store.attribute)) {
        assert!(cib.contains(&format!("attribute=\"{attribute}\"")), "{attribute}");
    }
    assert_eq!((list.links.len(), list.stores.len()), (2, 1));
}

#[test]
fn a_witness_has_no_watcher() {
    let desired = with_members(&["arbiter", "head-1", "head-2"]);
    assert_eq!(text(&desired, "arbiter", WATCHLIST), None);
}
