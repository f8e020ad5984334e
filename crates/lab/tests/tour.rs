//! The tour in README.md, run as a reader would: block by block, in its box.

use std::path::Path;
use std::process::Command;

use lab::site;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Stands in the tour before what the line above it prints.
const PRINTS: &str = "#> ";

/// Seconds. The tour itself takes ten.
const LIMIT: &str = "120";

#[test]
fn every_line_of_the_tour_does_what_the_readme_says() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let (enter, script) = tour(&readme);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tour.sh");
    std::fs::write(&file, with_program(&script, &site::kannas().unwrap())).unwrap();

    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", LIMIT]).args(enter.split_whitespace());
    command.args(["-euo", "pipefail"]).arg(&file).current_dir(ROOT);
    // Nothing of the developer's own: KANNAS_* would be taken as settings.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.output().unwrap();

    let out = String::from_utf8_lossy(&output.stdout);
    let all = format!("{out}\n{}\n{}", String::from_utf8_lossy(&output.stderr), output.status);
    assert!(output.status.success(), "{all}");
    let lines: Vec<&str> = out.lines().collect();
    let wanted = lines.iter().filter(|line| line.starts_with(PRINTS)).count();
    assert_eq!(wanted, script.lines().filter(|line| line.starts_with(PRINTS)).count(), "{all}");
    assert!(wanted > 0, "the tour promises nothing");
    for pair in lines.windows(2) {
        if let Some(promised) = pair[1].strip_prefix(PRINTS) {
            assert_eq!(pair[0], promised, "printed, promised; all of it:\n{all}");
        }
    }
}

/// How to enter the box, and what is done in there.
fn tour(readme: &str) -> (String, String) {
    let (_, tour) = readme.split_once("\n## A tour").expect("a tour");
    let tour = tour.split("\n## ").next().unwrap_or(tour);
    let blocks = tour.split("\n```sh\n").skip(1);
    let mut blocks = blocks.map(|b| b.split_once("\n```").expect("an end of each block").0);
    let enter = blocks.next().expect("a box").to_owned();
    (enter, blocks.map(|block| format!("{block}\n")).collect())
}

/// The script with the program under test, and its promises in its output. What the server and the agents said is
/// shown when it fails: it is gone with the box.
fn with_program(script: &str, kannas: &Path) -> String {
    let built = "$PWD/target/debug";
    assert!(script.contains(built), "the tour says where kannas is");
    let folder = kannas.parent().expect("a file has a folder").to_string_lossy();
    let lines = script.replace(built, &folder);
    let lines = lines.lines().map(|line| match line.starts_with(PRINTS) {
        true => format!("echo '{line}'\n"),
        false => format!("{line}\n"),
    });
    format!("trap 'tail -n 20 /mnt/*.log >&2' ERR\n{}", lines.collect::<String>())
}
