//! What a request costs by Basic authentication and by a token, once the
//! password was checked: `cargo run --release -p server --example auth_cost`.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use server::{Config, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ROUNDS: usize = 11;
const REQUESTS: u32 = 2000;
const PASSWORD: &str = "correct horse";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
}

/// One connection, kept.
struct Connection {
    stream: TcpStream,
    authorization: String,
}

impl Connection {
    async fn open(api: SocketAddr, authorization: String) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(api).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, authorization })
    }

    /// The body of a good answer.
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let (authorization, length) = (&self.authorization, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: k\r\nAuthorization: {authorization}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            anyhow::ensure!(self.stream.read_buf(&mut answer).await? > 0, "the server hung up");
            let text = std::str::from_utf8(&answer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            anyhow::ensure!(head.starts_with("HTTP/1.1 20"), "{text}");
            let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.context("no length")?.parse::<usize>()? {
                return Ok(body.to_owned());
            }
        }
    }

    async fn time(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            self.ask("GET", "/1.3/account", "").await?;
        }
        Ok(begun.elapsed() / REQUESTS)
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("password");
    std::fs::write(&file, PASSWORD)?;
    let (data, file) = (dir.path().join("data"), file.display().to_string());
    let data = data.display().to_string();
    let flags = ["auth_cost", "--listen=127.0.0.1:0", "--agent-listen=127.0.0.1:0"];
    let flags = flags.into_iter().chain(["--data-dir", &data, "--admin-password-file", &file]);
    let server = Server::start(&Flags::try_parse_from(flags)?.config).await?;
    let api = server.addresses().api;
    tokio::spawn(server.serve(std::future::pending()));

    let pair = BASE64_STANDARD.encode(format!("admin:{PASSWORD}"));
    let mut basic = Connection::open(api, format!("Basic {pair}")).await?;
    let begun = Instant::now();
    let wish = r#"{"name": "t", "expires_in": 3600}"#;
    let made = basic.ask("POST", "/1.3/account/tokens", wish).await?;
    let first = begun.elapsed();
    let made: serde_json::Value = serde_json::from_str(&made)?;
    let text = made["token"].as_str().context("no token")?;
    let mut bearer = Connection::open(api, format!("Bearer {text}")).await?;
    let (mut by_basic, mut by_bearer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_basic.push(basic.time().await?);
        by_bearer.push(bearer.time().await?);
    }
    let (basic, bearer) = (median(by_basic), median(by_bearer));
    let ratio = basic.as_secs_f64() / bearer.as_secs_f64();
    let mut out = std::io::stdout().lock();
    writeln!(out, "first call, with argon2id and a write: {first:?}")?;
    writeln!(out, "each later one: Basic {basic:?}, Bearer {bearer:?}, Basic/Bearer {ratio:.3}")?;
    Ok(())
}
