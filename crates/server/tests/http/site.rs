//! A server of a test's own, with two accounts and a host.

use std::net::SocketAddr;
use std::path::Path;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use model::host::Join;
use model::objects::{Account, JoinToken};
use model::op::Op;
use model::policy::Quota;
use serde_json::{Value, json};
use server::{Config, PolicyArgs, Server, TlsArgs, WebhookArgs};
use store::Store;
use tempfile::TempDir;
use uuid::Uuid;

use crate::client::Client;

pub(crate) const PEERINGS: &str = "/1.3/network-peering";
pub(crate) const NETWORKS: &str = "/1.3/network";
pub(crate) const ROUTERS: &str = "/1.3/router";

/// A UUID that nothing has.
pub(crate) const NOBODY: &str = "0f000000-0000-4000-8000-000000000000";

/// Name of the one host, which is in fi-hel1 and whose agent is away.
pub(crate) const HOST: &str = "hel1-a";

pub(crate) struct Site {
    pub(crate) api: SocketAddr,
    /// The administrator.
    pub(crate) alice: Client,
    pub(crate) bob: Client,
    _dir: TempDir,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::under(PolicyArgs::default()).await
    }

    pub(crate) async fn under(policy: PolicyArgs) -> Self {
        Self::with(|config| config.policy = policy).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        furnish(dir.path()).await;
        let mut config = config(dir.path());
        change(&mut config);
        let api = serve(&config).await;
        let client = |name| Client::new(api, name, &format!("{name}s password"));
        Self { api, alice: client("alice"), bob: client("bob"), _dir: dir }
    }

    /// All that both accounts can see: equal before and after a call that
    /// changed nothing.
    pub(crate) async fn everything(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for client in [&self.alice, &self.bob] {
            for path in [PEERINGS, NETWORKS, ROUTERS, "/1.3/server", "/kannas/v1/ports"] {
                all.push(client.read(path).await);
            }
        }
        for path in ["/kannas/v1/hosts", "/kannas/v1/accounts"] {
            all.push(self.alice.read(path).await);
        }
        all
    }
}

pub(crate) fn config(dir: &Path) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        key_life: 86_400,
        drain: 0,
        log_days: 0,
        max_at_once: 64,
        leases: server::LeaseArgs::default(),
        peer_address: None,
        listen: any,
        agent_listen: any,
        data_dir: dir.to_owned(),
        database: None,
        admin_user: "admin".to_owned(),
        admin_password_file: None,
        trusted_proxies: Vec::new(),
        webhook: WebhookArgs::default(),
        policy: PolicyArgs::default(),
        tls: TlsArgs::default(),
        host_cert_days: 90,
    }
}

/// Serves until the test ends.
pub(crate) async fn serve(config: &Config) -> SocketAddr {
    let server = Server::start(config).await.unwrap();
    let api = server.addresses().api;
    tokio::spawn(server.serve(std::future::pending()));
    api
}

pub(crate) async fn furnish(dir: &Path) {
    let store = Store::open(dir).unwrap();
    let token =
        JoinToken { digest: "00".to_owned(), zone: "fi-hel1".to_owned(), expires: 1, host: None };
    let join = Join {
        digest: token.digest.clone(),
        name: HOST.to_owned(),
        zone: token.zone.clone(),
        underlay: [192, 0, 2, 1].into(),
        now: 0,
        certificate: None,
    };
    let by = || "alice".to_owned();
    let authority = server::agents::new_authority();
    for op in [
        Op::Found { admin: account("alice", true), authority },
        Op::CreateAccount { by: by(), account: account("bob", false) },
        Op::AllowJoin { by: by(), token },
        Op::Join { uuid: Uuid::from_u128(6 << 120), wish: join },
    ] {
        store.write(op).await.unwrap();
    }
}

/// With a hash that costs nothing: what is tested here is not argon2.
fn account(name: &str, admin: bool) -> Account {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let password = cheap.hash_password(format!("{name}s password").as_bytes()).unwrap();
    Account {
        name: name.to_owned(),
        password: password.to_string(),
        admin,
        quota: Quota::default(),
    }
}

pub(crate) fn at(collection: &str, it: &str) -> String {
    format!("{collection}/{it}")
}

/// The body of a peering from `local` to `peer`.
pub(crate) fn peering(local: &str, peer: &str) -> Value {
    json!({"network_peering": {
        "name": "p", "network": {"uuid": local}, "peer_network": {"uuid": peer}
    }})
}

pub(crate) fn network(zone: &str, address: &str) -> Value {
    json!({"network": {
        "name": "n", "zone": zone,
        "ip_networks": {"ip_network": [{"address": address, "family": "IPv4"}]}
    }})
}

fn uuid_of(value: &Value) -> String {
    value["uuid"].as_str().unwrap().to_owned()
}

impl Client {
    pub(crate) async fn make_router(&self) -> String {
        let made = self.post(ROUTERS, &json!({"router": {"name": "r"}})).await.is(201);
        uuid_of(&made["router"])
    }

    /// A network in fi-hel1 without router.
    pub(crate) async fn make_network(&self, address: &str) -> String {
        let made = self.post(NETWORKS, &network("fi-hel1", address)).await.is(201);
        uuid_of(&made["network"])
    }

    /// A network with a router of its own.
    pub(crate) async fn make_routed(&self, address: &str) -> String {
        let network = self.make_network(address).await;
        self.attach(&network, &json!(self.make_router().await)).await;
        network
    }

    /// The account's own networks in a list.
    pub(crate) async fn networks(&self, path: &str) -> Vec<Value> {
        let list = self.read(path).await["networks"]["network"].clone();
        let Value::Array(list) = list else { panic!("{list}") };
        list.into_iter().filter(|n| n["type"] == "private").collect()
    }

    pub(crate) async fn attach(&self, network: &str, router: &Value) -> Value {
        let body = json!({"network": {"router": router}});
        let answer = self.put(&at(NETWORKS, network), &body).await.is(200);
        answer["network"].clone()
    }

    /// A peering, as it was answered.
    pub(crate) async fn peer(&self, local: &str, peer: &str) -> Value {
        let made = self.post(PEERINGS, &peering(local, peer)).await.is(201);
        made["network_peering"].clone()
    }

    /// Path of a peering that was made.
    pub(crate) async fn peered(&self, local: &str, peer: &str) -> String {
        at(PEERINGS, &uuid_of(&self.peer(local, peer).await))
    }

    pub(crate) async fn set(&self, peering: &str, change: Value) -> Value {
        let answer = self.patch(peering, &json!({"network_peering": change})).await.is(200);
        answer["network_peering"].clone()
    }

    pub(crate) async fn state(&self, peering: &str) -> String {
        let it = self.read(peering).await;
        it["network_peering"]["state"].as_str().unwrap().to_owned()
    }
}
