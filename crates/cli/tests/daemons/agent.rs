use crate::binary::{failure, kannas, text};

#[test]
fn an_agent_that_cannot_start_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let server = ["--server", "https://192.0.2.1:8443"];
    let whole = ["--zone", "fi-hel1", "--name", "a", "--underlay", "192.0.2.2"];
    for (flags, want) in [
        (
            [&whole[..], &["--server", "http://192.0.2.1:8443"]].concat(),
            "kannas: \"http://192.0.2.1:8443\" is not of the form https://HOST:PORT",
        ),
        ([&whole[..4], &server].concat(), "kannas: to join, --underlay is needed"),
        (
            [&whole[..4], &server, &["--underlay", "here"]].concat(),
            "kannas: invalid value 'here' for '--underlay <IP>': invalid IP address syntax \
             (try --help)",
        ),
        (
            whole.to_vec(),
            "kannas: the following required arguments were not provided: --server <URL> \
             (try --help)",
        ),
    ] {
        let mut command = kannas(&["agent", "--state-dir", text(&state)]);
        command.args(flags);
        assert_eq!(failure(command), (2, want.to_owned()));
    }
}
