//! What is secret is in no log and in no message, however much is said.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lab::api::text;
use lab::site::{Cabling, PATIENCE, Pair, kannas, say_all};
use lab::{eventually, netns};
use serde_json::json;

const WEBHOOK: &str = "a-secret-of-a-webhook";

#[test]
fn no_secret_is_in_a_log_or_a_message_though_all_is_said() {
    say_all();
    let mut pair =
        Pair::start(&format!("{}secrets", netns::prefix("kt")), Cabling::Direct).unwrap();
    pair.peer().unwrap();
    let mut secrets = BTreeMap::new();
    let mut said = accounts(&pair, &mut secrets);
    pair.encrypt().unwrap();
    pair.ping_both_ways(PATIENCE).unwrap();
    said += &comes_back(&mut pair, &mut secrets);
    said += &refusals(&pair, &mut secrets);
    keys(&pair, &mut secrets);

    let mut logs = files(pair.site.folder().path());
    logs.retain(|file| file.extension().is_some_and(|it| it == "log"));
    assert!(logs.len() >= 5, "server, agents and tunnels: {logs:?}");
    for log in &logs {
        said += &String::from_utf8_lossy(&fs::read(log).unwrap());
    }
    for all in ["TRACE", "DEBUG", "answered", "joined", "watching"] {
        assert!(said.contains(all), "{all}");
    }
    assert!(secrets.len() >= 14, "{:?}", secrets.keys());
    for (what, secret) in &secrets {
        assert!(secret.len() >= 8, "{what} is too short to be looked for");
        if let Some(at) = said.find(secret.as_str()) {
            let line = said[..at].rfind('\n').map_or(0, |start| start + 1);
            let end = said[at..].find('\n').map_or(said.len(), |end| at + end);
            panic!("{what} is said: {}", &said[line..end]);
        }
    }
}

fn pair_of(user: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{user}:{password}"))
}

/// Accounts, API tokens, webhooks.
fn accounts(pair: &Pair, secrets: &mut BTreeMap<&'static str, String>) -> String {
    let admin = &pair.site.admin;
    let password = fs::read_to_string(pair.site.server.password_file()).unwrap();
    let password = password.trim_end().to_owned();
    secrets.insert("the administrator's header", pair_of("admin", &password));
    secrets.insert("the administrator's password", password);
    admin.make_account("eve").unwrap().get("/1.3/account").unwrap();
    secrets.insert("an account's password", "eve: secret".to_owned());
    let guess = "a wrong guess of it";
    assert_eq!(admin.of("eve", guess).call("GET", "/1.3/account", None).unwrap().status, 401);
    secrets.insert("a wrong password", guess.to_owned());
    secrets.insert("a wrong password's header", pair_of("eve", guess));
    let new = json!({"account": {"password": "another: secret of hers"}});
    admin.ok("PUT", "/kannas/v1/accounts/eve", Some(&new)).unwrap();
    secrets.insert("a new password", "another: secret of hers".to_owned());
    let wish = json!({"name": "t", "expires_in": 3600});
    let token = admin.ok("POST", "/1.3/account/tokens", Some(&wish)).unwrap();
    let token = text(&token["token"]).unwrap();
    let answer = bearer(pair, &token);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    secrets.insert("an API token", token);
    let hook = json!({"webhook": {"url": "https://kannas.example/hook", "secret": WEBHOOK}});
    admin.ok("PUT", "/kannas/v1/webhook", Some(&hook)).unwrap();
    secrets.insert("a webhook's secret", WEBHOOK.to_owned());
    answer
}

