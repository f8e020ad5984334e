//! Zones between which nothing goes in the clear: what is on the cable, what becomes of packets when a tunnel is
//! gone, and how keys take over from one another.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::Context;
use lab::api::PEERINGS;
use lab::capture::Capture;
use lab::site::{Cabling, ENCRYPTION, HOSTS, PATIENCE, Pair};
use lab::{eventually, netns, transfer, twin};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// In each packet that a machine says it with.
const SECRET: &[u8] = b"kannas: this is for nobody else to read";

/// In chunks of 64 KiB.
const MEGABYTE: usize = 16;

fn start(test: &str, cabling: Cabling) -> Pair {
    Pair::start(&format!("{}{test}", netns::prefix("kt")), cabling).unwrap()
}

fn both_zones() -> String {
    format!("{ENCRYPTION}/{}/{}", HOSTS[0].1, HOSTS[1].1)
}

impl Trial {
    fn encrypt(&self) {
        self.pair.encrypt().unwrap();
        self.flows();
    }

    fn flows(&self) {
        self.pair.ping_both_ways(PATIENCE).unwrap();
        self.pair.site.peering_in(&self.pair.site.admin, &self.peering, "active").unwrap();
    }
}

/// Two peered machines.
struct Trial {
    pair: Pair,
    peering: String,
}

impl Trial {
    fn new(test: &str, cabling: Cabling) -> Self {
        let pair = start(test, cabling);
        let [peering, _] = pair.peer().unwrap();
        Self { pair, peering }
    }

    fn capture(&self, host: &str) -> Capture {
        Capture::start(&self.pair.site.host(host).unwrap().netns, "under", SECRET).unwrap()
    }

