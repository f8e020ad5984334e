//! Server and agents are killed at any moment while writes go on: what was acknowledged is there, and packets obey.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lab::api::{Client, PEERINGS, text};
use lab::site::{Cabling, HOSTS, PATIENCE, Pair};
use lab::{eventually, netns};
use serde_json::{Value, json};

const ROUNDS: usize = 8;

/// Writes of one test: far more than are needed.
const WRITES: usize = 20_000;

#[test]
fn every_acknowledged_write_survives_kills_at_any_moment() {
    let name = format!("{}chaos", netns::prefix("kt"));
    let mut pair = Pair::start(&name, Cabling::Direct).unwrap();
    let halves = pair.peer().unwrap();
    let client = pair.site.admin.clone();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ledger = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&client, &halves[0], &stop, &acknowledged));
        // A failure below must end the writer too, or the scope waits for it.
        let guard = Stop(&stop);
        for round in 0..ROUNDS {
            let more = acknowledged.load(Ordering::SeqCst) + random(1, 40);
            eventually(PATIENCE, &format!("{more} writes"), || {
                (acknowledged.load(Ordering::SeqCst) >= more).then_some(())
            })
            .unwrap();
            kill_and_revive(&mut pair, round);
        }
        drop(guard);
        writer.join().unwrap()
    });
    let total = acknowledged.load(Ordering::SeqCst);
    assert!(total > ROUNDS && !ledger.there.is_empty(), "{total} writes");
    for name in HOSTS.map(|(name, _)| name) {
        pair.site.live(name).unwrap();
    }
    ledger.is_kept(&client, &halves[0]);

    for (status, state) in [("active", "active"), ("disabled", "disabled"), ("active", "active")] {
        client.change_peering(&halves[0], &json!({"configured_status": status})).unwrap();
        pair.site.peering_in(&client, &halves[0], state).unwrap();
        let streams = pair.streams(false).unwrap();
        match state {
            "active" => streams.flow(100).unwrap(),
            _ => streams.silent(100).unwrap(),
        }
    }
}

/// Kills the server, an agent, or all, at once, and starts them again.
fn kill_and_revive(pair: &mut Pair, round: usize) {
    let [hel, fra] = HOSTS.map(|(name, _)| name);
    let (server, agents) = match round % 4 {
        0 => (true, vec![]),
        1 => (true, vec![hel, fra]),
        2 => (false, vec![fra]),
        _ => (true, vec![hel]),
    };
    for name in &agents {
        pair.site.host_mut(name).unwrap().kill9().unwrap();
    }
    if server {
        pair.site.server.kill9().unwrap();
        pair.site.server.restart().unwrap();
    }
    for name in &agents {
        pair.site.host_mut(name).unwrap().start().unwrap();
    }
}

/// What the server has said is so. What it was asked and did not answer may be so or not, and is in neither.
#[derive(Default)]
struct Ledger {
    there: BTreeSet<String>,
    gone: BTreeSet<String>,
    /// The peering's `configured_status` and name.
    peering: Option<(&'static str, String)>,
}

impl Ledger {
    fn is_kept(&self, client: &Client, half: &str) {
        let status = |router: &String| {
            client.call("GET", &format!("/1.3/router/{router}"), None).unwrap().status
        };
        let lost: Vec<&String> = self.there.iter().filter(|router| status(router) != 200).collect();
        assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), self.there.len());
        let back: Vec<&String> = self.gone.iter().filter(|router| status(router) != 404).collect();
        assert!(back.is_empty(), "deleted, and there: {back:?}");
        if let Some((configured, name)) = &self.peering {
            let peering = client.get(&format!("{PEERINGS}/{half}")).unwrap();
            let peering = &peering["network_peering"];
            assert_eq!(peering["configured_status"], *configured, "{peering}");
            assert_eq!(peering["name"], *name, "{peering}");
        }
    }
}

/// Makes and deletes routers, and switches the peering, until it is stopped.
fn write(client: &Client, half: &str, stop: &AtomicBool, acknowledged: &AtomicUsize) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0..WRITES {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let answered = match number % 4 {
            0 => switch(client, half, number, &mut ledger),
            1 => delete(client, &mut ledger),
            _ => create(client, number, &mut ledger),
        };
        match answered {
            true => drop(acknowledged.fetch_add(1, Ordering::SeqCst)),
            false => {
                let up = || {
                    client
                        .get("/readyz")
                        .ok()
                        .or(stop.load(Ordering::SeqCst).then_some(Value::Null))
                };
                eventually(PATIENCE, "the server is back", up).unwrap();
            }
        }
    }
    ledger
}

fn create(client: &Client, number: usize, ledger: &mut Ledger) -> bool {
    let Ok(router) = client.make_router(&format!("r{number}")) else { return false };
    ledger.there.insert(router)
}

fn delete(client: &Client, ledger: &mut Ledger) -> bool {
    let Some(router) = ledger.there.pop_first() else { return true };
    match client.call("DELETE", &format!("/1.3/router/{router}"), None) {
        Ok(reply) => {
            assert_eq!(reply.status, 204, "an acknowledged router: {}", reply.body);
            ledger.gone.insert(router)
        }
        Err(_) => false,
    }
}

fn switch(client: &Client, half: &str, number: usize, ledger: &mut Ledger) -> bool {
    let (status, name) = (["active", "disabled"][number / 4 % 2], format!("at {number}"));
    ledger.peering = None;
    let change = json!({"configured_status": status, "name": name});
    let Ok(peering) = client.change_peering(half, &change) else { return false };
    assert_eq!(text(&peering["name"]).unwrap(), name);
    ledger.peering = Some((status, name));
    true
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A number from `least` to `most`, another in each run.
fn random(least: usize, most: usize) -> usize {
    let bits = usize::try_from(RandomState::new().build_hasher().finish() >> 33).unwrap();
    least + bits % (most - least + 1)
}
