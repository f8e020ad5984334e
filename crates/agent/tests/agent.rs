//! Agents against a server, each with a kernel that takes what it is told.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agent::{AgentError, ClientError, JoinError};
use common::{
    Agent, DEADLINE, Site, create_network, create_peering, create_port, create_router, delete_host,
    delete_port, eventually, network_of, port_of, write,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_carries_its_slice_and_each_change_of_it() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    site.write(create_router(1)).await;
    site.write(create_network(1, Some(1))).await;
    site.write(create_port(1, 1, "host1")).await;
    eventually("the port is there", || agent.carries(&site.slice("host1"))).await;
    assert_eq!(agent.kernel.carried().ports.len(), 1);
    site.write(delete_port(1)).await;
    eventually("the port is gone", || agent.kernel.carried().ports.is_empty()).await;
    eventually("all is gone", || agent.carries(&site.slice("host1"))).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_means_that_the_kernel_has_it() {
    let site = Site::found().await;
    let agents = [site.agent(1).await, site.agent(2).await];
    site.write(create_router(1)).await;
    site.write(create_network(1, Some(1))).await;
    for n in 0..50 {
        let host = if n % 2 == 0 { "host1" } else { "host2" };
        let revision = site.write(create_port(n, 1, host)).await.world.revision();
        let asked = Instant::now();
        site.hub.settled(revision, DEADLINE).await;
        assert!(asked.elapsed() < DEADLINE);
        for agent in &agents {
            assert!(agent.carries(&site.slice(&agent.name)), "{} after port {n}", agent.name);
            assert!(site.applied(&agent.name) >= Some(revision));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_gives_up_at_its_limit_on_a_host_that_cannot() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    site.write(create_network(1, None)).await;
    agent.kernel.refuse_port(Some(port_of(1)));
    let made = site.write(create_port(1, 1, "host1")).await.world.revision();
    site.hub.settled(made, DEADLINE).await;
    let errors = site.hub.presence().hosts[&site.host("host1")].errors.clone();
    assert_eq!(errors.len(), 1, "an answer with errors is an answer: {errors:?}");
    assert_eq!(errors[0].network, Some(network_of(1)));
    assert!(errors[0].message.contains("no such device"), "{errors:?}");
    agent.kernel.refuse_port(None);
    eventually("it is retried", || {
        site.hub.presence().hosts[&site.host("host1")].errors.is_empty()
    })
    .await;
    assert!(agent.carries(&site.slice("host1")));

    site.hub.settled(u64::MAX, Duration::from_millis(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_sees_nothing_of_a_network_it_does_not_reach() {
    let site = Site::found().await;
    let [one, two] = [site.agent(1).await, site.agent(2).await];
    for n in [1, 2, 3] {
        site.write(create_router(u128::from(n))).await;
        site.write(create_network(n, Some(u128::from(n)))).await;
    }
    site.write(create_port(1, 1, "host1")).await;
    site.write(create_port(2, 2, "host2")).await;
    site.write(create_port(3, 3, "host1")).await;
    site.write(create_peering(1, 2)).await;
    let both = site.write(create_peering(2, 1)).await.world.revision();
    site.hub.settled(both, DEADLINE).await;
    let seen = |agent: &Agent, n: u8| {
        let text = format!("{:?}", agent.kernel.carried());
        text.contains(&format!("10.{n}.0."))
            || agent.kernel.steps().join("\n").contains(&format!("10.{n}.0."))
    };
    assert!(seen(&one, 1) && seen(&one, 2) && seen(&one, 3));
    assert!(seen(&two, 1) && seen(&two, 2));
    assert!(!seen(&two, 3), "network 3 is private to host1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_one_host() {
    let site = Site::found().await;
    let token = site.token().await;
    let first = Agent::new(&site, 1, token.clone()).start();
    eventually("the first is live", || site.is_live("host1")).await;
    let error = Agent::new(&site, 2, token).start().ends().await;
    let AgentError::Join(JoinError::Client(ClientError::Refused { status, message })) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(status, 403);
    assert_eq!(message, "The join token is not known, was used already or has expired.");
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_authority_gets_no_secret() {
    let [meant, other] = [Site::found().await, Site::found().await];
    let token = meant.token().await;
    let error = Agent::new(&other, 1, token).start().ends().await;
    let distrust =
        matches!(error, AgentError::Join(JoinError::Client(ClientError::Untrusted { .. })));
    assert!(distrust, "{error:?}");
    assert!(other.store.world().hosts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_joined_needs_no_token_and_stays_who_it_is() {
    let site = Site::found().await;
    let mut agent = site.agent(1).await.stop().await;
    let host = site.host("host1");
    agent.config.join = None;
    agent.config.zone = None;
    let mut agent = agent.start();
    eventually("it is live again", || site.is_live("host1")).await;
    assert_eq!(site.host("host1"), host);
    agent = agent.stop().await;
    agent.config.name = Some("other".to_owned());
    let error = agent.start().ends().await;
    let text =
        "this host joined with --name host1, not other; delete it and join anew to change that";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::found().await;
    let agent = site.agent(1).await;
    for name in ["key.pem", "cert.pem", "ca.pem", "host.json"] {
        let metadata = std::fs::metadata(agent.state_dir().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_again_touches_nothing_that_is_right() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    site.write(create_network(1, None)).await;
    let made = site.write(create_port(1, 1, "host1")).await.world.revision();
    site.hub.settled(made, DEADLINE).await;
    let agent = agent.stop().await;
    agent.kernel.forget_steps();
    let agent = agent.start();
    eventually("it is live again", || site.is_live("host1")).await;
    assert_eq!(agent.kernel.steps(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_kernel_has_is_not_undone_by_an_older_slice_on_disk() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    site.write(create_network(1, None)).await;
    let made = site.write(create_port(1, 1, "host1")).await.world.revision();
    site.hub.settled(made, DEADLINE).await;
    let file = agent.state_dir().join("slice.ndjson");
    eventually("the slice is on disk", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"port\""))
    })
    .await;
    let older = std::fs::read(&file).unwrap();
    site.write(create_port(2, 1, "host1")).await;
    let gone = site.write(delete_port(1)).await.world.revision();
    site.hub.settled(gone, DEADLINE).await;
    let agent = agent.stop().await;
    // As after a crash before the file was written.
    std::fs::write(&file, older).unwrap();
    agent.kernel.forget_steps();
    let agent = agent.start();
    eventually("it is live again", || site.is_live("host1")).await;
    assert_eq!(agent.kernel.steps(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_a_host_carries_its_last_slice_without_the_server() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    site.write(create_network(1, None)).await;
    let made = site.write(create_port(1, 1, "host1")).await.world.revision();
    site.hub.settled(made, DEADLINE).await;
    let mut agent = agent.stop().await;
    agent.kernel = Default::default();
    agent.config.server = vec![format!("https://{}", nobody().await)];
    let agent = agent.start();
    eventually("the slice is there", || agent.carries(&site.slice("host1"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_finds_a_server_that_was_restarted_and_what_it_missed() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    site.write(create_network(1, None)).await;
    site.write(create_port(1, 1, "host1")).await;
    eventually("the port is there", || agent.carries(&site.slice("host1"))).await;
    // So that the agent's revision is not known to the next server: 410.
    let site = site
        .restart(async |store| {
            write(store, create_port(2, 1, "host1")).await;
            write(store, delete_port(1)).await;
        })
        .await;
    eventually("the agent is back", || site.is_live("host1")).await;
    assert!(agent.carries(&site.slice("host1")));
    let ports: Vec<_> = agent.kernel.carried().ports.into_keys().collect();
    assert_eq!(ports, [port_of(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_touched_before_the_end_of_a_snapshot() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    site.write(create_network(1, None)).await;
    for n in 0..400 {
        site.write(create_port(n, 1, "host1")).await;
    }
    let last = site.store.world().revision();
    site.hub.settled(last, DEADLINE).await;
    let mut agent = agent.stop().await;
    // So that it needs a snapshot.
    std::fs::remove_file(agent.state_dir().join("slice.ndjson")).unwrap();
    site.write(delete_port(0)).await;
    agent.kernel.forget_steps();

    let relay = Relay::start(site.address, 40_000).await;
    agent.config.server = vec![format!("https://{}", relay.address)];
    let agent = agent.start();
    eventually("three connections were cut", || relay.cuts.load(Ordering::SeqCst) >= 3).await;
    assert_eq!(agent.kernel.steps(), [""; 0]);
    relay.limit.store(usize::MAX, Ordering::SeqCst);
    eventually("the agent is live", || site.is_live("host1")).await;
    assert!(agent.carries(&site.slice("host1")));
    assert_eq!(agent.kernel.steps().len(), 2, "{:?}", agent.kernel.steps());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_goes_on_when_its_connection_is_cut_again_and_again() {
    let site = Site::found().await;
    let relay = Relay::start(site.address, usize::MAX).await;
    let mut agent = Agent::new(&site, 1, site.token().await);
    agent.config.server = vec![format!("https://{}", relay.address)];
    let agent = agent.start();
    eventually("the agent is live", || site.is_live("host1")).await;
    site.write(create_network(1, None)).await;
    relay.limit.store(12_000, Ordering::SeqCst);
    for n in 0..120 {
        site.write(create_port(n, 1, "host1")).await;
        let done = format!("port {n}");
        eventually(&done, || agent.carries(&site.slice("host1"))).await;
    }
    assert!(relay.cuts.load(Ordering::SeqCst) >= 3, "{:?}", relay.cuts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_host_leaves_its_kernel_as_it_is() {
    let site = Site::found().await;
    let agent = site.agent(1).await;
    agent.kernel.forget_steps();
    site.write(delete_host("host1")).await;
    eventually("it is away", || site.hub.presence().hosts.is_empty()).await;
    let agent = agent.stop().await;
    assert_eq!(agent.kernel.steps(), [""; 0]);
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Hands bytes on, and cuts each connection after `limit` bytes of the server's.
struct Relay {
    address: SocketAddr,
    limit: Arc<AtomicUsize>,
    cuts: Arc<AtomicUsize>,
}

impl Relay {
    async fn start(to: SocketAddr, limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Arc::new(AtomicUsize::new(limit));
        let cuts = Arc::new(AtomicUsize::new(0));
        let (for_task, cut) = (limit.clone(), cuts.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (limit, cut) = (for_task.clone(), cut.clone());
                tokio::spawn(async move {
                    let ended = hand_on(client, to, &limit).await;
                    if ended.is_err_and(|e| e.kind() == ErrorKind::QuotaExceeded) {
                        cut.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { address, limit, cuts }
    }
}

async fn hand_on(client: TcpStream, to: SocketAddr, limit: &AtomicUsize) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(to).await?.into_split();
    let down = async {
        let (mut buffer, mut handed) = (vec![0; 4096], 0);
        loop {
            let n = from_server.read(&mut buffer).await?;
            handed += n;
            if handed > limit.load(Ordering::SeqCst) {
                return Err(ErrorKind::QuotaExceeded.into());
            }
            if n == 0 {
                return Ok(());
            }
            to_client.write_all(&buffer[..n]).await?;
        }
    };
    tokio::select! {
        ended = down => ended,
        ended = tokio::io::copy(&mut from_client, &mut to_server) => ended.map(drop),
    }
}
