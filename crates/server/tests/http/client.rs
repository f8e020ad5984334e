//! A client that sends what it is told to and takes nothing for granted.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One account's way to a server.
#[derive(Clone)]
pub(crate) struct Client {
    api: SocketAddr,
    authorization: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(api: SocketAddr, name: &str, password: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{name}:{password}"));
        Self { api, authorization: format!("Authorization: Basic {pair}\r\n") }
    }

    /// A client with other credentials, or `""` without any.
    pub(crate) fn with(&self, authorization: &str) -> Self {
        let line = format!("Authorization: {authorization}\r\n");
        let authorization = if authorization.is_empty() { String::new() } else { line };
        Self { authorization, ..self.clone() }
    }

    /// True when its credentials are of this scheme.
    pub(crate) fn sends(&self, scheme: &str) -> bool {
        self.authorization.starts_with(&format!("Authorization: {scheme} "))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", b"").await
    }

    /// The JSON of a GET that must succeed.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.get(path).await.is(200)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, "", body.to_string().as_bytes()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, "", body.to_string().as_bytes()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send("PATCH", path, "", body.to_string().as_bytes()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, "", b"").await
    }

    /// `headers` are whole lines with their ends.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let length = body.len();
        let authorization = &self.authorization;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: kannas\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{authorization}{headers}\r\n"
        );
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    /// Asks for what does not end; the answer is the caller's to read.
    pub(crate) async fn open(&self, path: &str, headers: &str) -> TcpStream {
        self.begin("GET", path, headers).await
    }

    /// Sends the head of a request.
    pub(crate) async fn begin(&self, method: &str, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.api).await.unwrap();
        let authorization = &self.authorization;
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: kannas\r\n{authorization}{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn raw(&self, bytes: &[u8]) -> Reply {
        Reply::of(&self.exchange(bytes).await)
    }

    /// Everything that is answered to these bytes.
    pub(crate) async fn raw_text(&self, bytes: &[u8]) -> String {
        String::from_utf8(self.exchange(bytes).await).unwrap()
    }

    /// Sends, and reads until the server has closed.
    async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.api).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        // The server may answer and close before it has read all.
        let write = async { drop(writer.write_all(bytes).await) };
        let (read, ()) = tokio::join!(reader.read_to_end(&mut answer), write);
        if answer.is_empty() {
            read.unwrap();
        }
        answer
    }
}

impl Reply {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        let it =
            Self { status, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() };
        if let Some(length) = it.header("content-length") {
            assert_eq!(length, it.body.len().to_string());
        }
        it
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON of an answer that must have this status; null without body.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if status == 204 {
            // A15: what is labelled JSON gets decoded, and fails.
            assert!(self.body.is_empty(), "{}", self.text());
            assert_eq!(self.header("content-type"), None);
            return Value::Null;
        }
        self.labelled(status, "application/json; charset=UTF-8")
    }

    /// The JSON of a token call, which is labelled as it was recorded.
    #[track_caller]
    pub(crate) fn bare(self, status: u16) -> Value {
        self.labelled(status, "application/json")
    }

    /// A problem as token calls have it (A16), with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let body = self.labelled(status, "application/problem+json");
        let kind = format!("https://developers.upcloud.com/1.3/errors#ERROR_{code}");
        assert_eq!(body["type"], kind, "{body}");
        assert_eq!(body["status"], status);
        assert!(!body["title"].as_str().unwrap().is_empty());
        assert_eq!(body["correlation_id"].as_str().unwrap().len(), 26);
        body
    }

    #[track_caller]
    fn labelled(self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some(kind));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// An error as all must be (A13), with this status and code.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) {
        let body = self.is(status);
        assert_eq!(body["error"]["error_code"], code, "{body}");
        assert!(!body["error"]["error_message"].as_str().unwrap().is_empty());
    }
}
