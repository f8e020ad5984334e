//! A server and agents in this process, over TLS on loopback.
#![expect(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

pub(crate) mod gate;
pub(crate) mod kernel;
pub(crate) mod raw;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::{AgentError, Config};
use model::network;
use model::objects::{Account, Configured, JoinToken, Subnet};
use model::op::{Op, Wish};
use model::policy::Quota;
use model::spec::{Attachment, HostSpec, Target};
use model::{host_spec, peering, port, router};
use server::agents::{Among, Hub, LeaseArgs, fingerprint, new_authority, serve};
use sha2::{Digest, Sha256};
use store::{Commit, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use gate::Gate;
use kernel::Fake;

pub(crate) const ZONE: &str = "fi-hel1";
pub(crate) const ADMIN: &str = "admin";

/// A machine that is busy with other things is not dead.
const LEASES: LeaseArgs = LeaseArgs { limit_ms: 10_000, grace_seconds: 60 };

/// No wait of a test is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `what` is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// An installation with its server.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    pub(crate) dir: Arc<TempDir>,
    leases: LeaseArgs,
    /// How the other servers reach it, and what they call it.
    pub(crate) gate: Option<Gate>,
    pub(crate) node: Option<Uuid>,
}

impl Site {
    pub(crate) async fn found() -> Self {
        Self::found_with(LEASES).await
    }

    pub(crate) async fn found_with(leases: LeaseArgs) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let store = Store::open(dir.path()).unwrap();
        let admin = Account {
            name: ADMIN.to_owned(),
            password: String::new(),
            admin: true,
            quota: Quota::default(),
        };
        store.write(Op::Found { admin, authority: new_authority() }).await.unwrap();
        Self::start(dir, store, leases, "127.0.0.1:0".parse().unwrap()).await
    }

    /// An installation of several servers: its first, which leads.
    pub(crate) async fn found_first(leases: LeaseArgs) -> Self {
        let alone = Self::found_with(leases).await;
        let first = alone.beside(true).await;
        alone.stop().await;
        first
    }

    /// Another server on the same memory.
    pub(crate) async fn beside(&self, leads: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Gate::to(listener.local_addr().unwrap()).await;
        let (id, address) = (Uuid::new_v4(), gate.address.to_string());
        let among = Among { id, address, leads: Arc::new(move || leads) };
        let (dir, store) = (self.dir.clone(), self.store.clone());
        let others = store.world().nodes.len();
        let site = Self::serve(dir, store, (self.leases, Some(among)), listener);
        let there = || site.store.world().nodes.len() > others;
        eventually("the server says that it is there", there).await;
        Self { gate: Some(gate), node: Some(id), ..site }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }

    /// As a crash would.
    pub(crate) async fn crash(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }

    async fn start(dir: Arc<TempDir>, store: Store, leases: LeaseArgs, at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        Self::serve(dir, store, (leases, None), listener)
    }

    fn serve(
        dir: Arc<TempDir>,
        store: Store,
        (leases, among): (LeaseArgs, Option<Among>),
        listener: TcpListener,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let hub = Hub::start_among(store.clone(), leases, among);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(serve(listener, store.clone(), hub.clone(), async {
            let _ = stopped.await;
        }));
        Self { store, hub, address, stop, serving, dir, leases, gate: None, node: None }
    }

    /// Stops the server, does `meanwhile`, and starts it anew at its address
    /// on what is on disk.
    pub(crate) async fn restart(self, meanwhile: impl AsyncFnOnce(&Store)) -> Self {
        let Self { store, hub, address, stop, serving, dir, leases, .. } = self;
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
        drop(hub);
        meanwhile(&store).await;
        drop(store);
        let mut store = None;
        // The last task that holds the old one may still be ending.
        eventually("the store is free", || {
            store = Store::open(dir.path()).ok();
            store.is_some()
        })
        .await;
        Self::start(dir, store.unwrap(), leases, address).await
    }

    pub(crate) async fn token(&self) -> String {
        self.token_for(None).await
    }

    /// For a host that joins again.
    pub(crate) async fn token_for(&self, host: Option<Uuid>) -> String {
        let secret = Uuid::new_v4().simple().to_string();
        let digest = Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        let token = JoinToken { digest, zone: ZONE.to_owned(), expires: i64::MAX, host };
        self.write(Op::AllowJoin { by: ADMIN.to_owned(), token }).await;
        let authority = self.store.world().authority().unwrap().clone();
        format!("kjt_{secret}.{}", fingerprint(&authority))
    }

    pub(crate) async fn write(&self, op: Op) -> Arc<Commit> {
        write(&self.store, op).await
    }

    pub(crate) fn host(&self, name: &str) -> Uuid {
        self.store.world().host_named(name).unwrap().uuid
    }

    pub(crate) fn slice(&self, name: &str) -> HostSpec {
        host_spec::host_spec(&self.store.world(), self.host(name))
    }

    pub(crate) fn is_live(&self, name: &str) -> bool {
        let host = self.store.world().host_named(name).map(|h| h.uuid);
        host.is_some_and(|host| self.hub.presence().hosts.contains_key(&host))
    }

    pub(crate) fn applied(&self, name: &str) -> Option<u64> {
        self.hub.presence().applied(&self.host(name))
    }

    /// An agent of its own kernel, up and answering.
    pub(crate) async fn agent(&self, n: u8) -> Agent {
        let agent = Agent::new(self, n, self.token().await);
        let agent = agent.start();
        eventually("the agent is live", || self.is_live(&agent.name)).await;
        agent
    }
}

