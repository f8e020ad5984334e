//! The door: UpCloud's HTTP API 1.3 for network peerings, the few calls that
//! Kannas adds to it, and the agents' port beside them.

mod account;
pub mod agents;
mod api;
mod aside;
mod audit;
mod auth;
mod body;
mod config;
mod counters;
mod encryption;
mod events;
mod explain;
mod founding;
mod group_steps;
mod hold;
mod host;
mod interface;
mod listener;
mod load;
mod memo;
mod network;
mod openapi;
mod password;
mod past;
mod peering;
mod peering_group;
mod peering_request;
mod placement;
mod plan;
mod port;
mod problem;
mod problem_json;
mod query;
mod replay;
mod router;
mod routes;
mod server;
mod source;
mod sub_account;
mod terms;
mod tls;
mod token;
mod unserved;
mod upkeep;
mod webhook;
mod zone;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use agents::LeaseArgs;
use agents::{Among, Hub};
use api::{Api, Setting};
pub use config::{Config, Database, PolicyArgs, WebhookArgs};
pub use events::WebhookError;
use events::{Events, Reach};
pub use founding::FoundingError;
use group_steps::Steps;
use tls::Tls;
pub use tls::{TlsArgs, TlsError};
pub use upkeep::{UpkeepError, backup, migrate, restore};

/// The server cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Founding(#[from] FoundingError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot open the store")]
    Store(#[from] store::Error),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("other servers cannot reach {0}: say by --peer-address where they reach this one")]
    PeerAddress(SocketAddr),
    #[error("cannot serve agents")]
    Agents(#[source] io::Error),
}

/// A server that listens and has yet to answer.
pub struct Server {
    api: TcpListener,
    api_tls: Option<Tls>,
    agents: TcpListener,
    addresses: Addresses,
    store: Store,
    hub: Hub,
    setting: Setting,
    events: Events,
    key_life: Duration,
    drain: Duration,
}

/// Where a server listens, with the ports it was given for port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub api: SocketAddr,
    pub agents: SocketAddr,
}

impl Server {
    /// Opens the store, made with its first account and authority if it is
    /// new, and begins to listen.
    ///
    /// # Errors
    /// The data directory, the store, the password file or an address cannot
    /// be used.
    pub async fn start(config: &Config) -> Result<Self, ServeError> {
        let operators = events::operators(&config.webhook)?;
        let tls = events::connector(config.webhook.webhook_ca.as_deref())?;
        let api_tls = Tls::open(&config.tls)?;
        founding::data_dir(&config.data_dir)?;
        let store = open(config).await?;
        if config.log_days > 0 {
            store.keep_log(Duration::from_secs(86_400 * u64::from(config.log_days)));
        }
        founding::found(&store, config).await?;
        let (api, api_address) = listen(config.listen).await?;
        let (agents, agents_address) = listen(config.agent_listen).await?;
        let among = among(config, &store, agents_address)?;
        let hub = Hub::start_among(store.clone(), config.leases, among);
        hub.set_certificate_days(config.host_cert_days);
        let addresses = Addresses { api: api_address, agents: agents_address };
        let events = Events {
            store: store.clone(),
            hub: hub.clone(),
            request_days: config.policy.peering_request_days,
            operators,
            reach: Reach::Public(config.webhook.webhook_allow.clone().into()),
            tls,
        };
        let key_life = Duration::from_secs(config.key_life);
        let drain = Duration::from_secs(config.drain);
        let setting = Setting {
            policy: config.policy.into(),
            proxies: config.trusted_proxies.clone(),
            room: usize::try_from(config.max_at_once).unwrap_or(usize::MAX),
        };
        Ok(Self { api, api_tls, agents, addresses, store, hub, setting, events, key_life, drain })
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Answers until `shutdown`, then ends what is under way and closes the
    /// store.
    ///
    /// # Errors
    /// The authority cannot be used.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { api, api_tls, agents, addresses, store, hub, setting, .. } = self;
        let Self { events, key_life, drain, .. } = self;
        let (policy, revision) = (setting.policy, store.world().revision());
        tracing::info!(api = %addresses.api, agents = %addresses.agents, revision, "listening");
        let (stopping, stop) = watch::channel(false);
        let mut stop_hosts = stop.clone();
        let placing = async {
            placement::run(store.clone(), hub.clone(), stop.clone()).await;
            Ok(())
        };
        let calls = async {
            let on = Api::new(store.clone(), hub.clone(), setting, stop.clone());
            let writing = token::write_uses(&on, stop.clone());
            let greeting = api_tls.as_ref().map(Tls::greeting);
            let fresh = tls::keep_fresh(api_tls, stop.clone());
            tokio::join!(listener::serve(api, greeting, on.clone(), stop.clone()), fresh, writing);
            token::write_uses_once(&on).await;
            Ok(())
        };
        let hosts = async {
            let served =
                agents::serve(agents, store.clone(), hub.clone(), stopped(&mut stop_hosts)).await;
            served.map_err(ServeError::Agents)
        };
        let telling = async {
            events.run(stop.clone()).await;
            Ok(())
        };
        let grouping = async {
            let steps = Steps { store: store.clone(), hub: hub.clone(), policy };
            steps.run(stop.clone()).await;
            Ok(())
        };
        let rotating = async {
            let mut stop = stop.clone();
            tokio::select! {
                () = agents::rotate_keys(store.clone(), hub.clone(), key_life) => {}
                () = stopped(&mut stop) => {}
            }
            Ok(())
        };
        let told = async {
            shutdown.await;
            tracing::info!(?drain, "stopping");
            // The last hosts have time to be heard of elsewhere.
            hub.drain(drain / 2);
            store.resign();
            tokio::time::sleep(drain).await;
            stopping.send_replace(true);
            Ok(())
        };
        let ended =
            tokio::try_join!(calls, hosts, placing, telling, rotating, grouping, told).map(drop);
        // Whoever starts a server next on the same data finds it free.
        hub.end().await;
        ended
    }
}

/// What this server is to others on the same database. Who has a file has it
/// alone.
fn among(config: &Config, store: &Store, agents: SocketAddr) -> Result<Option<Among>, ServeError> {
    if config.database.is_none() {
        return Ok(None);
    }
    let address = match &config.peer_address {
        Some(address) => address.clone(),
        None if agents.ip().is_unspecified() => return Err(ServeError::PeerAddress(agents)),
        None => agents.to_string(),
    };
    let leads = store.leads();
    let leads = Arc::new(move || *leads.borrow());
    Ok(Some(Among { id: uuid::Uuid::new_v4(), address, leads }))
}

/// Whoever opens it waits for a disk or another machine.
async fn open(config: &Config) -> Result<Store, store::Error> {
    let (dir, database) = (config.data_dir.clone(), config.database.clone());
    let open = move || match database {
        Some(Database(url)) => Store::connect(&url.parse()?),
        None => Store::open(&dir),
    };
    tokio::task::spawn_blocking(open).await.unwrap_or(Err(store::Error::Stopped))
}

/// Starts a server and answers until `shutdown`.
///
/// # Errors
/// As [`Server::start`] and [`Server::serve`].
pub async fn run(config: &Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::start(config).await?.serve(shutdown).await
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |error| ServeError::Listen(address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Waits until the server is to stop, or is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
