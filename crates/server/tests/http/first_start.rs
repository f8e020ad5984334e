//! The first start of a server, and the ones after.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use server::{Config, Server};
use tokio::sync::oneshot;

use crate::client::Client;
use crate::site::config;

/// Starts, asks for the account with this password, and stops.
async fn status(config: &Config, password: &str) -> u16 {
    let server = Server::start(config).await.unwrap();
    let api = server.addresses().api;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    let reply = Client::new(api, &config.admin_user, password).get("/1.3/account").await;
    drop(stop);
    serving.await.unwrap().unwrap();
    reply.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_made_for_the_administrator_and_kept_from_others() {
    let outer = tempfile::tempdir().unwrap();
    let config = config(&outer.path().join("new/data"));
    let file = config.data_dir.join("admin-password");
    assert_eq!(status(&config, "another").await, 401);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config.data_dir), 0o700);
    assert_eq!(mode(&file), 0o600);
    let password = fs::read_to_string(&file).unwrap();
    assert!(password.trim_end().len() >= 32);
    assert_eq!(status(&config, password.trim_end()).await, 200);
    assert_eq!(fs::read_to_string(&file).unwrap(), password);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_password_counts_at_the_first_start_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("given");
    let mut config = config(&dir.path().join("data"));
    config.admin_user = "root".to_owned();
    config.admin_password_file = Some(file.clone());
    fs::write(&file, "correct horse \n").unwrap();
    assert_eq!(status(&config, "correct horse ").await, 200);
    fs::write(&file, "changed\n").unwrap();
    assert_eq!(status(&config, "changed").await, 401);
    assert_eq!(status(&config, "correct horse ").await, 200);
    assert!(!config.data_dir.join("admin-password").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let good = config(&dir.path().join("data"));
    let empty = dir.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    let open = dir.path().join("open");
    fs::create_dir_all(open.join("others")).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let missing = dir.path().join("missing");
    for (config, want) in [
        (Config { admin_password_file: Some(empty), ..good.clone() }, "is empty"),
        (Config { admin_password_file: Some(missing), ..good.clone() }, "cannot read"),
        (Config { admin_user: "a:b".to_owned(), ..good.clone() }, "account cannot be made"),
        (Config { data_dir: open, ..good.clone() }, "mode 755"),
    ] {
        let Err(error) = Server::start(&config).await else { panic!("started: {want}") };
        assert!(error.to_string().contains(want), "{error}");
    }
    // None of them has left an account behind.
    drop(Server::start(&good).await.unwrap());
    assert!(good.data_dir.join("admin-password").exists());
}