pub(crate) async fn write(store: &Store, op: Op) -> Arc<Commit> {
    store.write(op).await.unwrap()
}

/// One host: its state directory and its kernel outlive its agent.
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) kernel: Fake,
    dir: TempDir,
    running: Option<Running>,
}

type Running = (oneshot::Sender<()>, JoinHandle<Result<(), AgentError>>);

impl Agent {
    pub(crate) fn new(site: &Site, n: u8, token: String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("host{n}");
        let config = Config {
            server: vec![format!("https://{}", site.address)],
            join: Some(token),
            join_file: None,
            zone: Some(ZONE.to_owned()),
            name: Some(name.clone()),
            underlay: Some(Ipv4Addr::new(192, 0, 2, n).into()),
            state_dir: dir.path().to_owned(),
            vxlan_port: 4789,
            tunnel_port: 51820,
            pin_dir: None,
            bpf: agent::BpfArgs::default(),
        };
        Self { name, config, kernel: Fake::default(), dir, running: None }
    }

    pub(crate) fn state_dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn start(mut self) -> Self {
        let kernel = self.kernel.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = agent::run_on(self.config.clone(), move || Ok(kernel), async {
            let _ = stopped.await;
        });
        self.running = Some((stop, tokio::spawn(running)));
        self
    }

    pub(crate) async fn stop(mut self) -> Self {
        let (stop, running) = self.running.take().unwrap();
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
        self
    }

    /// How the agent ends by itself.
    pub(crate) async fn ends(mut self) -> AgentError {
        let (_stop, running) = self.running.take().unwrap();
        tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap().unwrap_err()
    }

    /// The kernel carries what the store says the host is to carry.
    pub(crate) fn carries(&self, slice: &HostSpec) -> bool {
        let has = self.kernel.carried();
        has.ports == slice.ports && has.routes == slice.routes
    }
}

pub(crate) fn create_router(n: u128) -> Op {
    let wish = router::Create { name: "r".to_owned(), labels: vec![], static_routes: vec![] };
    Op::Router { by: ADMIN.to_owned(), uuid: Uuid::from_u128(200 + n), wish: Wish::Create(wish) }
}

/// Network `n` has 10.`n`.0.0/16.
pub(crate) fn create_network(n: u8, router: Option<u128>) -> Op {
    let address = format!("10.{n}.0.0/16");
    let (prefix, gateway) = (address.parse().unwrap(), Ipv4Addr::new(10, n, 0, 1).into());
    let subnet = Subnet { dhcp: true, ..Subnet::plain(address, prefix, gateway) };
    let wish = network::Create {
        name: "n".to_owned(),
        zone: ZONE.to_owned(),
        labels: vec![],
        router: router.map(|n| Uuid::from_u128(200 + n).to_string()),
        subnets: vec![subnet],
    };
    Op::Network { by: ADMIN.to_owned(), uuid: network_of(n), wish: Wish::Create(wish) }
}

pub(crate) fn network_of(n: u8) -> Uuid {
    Uuid::from_u128(300 + u128::from(n))
}

pub(crate) fn create_peering(from: u8, to: u8) -> Op {
    let wish = peering::Create {
        name: "p".to_owned(),
        configured: Configured::Active,
        network: network_of(from),
        peer_network: network_of(to),
        note: None,
        labels: vec![],
    };
    let uuid = Uuid::from_u128(400_000 + 1000 * u128::from(from) + u128::from(to));
    Op::Peering { by: ADMIN.to_owned(), uuid, wish: Wish::Create(wish) }
}

/// Port `n` on network `network` at `host`.
pub(crate) fn create_port(n: u32, network: u8, host: &str) -> Op {
    let wish = port::Create {
        network: network_of(network).to_string(),
        host: host.to_owned(),
        addresses: Vec::new(),
        prefixes: Vec::new(),
        mac: None,
        attachment: Attachment::Netns {
            netns: format!("w{n}").parse().unwrap(),
            device: "eth0".parse().unwrap(),
        },
    };
    Op::CreatePort { by: ADMIN.to_owned(), uuid: port_of(n), wish }
}

pub(crate) fn port_of(n: u32) -> Uuid {
    Uuid::from_u128(500_000 + u128::from(n))
}

pub(crate) fn delete_port(n: u32) -> Op {
    Op::DeletePort { by: ADMIN.to_owned(), uuid: port_of(n) }
}

pub(crate) fn delete_host(name: &str) -> Op {
    Op::DeleteHost { by: ADMIN.to_owned(), id: name.to_owned() }
}

/// Port 1 at host1, port 2 at host2, on networks that are peered.
pub(crate) async fn peered(site: &Site) {
    for n in [1, 2] {
        site.write(create_router(u128::from(n))).await;
        site.write(create_network(n, Some(u128::from(n)))).await;
        site.write(create_port(u32::from(n), n, &format!("host{n}"))).await;
    }
    site.write(create_peering(1, 2)).await;
    site.write(create_peering(2, 1)).await;
}

/// The kernel of the agent's host sends to that port over the tunnel.
pub(crate) fn sends_to(agent: &Agent, site: &Site, port: u32) -> bool {
    let address = site.store.world().ports[&port_of(port)].address;
    let routes = agent.kernel.carried().routes;
    routes
        .iter()
        .any(|(key, to)| key.prefix.address() == address && matches!(to, Target::Remote { .. }))
}
