//! Certificates of hosts: renewed under a watch, replaced, revoked, expired.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::path::Path;

use common::raw::Raw;
use common::{ADMIN, Agent, DEADLINE, Site, create_port, eventually, peered, sends_to};
use http_body_util::BodyExt;
use model::certificate::Wish;
use model::op::Op;
use model::wire::agent::Renewal;
use tempfile::TempDir;

/// Agents of hosts 1 and 2, whose ports reach each other.
async fn pair(site: &Site) -> [Agent; 2] {
    let agents = [site.agent(1).await, site.agent(2).await];
    peered(site).await;
    eventually("host1 sends to host2", || sends_to(&agents[0], site, 2)).await;
    agents
}

fn renew(name: &str) -> Op {
    Op::Certificate(Wish::Renew { by: ADMIN.to_owned(), id: name.to_owned() })
}

fn revoke(name: &str) -> Op {
    let (by, id) = (ADMIN.to_owned(), name.to_owned());
    Op::Certificate(Wish::Revoke { by, id, now: 1_700_000_000 })
}

/// What somebody has who has been in the host once.
fn stolen(agent: &Agent) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["key.pem", "cert.pem", "ca.pem"] {
        fs::copy(agent.state_dir().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// What is said to who renews the lease with that key.
async fn said_to(site: &Site, identity: &Path) -> (u16, String) {
    let raw = Raw::connect(site.address, identity, true).await;
    let renewal = serde_json::to_string(&Renewal { epoch: 1 }).unwrap();
    let answer = raw.ask("POST", "renew", &renewal).await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_under_a_watch_and_the_one_before_is_of_no_use() {
    let site = Site::found().await;
    let [one, two] = pair(&site).await;
    let host = site.host("host2");
    let old = stolen(&two);
    let (lease, steps) = (site.store.world().leases[&host].clone(), two.kernel.steps());
    // It is good, but the lease is not that of its connection.
    assert_eq!(said_to(&site, old.path()).await.0, 409);

    site.write(renew("host2")).await;
    let certificate = |dir: &Path| fs::read_to_string(dir.join("cert.pem")).unwrap();
    let is_another = || certificate(two.state_dir()) != certificate(old.path());
    eventually("it has another", is_another).await;
    let refused = async {
        loop {
            let (status, said) = said_to(&site, old.path()).await;
            if status != 409 {
                return (status, said);
            }
        }
    };
    let (status, said) = tokio::time::timeout(DEADLINE, refused).await.expect("it is refused");
    assert_eq!(status, 403);
    assert!(said.contains("was replaced by a newer one"), "{said}");

    eventually("it is live", || site.is_live("host2")).await;
    // No lease was lost, nothing was withdrawn, and the kernel was left alone.
    assert_eq!(site.store.world().leases[&host], lease);
    assert_eq!(two.kernel.steps(), steps);
    assert!(sends_to(&one, &site, 2));
    // What comes later gets there.
    site.write(create_port(3, 2, "host2")).await;
    eventually("it carries another port", || two.carries(&site.slice("host2"))).await;
    // After a restart, too.
    let _two = two.stop().await.start();
    eventually("it is live again", || site.is_live("host2")).await;
    assert_eq!(site.store.world().leases[&host].epoch, lease.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_host_is_cut_off_at_once_and_comes_back_by_a_token_of_its_own() {
    let site = Site::found().await;
    let [one, mut two] = pair(&site).await;
    let host = site.host("host2");
    let old = stolen(&two);
    let open = Raw::connect(site.address, old.path(), true).await;
    let renewal = serde_json::to_string(&Renewal { epoch: 1 }).unwrap();
    assert_eq!(open.status("POST", "renew", &renewal).await, 409, "it is let in");

    site.write(revoke("host2")).await;
    eventually("nothing is sent to it", || !sends_to(&one, &site, 2)).await;
    eventually("its watch has ended", || !site.is_live("host2")).await;
    let cut = async {
        while open.try_ask("POST", "renew", &renewal).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, cut).await.expect("the connection is cut");
    let (status, said) = said_to(&site, old.path()).await;
    assert_eq!(status, 403);
    assert!(said.contains("revoked") && said.contains("kannas host token --host host2"), "{said}");

    two = two.stop().await;
    two.config.join = Some(site.token_for(Some(host)).await);
    let two = two.start();
    eventually("it is live again", || site.is_live("host2")).await;
    eventually("host1 sends to it", || sends_to(&one, &site, 2)).await;
    assert_eq!(site.host("host2"), host);
    assert_eq!(said_to(&site, old.path()).await.0, 403, "what was stolen stays of no use");
    // The token is still on its command line at the next start.
    let _two = two.stop().await.start();
    eventually("it is live once more", || site.is_live("host2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_certificate_has_expired_is_told_what_to_do() {
    let site = Site::found().await;
    // Good until the second it is made in.
    site.hub.set_certificate_days(0);
    let agent = Agent::new(&site, 1, site.token().await).start();
    let is_written = || agent.state_dir().join("ca.pem").exists();
    eventually("it has joined", is_written).await;
    let (status, said) = said_to(&site, agent.state_dir()).await;
    assert_eq!(status, 403);
    assert!(said.contains("has expired") && said.contains("kannas host token --host"), "{said}");
    assert!(!site.is_live("host1"));
}
