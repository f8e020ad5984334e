//! Who may know whom: `docs/arrows.txt` is the law, and this its court. It is changed by decision, so there is no
//! `UPDATE=1` for it.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

#[test]
fn our_crates_depend_on_each_other_as_the_law_says() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let law = std::fs::read_to_string(format!("{root}/docs/arrows.txt")).expect("docs/arrows.txt");
    let cargo = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(env!("CARGO")).args(cargo).current_dir(root).output().unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        picture(&serde_json::from_slice(&output.stdout).unwrap()),
        law,
        "left: Cargo.toml, right: the law"
    );
}

/// One of the libraries that would bring it does so by default: see `gotatun` and `rustls` in Cargo.toml.
#[test]
fn nothing_builds_aws_lc() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));
    let lock = lock.expect("Cargo.lock");
    assert!(lock.contains("name = \"ring\""), "the one that does its work");
    assert!(!lock.contains("aws-lc"));
}

/// One line per crate, sorted: `name -> dep dep`, normal dependencies only.
fn picture(metadata: &Value) -> String {
    let mut arrows = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let ours = list(&package["dependencies"])
            .iter()
            .filter(|d| d["path"].is_string() && d["kind"].is_null());
        let mut known: Vec<&str> = ours.map(name).collect();
        known.sort_unstable();
        known.dedup();
        arrows.insert(name(package), known.join(" "));
    }
    let line = |(name, known)| format!("{name} -> {known}").trim_end().to_owned() + "\n";
    arrows.into_iter().map(line).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or("?")
}
