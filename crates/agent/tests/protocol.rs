//! The server's side of the protocol, spoken to by hand.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::raw::Raw;
use common::{
    Agent, Site, create_network, create_port, create_router, delete_host, delete_port, eventually,
};
use model::op::Op;
use model::seal::End;
use model::wire::agent::{Fault, Line, Report};

#[tokio::test]
async fn only_a_join_goes_without_a_certificate() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    let stranger = Raw::connect(site.address, identity.state_dir(), false).await;
    assert_eq!(stranger.status("GET", "watch", "").await, 401);
    assert_eq!(stranger.status("POST", "report", "{}").await, 401);
    assert_eq!(stranger.status("POST", "join", "{}").await, 422);
    assert_eq!(stranger.status("GET", "nothing", "").await, 404);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_taken() {
    let [site, other] = [Site::found().await, Site::found().await];
    let [host, stranger] = [joined(&site).await, joined(&other).await];
    let shown = Some(stranger.state_dir());
    // TLS 1.3: the client is done before the server has looked.
    let answer = match Raw::open(site.address, host.state_dir(), shown).await {
        Ok(raw) => raw.try_ask("GET", "watch", "").await,
        Err(error) => Err(error),
    };
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn a_deleted_host_is_shut_out_and_its_watch_ends() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = host.watch("").await;
    watch.run().await;
    site.write(delete_host("host1")).await;
    watch.end().await;
    // Its connection is cut, too.
    let again = Raw::connect(site.address, identity.state_dir(), true).await;
    assert_eq!(again.status("GET", "watch", "").await, 403);
}

#[tokio::test]
async fn a_watch_is_a_snapshot_and_then_what_changes() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = host.watch("").await;
    let start = watch.run().await;
    let revision = site.store.world().revision();
    assert_eq!(start, [Line::Snapshot, Line::Mark { revision }]);

    site.write(create_router(1)).await;
    site.write(create_network(1, Some(1))).await;
    let made = site.write(create_port(1, 1, "host1")).await.world.revision();
    let lines = watch.run().await;
    assert!(matches!(lines[0], Line::Port { .. }), "{lines:?}");
    assert_eq!(lines.last(), Some(&Line::Mark { revision: made }));
    assert_eq!(lines.len(), 4, "a port, its address, the subnet, the mark: {lines:?}");
}

#[tokio::test]
async fn a_watch_resumes_without_a_snapshot_where_it_was() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    site.write(create_network(1, None)).await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = host.watch("").await;
    let at = revision_of(&watch.run().await);
    drop(watch);
    let made = site.write(create_port(1, 1, "host1")).await.world.revision();

    let mut watch = host.watch(&format!("?revision={at}")).await;
    let lines = watch.run().await;
    assert!(!lines.contains(&Line::Snapshot), "{lines:?}");
    assert_eq!(revision_of(&lines), made);
    drop(watch);
    let mut watch = host.watch(&format!("?revision={made}")).await;
    assert_eq!(watch.run().await, [Line::Mark { revision: made }]);
}

#[tokio::test]
async fn an_agent_that_cannot_encrypt_is_told_nothing_of_it_and_reached_by_nobody() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    let zones = (common::ZONE.to_owned(), common::ZONE.to_owned());
    site.write(Op::Seals(model::seal::Wish::Set {
        by: "admin".to_owned(),
        zones,
        on: true,
        now: 0,
    }))
    .await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = host.watch("?seals=true").await;
    let lines = watch.run().await;
    assert!(lines.contains(&Line::Tunnel { generation: 1 }), "{lines:?}");
    let end = End { key: [7; 32].into(), port: 51820 };
    let ends = Some([(1, end)].into());
    let report = Report { revision: revision_of(&lines), ends, ..Report::default() };
    let report = serde_json::to_string(&report).unwrap();
    assert_eq!(host.status("POST", "report", &report).await, 204);
    let known = |site: &Site| {
        let world = site.store.world();
        let host = *world.hosts.keys().next().unwrap();
        world.seals.keys(host).map(|keys| keys.ends.clone())
    };
    assert_eq!(known(&site), Some([(1, end)].into()));
    // Not known now: they stay.
    let silent = Report { revision: site.store.world().revision(), ..Report::default() };
    let silent = serde_json::to_string(&silent).unwrap();
    host.status("POST", "report", &silent).await;
    assert_eq!(known(&site), Some([(1, end)].into()));
    drop(watch);

    // It was put back to an older version.
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = host.watch("").await;
    let lines = watch.run().await;
    assert!(matches!(lines[..], [Line::Snapshot, Line::Mark { .. }]), "{lines:?}");
    assert_eq!(known(&site), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_not_kept_is_gone() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    assert_eq!(host.status("GET", "watch?revision=999999", "").await, 410);
    let site = site.restart(async |_| ()).await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    assert_eq!(host.status("GET", "watch?revision=1", "").await, 410);
}

