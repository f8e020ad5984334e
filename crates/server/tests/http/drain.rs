//! A server that is to stop, behind a balancer that has yet to notice.

use std::time::Duration;

use server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::client::Client;
use crate::site::{NETWORKS, config, furnish};

/// No wait is longer.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_server_that_drains_answers_all_calls_says_so_to_balancers_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path()).await;
    let mut config = config(dir.path());
    config.drain = 2;
    let server = Server::start(&config).await.unwrap();
    let api = server.addresses().api;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    let alice = Client::new(api, "alice", "alices password");
    let anyone = alice.with("");
    let mut idle = TcpStream::connect(api).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    stop.send(()).unwrap();
    let not_ready = async {
        while anyone.get("/readyz").await.status != 503 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, not_ready).await.unwrap();
    // What was open is of use once more.
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut rest = String::new();
    tokio::time::timeout(DEADLINE, idle.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.contains("HTTP/1.1 200") && rest.contains("connection: close"), "{rest}");
    let mut calls = 0;
    while !serving.is_finished() && calls < 20 {
        assert_eq!(alice.get(NETWORKS).await.status, 200);
        // Who would go on over this connection is told not to.
        let text = anyone.raw_text(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(text.to_lowercase().contains("\r\nconnection: close\r\n"), "{text}");
        let reply = anyone.get("/livez").await;
        assert_eq!((reply.status, reply.text()), (200, "ok".to_owned()));
        assert_eq!(anyone.get("/readyz").await.status, 503);
        calls += 1;
    }
    assert!(calls > 0);
    tokio::time::timeout(DEADLINE, serving).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(api).await.is_err(), "nobody listens");
}
