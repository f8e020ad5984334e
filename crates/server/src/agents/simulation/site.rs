//! The server of a schedule, its memory on disk, and what was promised so far.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::host::Join;
use model::ids::Revision;
use model::lease::Loss;
use model::network::{self, Attach};
use model::objects::{Account, Configured, JoinToken, Subnet};
use model::op::{Op, Wish};
use model::policy::Quota;
use model::spec::Attachment;
use model::world::World;
use model::{peering, port, router};
use store::{Group, Store};
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use super::super::door::{Door, router as router_of};
use super::super::hub::Hub;
use super::super::leases::{LeaseArgs, Look, Silent};
use super::super::new_authority;

pub(super) const LIMIT: u64 = 1000;
pub(super) const GRACE: u64 = 4;

pub(super) const NETWORKS: u64 = 5;
pub(super) const HOSTS: u64 = 4;

const ADMIN: &str = "admin";
const ZONE: &str = "fi-hel1";

/// A server's process.
pub(super) struct Server {
    pub(super) store: Store,
    pub(super) hub: Hub,
    pub(super) router: axum::Router,
    groups: broadcast::Receiver<Arc<Group>>,
    stop: watch::Sender<bool>,
}

pub(super) struct Site {
    dir: TempDir,
    pub(super) clock: Arc<AtomicU64>,
    server: Option<Server>,
    /// Every world that a host may have been told of.
    pub(super) worlds: BTreeMap<Revision, Arc<World>>,
}

impl Site {
    pub(super) async fn found() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(AtomicU64::new(0));
        let server = Some(start(&dir, &clock));
        let mut site = Self { dir, clock, server, worlds: BTreeMap::new() };
        let admin = Account {
            name: ADMIN.to_owned(),
            password: String::new(),
            admin: true,
            quota: Quota::default(),
        };
        site.must(Op::Found { admin, authority: new_authority() }).await;
        for n in 0..HOSTS {
            let token =
                JoinToken { digest: n.to_string(), zone: ZONE.to_owned(), expires: 1, host: None };
            let digest = token.digest.clone();
            site.must(Op::AllowJoin { by: by(), token }).await;
            let (name, underlay) = (format!("host{n}"), underlay(n));
            let wish =
                Join { digest, name, zone: ZONE.to_owned(), underlay, now: 0, certificate: None };
            site.must(Op::Join { uuid: host_id(n), wish }).await;
        }
        for n in 0..NETWORKS {
            let wish =
                router::Create { name: "r".to_owned(), labels: vec![], static_routes: vec![] };
            site.must(Op::Router { by: by(), uuid: router_id(n), wish: Wish::Create(wish) }).await;
            site.must(create_network(n)).await;
        }
        site
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(super) fn server(&self) -> &Server {
        self.server.as_ref().expect("there is one but for a moment")
    }

    pub(super) fn world(&self) -> Arc<World> {
        self.server().store.world()
    }

    async fn must(&mut self, op: Op) {
        let shown = format!("{op:?}");
        assert!(self.write(op).await.is_some(), "{shown}");
    }

    /// Its revision, once the hub has heard of it; None if nothing changed.
    pub(super) async fn write(&mut self, op: Op) -> Option<Revision> {
        let before = self.world();
        let Ok(commit) = self.server().store.write(op).await else {
            assert_eq!(self.world().revision(), before.revision(), "a refusal changes nothing");
            return None;
        };
        if commit.changes.is_empty() {
            return None;
        }
        assert!(commit.revision > before.revision(), "what comes later has a later place");
        assert!(self.world().revision() >= commit.revision, "what was answered is seen");
        self.server().hub.heard(commit.revision).await;
        Some(commit.revision)
    }

    /// As the lessor does, which the clock of a process drives.
    pub(super) async fn look_for_lost(&mut self) {
        let Look::Lost(silent) = self.server().hub.look() else { return };
        if !silent.is_empty() {
            let loss = |it: &Silent| Loss { host: it.host, epoch: it.epoch, since: 0 };
            let _ = self.write(Op::LoseLeases(silent.iter().map(loss).collect())).await;
        }
    }

    pub(super) fn remember(&mut self) {
        let Some(server) = &mut self.server else { return };
        while let Ok(group) = server.groups.try_recv() {
            self.worlds.insert(group.world.revision(), group.world.clone());
        }
    }

