use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use base64::prelude::{BASE64_STANDARD, Engine};
use lab::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::binary::{failure, kannas, text};
use crate::running::{Running, SOON};

#[test]
fn the_first_start_writes_the_password_for_the_owner_alone_and_nowhere_else() {
    let mut running = Running::start();
    let file = running.password_file();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let password = fs::read_to_string(&file).unwrap().trim_end().to_owned();
    assert!(password.len() >= 32);

    let pair = BASE64_STANDARD.encode(format!("admin:{password}"));
    assert_eq!(send(&running, "GET /1.3/account", &pair, ""), "HTTP/1.1 200 OK");
    let eve = json!({"account": {"username": "eve", "password": "eves own secret"}}).to_string();
    let made = send(&running, "POST /kannas/v1/accounts", &pair, &eve);
    assert_eq!(made, "HTTP/1.1 201 Created");
    let wrong = BASE64_STANDARD.encode("admin:a wrong guess");
    assert!(send(&running, "GET /1.3/account", &wrong, "").starts_with("HTTP/1.1 401"));

    assert!(running.process.stop().unwrap().success());
    let log = running.log();
    assert!(log.contains("made an account") && log.contains("\"answered\""), "{log}");
    for secret in [&password, &pair, "eves own secret", "a wrong guess", &wrong, "$argon2"] {
        assert!(!log.contains(secret), "{secret:?} is in {log}");
    }
}

#[test]
fn both_signals_end_the_server_cleanly_and_its_log_is_json_without_colours() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut running = Running::start();
        let pid = Pid::from_raw(running.process.pid().try_into().unwrap());
        kill(pid, signal).unwrap();
        assert!(running.process.wait(SOON).unwrap().success(), "{signal}");
        for line in running.log().lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(line["level"].is_string());
        }
        assert!(running.log().contains("\"stopping\""));
        assert!(TcpStream::connect(running.api).is_err());
    }
}

#[test]
fn a_second_signal_does_not_wait_for_what_is_under_way() {
    let mut running = Running::start();
    let password = fs::read_to_string(running.password_file()).unwrap();
    let pair = BASE64_STANDARD.encode(format!("admin:{}", password.trim_end()));
    let mut stream = TcpStream::connect(running.api).unwrap();
    write!(
        stream,
        "POST /1.3/router HTTP/1.1\r\nHost: kannas\r\nExpect: 100-continue\r\n\
         Content-Length: 9\r\nAuthorization: Basic {pair}\r\n\r\n"
    )
    .unwrap();
    // The server asks for the body, and waits for it.
    let mut asked = [0; 12];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let pid = Pid::from_raw(running.process.pid().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let stopping = || running.log().contains("\"stopping\"").then_some(());
    eventually(SOON, "the server stops", stopping).unwrap();
    assert!(running.process.alive());
    kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(running.process.wait(SOON).unwrap().code(), Some(1));
    let told = "kannas: stopped in the middle of stopping, by a second signal\n";
    assert!(running.log().ends_with(told), "{}", running.log());
}

#[test]
fn a_text_log_in_a_file_has_no_colours() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let command = &mut kannas(&["server", "--data-dir", text(&data), "--listen", &taken]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("founded") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_start_that_cannot_be_is_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let missing = dir.path().join("missing");
    let missing = text(&missing);
    let in_use = format!("kannas: cannot listen on {taken}: Address already in use (os error 98)");
    let unread = format!(
        "kannas: cannot read the administrator's password from {missing}: \
         No such file or directory (os error 2)"
    );
    let free = "127.0.0.1:0";
    for (flags, level, code, want) in [
        (["--listen", &taken, "--agent-listen", free], "error", 1, &*in_use),
        (["--listen", free, "--agent-listen", &taken], "error", 1, &in_use),
        (
            ["--listen", free, "--agent-listen", free],
            "=loud",
            2,
            "kannas: RUST_LOG==loud cannot be read: invalid filter directive",
        ),
        (["--listen", free, "--admin-password-file", missing], "error", 1, &unread),
    ] {
        fs::remove_dir_all(&data).ok();
        let mut command = kannas(&["server", "--data-dir", text(&data)]);
        command.args(flags).env("RUST_LOG", level);
        assert_eq!(failure(command), (code, want.to_owned()));
    }
}

/// The status line of the answer.
fn send(running: &Running, head: &str, authorization: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(running.api).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: kannas\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Authorization: Basic {authorization}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[test]
fn what_is_done_is_shown_to_who_follows_it_once() {
    let running = Running::start();
    let file = running.password_file();
    let password = fs::read_to_string(&file).unwrap();
    let pair = BASE64_STANDARD.encode(format!("admin:{}", password.trim_end()));
    let router = |name: &str| {
        let body = json!({"router": {"name": name}}).to_string();
        assert_eq!(send(&running, "POST /1.3/router", &pair, &body), "HTTP/1.1 201 Created");
    };
    router("before");
    let url = format!("http://{}", running.api);
    let flags = ["--follow", "--limit", "1", "--url", &url, "--password-file", text(&file)];
    let command = kannas(&[&["events"], &flags[..]].concat());
    let shown = file.with_file_name("shown");
    let mut follower = lab::Process::start("events", command, &shown).unwrap();
    let shows = |name: &str| {
        let has = || fs::read_to_string(&shown).unwrap().contains(name).then_some(());
        eventually(SOON, "it is shown", has).unwrap();
    };
    shows("(before)");
    router("after");
    shows("(after)");
    assert!(follower.alive());
    drop(follower);
    let all = fs::read_to_string(&shown).unwrap();
    assert_eq!(all.matches("created router").count(), 2, "{all}");
}
