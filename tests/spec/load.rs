//! The loader on what no file of this repository should hold: garbage, bombs, and mutations of a good spec.

use camino::Utf8Path;
use haoscar::spec::{Problem, Sources, load};
use proptest::prelude::*;

const REFERENCE: &str = include_str!("../../specs/ha-oscar-2004.yaml");

fn problems(bytes: impl Into<Vec<u8>>) -> Vec<Problem> {
    load(&Sources::of_text("cluster.yaml", bytes)).map(|_| Vec::new()).unwrap_or_else(|found| found)
}

fn codes(bytes: impl Into<Vec<u8>>) -> Vec<String> {
    problems(bytes).into_iter().map(|problem| problem.code).collect()
}

#[test]
fn a_value_and_its_key_are_found_by_path() {
    let loaded = load(&Sources::of_text("cluster.yaml", REFERENCE)).unwrap();
    let text = |place: haoscar::spec::Place| REFERENCE[place.bytes].to_owned();
    let places = &loaded.places;
    assert_eq!(text(places.place("heads.head-1.nics.eno1.address").unwrap()), "192.0.2.11");
    assert_eq!(text(places.key("heads.head-1.nics.eno1.address").unwrap()), "address");
    assert_eq!(text(places.place("groups.control.services.1").unwrap()), "boot");
    assert_eq!(text(places.place("nodes.compute[1-4].nics.eno1.macs.2").unwrap()), "\"52:54:00:20:01:03\"");
    assert_eq!(text(places.place("heads.head-2").unwrap()), "head-2");
    assert_eq!(places.place("heads.head-3"), None);
}

#[test]
fn a_nul_byte_and_broken_utf8_are_not_a_text() {
    assert_eq!(codes(b"name: a\0b\n"), ["spec/not-text"]);
    let found = problems(b"name: oscar\ndomain: \xff\xfe\n");
    let place = &found[0].places[0];
    assert_eq!((found[0].code.as_str(), place.line, place.column), ("spec/not-text", 2, 9));
}

#[test]
fn fifty_megabytes_are_refused_unread() {
    assert_eq!(codes(vec![b'a'; 50 * 1024 * 1024]), ["spec/too-large"]);
}

#[test]
fn an_alias_bomb_is_stopped() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    assert_eq!(codes(bomb), ["spec/alias-bomb"]);
}