    /// The process dies, and another begins on what is on the disk.
    pub(super) async fn crash(&mut self) {
        let before = format!("{:?}", self.world());
        if let Some(old) = self.server.take() {
            old.stop.send_replace(true);
            old.hub.end().await;
        }
        // Tasks of the old one let go of its store.
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        self.server = Some(start(&self.dir, &self.clock));
        assert_eq!(format!("{:?}", self.world()), before, "what was acknowledged is there");
        let world = self.world();
        self.worlds.insert(world.revision(), world);
    }
}

fn start(dir: &TempDir, clock: &Arc<AtomicU64>) -> Server {
    let mut store = Store::open(dir.path());
    for _ in 0..1000 {
        if store.is_ok() {
            break;
        }
        // The thread of the one before is about to end.
        std::thread::yield_now();
        store = Store::open(dir.path());
    }
    let store = store.expect("the store opens");
    let leases = LeaseArgs { limit_ms: LIMIT, grace_seconds: GRACE };
    let clock = clock.clone();
    let clock = Arc::new(move || clock.load(Ordering::Relaxed));
    let hub = Hub::start_by(clock, store.clone(), leases, None);
    let (stop, stopping) = watch::channel(false);
    let door = Door { store: store.clone(), hub: hub.clone(), stop: stopping };
    let groups = store.groups();
    Server { store, hub, router: router_of(door), groups, stop }
}

fn by() -> String {
    ADMIN.to_owned()
}

pub(super) fn host_id(n: u64) -> Uuid {
    Uuid::from_u128(0x100 + u128::from(n))
}

pub(super) fn underlay(n: u64) -> std::net::IpAddr {
    [192, 0, 2, 1 + u8::try_from(n).expect("few hosts")].into()
}

fn router_id(n: u64) -> Uuid {
    Uuid::from_u128(0x200 + u128::from(n))
}

pub(super) fn network_id(n: u64) -> Uuid {
    Uuid::from_u128(0x300 + u128::from(n))
}

fn half_id(from: u64, to: u64) -> Uuid {
    Uuid::from_u128(0x40_0000 + u128::from(0x100 * from + to))
}

/// Two of them have the same addresses.
fn subnet(n: u64) -> Subnet {
    let third = if n + 1 == NETWORKS { 0 } else { n };
    let address = format!("10.{third}.0.0/24");
    let prefix = address.parse().expect("a prefix");
    let gateway = [10, u8::try_from(third).expect("few"), 0, 1].into();
    Subnet { dhcp: true, ..Subnet::plain(address, prefix, gateway) }
}

fn create_network(n: u64) -> Op {
    let wish = network::Create {
        name: "n".to_owned(),
        zone: ZONE.to_owned(),
        labels: vec![],
        router: Some(router_id(n).to_string()),
        subnets: vec![subnet(n)],
    };
    Op::Network { by: by(), uuid: network_id(n), wish: Wish::Create(wish) }
}

pub(super) fn create_half(from: u64, to: u64) -> Op {
    let wish = peering::Create {
        name: "p".to_owned(),
        configured: Configured::Active,
        network: network_id(from),
        peer_network: network_id(to),
        note: None,
        labels: vec![],
    };
    Op::Peering { by: by(), uuid: half_id(from, to), wish: Wish::Create(wish) }
}

pub(super) fn configure(from: u64, to: u64, configured: Configured) -> Op {
    let wish = peering::Modify { configured: Some(configured), ..Default::default() };
    Op::Peering { by: by(), uuid: half_id(from, to), wish: Wish::Modify(wish) }
}

pub(super) fn delete_half(from: u64, to: u64) -> Op {
    Op::Peering { by: by(), uuid: half_id(from, to), wish: Wish::Delete }
}

pub(super) fn attach(n: u64, to: Option<u64>) -> Op {
    let router = to.map_or(Attach::Nothing, |to| Attach::To(router_id(to).to_string()));
    let wish = network::Modify { router: Some(router), ..Default::default() };
    Op::Network { by: by(), uuid: network_id(n), wish: Wish::Modify(wish) }
}

pub(super) fn create_port(n: u64, network: u64, host: u64) -> Op {
    let wish = port::Create {
        network: network_id(network).to_string(),
        host: format!("host{host}"),
        addresses: Vec::new(),
        prefixes: Vec::new(),
        mac: None,
        attachment: Attachment::Netns {
            netns: format!("w{n}").parse().expect("a name"),
            device: "eth0".parse().expect("a name"),
        },
    };
    Op::CreatePort { by: by(), uuid: Uuid::from_u128(0x50_0000 + u128::from(n)), wish }
}

pub(super) fn delete_port(uuid: Uuid) -> Op {
    Op::DeletePort { by: by(), uuid }
}
