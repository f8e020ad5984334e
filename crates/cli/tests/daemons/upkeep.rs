//! `kannas server` and what is done to its database, by the binary.

use std::fs;
use std::net::SocketAddr;

use lab::api::Client;
use lab::{Cluster, Process, eventually};
use serde_json::json;

use crate::binary::{failure, kannas, text};
use crate::running::{Running, SOON};

fn said(arguments: &[&str]) -> String {
    let output = kannas(arguments).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let (code, line) = failure(kannas(arguments));
    assert_eq!(code, 1, "{line}");
    line
}

fn client(running: &Running) -> Client {
    let password = fs::read_to_string(running.password_file()).unwrap();
    Client::new(running.api, "admin", password.trim_end())
}

fn make_router(client: &Client, name: &str) {
    let router = json!({"router": {"name": name}});
    client.ok("POST", "/1.3/router", Some(&router)).unwrap();
}

fn routers(client: &Client) -> usize {
    let all = client.get("/1.3/router").unwrap();
    all["routers"]["router"].as_array().unwrap().len()
}

#[test]
fn a_backup_of_a_running_server_is_restored_when_it_has_stopped() {
    let mut running = Running::start();
    let data = running.password_file().parent().unwrap().to_owned();
    let file = data.join("copy");
    make_router(&client(&running), "before");
    let flags = ["--data-dir", text(&data)];
    let backup = [&["server", "backup", text(&file)][..], &flags].concat();
    assert!(said(&backup).starts_with("copied revision "));
    let again = refused(&backup);
    assert!(again.contains("is there already"), "{again}");
    make_router(&client(&running), "after");

    let restore = [&["server", "restore", text(&file)][..], &flags].concat();
    let used = refused(&restore);
    assert!(used.contains("another process has the database"), "{used}");
    assert_eq!(routers(&client(&running)), 2);
    assert!(running.process.stop().unwrap().success());
    let told = said(&restore);
    assert!(told.contains("kannas-old-1.db"), "{told}");
    assert_eq!(said(&[&["server", "migrate"][..], &flags].concat()), "version 3, nothing to do\n");
    running.start_again();
    assert_eq!(routers(&client(&running)), 1);
    let log = running.log();
    assert!(!log.contains("met a bug"), "{log}");
}

#[test]
fn a_database_goes_a_version_back_and_forth_on_a_command() {
    let mut running = Running::start();
    let data = running.password_file().parent().unwrap().to_owned();
    make_router(&client(&running), "kept");
    assert!(running.process.stop().unwrap().success());
    let flags = ["--data-dir", text(&data)];
    let back = [&["server", "migrate", "--to", "1"][..], &flags].concat();
    assert_eq!(said(&back), "brought from version 3 to version 1\n");
    let no = refused(&[&["server", "migrate", "--to", "9"][..], &flags].concat());
    assert!(no.contains("there is no version 9"), "{no}");
    running.start_again();
    assert_eq!(routers(&client(&running)), 1, "a start brings it forth again");
}

#[test]
fn two_servers_share_a_database_and_its_password_is_told_to_nobody() {
    let cluster = Cluster::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    // Its password is asked for by nobody on this socket, and might be.
    let url = cluster.database().unwrap().replace("kannas@", "kannas:hunter2@");
    let one = server(&url, dir.path(), "one");
    let other = server(&url, dir.path(), "other");
    let password =
        ["one", "other"].map(|n| fs::read_to_string(dir.path().join(n).join("admin-password")));
    let [Ok(password), Err(_)] = password else { panic!("{password:?}") };
    let clients = [&one, &other].map(|(_, api)| Client::new(*api, "admin", password.trim_end()));
    for n in 0..20 {
        make_router(&clients[n % 2], &format!("router {n}"));
        assert_eq!(routers(&clients[(n + 1) % 2]), n + 1, "the other one knows of it");
    }

    cluster.stop().unwrap();
    let reply = clients[0].call("GET", "/1.3/router", None).unwrap();
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(reply.body["error"]["error_code"], "SERVICE_UNAVAILABLE");
    let router = json!({"router": {"name": "not now"}});
    let reply = clients[1].call("POST", "/1.3/router", Some(&router)).unwrap();
    assert_eq!(reply.status, 503, "{}", reply.body);
    cluster.start_again().unwrap();
    for client in &clients {
        let back = || client.get("/1.3/router").ok();
        eventually(SOON, "the server is back", back).unwrap();
        assert_eq!(routers(client), 20);
    }
    make_router(&clients[0], "the last");
    assert_eq!(routers(&clients[1]), 21);

    let hint = refused(&["server", "backup", "/tmp/never", "--database", &url]);
    assert!(hint.contains("pg_dump") && !hint.contains("hunter2"), "{hint}");
    let broken = refused(&["server", "--database", "postgres://kannas:hunter2@"]);
    assert!(!broken.contains("hunter2"), "{broken}");
    let nobody =
        refused(&["server", "migrate", "--database", "postgres://kannas:hunter2@127.0.0.1:1/x"]);
    assert!(nobody.contains("cannot be reached") && !nobody.contains("hunter2"), "{nobody}");
    for name in ["one", "other"] {
        let log = fs::read_to_string(dir.path().join(format!("{name}.log"))).unwrap();
        assert!(!log.contains("hunter2"), "{log}");
    }
}

fn server(url: &str, dir: &std::path::Path, name: &str) -> (Process, SocketAddr) {
    let (data, file) = (dir.join(name), dir.join(format!("{name}.log")));
    let mut command = kannas(&["server", "--listen=127.0.0.1:0", "--agent-listen=127.0.0.1:0"]);
    command.args(["--log-format", "json", "--data-dir", text(&data)]);
    command.env("KANNAS_DATABASE", url).env("RUST_LOG", "debug,tokio_postgres=trace");
    let process = Process::start(name, command, &file).unwrap();
    let api = eventually(SOON, "the server listens", || {
        crate::running::listening(&fs::read_to_string(&file).ok()?)
    });
    (process, api.unwrap())
}
