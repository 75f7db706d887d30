//! What a head needs to speak to an outside watch.

use haoscar::desired::{Desired, Mode, Piece, SecretKind, Surroundings, UnitWant, resolve};
use haoscar::engines::alive::{ALIVE, ALIVE_URL, Alive};
use haoscar::spec::{Span, WatchUrl, WatchedBy};
use haoscar::templates::Templates;

use super::{reference, text};

fn watched(url: WatchUrl) -> Desired {
    let mut cluster = reference();
    cluster.ha.watched_by = Some(WatchedBy { url, every: Span::from_millis(60_000) });
    resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap()
}

#[test]
fn every_head_knows_who_must_be_online_and_what_must_be_started() {
    let desired = watched(WatchUrl::Text("https://watch.example/1".to_owned()));
    let alive: Alive = serde_json::from_str(&text(&desired, "head-2", ALIVE).unwrap()).unwrap();
    assert_eq!((alive.host.as_str(), alive.speaker.as_str(), alive.every_ms), ("head-2", "control", 60_000));
    assert_eq!(alive.members, ["arbiter", "head-1", "head-2"]);
    assert_eq!(alive.groups, desired.engine.as_ref().unwrap().resources);
    assert_eq!(text(&desired, "head-2", ALIVE_URL).unwrap(), "https://watch.example/1\n");
    let (_, head) = &desired.hosts["head-2"];
    assert!(head.packages.contains("curl"));
    assert!(head.units.iter().any(|u| u.name == "haoscar-alive.service" && u.want == UnitWant::Running));
    assert_eq!(text(&desired, "arbiter", ALIVE), None, "a witness carries nothing and so never speaks");
}

#[test]
fn an_address_that_is_a_secret_stands_in_roots_file_only() {
    let desired = watched(WatchUrl::Secret { secret: "watch-url".to_owned() });
    let (_, head) = &desired.hosts["head-1"];
    let file = head.files.iter().find(|file| file.path == ALIVE_URL).unwrap();
    assert_eq!((file.mode, &file.text), (Mode(0o600), &vec![Piece::Secret("watch-url".to_owned())]));
    assert_eq!(head.secrets["watch-url"], SecretKind::Given);
}

#[test]
fn a_spec_without_a_watch_lays_nothing() {
    let cluster = reference();
    let desired = resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap();
    assert_eq!((text(&desired, "head-1", ALIVE), text(&desired, "head-1", ALIVE_URL)), (None, None));
}