    /// One machine says it to the other until it was heard, and then ten times more.
    fn say(&self) {
        let [a, b] = &self.pair.machines;
        let bind = |end: &lab::Endpoint| {
            let socket = end.netns.run(|| UdpSocket::bind((end.address, 0))).unwrap().unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            socket
        };
        let (from, to) = (bind(&a.end), bind(&b.end));
        let target = to.local_addr().unwrap();
        let mut heard = vec![0; 2000];
        let mut arrives = || {
            from.send_to(SECRET, target).unwrap();
            match to.recv(&mut heard) {
                Ok(length) => {
                    assert_eq!(&heard[..length], SECRET);
                    Some(())
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(error) => panic!("{error}"),
            }
        };
        for _ in 0..10 {
            eventually(PATIENCE, "a datagram arrives", &mut arrives).unwrap();
        }
    }

    /// As [`Self::say`], into the void: for two tenths of a second.
    fn say_in_vain(&self) {
        let [a, b] = &self.pair.machines;
        let socket = a.end.netns.run(|| UdpSocket::bind((a.end.address, 0))).unwrap().unwrap();
        let listener = b.end.netns.run(|| UdpSocket::bind((b.end.address, 0))).unwrap().unwrap();
        let target = listener.local_addr().unwrap();
        listener.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut heard = vec![0; 2000];
        for _ in 0..40 {
            socket.send_to(SECRET, target).unwrap();
            let silence = listener.recv(&mut heard).unwrap_err();
            assert_eq!(silence.kind(), ErrorKind::WouldBlock);
        }
    }
}

fn what_is_on_the_cable(test: &str, cabling: Cabling) {
    let trial = Trial::new(test, cabling);
    let taps = ["hel", "fra"].map(|host| trial.capture(host));
    trial.say();
    for tap in &taps {
        eventually(PATIENCE, "it is read on the cable", || (tap.matching() >= 10).then_some(()))
            .unwrap();
    }

    trial.encrypt();
    let [near, far] = ["hel", "fra"].map(|host| trial.capture(host));
    trial.say();
    for tap in [&near, &far] {
        eventually(PATIENCE, "there are packets", || (tap.packets() >= 10).then_some(())).unwrap();
        assert_eq!(tap.matching(), 0);
    }
    let zones: Value = trial.pair.site.admin.get("/1.3/zone").unwrap();
    let zones = zones["zones"]["zone"].as_array().unwrap();
    let near = zones.iter().find(|zone| zone["id"] == HOSTS[0].1).unwrap();
    assert_eq!(near["encrypted_with"], serde_json::json!([HOSTS[1].1]));

    trial.pair.site.admin.ok("DELETE", &both_zones(), None).unwrap();
    trial.flows();
    let tap = trial.capture("fra");
    trial.say();
    eventually(PATIENCE, "it is read again", || (tap.matching() >= 10).then_some(())).unwrap();
    for host in ["hel", "fra"] {
        let host = trial.pair.site.host(host).unwrap();
        let gone = || host.tunnel_process(1).unwrap().is_none().then_some(());
        eventually(PATIENCE, "the process has ended", gone).unwrap();
    }
}

#[test]
fn what_goes_between_encrypted_zones_cannot_be_read_on_the_cable() {
    what_is_on_the_cable("tap", Cabling::Switched);
}

#[test]
fn nor_on_a_cable_with_ipv6() {
    what_is_on_the_cable("tap6", Cabling::SwitchedIpv6);
}

/// At one host, since `before`, of packets that ended so.
fn rises(trial: &Trial, host: &str, before: &BTreeMap<String, u64>, verdict: &str) {
    let host = trial.pair.site.host(host).unwrap();
    eventually(PATIENCE, &format!("packets are counted as {verdict}"), || {
        let counted = host.verdicts_since(before).unwrap();
        (counted.get(verdict).copied().unwrap_or_default() >= 40).then_some(())
    })
    .unwrap();
}

#[test]
fn without_its_tunnel_a_host_sends_nothing_and_says_why() {
    let mut trial = Trial::new("gone", Cabling::Switched);
    trial.encrypt();
    let tap = trial.capture("hel");
    let host = trial.pair.site.host_mut("hel").unwrap();
    host.kill9().unwrap();
    host.netns.ip("link del kannas-wg1").unwrap();
    trial.say_in_vain();
    assert_eq!(tap.matching(), 0);

    // Where it would listen is something that it cannot take away.
    let host = trial.pair.site.host_mut("hel").unwrap();
    let gone = || host.tunnel_process(1).unwrap().is_none().then_some(());
    eventually(PATIENCE, "the process has ended", gone).unwrap();
    let socket = host.tunnel_socket(1);
    std::fs::remove_file(&socket).unwrap();
    std::fs::create_dir(&socket).unwrap();
    host.start().unwrap();
    let view = trial.pair.site.peering_in(&trial.pair.site.admin, &trial.peering, "error").unwrap();
    let told = || {
        trial.say_in_vain();
        let view = trial.pair.site.admin.get(&format!("{PEERINGS}/{}", trial.peering)).unwrap();
        let reasons = view["network_peering"]["reasons"].as_array().unwrap().clone();
        let named = |code: &str, what: &str| {
            let is = |it: &&Value| it["code"] == code;
            reasons.iter().find(is).is_some_and(|it| it["message"].as_str().unwrap().contains(what))
        };
        // Where nobody has a key for it, no route leads to it either.
        (named("host-failed", "kannas-wg1") && named("not-encrypted", "hel")).then_some(())
    };
    eventually(PATIENCE, "the reason is told", told).with_context(|| view.to_string()).unwrap();
    assert_eq!(tap.matching(), 0);

    std::fs::remove_dir(&socket).unwrap();
    trial.flows();
    trial.say();
    assert_eq!(tap.matching(), 0);
}

#[test]
fn a_process_that_is_killed_is_started_again_and_nothing_leaks_meanwhile() {
    let trial = Trial::new("kill", Cabling::Switched);
    trial.encrypt();
    let tap = trial.capture("hel");
    let host = trial.pair.site.host("hel").unwrap();
    let killed = host.tunnel_process(1).unwrap().unwrap();
    kill(Pid::from_raw(killed.try_into().unwrap()), Signal::SIGKILL).unwrap();
    let another = || host.tunnel_process(1).unwrap().filter(|pid| *pid != killed);
    eventually(PATIENCE, "there is another process", another).unwrap();
    trial.flows();
    trial.say();
    assert_eq!(tap.matching(), 0);
    let hosts = trial.pair.site.admin.get("/kannas/v1/hosts").unwrap();
    let hosts = hosts["hosts"]["host"].as_array().unwrap();
    let it = hosts.iter().find(|it| it["name"] == "hel").unwrap();
    assert!(it["repairs"]["count"].as_u64() > Some(0), "{it}");
}

#[test]
fn what_comes_in_the_clear_from_an_encrypted_host_is_refused() {
    let mut trial = Trial::new("clear", Cabling::Switched);
    trial.encrypt();
    let far = trial.pair.site.host("fra").unwrap().underlay;
    let tap = trial.capture("hel");
    let before = trial.pair.site.host("fra").unwrap().verdicts().unwrap();
    let host = trial.pair.site.host_mut("hel").unwrap();
    // It would mend it.
    host.kill9().unwrap();
    datapath::damage::unseal(host.pins(), far).unwrap();
    trial.say_in_vain();
    rises(&trial, "fra", &before, "unsealed");
    eventually(PATIENCE, "it was sent", || (tap.matching() >= 40).then_some(())).unwrap();
    trial.pair.site.host_mut("hel").unwrap().start().unwrap();
    trial.flows();
}

#[test]
fn large_transfers_fit_into_the_tunnel() {
    let trial = Trial::new("large", Cabling::Switched);
    trial.encrypt();
    let [a, b] = &trial.pair.machines;
    transfer::run(&a.end, &b.end, MEGABYTE).unwrap();
    transfer::run(&b.end, &a.end, MEGABYTE).unwrap();
    let measured = || {
        let view = trial.pair.site.admin.get(&format!("{PEERINGS}/{}", trial.peering)).unwrap();
        let view = &view["network_peering"];
        // 60 bytes for WireGuard over IPv4, 50 for VXLAN.
        let fits = view["health"]["path_mtu"] == 1390 && view["reasons"] == serde_json::json!([]);
        fits.then_some(())
    };
    eventually(PATIENCE, "the path is as large as it can be", measured).unwrap();
    let link = a.end.netns.ip("link show eth0").unwrap();
    assert!(link.contains("mtu 1390"), "{link}");
}

#[test]
fn keys_rotate_under_load_and_no_packet_is_lost() {
    let trial = Trial::new("rotate", Cabling::Switched);
    trial.encrypt();
    let mut generation = trial.pair.key_generation().unwrap();
    let streams = trial.pair.streams(true).unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        trial.pair.site.admin.ok("POST", &format!("{ENCRYPTION}/rotate"), None).unwrap();
        let next = trial.pair.key_generation().unwrap();
        assert_eq!(next, generation + 1);
        generation = next;
    }
    for stream in &streams.0 {
        let tally = stream.watch(began, 1000).unwrap();
        assert_eq!(tally.lost(), 0, "{tally:?}\n{}", trial.pair.site.logs());
    }
}

