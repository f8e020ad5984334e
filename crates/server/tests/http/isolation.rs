//! Tenants: whatever two accounts do, neither is told of the other's things
//! more than the UUIDs it named, the prefixes that were offered to it and the
//! states it is entitled to.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::site::{HOST, NETWORKS, NOBODY, PEERINGS, ROUTERS, Site, at, peering};
use crate::sub_account::SUBS;
use crate::token::TOKENS;

const SERVERS: &str = "/1.3/server";
const PORTS: &str = "/kannas/v1/ports";

/// Everything that is listed.
const LISTS: [&str; 9] = [
    NETWORKS,
    ROUTERS,
    PEERINGS,
    SERVERS,
    PORTS,
    TOKENS,
    "/1.3/account/list",
    "/1.3/permission",
    "/1.3/zone",
];

/// What one call does, in numbers that choose among what there is by then.
type Step = (bool, u8, u8, u8);

struct Actor {
    name: &'static str,
    client: Client,
    /// Texts that only its own things have.
    secrets: BTreeSet<String>,
    /// Those of the other's that it named or was offered.
    entitled: BTreeSet<String>,
}

/// Two accounts and all that they have made.
struct Play {
    actors: [Actor; 2],
    networks: Vec<Made>,
    routers: Vec<Made>,
    peerings: Vec<Made>,
    others: Vec<String>,
    count: usize,
    active: usize,
}

#[derive(Clone)]
struct Made {
    uuid: String,
    by: usize,
    /// What stands for its prefix in a text; of networks.
    prefix: String,
    /// Networks that a peering is between.
    ends: [String; 2],
}