#[tokio::test]
async fn what_happens_while_nobody_reads_comes_as_one_run() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    site.write(create_network(1, None)).await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = host.watch("").await;
    watch.run().await;
    for n in 0..500 {
        site.write(create_port(n, 1, "host1")).await;
    }
    let last = site.write(delete_port(0)).await.world.revision();
    let mut runs = 1;
    while revision_of(&watch.run().await) != last {
        runs += 1;
    }
    assert!(runs < 500, "{runs} runs for 501 writes");
}

#[tokio::test]
async fn a_host_is_live_and_has_applied_what_it_reports() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    site.write(create_network(1, None)).await;
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = host.watch("").await;
    let first = revision_of(&watch.run().await);
    assert!(!site.is_live("host1"));
    assert_eq!(host.status("POST", "report", &report(first)).await, 204);
    assert_eq!(site.applied("host1"), Some(first));

    let made = site.write(create_port(1, 1, "host1")).await.world.revision();
    let run = watch.run().await;
    assert_eq!(site.applied("host1"), Some(made - 1));
    let unconcerned = site.write(create_router(5)).await.world.revision();
    eventually("it is seen", || site.hub.presence().waiting_ms(&site.host("host1")) > 0).await;
    assert_eq!(site.applied("host1"), Some(made - 1));
    assert_eq!(host.status("POST", "report", &report(revision_of(&run))).await, 204);
    assert_eq!(site.applied("host1"), Some(unconcerned));
    assert_eq!(host.status("POST", "report", &report(unconcerned)).await, 409, "no such mark");
    drop(watch);
    eventually("the host is away", || !site.is_live("host1")).await;
}

#[tokio::test]
async fn an_error_is_of_the_network_with_that_vni() {
    let site = Site::found().await;
    let identity = joined(&site).await;
    let made = site.write(create_network(1, None)).await;
    let network = made.world.networks.values().next().unwrap().clone();
    let host = Raw::connect(site.address, identity.state_dir(), true).await;
    let revision = revision_of(&host.watch("").await.run().await);
    let mut watch = host.watch("").await;
    watch.run().await;
    let vni = |n: u32| Some(n.try_into().unwrap());
    let fault = |vni| Fault::new(vni, "no");
    let errors = vec![fault(Some(network.vni)), fault(None), fault(vni(999))];
    let report = Report { revision, errors, ..Report::default() };
    let body = serde_json::to_string(&report).unwrap();
    assert_eq!(host.status("POST", "report", &body).await, 204);
    let presence = site.hub.presence();
    let networks: Vec<_> =
        presence.hosts[&site.host("host1")].errors.iter().map(|e| e.network).collect();
    assert_eq!(networks, [Some(network.uuid), None], "one was deleted meanwhile");
}

/// A host that has joined and whose agent is stopped.
async fn joined(site: &Site) -> Agent {
    site.agent(1).await.stop().await
}

fn revision_of(lines: &[Line]) -> u64 {
    match lines.last() {
        Some(Line::Mark { revision }) => *revision,
        other => panic!("no mark but {other:?}"),
    }
}

fn report(revision: u64) -> String {
    serde_json::to_string(&Report { revision, ..Report::default() }).unwrap()
}
