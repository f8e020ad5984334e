//! Documents name files that are there.

use std::path::{Path, PathBuf};

#[test]
fn every_link_in_our_documents_leads_to_a_file() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let folders = [root.to_owned(), root.join("docs"), root.join("docs/decisions")];
    let documents: Vec<PathBuf> = folders.iter().flat_map(|folder| documents(folder)).collect();
    let mut broken = Vec::new();
    let mut followed = 0;
    for document in &documents {
        let text = std::fs::read_to_string(document).unwrap();
        for target in links(&text) {
            followed += 1;
            if !document.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(followed > 0, "no links in {documents:?}");
    assert_eq!(broken, Vec::<String>::new());
}

fn documents(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of documents");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

/// What `[text](target)` names here, without the part after `#`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let here = targets.map(|(target, _)| target).filter(|target| !target.contains("://"));
    here.map(|target| target.split('#').next().unwrap_or(target))
}
