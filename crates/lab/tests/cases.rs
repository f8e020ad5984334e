//! Every case of the contract (`docs/cases.txt`) is named by a test, and no test names a case that there is not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[test]
fn every_case_of_the_contract_is_named_by_a_test() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let list = std::fs::read_to_string(root.join("docs/cases.txt")).expect("docs/cases.txt");
    let cases: BTreeSet<String> =
        list.lines().filter(|l| !l.starts_with('#')).map(|l| l[..3].to_lowercase()).collect();
    assert!(cases.len() > 100, "docs/cases.txt was not read: {cases:?}");
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for file in sources(root) {
        for test in tests(&std::fs::read_to_string(&file).expect("a source")) {
            named.extend(cases_of(test).map(|case| (case, test.to_owned())));
        }
    }
    let unnamed: Vec<_> = cases.iter().filter(|case| !named.contains_key(*case)).collect();
    assert!(unnamed.is_empty(), "no test names {unnamed:?}");
    let unknown: Vec<_> = named.iter().filter(|(case, _)| !cases.contains(*case)).collect();
    assert!(unknown.is_empty(), "docs/cases.txt has none of {unknown:?}");
}

#[test]
fn a_name_begins_with_its_cases() {
    for (test, want) in [
        ("p01_a_peering", &["p01"][..]),
        ("p01_p03_n07_all", &["p01", "p03", "n07"]),
        ("p06_to_p08_p19_bad", &["p06", "p07", "p08", "p19"]),
        ("u03_to_the_end", &["u03"]),
        ("a_to_b", &[]),
        ("p1_p02", &[]),
        ("the_p99_latency", &[]),
    ] {
        assert_eq!(cases_of(test).collect::<Vec<_>>(), want, "{test}");
    }
    let source = "
        #[tokio::test(start_paused = true)]
        async fn a01_it_is() {}
        #[test]
        fn a02_it_is() {}
        fn a03_helper() {}
        \ndef test_a04_it_is(site):
        \ndef a05_helper(site):";
    let found: Vec<_> = tests(source).collect();
    assert_eq!(found, ["a01_it_is", "a02_it_is", "a04_it_is"]);
}

/// The cases at the head of a test's name.
fn cases_of(test: &str) -> impl Iterator<Item = String> {
    let mut found: Vec<String> = Vec::new();
    let mut words = test.split('_').peekable();
    while let Some(word) = words.next() {
        let until = words.peek().and_then(|next| case(next));
        match (case(word), found.last().and_then(|last| case(last)), until) {
            (Some(_), _, _) => found.push(word.to_owned()),
            (None, Some((kind, from)), Some((_, to))) if word == "to" => {
                found.extend((from + 1..to).map(|n| format!("{kind}{n:02}")));
            }
            (None, _, _) => break,
        }
    }
    found.into_iter()
}

fn case(word: &str) -> Option<(char, u8)> {
    let kind = word.chars().next().filter(char::is_ascii_lowercase)?;
    let number = &word[1..];
    let digits = number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| number.parse().ok()).flatten().map(|n| (kind, n))
}

/// Names of the tests in a source of Rust or Python.
fn tests(source: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    source.lines().map(str::trim).filter_map(move |line| {
        let is_marked = std::mem::replace(&mut marked, false);
        marked = line.starts_with("#[test]")
            || line.starts_with("#[tokio::test")
            || (is_marked && line.starts_with("#["));
        let rust = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        let rust = rust.filter(|_| is_marked);
        let rest = rust.or_else(|| line.strip_prefix("def test_"))?;
        Some(&rest[..rest.find('(')?])
    })
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("crates"), root.join("clients")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs" || it == "py") {
                found.push(path);
            }
        }
    }
    found
}
