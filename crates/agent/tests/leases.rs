//! Hosts that are silent, that come back, and that stand still.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::raw::{Raw, Watch};
use common::{
    Agent, Site, create_network, create_port, create_router, delete_port, eventually, peered,
    sends_to,
};
use model::wire::agent::{Line, Renewal, Report};
use server::agents::LeaseArgs;

/// Short, as the tests wait for it.
const SHORT: LeaseArgs = LeaseArgs { limit_ms: 500, grace_seconds: 60 };

/// A host that is played by hand: watches and reports, and renews no lease.
async fn played(site: &Site, identity: &Agent, query: &str) -> (Raw, Watch, Vec<Line>) {
    let raw = Raw::connect(site.address, identity.state_dir(), true).await;
    let mut watch = raw.watch(query).await;
    let lines = watch.run().await;
    (raw, watch, lines)
}

fn epoch_of(lines: &[Line]) -> u64 {
    match lines.first() {
        Some(Line::Lease { epoch, limit_ms }) if *limit_ms == SHORT.limit_ms => *epoch,
        other => panic!("no lease but {other:?}"),
    }
}

fn report(epoch: u64, lines: &[Line]) -> String {
    let Some(Line::Mark { revision }) = lines.last() else { panic!("no mark: {lines:?}") };
    let report = Report { epoch: Some(epoch), revision: *revision, ..Report::default() };
    serde_json::to_string(&report).unwrap()
}

