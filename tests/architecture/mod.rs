//! Walls between rooms, limits of functions and files (DESIGN.md sections 3 and 10).
//!
//! Function length, unwrap, unsafe and forbidden calls are clippy's and rustc's to refuse; what they cannot see is here.

use std::fs;
use std::path::{Path, PathBuf};

const PURE: &[&str] =
    &["spec", "desired", "observed", "plan", "backends", "engines", "recovery", "status", "templates.rs"];
const FILE_LINES_MAX: usize = 600;

/// Modules that reach the world. A pure room gets values instead.
const WORLD: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "nix::",
    "getrandom",
    "crate::host",
    "crate::apply",
    "crate::lab",
    "crate::cli",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The file without comments and without its test module, line by line.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
}

#[test]
fn pure_rooms_never_name_what_reaches_the_world() {
    let mut found = Vec::new();
    for room in PURE {
        for file in rust_files(&root().join("src").join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in code_lines(&text) {
                let hit = WORLD.iter().find(|word| line.contains(**word));
                found.extend(hit.map(|word| format!("{}:{number}: {word}", file.display())));
            }
        }
    }
    assert!(found.is_empty(), "pure rooms reach the world:\n{}", found.join("\n"));
}

#[test]
fn maps_are_ordered_so_that_the_same_input_gives_the_same_bytes() {
    let mut found = Vec::new();
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in code_lines(&text) {
            if line.contains("HashMap") || line.contains("HashSet") {
                found.push(format!("{}:{number}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "unordered maps:\n{}", found.join("\n"));
}

#[test]
fn no_file_is_longer_than_its_limit() {
    let mut found = Vec::new();
    for folder in ["src", "tests"] {
        for file in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > FILE_LINES_MAX {
                found.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "split these files at {FILE_LINES_MAX} lines:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_at_its_top_what_it_is_for() {
    let silent: Vec<_> = rust_files(&root().join("src"))
        .into_iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .map(|file| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top:\n{}", silent.join("\n"));
}

#[test]
fn only_the_command_line_prints() {
    let mut found = Vec::new();
    for file in rust_files(&root().join("src")) {
        if file.starts_with(root().join("src/cli")) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in code_lines(&text) {
            if ["println!(", "print!(", "eprintln!(", "eprint!("].iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "a library room prints:\n{}", found.join("\n"));
}

#[test]
fn no_committed_file_names_a_path_of_one_machine() {
    let listed = std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    if !listed.status.success() {
        return; // a source archive without git has nothing more to say
    }
    let forbidden = ["/wo", "rk/main"].concat();
    let hits: Vec<_> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter(|file| fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains(&forbidden)))
        .map(str::to_owned)
        .collect();
    assert!(hits.is_empty(), "files name a path of one machine: {hits:?}");
}