#[test]
fn deep_nesting_is_stopped() {
    assert_eq!(codes("[".repeat(100_000)).len(), 1);
    assert_eq!(codes("a: {".repeat(1_000)).len(), 1);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_accepted() {
    assert_eq!(codes(REFERENCE.replace('\n', "\r\n")), [""; 0]);
    assert_eq!(codes(format!("\u{feff}{REFERENCE}")), [""; 0]);
    let found = problems(format!("\u{feff}{}", REFERENCE.replace("name: oscar", "name: OSCAR")));
    assert_eq!((found[0].places[0].line, found[0].code.as_str()), (5, "spec/bad-value"));
}

#[test]
fn an_alias_repeats_a_fence_device() {
    let text = REFERENCE.replacen("fence: {", "fence: &bmc {", 1).replace(
        "fence: { agent: fence_ipmilan, ip: 10.20.1.2, username: admin, password: { secret: bmc-head-2 } }",
        "fence: *bmc",
    );
    let cluster = load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster;
    assert_eq!(cluster.heads["head-1"].fence, cluster.heads["head-2"].fence);
}

#[test]
fn macs_come_from_the_csv_in_the_order_of_the_range() {
    let from = REFERENCE.find("macs: [").unwrap();
    let to = from + REFERENCE[from..].find(']').unwrap() + 1;
    let text = format!("{}macs: macs.csv{}", &REFERENCE[..from], &REFERENCE[to..]);
    let mut sources = Sources::of_text("cluster.yaml", text);
    assert_eq!(load(&sources).unwrap_err()[0].code, "spec/csv-missing");
    let rows = "name,mac\ncompute3,52:54:00:00:00:03\ncompute1,52:54:00:00:00:01\n\
                compute4,52:54:00:00:00:04\ncompute2,52:54:00:00:00:02\nother,52:54:00:00:00:09\n";
    sources.files.insert("macs.csv".into(), rows.into());
    let loaded = load(&sources).unwrap();
    let haoscar::spec::MacList::Given(macs) =
        &loaded.cluster.nodes.values().next().unwrap().nics.get("eno1").unwrap().macs
    else {
        panic!("the list is not read")
    };
    assert_eq!(macs[2].to_string(), "52:54:00:00:00:03");
    let place = loaded.places.place("nodes.compute[1-4].nics.eno1.macs.2").unwrap();
    assert_eq!((place.file.as_path(), place.line), (Utf8Path::new("macs.csv"), 2));
    sources.files.insert("macs.csv".into(), "name,mac\ncompute1,52\ncompute1\n,".into());
    assert_eq!(load(&sources).unwrap_err().len(), 3);
}

/// 100,000 where the compiler optimizes; else as many as serde-saphyr's own budget would refuse.
const MANY: u32 = if cfg!(debug_assertions) { 12_000 } else { 100_000 };

#[test]
fn a_hundred_thousand_nodes_that_are_written_one_by_one_pass() {
    let from = REFERENCE.find("nodes:\n").unwrap();
    let to = REFERENCE.find("policy:\n").unwrap();
    let mut nodes = String::from("nodes:\n");
    for n in 0..MANY {
        let [_, a, b, c] = n.to_be_bytes();
        nodes.push_str(&format!(
            "  n{n}: {{ cpus: 64, memory_mib: 262144, nics: {{ eno1: {{ network: inside, address: 10.{a}.{b}.{c}, macs: [\"52:54:00:{a:02x}:{b:02x}:{c:02x}\"] }} }} }}\n"
        ));
    }
    let text = format!("{}{nodes}{}", &REFERENCE[..from], &REFERENCE[to..]);
    let loaded = load(&Sources::of_text("cluster.yaml", text)).unwrap();
    // nearly all of them are outside their network, and the partition's nodes are gone
    let found = haoscar::spec::lint(&loaded);
    assert_eq!(found.len(), haoscar::spec::PROBLEMS_MAX);
    assert!(found.iter().any(|problem| problem.code == "ref/nodes"));
}

#[test]
fn every_problem_has_a_place_in_the_file() {
    for cut in (0..REFERENCE.len()).step_by(7) {
        let text = &REFERENCE[..cut];
        for problem in problems(text) {
            let place = problem.places.first().unwrap_or_else(|| panic!("{problem:?} has no place"));
            assert!(place.line >= 1 && place.line <= text.lines().count().max(1) + 1, "{problem:?}");
            assert!(text.get(place.bytes.clone()).is_some(), "{problem:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = problems(bytes);
    }

    #[test]
    fn lints_of_a_spec_with_exchanged_words_point_into_the_file(
        swaps in proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>()), 1..5)
    ) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-.[]+/:".contains(c);
        let mut words: Vec<String> = Vec::new();
        for c in REFERENCE.chars() {
            match words.last_mut() {
                Some(last) if is_word(c) && last.ends_with(is_word) => last.push(c),
                _ => words.push(c.to_string()),
            }
        }
        let places: Vec<usize> = (0..words.len()).filter(|i| words[*i].len() > 2).collect();
        for (from, to) in swaps {
            words[*to.get(&places)] = words[*from.get(&places)].clone();
        }
        let text = words.concat();
        if let Ok(loaded) = load(&Sources::of_text("cluster.yaml", text.clone())) {
            for problem in haoscar::spec::lint(&loaded) {
                prop_assert!(!problem.places.is_empty(), "{problem:?}");
                for place in problem.places {
                    prop_assert!(text.get(place.bytes.clone()).is_some());
                }
            }
        }
    }

    #[test]
    fn a_mutated_reference_spec_never_panics(
        edits in proptest::collection::vec((0..REFERENCE.len(), 0..12_usize, "[-:{}\\[\\]&*!|>%@`\"'#,? \t\nxé0-9]{0,4}"), 1..6)
    ) {
        let mut text = REFERENCE.to_owned();
        for (at, length, with) in edits {
            let border = |at: usize| (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap();
            let (from, to) = (border(at), border(at + length));
            text.replace_range(from..to, &with);
        }
        for problem in problems(text.clone()) {
            for place in problem.places {
                prop_assert!(text.get(place.bytes.clone()).is_some());
            }
        }
    }
}