fn renewal(epoch: u64) -> String {
    serde_json::to_string(&Renewal { epoch }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_silent_host_until_it_comes_back_under_a_new_epoch() {
    let site = Site::found_with(SHORT).await;
    let one = site.agent(1).await;
    let two = site.agent(2).await.stop().await;
    let (raw, _watch, lines) = played(&site, &two, "?boot=b").await;
    let epoch = epoch_of(&lines);
    assert_eq!(raw.status("POST", "report", &report(epoch, &lines)).await, 204);
    peered(&site).await;
    eventually("host1 sends to host2", || sends_to(&one, &site, 2)).await;
    assert_eq!(raw.status("POST", "renew", &renewal(epoch)).await, 204);

    eventually("host2 is lost", || site.store.world().is_lost(site.host("host2"))).await;
    eventually("nothing is sent to it", || !sends_to(&one, &site, 2)).await;
    assert!(!site.is_live("host2") && !site.store.world().is_lost(site.host("host1")));
    assert_eq!(raw.status("POST", "renew", &renewal(epoch)).await, 409);
    assert_eq!(raw.status("POST", "report", &report(epoch, &lines)).await, 409);

    // What it has from before is not resumed from.
    let query = format!("?boot=b&epoch={epoch}&revision={}", site.store.world().revision());
    let (raw, _watch, lines) = played(&site, &two, &query).await;
    let next = epoch_of(&lines);
    assert!(next > epoch && lines[1] == Line::Snapshot, "{lines:?}");
    assert_eq!(raw.status("POST", "report", &report(epoch, &lines)).await, 409, "the old epoch");
    assert_eq!(raw.status("POST", "report", &report(next, &lines)).await, 204);
    eventually("host1 sends to host2", || sends_to(&one, &site, 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_away_for_a_moment_keeps_its_epoch() {
    let site = Site::found_with(LeaseArgs { limit_ms: 500, ..SHORT }).await;
    let one = site.agent(1).await;
    peered_without_far(&site).await;
    let epoch = |site: &Site| site.store.world().leases[&site.host("host1")].epoch;
    let before = epoch(&site);
    eventually("the slice is on disk", || {
        let text = std::fs::read_to_string(one.state_dir().join("slice.ndjson"));
        text.is_ok_and(|text| text.contains("\"port\"") && text.contains(&format!("{before}")))
    })
    .await;
    let one = one.stop().await;
    eventually("it is away", || !site.is_live("host1")).await;
    let one = one.start();
    eventually("it is back", || site.is_live("host1")).await;
    assert_eq!(epoch(&site), before);
    // So are all after a restart of the server.
    let site = site.restart(async |_| ()).await;
    eventually("it is back", || site.is_live("host1")).await;
    assert_eq!(epoch(&site), before);
    one.stop().await;
}

async fn peered_without_far(site: &Site) {
    site.write(create_router(1)).await;
    site.write(create_network(1, Some(1))).await;
    site.write(create_port(1, 1, "host1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_slice_on_disk_and_another_boot_get_a_new_epoch_and_everything_anew() {
    let site = Site::found_with(SHORT).await;
    let one = site.agent(1).await.stop().await;
    peered_without_far(&site).await;
    let (_raw, watch, lines) = played(&site, &one, "?boot=b").await;
    let first = epoch_of(&lines);
    drop(watch);
    let revision = site.store.world().revision();
    let mut last = first;
    for query in [
        format!("?boot=b&epoch={}&revision={revision}", first - 1),
        format!("?boot=c&epoch={first}&revision={revision}"),
        format!("?boot=b&revision={revision}"),
    ] {
        let (_raw, _watch, lines) = played(&site, &one, &query).await;
        assert!(epoch_of(&lines) > last && lines[1] == Line::Snapshot, "{query}: {lines:?}");
        last = epoch_of(&lines);
    }
    let long = format!("watch?boot={}", "b".repeat(100));
    let raw = Raw::connect(site.address, one.state_dir(), true).await;
    assert_eq!(raw.status("GET", &long, "").await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_knows_no_leases_is_bound_by_its_connection() {
    let site = Site::found_with(SHORT).await;
    let one = site.agent(1).await.stop().await;
    let host = site.host("host1");
    let before = site.store.world().leases[&host].epoch;
    let (raw, _watch, lines) = played(&site, &one, "").await;
    let Some(Line::Mark { revision }) = lines.last() else { panic!("{lines:?}") };
    let report = Report { revision: *revision, ..Report::default() };
    let report = serde_json::to_string(&report).unwrap();
    assert_eq!(raw.status("POST", "report", &report).await, 204);
    assert!(site.is_live("host1"));
    assert!(site.store.world().leases.is_empty());
    assert_eq!(raw.status("POST", "renew", &renewal(before)).await, 409);
    let one = one.start();
    eventually("it has a lease again", || {
        site.store.world().leases.get(&host).is_some_and(|lease| lease.epoch > before)
    })
    .await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_half_of_the_hosts_are_not_lost_at_once() {
    let site = Site::found_with(SHORT).await;
    let mut hosts = Vec::new();
    for n in 1..=3 {
        let agent = site.agent(n).await.stop().await;
        let (raw, watch, lines) = played(&site, &agent, "?boot=b").await;
        let epoch = epoch_of(&lines);
        hosts.push((agent, raw, watch, epoch));
    }
    // All are silent, by far longer than the limit; then one is heard of.
    tokio::time::sleep(std::time::Duration::from_millis(4 * SHORT.limit_ms)).await;
    let lost = || site.store.world().leases.values().filter(|it| it.lost.is_some()).count();
    assert_eq!(lost(), 0);
    let (_, raw, _, epoch) = &hosts[0];
    let mut renewed = 0;
    while lost() < 1 && renewed < 400 {
        assert_eq!(raw.status("POST", "renew", &renewal(*epoch)).await, 204);
        let (_, second, _, its) = &hosts[1];
        assert_eq!(second.status("POST", "renew", &renewal(*its)).await, 204);
        renewed += 1;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(site.store.world().is_lost(site.host("host3")), "one of three is no brake");
    assert_eq!(lost(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_reads_holds_one_slice_and_loses_its_lease() {
    let site = Site::found_with(SHORT).await;
    let one = site.agent(1).await;
    let two = site.agent(2).await.stop().await;
    site.write(create_network(2, None)).await;
    let raw = Raw::connect(site.address, two.state_dir(), true).await;
    let _unread = raw.ask("GET", "watch?boot=b", "").await;
    for n in 0..600 {
        site.write(create_port(n, 2, "host2")).await;
    }
    let host = site.host("host2");
    eventually("it is lost", || site.store.world().is_lost(host)).await;
    for n in 0..300 {
        site.write(delete_port(n)).await;
    }
    assert!(!site.is_live("host2") && site.is_live("host1"));
    // Another one of its own takes over at once.
    let (raw, _watch, lines) = played(&site, &two, "?boot=b").await;
    let epoch = epoch_of(&lines);
    assert_eq!(raw.status("POST", "report", &report(epoch, &lines)).await, 204);
    eventually("it is live", || site.is_live("host2")).await;
    one.stop().await;
}