/// Of the maps of a host: two while one takes over from the other.
fn layouts(trial: &Trial) -> Vec<String> {
    let pins = trial.pair.site.host("hel").unwrap().pins();
    let names = std::fs::read_dir(pins).unwrap();
    let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
    names.filter(|it| it.starts_with("layout-")).collect()
}

#[test]
fn an_agent_that_dies_and_comes_back_costs_no_encrypted_packet() {
    let mut trial = Trial::new("again", Cabling::Switched);
    trial.encrypt();
    let streams = trial.pair.streams(true).unwrap();
    let process = trial.pair.site.host("hel").unwrap().tunnel_process(1).unwrap();
    assert!(process.is_some());
    let tap = trial.capture("hel");
    let own = layouts(&trial);
    let others = vec![format!("layout-{}", twin::LAYOUT)];
    // Of its own version, of another whose maps are others, and back.
    for (object, layout) in
        [(None, &own), (Some((twin::object().unwrap(), twin::LAYOUT)), &others), (None, &own)]
    {
        let began = Instant::now();
        let host = trial.pair.site.host_mut("hel").unwrap();
        let watches = host.watches();
        host.kill9().unwrap();
        host.object = object;
        host.start().unwrap();
        let took_over = || {
            let watches = trial.pair.site.host("hel").unwrap().watches() > watches;
            (watches && layouts(&trial) == *layout).then_some(())
        };
        eventually(PATIENCE, "its programs have taken over", took_over).unwrap();
        trial.say();
        for stream in &streams.0 {
            let tally = stream.watch(began, 500).unwrap();
            assert_eq!(tally.lost(), 0, "{layout:?}: {tally:?}\n{}", trial.pair.site.logs());
        }
    }
    assert_eq!(tap.matching(), 0);
    assert_eq!(trial.pair.site.host("hel").unwrap().tunnel_process(1).unwrap(), process);
    trial.flows();
}
