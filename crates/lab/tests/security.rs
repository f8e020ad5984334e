//! What docs/security.md claims is shown by tests that there are.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_claim_of_the_threat_model_names_tests_that_there_are() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let text = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut tests = BTreeSet::new();
    look_in(&root.join("crates"), &mut tests);
    assert!(tests.len() > 300, "{}", tests.len());
    let holds = text.split("## What holds").nth(1).unwrap().split("\n## ").next().unwrap();
    let claims =
        holds.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| claim"));
    let mut claimed = 0;
    for claim in claims {
        let named: Vec<&str> = claim.split('`').skip(1).step_by(2).filter(is_test_name).collect();
        assert!(!named.is_empty(), "no test: {claim}");
        for name in named {
            assert!(tests.contains(name), "there is no test {name}: {claim}");
        }
        claimed += 1;
    }
    assert!(claimed >= 20, "{claimed}");
}

/// Tests are sentences.
fn is_test_name(text: &&str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.matches('_').count() >= 3 && text.chars().all(word)
}

/// Functions below an attribute that ends with `test]`, or has arguments.
fn look_in(dir: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_in(&path, tests);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_next = false;
            for line in text.lines().map(str::trim_start) {
                is_next |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let line = line.trim_start_matches("async ");
                if let (true, Some(rest)) = (is_next, line.strip_prefix("fn ")) {
                    tests.insert(rest.split('(').next().unwrap().to_owned());
                    is_next = false;
                }
            }
        }
    }
}
