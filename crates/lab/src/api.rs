//! A client of Kannas' HTTP API: one account's, over plain HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use ureq::http::{Request, header};

/// The server holds the answer to a write for a second at most; but a disk that is busy takes its time.
const LIMIT: Duration = Duration::from_secs(60);

pub const PEERINGS: &str = "/1.3/network-peering";

/// Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    server: SocketAddr,
    authorization: String,
}

/// What was answered, refusals included.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// A string when it is not labelled JSON, null when it is not labelled.
    pub body: Value,
}

/// A network to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewNetwork<'a> {
    pub name: &'a str,
    pub zone: &'a str,
    /// Its one subnet, as `10.0.0.0/24`.
    pub subnet: &'a str,
    /// UUID.
    pub router: Option<&'a str>,
}

impl Client {
    #[must_use]
    pub fn new(server: SocketAddr, user: &str, password: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            .build();
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self { agent: config.into(), server, authorization: format!("Basic {pair}") }
    }

    /// The same account's client of another server.
    #[must_use]
    pub fn at(&self, server: SocketAddr) -> Self {
        Self { server, ..self.clone() }
    }

    /// Another account's client of the same server.
    #[must_use]
    pub fn of(&self, user: &str, password: &str) -> Self {
        Self::new(self.server, user, password)
    }

    /// # Errors
    /// No answer, or one that is labelled JSON and is not. A refusal is a reply.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply> {
        self.call_text(method, path, body.map(Value::to_string).as_deref())
    }

    /// The same, of a body that goes out as it is.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_text(&self, method: &str, path: &str, body: Option<&str>) -> Result<Reply> {
        self.exchange(method, path, body).with_context(|| format!("{method} {path}"))
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&str>) -> Result<Reply> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.server))
            .header(header::AUTHORIZATION, &self.authorization);
        let answer = match body {
            Some(body) => {
                let request = request.header(header::CONTENT_TYPE, "application/json");
                self.agent.run(request.body(body)?)
            }
            None => self.agent.run(request.body(())?),
        };
        let mut answer = answer?;
        let text = answer.body_mut().read_to_string().context("the answer's body")?;
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let body = match kind {
            Some(kind) if kind.starts_with("application/json") => {
                serde_json::from_str(&text).with_context(|| text.clone())?
            }
            Some(_) => Value::String(text),
            None => Value::Null,
        };
        Ok(Reply { status: answer.status().as_u16(), body })
    }

    /// The JSON of a call that must succeed.
    ///
    /// # Errors
    /// As [`Client::call`]; or the server refused: the error has its words.
    pub fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let Reply { status, body } = self.call(method, path, body)?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {body}");
        Ok(body)
    }

    /// # Errors
    /// As [`Client::ok`]; so for all below.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.ok("GET", path, None)
    }

    /// An account that is no administrator, and its client.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub fn make_account(&self, user: &str) -> Result<Self> {
        let password = format!("{user}: secret");
        let account = json!({"username": user, "password": password});
        self.ok("POST", "/kannas/v1/accounts", Some(&json!({ "account": account })))?;
        Ok(self.of(user, &password))
    }

    /// A token that lets one machine join `zone`.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub fn make_token(&self, zone: &str) -> Result<String> {
        let body = json!({"host_token": {"zone": zone}});
        text(&self.ok("POST", "/kannas/v1/host-tokens", Some(&body))?["host_token"]["token"])
    }

    /// The UUID of a new router.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub fn make_router(&self, name: &str) -> Result<String> {
        let body = json!({"router": {"name": name}});
        text(&self.ok("POST", "/1.3/router", Some(&body))?["router"]["uuid"])
    }

    /// The UUID of a new network that gives its workloads a default route.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub fn make_network(&self, wish: NewNetwork<'_>) -> Result<String> {
        let NewNetwork { name, zone, subnet, router } = wish;
        let entry = |subnet: &str| {
            let family = if subnet.contains(':') { "IPv6" } else { "IPv4" };
            json!({
                "address": subnet, "family": family, "dhcp": "yes", "dhcp_default_route": "yes"
            })
        };
        let subnets: Vec<Value> = subnet.split_whitespace().map(entry).collect();
        let mut network =
            json!({"name": name, "zone": zone, "ip_networks": {"ip_network": subnets}});
        if let Some(router) = router {
            network["router"] = json!(router);
        }
        text(
            &self.ok("POST", "/1.3/network", Some(&json!({ "network": network })))?["network"]["uuid"],
        )
    }

    /// A new port as it was answered; `wish` has `network`, `host` and where it is.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub fn make_port(&self, wish: &Value) -> Result<Value> {
        Ok(self.ok("POST", "/kannas/v1/ports", Some(&json!({ "port": wish })))?["port"].clone())
    }

    /// One half of a peering as it was answered.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub fn make_peering(&self, network: &str, peer_network: &str) -> Result<Value> {
        let peering = json!({
            "name": "lab", "network": {"uuid": network}, "peer_network": {"uuid": peer_network}
        });
        let body = json!({ "network_peering": peering });
        Ok(self.ok("POST", PEERINGS, Some(&body))?["network_peering"].clone())
    }

    /// The peering after `change`.
    ///
    /// # Errors
    /// See [`Client::get`].
    pub fn change_peering(&self, uuid: &str, change: &Value) -> Result<Value> {
        let body = json!({ "network_peering": change });
        let path = format!("{PEERINGS}/{uuid}");
        Ok(self.ok("PATCH", &path, Some(&body))?["network_peering"].clone())
    }

    /// # Errors
    /// See [`Client::get`].
    pub fn delete_peering(&self, uuid: &str) -> Result<()> {
        self.ok("DELETE", &format!("{PEERINGS}/{uuid}"), None).map(drop)
    }
}