/// All that is answered to a call with that token.
fn bearer(pair: &Pair, token: &str) -> String {
    let mut stream = TcpStream::connect(pair.site.server.api).unwrap();
    write!(
        stream,
        "GET /1.3/zone HTTP/1.1\r\nHost: kannas\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A host is revoked and joins again by a token, which the program makes.
fn comes_back(pair: &mut Pair, secrets: &mut BTreeMap<&'static str, String>) -> String {
    let old = fs::read_to_string(pair.site.host("hel").unwrap().state().join("key.pem")).unwrap();
    secrets.insert("the key of a certificate that was revoked", body_of(&old));
    let mut said = program(pair, &["host", "revoke", "hel"], None);
    assert!(said.contains("revoked 20"), "{said}");
    let token = program(pair, &["host", "token", "--host", "hel"], None);
    let token = token.trim_end().to_owned();
    let (secret, _) = token.strip_prefix("kjt_").unwrap().split_once('.').unwrap();
    secrets.insert("a join token", secret.to_owned());
    let host = pair.site.host_mut("hel").unwrap();
    host.stop().unwrap();
    host.join_again(&token).unwrap();
    pair.site.live("hel").unwrap();
    pair.ping_both_ways(PATIENCE).unwrap();
    said += &program(pair, &["host", "renew", "fra"], None);
    let renewed = || {
        let log = fs::read_to_string(pair.site.folder().path().join("agent-fra.log")).ok()?;
        log.contains("has a new certificate").then_some(())
    };
    eventually(PATIENCE, "a certificate is renewed", renewed).unwrap();
    pair.site.live("fra").unwrap();
    said
}

/// What the program says of what is wrong.
fn refusals(pair: &Pair, secrets: &mut BTreeMap<&'static str, String>) -> String {
    let guess = "not the password at all";
    secrets.insert("a password that the program was given", guess.to_owned());
    let mut said = program(pair, &["account", "list"], Some(guess));
    assert!(said.contains("AUTHENTICATION_FAILED"), "{said}");
    let url = "http://eve:in-the-url-itself@127.0.0.1:1";
    secrets.insert("a password in an URL", "in-the-url-itself".to_owned());
    said += &program(pair, &["account", "list", "--url", url], Some(guess));
    let token = "kjt_not-a-token-that-is-good";
    secrets.insert("a token that makes no sense", token.to_owned());
    let state = pair.site.folder().path().join("agent-nobody");
    let mut command = Command::new(kannas().unwrap());
    command.args(["agent", "--server", "https://127.0.0.1:1", "--zone", "z", "--name", "n"]);
    command.args(["--underlay", "192.0.2.1", "--join", token, "--state-dir"]).arg(state);
    said += &output(command);
    secrets.insert("a database's password", "of-the-database-itself".to_owned());
    for rest in ["127.0.0.1:1/kannas?sslmode=disable", "127.0.0.1:99999/?x=y", "["] {
        // It may wait for the database.
        let mut command = Command::new("timeout");
        command.arg("5").arg(kannas().unwrap()).arg("server").env("RUST_LOG", "trace");
        command.args(["--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(pair.site.folder().path().join("data-of-none"));
        command.env("KANNAS_DATABASE", format!("postgres://us:of-the-database-itself@{rest}"));
        said += &output(command);
    }
    said
}

/// Keys that are on the disks of the hosts and of the server.
fn keys(pair: &Pair, secrets: &mut BTreeMap<&'static str, String>) {
    for (host, certificate, tunnel) in [
        ("hel", "the key of a host's certificate", "the key of a tunnel"),
        ("fra", "the key of another's certificate", "the key of another's tunnel"),
    ] {
        let state = pair.site.host(host).unwrap().state();
        secrets.insert(certificate, body_of(&fs::read_to_string(state.join("key.pem")).unwrap()));
        let mut keys = files(&state.join("tunnels"));
        keys.retain(|file| file.extension().is_some_and(|it| it == "key"));
        let key = fs::read_to_string(&keys[0]).unwrap().trim_end().to_owned();
        secrets.insert(tunnel, key);
    }
    let data = pair.site.server.password_file().parent().unwrap().to_owned();
    let mut store = Vec::new();
    for file in files(&data) {
        store.extend(fs::read(file).unwrap());
    }
    let store = String::from_utf8_lossy(&store);
    let key = store.split("-----BEGIN PRIVATE KEY-----").nth(1).expect("the authority's key");
    let key: String =
        key.trim_start_matches(['\\', 'n', 'r', '\r', '\n']).chars().take(40).collect();
    secrets.insert("the authority's key", key);
}

/// The second line of a key in PEM, which no other key has.
fn body_of(pem: &str) -> String {
    pem.lines().nth(2).unwrap().to_owned()
}

/// All that the program says, with the administrator's password or another.
fn program(pair: &Pair, arguments: &[&str], password: Option<&str>) -> String {
    let mut command = Command::new(kannas().unwrap());
    let url = format!("http://{}", pair.site.server.api);
    command.env_clear().env("RUST_LOG", "trace").env("KANNAS_URL", url).args(arguments);
    match password {
        Some(password) => command.env("KANNAS_PASSWORD", password),
        None => command.env("KANNAS_PASSWORD_FILE", pair.site.server.password_file()),
    };
    output(command)
}

fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    // What was asked for is on stdout: a token, too.
    if output.status.success() && out.starts_with("kjt_") { out } else { out + &err }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if !path.ends_with("bpf") => found.extend(files(&path)),
            true => {}
            false => found.push(path),
        }
    }
    found
}
