//! Servers that are away, or are something else.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use cli::Shell;

use crate::kannas::{Said, kannas};
use crate::site::Site;

/// Gives this answer to one request, whatever it is.
fn canned(answer: &'static str) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut part = [0; 1024];
        while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "a head that was cut");
            seen.extend_from_slice(&part[..length]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    (address, serving)
}

fn list_zones(site: &Site, url: &str) -> Said {
    let mut flags = site.flags("admin");
    flags[1] = url.to_owned();
    let line = ["zone", "list"].map(str::to_owned);
    kannas(&line.into_iter().chain(flags).collect::<Vec<_>>())
}

#[test]
fn what_is_not_the_api_has_an_exit_code_and_a_line() {
    let site = Site::start();
    let internal = "HTTP/1.1 500 X\r\nConnection: close\r\n\r\n\
        {\"error\":{\"error_code\":\"INTERNAL_ERROR\",\"error_message\":\"Internal error.\"}}";
    for (answer, code, want) in [
        (internal, 5, "kannas: Internal error. (INTERNAL_ERROR)"),
        (
            "HTTP/1.1 502 Bad\r\nConnection: close\r\n\r\n<html>",
            5,
            "it said 502 Bad Gateway and no JSON of ours",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nConnection: close\r\n\r\n",
            1,
            "it said 302 Found and no JSON of ours",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"zones\":{}}",
            1,
            "it said 200 OK and no JSON of ours",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"zones\":{\"zone\":[{\"id\":1}]}}",
            1,
            "kannas: the server's answer cannot be read: ",
        ),
        ("HTTP/1.1 404 X\r\nConnection: close\r\n\r\n{}", 1, "it said 404 Not Found and"),
        ("", 5, "cannot reach the server at http://127.0.0.1:"),
    ] {
        let (address, serving) = canned(answer);
        let (got, line) = list_zones(&site, &format!("http://{address}")).failed();
        serving.join().unwrap();
        assert_eq!(got, code, "{line}");
        assert!(line.contains(want), "{line}");
    }
}

#[test]
fn a_server_that_is_away_cannot_be_reached() {
    let site = Site::start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = list_zones(&site, &format!("http://{closed}/")).failed();
    let want = format!(
        "kannas: cannot reach the server at http://{closed}: Connection refused (os error 111)"
    );
    assert_eq!(said, (5, want));
}

#[test]
fn bad_credentials_and_refusals_have_their_exit_codes() {
    let site = Site::start();
    site.make_account("bob");
    std::fs::write(site.file("eve"), "a wrong guess\n").unwrap();
    std::fs::write(site.file("empty"), "\n").unwrap();
    let refused = |user, line: &[&str]| site.kannas_as(user, line).failed();
    let (code, line) = refused("eve", &["zone", "list"]);
    assert_eq!(code, 103);
    assert!(line.ends_with(" (AUTHENTICATION_FAILED)") && !line.contains("guess"), "{line}");
    assert_eq!(refused("bob", &["account", "list"]).0, 4);
    assert_eq!(refused("bob", &["host", "delete", "x"]).0, 4);
    let network = ["network", "create", "n", "--zone", "fi-hel1", "--address"];
    let (code, line) = refused("bob", &[&network[..], &["10.0.0.0/33"]].concat());
    assert_eq!(code, 4);
    assert!(line.ends_with(" (IP_ADDRESS_INVALID)"), "{line}");
    assert_eq!(refused("empty", &["zone", "list"]).0, 2);
    assert_eq!(refused("nobody", &["zone", "list"]).0, 2);
}

/// A pipe whose reader has left.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk without room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_nobody_wants_is_no_failure_and_output_that_is_lost_is_one() {
    let site = Site::start();
    for form in ["table", "json"] {
        let line = ["kannas", "zone", "list", "-o", form].map(str::to_owned);
        let line = || line.clone().into_iter().chain(site.flags("admin")).map(Into::into);
        let mut err = Vec::new();
        let mut shell = Shell { out: &mut Closed, err: &mut err, progress: false };
        assert_eq!(cli::run(line(), &mut shell), 0);
        assert_eq!(err, b"");
        let mut shell = Shell { out: &mut Full, err: &mut err, progress: false };
        assert_eq!(cli::run(line(), &mut shell), 1);
        assert_eq!(String::from_utf8(err).unwrap(), "kannas: no storage space\n");
    }
}