/// The text that an answer must have there.
///
/// # Errors
/// It is something else.
pub fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("no text in the answer: {value}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with `answer`, and gives what was asked.
    fn serve(answer: &'static str) -> (Client, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::new(listener.local_addr().unwrap(), "alice", "pass: word");
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            let mut buffer = [0; 4096];
            let whole = |asked: &str| match asked.starts_with("POST") {
                true => asked.ends_with('}'),
                false => asked.ends_with("\r\n\r\n"),
            };
            while !whole(&asked) {
                let n = stream.read(&mut buffer).unwrap();
                asked.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
            }
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        });
        (client, served)
    }

    #[test]
    fn a_wish_goes_out_as_json_with_credentials() {
        let (client, served) = serve(
            "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n{\"router\":{\"uuid\":\"04\"}}",
        );
        assert_eq!(client.make_router("r1").unwrap(), "04");
        let asked = served.join().unwrap().to_lowercase();
        assert!(asked.starts_with("post /1.3/router http/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: basic ywxpy2u6cgfzczogd29yza==\r\n"), "{asked}");
        assert!(asked.contains("content-type: application/json\r\n"), "{asked}");
        assert!(asked.ends_with("{\"router\":{\"name\":\"r1\"}}"), "{asked}");
    }

    #[test]
    fn a_refusal_is_an_error_with_the_servers_words() {
        let (client, served) = serve(
            "HTTP/1.1 409 Conflict\r\ncontent-type: application/json\r\ncontent-length: 35\r\n\r\n{\"error\":{\"error_code\":\"CONFLICT\"}}",
        );
        let error = client.delete_peering("x").unwrap_err().to_string();
        served.join().unwrap();
        assert!(
            error.starts_with("DELETE /1.3/network-peering/x: 409 ") && error.contains("CONFLICT"),
            "{error}"
        );
    }

    #[test]
    fn no_answer_is_an_error_that_names_the_call() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Client::new(address, "a", "b").get("/1.3/zone").unwrap_err();
        assert_eq!(error.to_string(), "GET /1.3/zone");
    }
}
