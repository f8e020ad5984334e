use std::path::Path;

use lab::assert_golden;

use crate::kannas::kannas;

/// Words of every command there is, the empty one among them.
fn commands(command: &clap::Command, words: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![words.to_vec()];
    for inner in command.get_subcommands() {
        let words = [words, &[inner.get_name().to_owned()]].concat();
        all.extend(commands(inner, &words));
    }
    all
}

#[test]
fn the_help_of_every_command_is_under_review() {
    let all = commands(&cli::command(), &[]);
    assert!(all.len() > 30, "{all:?}");
    for words in all {
        let help = kannas(&[&words[..], &["--help".to_owned()]].concat()).ok();
        assert!(!help.contains('\u{1b}'));
        let name = [&["kannas".to_owned()], &words[..]].concat().join("-");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
        assert_golden(golden.join(format!("{name}.txt")), &help);
    }
}

#[test]
fn every_command_and_flag_says_what_it_is_for() {
    for words in commands(&cli::command(), &[]) {
        let mut command = cli::command();
        for word in &words {
            command = command.find_subcommand(word).unwrap().clone();
        }
        assert!(command.get_about().is_some(), "{words:?}");
        for flag in command.get_arguments().filter(|flag| !flag.is_hide_set()) {
            assert!(flag.get_help().is_some(), "{words:?} {}", flag.get_id());
        }
    }
}

#[test]
fn shells_are_taught_every_command() {
    for (shell, want) in [
        ("bash", "kannas__subcmd__peering"),
        ("zsh", "#compdef kannas"),
        ("fish", "complete -c kannas"),
    ] {
        let text = kannas(&["completions", shell]).ok();
        assert!(text.contains(want) && text.contains("peer-network"), "{shell}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let want = format!("kannas {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(kannas(&["--version"]).ok(), want);
}
