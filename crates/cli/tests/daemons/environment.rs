use std::fs;
use std::process::Command;

use crate::binary::{failure, kannas, text};
use crate::running::Running;

#[test]
fn who_calls_and_whom_is_taken_from_the_environment() {
    let running = Running::start();
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("wrong");
    fs::write(&wrong, "a wrong guess\n").unwrap();
    let file = running.password_file();
    let password = fs::read_to_string(&file).unwrap().trim_end().to_owned();
    let url = format!("http://{}", running.api);
    let list = |pairs: &[(&str, &str)], flags: &[&str]| -> Command {
        let mut command = kannas(&["account", "list"]);
        command.args(flags).env("KANNAS_URL", &url).envs(pairs.iter().copied());
        command
    };
    let given = ("KANNAS_PASSWORD", &*password);
    let guess = ("KANNAS_PASSWORD", "a wrong guess");
    let in_file = ("KANNAS_PASSWORD_FILE", text(&file));
    let wrong_flag = ["--password-file", text(&wrong)];
    for (pairs, flags) in [
        (&[given][..], &[][..]),
        (&[in_file], &[]),
        // The file comes first, and the flag before the environment's.
        (&[guess, in_file], &[]),
        (&[("KANNAS_PASSWORD_FILE", text(&wrong))], &["--password-file", text(&file)]),
    ] {
        let output = list(pairs, flags).output().unwrap();
        assert!(output.status.success(), "{pairs:?} {flags:?}: {output:?}");
        assert_eq!(output.stdout, b"NAME   ADMIN  LIMITS\nadmin  yes    -\n");
    }
    for (pairs, flags, code) in [
        (&[guess][..], &[][..], 103),
        (&[given, ("KANNAS_USERNAME", "nobody")], &[], 103),
        (&[given], &wrong_flag, 103),
        (&[given, ("KANNAS_URL", "http://127.0.0.1:1")], &[], 5),
        (&[("KANNAS_PASSWORD", "\u{e9}")], &[], 103),
        (&[], &[], 2),
    ] {
        let (got, line) = failure(list(pairs, flags));
        assert_eq!(got, code, "{pairs:?} {flags:?}: {line}");
        assert!(!line.contains(&password) && !line.contains("guess"), "{line}");
    }
}
