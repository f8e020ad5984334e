//! Three servers on one PostgreSQL, behind a balancer, and hosts that come to any of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lab::api::{Client, PEERINGS, text};
use lab::balancer::Balancer;
use lab::doorway::Doorway;
use lab::faults::measured;
use lab::postgres::{Cluster, url_at};
use lab::site::{Cabling, HOSTS, PATIENCE, Pair, Site, Streams};
use lab::{eventually, netns};
use serde_json::{Value, json};

struct Installation {
    pair: Pair,
    /// Between the second server and the database.
    doorway: Doorway,
    _cluster: Cluster,
}

/// Three servers; each host's agent knows those at the places given for it.
fn start(test: &str, knows: [&[usize]; 2], flags: &[&str]) -> Installation {
    let name = format!("{}{test}", netns::prefix("kt"));
    let cluster = Cluster::start().unwrap();
    let url = cluster.database().unwrap();
    let database = url.rsplit('/').next().unwrap().to_owned();
    let folder = PathBuf::from(format!("/tmp/{name}-doorway"));
    let doorway = Doorway::start(&folder, cluster.folder()).unwrap();
    let around = url_at(doorway.folder(), &database);
    let databases = [url.clone(), around, url];
    let cabling = (HOSTS.len(), Cabling::Direct);
    let mut site = Site::open_several(&name, cabling, &databases, flags).unwrap();
    for ((name, zone), servers) in HOSTS.into_iter().zip(knows) {
        site.add_host_at(name, zone, servers).unwrap();
    }
    for (name, _) in HOSTS {
        everywhere(&site, name);
    }
    Installation { pair: Pair::over(site).unwrap(), doorway, _cluster: cluster }
}

/// Waits until these servers know the host.
fn at(site: &Site, servers: &[usize], host: &str) {
    let live = |server: &usize| site.host_at(*server, host).is_ok_and(|it| it["live"] == true);
    let known = || servers.iter().all(live).then_some(());
    eventually(PATIENCE, &format!("servers {servers:?} know {host}"), known)
        .unwrap_or_else(|error| panic!("{error:#}\n{}", site.logs()));
}

fn everywhere(site: &Site, host: &str) {
    at(site, &[0, 1, 2], host);
}

fn active(pair: &Pair, admin: &Client, half: &str) {
    pair.site.peering_in(admin, half, "active").unwrap();
}

#[test]
fn a_peering_made_at_one_server_joins_hosts_that_are_at_the_others() {
    let it = start("several", [&[1], &[2]], &[]);
    let admins = it.pair.site.admins();
    let halves = it.pair.peer().unwrap();
    let streams = it.pair.streams(true).unwrap();
    streams.flow(100).unwrap();
    for half in &halves {
        measured(&it.pair, half).unwrap();
        admins.iter().for_each(|admin| active(&it.pair, admin, half));
    }
    // What is asked of hosts is asked of them where they are.
    let [from, to] = it.pair.machines.each_ref().map(|machine| machine.end.address);
    let body = json!({"explain": {"source": from, "destination": to, "size": 1450}});
    for admin in &admins {
        let explained = || {
            let answer = admin.ok("POST", "/kannas/v1/explain", Some(&body)).ok()?;
            let steps = answer["explanation"]["steps"].as_array()?.len();
            (answer["explanation"]["reaches"] == true && steps == 7).then_some(())
        };
        eventually(PATIENCE, "it is explained", explained).unwrap();
        let counted = || {
            let path = format!("/kannas/v1/peerings/{}/counters", halves[0]);
            let counters = admin.get(&path).ok()?["counters"].take();
            (counters["sent"]["packets"].as_u64()? > 100).then_some(())
        };
        eventually(PATIENCE, "packets are counted", counted).unwrap_or_else(|error| {
            panic!(
                "{error:#}: {:?}",
                admin.get(&format!("/kannas/v1/peerings/{}/counters", halves[0]))
            )
        });
    }
    // When the answer is out, packets have stopped, wherever it was asked.
    for (admin, half) in admins.iter().zip(halves.iter().cycle()) {
        let switch = |to: &str| {
            let change = json!({"network_peering": {"configured_status": to}});
            let path = format!("{PEERINGS}/{half}");
            admin.ok("PATCH", &path, Some(&change)).unwrap()
        };
        switch("disabled");
        streams.silent(50).unwrap();
        switch("active");
        admins.iter().for_each(|admin| active(&it.pair, admin, half));
        streams.flow(50).unwrap();
    }
    admins[0].delete_peering(&halves[0]).unwrap();
    streams.silent(50).unwrap();
}

#[test]
fn what_is_written_at_one_server_is_read_at_every_other_at_once() {
    let it = start("reads", [&[0], &[1]], &[]);
    let admins = it.pair.site.admins();
    let mut made: Option<String> = None;
    for n in 0..200 {
        let (writer, reader) = (&admins[n % 3], &admins[(n + 1 + n / 3 % 2) % 3]);
        let uuid = writer.make_router(&format!("router {n}")).unwrap();
        let read = reader.get(&format!("/1.3/router/{uuid}")).unwrap();
        assert_eq!(read["router"]["name"], format!("router {n}"), "{n}");
        if let Some(before) = made.replace(uuid) {
            let path = format!("/1.3/router/{before}");
            reader.ok("DELETE", &path, None).unwrap();
            assert_eq!(writer.call("GET", &path, None).unwrap().status, 404, "{n}");
        }
    }
}

/// Calls over the balancer that are each tried once more when the connection breaks or a server says 503.
struct Load {
    client: Client,
    done: AtomicBool,
    failed: Mutex<Vec<String>>,
}