impl Play {
    fn new(actors: [(&'static str, Client); 2]) -> Self {
        let actor = |(name, client)| Actor {
            name,
            client,
            secrets: BTreeSet::new(),
            entitled: BTreeSet::new(),
        };
        Self {
            actors: actors.map(actor),
            networks: Vec::new(),
            routers: Vec::new(),
            peerings: Vec::new(),
            others: vec![NOBODY.to_owned()],
            count: 0,
            active: 0,
        }
    }

    /// A call of actor `who`, whose answer must hold nothing that is not its
    /// own to know.
    ///
    /// What it would do is asked before, where that can be asked: nothing more
    /// is told by that, and what is said then is what comes.
    async fn call(&mut self, who: usize, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let plans = [NETWORKS, ROUTERS].iter().any(|it| path.starts_with(it));
        if method == "GET" || !plans {
            return self.send(who, method, path, &body).await;
        }
        let (told, plan) = self.send(who, method, &format!("{path}?plan=1"), &body).await;
        let (status, answer) = self.send(who, method, path, &body).await;
        if status < 300 {
            assert_eq!(told, 200, "{method} {path} {body}: {plan}");
        } else {
            assert_eq!((told, &plan), (status, &answer), "{method} {path} {body}");
        }
        (status, answer)
    }

    async fn send(&mut self, who: usize, method: &str, path: &str, body: &str) -> (u16, Value) {
        let theirs = self.actors[1 - who].secrets.clone();
        let me = &mut self.actors[who];
        let asked = format!("{path} {body}");
        me.entitled.extend(theirs.iter().filter(|s| asked.contains(*s)).cloned());
        let reply: Reply = me.client.send(method, path, "", body.as_bytes()).await;
        let told = format!("{:?} {}", reply.headers, reply.text());
        for secret in theirs.difference(&me.entitled) {
            assert!(
                !told.contains(secret.as_str()),
                "{} was told {secret}: {method} {path} {body}\n{} {told}",
                me.name,
                reply.status,
            );
        }
        assert!(reply.status < 500, "{method} {path} {body}: {told}");
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    /// A name of a new thing, which is a secret.
    fn secret(&mut self, who: usize) -> String {
        self.count += 1;
        let text = format!("{}-{}-end", self.actors[who].name, self.count);
        self.actors[who].secrets.insert(text.clone());
        text
    }

    fn labels(&mut self, who: usize) -> Value {
        json!([{"key": self.secret(who), "value": self.secret(who)}])
    }

    fn keep(&mut self, who: usize, uuid: &Value) -> Made {
        let uuid = uuid.as_str().unwrap().to_owned();
        self.actors[who].secrets.insert(uuid.clone());
        Made { uuid, by: who, prefix: String::new(), ends: Default::default() }
    }

    async fn make_router(&mut self, who: usize) {
        let (name, labels) = (self.secret(who), self.labels(who));
        let body = json!({"router": {"name": name, "labels": labels}});
        let (status, made) = self.call(who, "POST", ROUTERS, body).await;
        assert_eq!(status, 201, "{made}");
        let made = self.keep(who, &made["router"]["uuid"]);
        self.routers.push(made);
    }

    /// Now and then one that overlaps all others, whose prefix is no secret.
    async fn make_network(&mut self, who: usize, router: Option<&str>, wide: bool) {
        let (name, labels) = (self.secret(who), self.labels(who));
        let prefix = format!("192.168.{}.", self.networks.len() + 1);
        let address = if wide { "192.168.0.0/16".to_owned() } else { format!("{prefix}0/24") };
        let ip_networks = json!({"ip_network": [{"address": address, "family": "IPv4"}]});
        let body = json!({"network": {
            "name": name, "labels": labels, "zone": "fi-hel1", "ip_networks": ip_networks,
            "router": router
        }});
        let (status, made) = self.call(who, "POST", NETWORKS, body).await;
        if status != 201 {
            return;
        }
        let mut made = self.keep(who, &made["network"]["uuid"]);
        if !wide {
            self.actors[who].secrets.insert(prefix.clone());
            made.prefix = prefix;
        }
        self.networks.push(made);
    }

    async fn make_peering(&mut self, who: usize, local: &Made, peer: &Made) {
        let mut body = peering(&local.uuid, &peer.uuid);
        body["network_peering"]["name"] = self.secret(who).into();
        body["network_peering"]["labels"] = self.labels(who);
        let (status, made) = self.call(who, "POST", PEERINGS, body).await;
        if status != 201 {
            return;
        }
        let mut made = self.keep(who, &made["network_peering"]["uuid"]);
        made.ends = [local.uuid.clone(), peer.uuid.clone()];
        self.peerings.push(made);
        if peer.by != who {
            // That is the offer. Who answers it may have to be told the UUID.
            self.actors[peer.by].entitled.insert(local.prefix.clone());
        }
    }

    /// The half that answers one that is there.
    async fn answer_peering(&mut self, half: &Made) {
        let find = |uuid: &str| self.networks.iter().find(|n| n.uuid == uuid).unwrap().clone();
        let (peer, local) = (find(&half.ends[0]), find(&half.ends[1]));
        self.make_peering(local.by, &local, &peer).await;
    }

    async fn list_all(&mut self, who: usize) {
        for path in LISTS {
            let (_, list) = self.call(who, "GET", path, Value::Null).await;
            if path == PEERINGS {
                let all = list["network_peerings"]["network_peering"].as_array().unwrap();
                self.active += all.iter().filter(|p| p["state"] == "active").count();
            }
        }
    }

    async fn make_other(&mut self, who: usize, network: &str, kind: u8) {
        let (name, labels) = (self.secret(who), self.labels(who));
        let (path, body) = match kind % 4 {
            0 => (PORTS, json!({"port": {"network": network, "host": HOST, "netns": name}})),
            1 => (TOKENS, json!({"name": name, "expires_in": 60})),
            2 => (
                SUBS,
                json!({"sub_account": {"username": name, "password": "long enough",
                "network_access": {"network": [network]}}}),
            ),
            _ => (
                SERVERS,
                json!({"server": {"title": name, "hostname": name, "zone": "fi-hel1",
                "labels": {"label": labels}, "networking": {"interfaces": {"interface": [
                    {"type": "private", "network": network,
                     "ip_addresses": {"ip_address": [{"family": "IPv4"}]}}]}}}}),
            ),
        };
        let (status, made) = self.call(who, "POST", path, body).await;
        let uuid = [&made["port"]["uuid"], &made["id"], &made["server"]["uuid"]];
        if let Some(uuid) = uuid.into_iter().find(|it| it.is_string() && status < 300) {
            let made = self.keep(who, uuid);
            self.others.push(at(path, &made.uuid));
        }
    }

    async fn step(&mut self, (first, kind, a, b): Step) {
        let who = usize::from(first);
        let (network, other) = (pick(&self.networks, a), pick(&self.networks, b));
        let (router, half) = (pick(&self.routers, b), pick(&self.peerings, a));
        let on = at(NETWORKS, &network.uuid);
        match kind % 14 {
            0 => self.make_router(who).await,
            1 => self.make_network(who, Some(&router.uuid), a % 8 == 0).await,
            2 => self.make_network(who, None, a % 8 == 0).await,
            3 => self.make_peering(who, &network, &other).await,
            4 => self.answer_peering(&half).await,
            5 => {
                let status = if b % 2 == 0 { "disabled" } else { "active" };
                let change = json!({"network_peering": {"configured_status": status}});
                self.call(who, "PATCH", &at(PEERINGS, &half.uuid), change).await;
            }
            6 => drop(self.call(who, "DELETE", &at(PEERINGS, &half.uuid), Value::Null).await),
            7 => {
                let to = if b % 4 == 0 { Value::Null } else { json!(router.uuid) };
                self.call(who, "PUT", &on, json!({"network": {"router": to}})).await;
            }
            8 => drop(self.call(who, "DELETE", &on, Value::Null).await),
            9 => self.make_other(who, &network.uuid, b).await,
            10 => {
                let path = &self.others[usize::from(a) % self.others.len()].clone();
                for method in ["GET", "DELETE"] {
                    self.call(who, method, path, Value::Null).await;
                }
            }
            11 => {
                for path in [on, at(ROUTERS, &router.uuid), at(PEERINGS, &half.uuid)] {
                    self.call(who, "GET", &path, Value::Null).await;
                }
            }
            12 => {
                let query = format!("{PEERINGS}?network_uuid_peer={}", network.uuid);
                self.call(who, "GET", &query, Value::Null).await;
                self.call(who, "GET", "/1.3/account/details/dave", Value::Null).await;
            }
            _ => self.list_all(who).await,
        }
    }
}

fn pick(all: &[Made], n: u8) -> Made {
    all[usize::from(n) % all.len()].clone()
}

async fn play(steps: &[Step]) {
    let site = Site::start().await;
    let account = json!({"account": {"username": "carol", "password": "carols password"}});
    site.alice.post("/kannas/v1/accounts", &account).await.is(201);
    let carol = Client::new(site.api, "carol", "carols password");
    let mut play = Play::new([("bob", site.bob.clone()), ("carol", carol)]);
    // A peering that carries packets, so that there is something to hide.
    for who in [0, 1] {
        play.make_router(who).await;
        let router = play.routers[who].uuid.clone();
        play.make_network(who, Some(&router), false).await;
    }
    let (one, two) = (pick(&play.networks, 0), pick(&play.networks, 1));
    play.make_peering(0, &one, &two).await;
    play.answer_peering(&play.peerings[0].clone()).await;
    play.list_all(0).await;
    assert_eq!(play.active, 1, "the first half is answered");
    for step in steps {
        play.step(*step).await;
    }
    play.list_all(0).await;
    play.list_all(1).await;
}

#[test]
fn whatever_two_accounts_do_neither_learns_of_the_others_things() {
    let config = ProptestConfig { cases: 10, max_shrink_iters: 40, ..ProptestConfig::default() };
    let steps = proptest::collection::vec(any::<Step>(), 40..90);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(play(&steps));
        Ok(())
    });
    outcome.unwrap();
}
