//! Several servers on one memory, and hosts that come to any of them.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::{Duration, Instant};

use common::raw::{self, Raw};
use common::{Agent, Site, create_network, create_port, eventually, peered, port_of};
use model::state::{State, judge};
use server::agents::LeaseArgs;

/// What is waited for is long past, and what must not be would have been.
const GRACE: LeaseArgs = LeaseArgs { limit_ms: 3_000, grace_seconds: 1 };
const LONG: LeaseArgs = LeaseArgs { limit_ms: 10_000, grace_seconds: 60 };

/// A host that knows these servers.
async fn agent_of(sites: &[&Site], n: u8) -> Agent {
    let mut agent = Agent::new(sites[0], n, sites[0].token().await);
    agent.config.server = sites.iter().map(|it| format!("https://{}", it.address)).collect();
    let agent = agent.start();
    for site in sites {
        eventually("the agent is live for all", || site.is_live(&agent.name)).await;
    }
    agent
}

fn state(site: &Site) -> State {
    let (world, presence) = (site.store.world(), site.hub.presence());
    let patience = model::consent::Patience { now: 0, days: 0 };
    let half = world.peerings.values().next().unwrap();
    judge(&world, &presence, patience, half).0
}

fn epoch(site: &Site, name: &str) -> u64 {
    site.store.world().leases[&site.host(name)].epoch
}

fn node_of(site: &Site, name: &str) -> Option<uuid::Uuid> {
    site.store.world().leases[&site.host(name)].node
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_knows_of_all_hosts_wherever_they_are() {
    let first = Site::found_first(LONG).await;
    let second = first.beside(false).await;
    let third = first.beside(false).await;
    let one = agent_of(&[&second], 1).await;
    let two = agent_of(&[&third], 2).await;
    for site in [&first, &second, &third] {
        eventually("all hosts are known", || site.hub.presence().hosts.len() == 2).await;
    }
    assert_eq!(node_of(&first, "host1"), second.node);
    peered(&first).await;
    // The one that has no hosts waits for those of the others.
    let revision = first.store.world().revision();
    first.hub.settled(revision, Duration::from_secs(20)).await;
    assert!(one.carries(&first.slice("host1")) && two.carries(&first.slice("host2")));
    for site in [&first, &second, &third] {
        eventually("it is active", || state(site) == State::Active).await;
        assert!(site.applied("host1") >= Some(revision));
    }
    // What a host cannot do is told by all.
    one.kernel.refuse_port(Some(port_of(3)));
    second.write(create_port(3, 1, "host1")).await;
    for site in [&first, &second, &third] {
        let presence = || site.hub.presence();
        let failed = || {
            presence().hosts[&site.host("host1")]
                .errors
                .iter()
                .any(|e| e.message.contains("no such device"))
        };
        eventually("the error is told", failed).await;
        assert_eq!(state(site), State::Error);
    }
    one.stop().await;
    for site in [&first, &second, &third] {
        eventually("it is away", || !site.is_live("host1")).await;
        assert!(site.is_live("host2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_server_dies_or_stops_goes_on_at_another_and_is_never_lost() {
    let first = Site::found_first(LONG).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(first.beside(false).await);
    }
    let known: Vec<&Site> = others.iter().collect();
    let one = agent_of(&known, 1).await;
    for n in [1, 2] {
        first.write(create_network(n, None)).await;
        first.write(create_port(u32::from(n), n, "host1")).await;
    }
    eventually("it carries all", || one.carries(&first.slice("host1"))).await;
    one.kernel.forget_steps();
    for crashes in [true, false] {
        let (before, at) = (epoch(&first, "host1"), node_of(&first, "host1"));
        let at = others.iter().position(|it| it.node == at).unwrap();
        let server = others.swap_remove(at);
        if crashes {
            server.crash().await
        } else {
            server.stop().await
        }
        for site in others.iter().chain([&first]) {
            let moved = || epoch(site, "host1") > before && site.is_live("host1");
            eventually("it has another lease, and all know", moved).await;
        }
        assert!(!first.store.world().is_lost(first.host("host1")));
    }
    let nodes: Vec<_> = first.store.world().nodes.keys().copied().collect();
    assert_eq!(nodes.len(), 3, "the one that stopped has said so");
    assert!(one.carries(&first.slice("host1")));
    assert_eq!(one.kernel.steps(), [""; 0], "nothing of it was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_well_whose_server_is_cut_off_from_the_others_and_lost_when_it_is_dead() {
    let first = Site::found_first(GRACE).await;
    let second = first.beside(false).await;
    let one = agent_of(&[&second], 1).await;
    let _two = agent_of(&[&first], 2).await;
    eventually("host1 is known", || first.is_live("host1")).await;
    for gate in [&first.gate, &second.gate] {
        gate.as_ref().unwrap().shut();
    }
    eventually("host1 is not known", || !first.is_live("host1")).await;
    assert!(second.is_live("host1"));
    let begun = Instant::now();
    while begun.elapsed() < 6 * Duration::from_secs(GRACE.grace_seconds) {
        assert!(!first.store.world().is_lost(first.host("host1")), "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A write there reaches it, though nobody could wait for that.
    first.write(create_network(1, None)).await;
    let commit = first.write(create_port(1, 1, "host1")).await;
    first.hub.settled(commit.revision, Duration::from_secs(20)).await;
    eventually("the host carries it", || one.carries(&first.slice("host1"))).await;

    for gate in [&first.gate, &second.gate] {
        gate.as_ref().unwrap().open();
    }
    eventually("host1 is known again", || first.is_live("host1")).await;
    second.crash().await;
    eventually("host1 is lost", || first.store.world().is_lost(first.host("host1"))).await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_no_server_and_a_server_is_no_host() {
    let first = Site::found_first(LONG).await;
    let one = agent_of(&[&first], 1).await;
    let host = Raw::connect(first.address, one.state_dir(), true).await;
    for (method, what) in
        [("GET", "watch"), ("POST", "ask"), ("POST", "exchange"), ("POST", "tally")]
    {
        assert_eq!(host.of_peer(method, what).await, 403, "{what}");
    }
    let stranger = Raw::connect(first.address, one.state_dir(), false).await;
    assert_eq!(stranger.of_peer("GET", "watch").await, 403);
    // The other way round: who listens with a host's certificate is not believed.
    let liar = raw::listen_as(one.state_dir()).await;
    let refused = raw::trusts(liar, one.state_dir()).await;
    assert!(refused.unwrap_err().to_string().contains("certificate"), "by its name or its use");
}