impl Load {
    /// The answer of a call that is tried twice at most.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let attempt = || match self.client.call(method, path, body) {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(reply.body),
            Ok(reply) => Err(format!("{method} {path}: {} {}", reply.status, reply.body)),
            Err(error) => Err(format!("{error:#}")),
        };
        attempt().or_else(|first| attempt().map_err(|second| format!("{first}; then {second}")))
    }

    /// Makes, reads and deletes until it is done. How many calls were answered.
    fn run(&self, name: &str) -> usize {
        let mut calls = 0;
        while !self.done.load(Ordering::SeqCst) {
            let made = self.call("POST", "/1.3/router", Some(&json!({"router": {"name": name}})));
            let outcome = made.and_then(|made| {
                let uuid = text(&made["router"]["uuid"]).map_err(|error| error.to_string())?;
                let path = format!("/1.3/router/{uuid}");
                let read = self.call("GET", &path, None)?;
                if read["router"]["name"] != name {
                    return Err(format!("read {read}"));
                }
                self.call("GET", PEERINGS, None)?;
                Ok(())
            });
            match outcome {
                Ok(()) => calls += 3,
                Err(failure) => self.failed.lock().unwrap().push(failure),
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        calls
    }
}

#[test]
fn servers_are_replaced_one_after_the_other_without_a_failed_call_or_a_lost_packet() {
    let mut it = start("rolling", [&[0, 1, 2], &[0, 1, 2]], &["--drain-seconds", "1"]);
    let halves = it.pair.peer().unwrap();
    let streams = it.pair.streams(true).unwrap();
    let servers: Vec<_> = it.pair.site.servers().map(|server| server.api).collect();
    let balancer = Balancer::start(&servers).unwrap();
    let client = it.pair.site.admin.at(balancer.address());
    let load = Load { client, done: AtomicBool::new(false), failed: Mutex::default() };
    let calls: usize = std::thread::scope(|scope| {
        let threads = ["one", "two", "three"].map(|name| scope.spawn(|| load.run(name)));
        for (index, address) in servers.iter().enumerate() {
            let server = it.pair.site.server_mut(index).unwrap();
            server.stop().unwrap();
            server.restart().unwrap();
            let ready = || balancer.is_ready(*address).then_some(());
            eventually(PATIENCE, "the balancer knows that it is back", ready).unwrap();
            for (name, _) in HOSTS {
                everywhere(&it.pair.site, name);
            }
        }
        load.done.store(true, Ordering::SeqCst);
        threads.map(|thread| thread.join().unwrap()).into_iter().sum()
    });
    assert_eq!(*load.failed.lock().unwrap(), [""; 0]);
    assert!(calls > 30, "{calls}");
    for half in &halves {
        for admin in it.pair.site.admins() {
            active(&it.pair, &admin, half);
        }
    }
    let Streams(both) = streams;
    for stream in both {
        let tally = stream.stop().unwrap();
        assert!(tally.lost() == 0 && tally.sent > 1000, "{tally:?}");
    }
    it.pair.site.nothing_was_lost().unwrap();
    let begun: usize =
        HOSTS.iter().map(|(name, _)| it.pair.site.host(name).unwrap().watches()).sum();
    assert!(begun >= 4, "hosts have moved: {begun}");
}

#[test]
fn hosts_go_on_elsewhere_when_their_server_is_killed_or_loses_the_database() {
    let mut it = start("killed-server", [&[1, 2], &[1, 2]], &["--lease-ms", "5000"]);
    let halves = it.pair.peer().unwrap();
    let streams = it.pair.streams(true).unwrap();
    // Both are at the second.
    it.pair.site.server_mut(2).unwrap().stop().unwrap();
    for (name, _) in HOSTS {
        at(&it.pair.site, &[0, 1], name);
    }
    it.pair.site.server_mut(2).unwrap().restart().unwrap();
    everywhere(&it.pair.site, HOSTS[0].0);
    // It is well, hears all others, and is heard, but not of what is written.
    it.doorway.shut();
    let change = |to: &str| json!({"network_peering": {"configured_status": to}});
    let admin = it.pair.site.admin.clone();
    let path = format!("{PEERINGS}/{}", halves[0]);
    let third = it.pair.site.admins().remove(2);
    admin.ok("PATCH", &path, Some(&change("disabled"))).unwrap();
    eventually(PATIENCE, "packets stop", || streams.silent(20).ok()).unwrap();
    let log = || it.pair.site.others[0].log().unwrap();
    assert!(log().contains("blind=true"), "{}", it.pair.site.logs());
    for (name, _) in HOSTS {
        at(&it.pair.site, &[0, 2], name);
    }
    third.ok("PATCH", &path, Some(&change("active"))).unwrap();
    active(&it.pair, &admin, &halves[0]);
    it.doorway.open();
    for (name, _) in HOSTS {
        everywhere(&it.pair.site, name);
    }

    let streams = it.pair.streams(true).unwrap();
    it.pair.site.server_mut(2).unwrap().kill9().unwrap();
    for (name, _) in HOSTS {
        at(&it.pair.site, &[0, 1], name);
    }
    active(&it.pair, &admin, &halves[0]);
    let Streams(both) = streams;
    for stream in both {
        assert_eq!(stream.stop().unwrap().lost(), 0);
    }
    it.pair.site.server_mut(2).unwrap().restart().unwrap();
    for (name, _) in HOSTS {
        everywhere(&it.pair.site, name);
    }
    it.pair.site.nothing_was_lost().unwrap();
}
