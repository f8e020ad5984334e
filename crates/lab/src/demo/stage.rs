//! What the demo plays on, and its scenes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::screen::{Screen, human};
use super::seed;
use crate::api::{NewNetwork, PEERINGS, Reply, text};
use crate::ping::Pinger;
use crate::site::{Cabling, HOSTS, Medium, PATIENCE, Site, Streams, Workload};
use crate::stream::{Stream, Tally};
use crate::transfer;

/// Packets of a scene, each way: one per millisecond.
const PACKETS: usize = 100;
const PINGS: usize = 21;

/// What a half is answered as when nothing is in its way: the second when a host takes longer than an answer waits.
const WELL: [&str; 2] = ["active", "provisioning"];

/// Of a TCP transfer: 64 MiB.
const CHUNKS: usize = 1024;

pub(super) struct Stage {
    /// One packet per millisecond each way, all the time.
    streams: Streams,
    pub(super) machines: [Workload; 2],
    pub(super) networks: [String; 2],
    pub(super) halves: [String; 2],
    pub(super) site: Site,
}

pub(super) struct Figures {
    pub(super) first_packet: First,
    /// Median each way.
    pub(super) ping: [Duration; 2],
    /// Gbit/s each way.
    pub(super) tcp: [f64; 2],
    /// Of packets sent after the answer.
    pub(super) disabled: [Tally; 2],
    pub(super) enabled: Duration,
    pub(super) deleted: [Tally; 2],
}

/// Since the POST of the second half was sent.
pub(super) struct First {
    /// Packets have arrived both ways.
    pub(super) packet: Duration,
    pub(super) answer: Duration,
}

/// Names of the machines, their networks' names and subnets; `HOSTS` has their hosts.
pub(super) const MACHINES: [(&str, &str, &str); 2] =
    [("web", "Helsinki", "10.0.1.0/24"), ("db", "Frankfurt", "10.0.2.0/24")];

impl Stage {
    /// Server, hosts, routers, networks, servers.
    pub(super) fn set(name: &str, screen: &mut Screen<'_>) -> Result<Self> {
        let mut site = screen.step("start the server", || {
            let site = Site::open(Medium::Disk, name, HOSTS.len(), Cabling::Direct)?;
            let detail = format!("API at http://{}", site.server.api);
            Ok((site, detail))
        })?;
        for (host, zone) in HOSTS {
            screen.step(&format!("host {host} joins zone {zone}"), || {
                site.add_host(host, zone)?;
                site.live(host)?;
                Ok(((), format!("an agent of its own, VTEP {}", site.host(host)?.underlay)))
            })?;
        }
        let (mut machines, mut networks) = (Vec::new(), Vec::new());
        for ((host, zone), (machine, name, subnet)) in HOSTS.into_iter().zip(MACHINES) {
            let admin = site.admin.clone();
            let router = screen.step(&format!("POST router {name}"), || {
                let router = admin.make_router(name)?;
                Ok((router.clone(), router))
            })?;
            let network = screen.step(&format!("POST network {name} in {zone}"), || {
                let router = Some(&*router);
                let network = admin.make_network(NewNetwork { name, zone, subnet, router })?;
                Ok((network.clone(), format!("{subnet}, {network}")))
            })?;
            machines.push(screen.step(
                &format!("POST port of server {machine} on {host}"),
                || {
                    let workload = site.workload(&admin, host, &network, machine)?;
                    let detail =
                        format!("{}, eth0 in {}", workload.end.address, workload.end.netns.name());
                    Ok((workload, detail))
                },
            )?);
            networks.push(network);
        }
        let [a, b] = [&machines[0].end, &machines[1].end];
        let streams = Streams([Stream::start(a, b)?, Stream::start(b, a)?]);
        let machines = machines.try_into().ok().context("two machines")?;
        let networks = networks.try_into().ok().context("two networks")?;
        Ok(Self { streams, machines, networks, halves: Default::default(), site })
    }

    /// Nothing is peered yet.
    pub(super) fn apart(&self, screen: &mut Screen<'_>) -> Result<()> {
        screen.step("no peering: a packet per ms each way", || self.nothing_arrives()).map(drop)
    }

    pub(super) fn peer(&mut self, screen: &mut Screen<'_>) -> Result<First> {
        self.halves[0] = screen.step("POST the first half, Helsinki to Frankfurt", || {
            let (uuid, state) = self.post(0)?;
            ensure!(state == "pending-peer", "state {state}");
            let (_, silence) = self.nothing_arrives()?;
            Ok((uuid, format!("{state}; {silence}")))
        })?;
        let (uuid, first) = screen.step("POST the second half, back", || {
            let sent = Instant::now();
            let (uuid, state) = self.post(1)?;
            let answer = sent.elapsed();
            ensure!(WELL.contains(&&*state), "state {state}");
            let packet = self.both_arrive(sent)?;
            let detail = format!("{state}; first packets {} after the POST", human(packet));
            Ok(((uuid, First { packet, answer }), detail))
        })?;
        self.halves[1] = uuid;
        Ok(first)
    }

    /// GET of one and of many.
    pub(super) fn look(&self, screen: &mut Screen<'_>) -> Result<()> {
        let admin = &self.site.admin;
        screen.step("GET both halves: active", || {
            for half in &self.halves {
                self.site.peering_in(admin, half, "active")?;
            }
            Ok(((), self.halves.join(", ")))
        })?;
        screen.step("GET the list by ?label=region=eu", || {
            for query in ["", "?label=region=eu", "?label=region%3Deu"] {
                let found = admin.get(&format!("{PEERINGS}{query}"))?;
                let count = found["network_peerings"]["network_peering"].as_array().map(Vec::len);
                ensure!(count == Some(2), "{query}: {found}");
            }
            let none = admin.get(&format!("{PEERINGS}?label=region=us"))?;
            ensure!(none["network_peerings"]["network_peering"] == serde_json::json!([]), "{none}");
            Ok(((), "two, also percent-encoded; none with region=us".to_owned()))
        })
    }

    pub(super) fn carry(&self, screen: &mut Screen<'_>) -> Result<([Duration; 2], [f64; 2])> {
        let [a, b] = &self.machines;
        let (mut pings, mut speeds) = ([Duration::ZERO; 2], [0.0; 2]);
        for (way, (from, to)) in [(a, b), (b, a)].into_iter().enumerate() {
            let [here, there] = [way, 1 - way].map(|index| MACHINES[index].0);
            pings[way] = screen.step(&format!("ping, {here} to {there}"), || ping(from, to))?;
            speeds[way] = screen.step(&format!("TCP, {here} to {there}"), || {
                let (bytes, time) = transfer::run(&from.end, &to.end, CHUNKS)?;
                let gbit = gbit_per_s(bytes, time);
                let detail = format!("{} MiB, unchanged, {gbit:.1} Gbit/s", bytes >> 20);
                Ok((gbit, detail))
            })?;
        }
        Ok((pings, speeds))
    }

    pub(super) fn disable(&self, screen: &mut Screen<'_>) -> Result<[Tally; 2]> {
        screen.step("PATCH configured_status disabled", || {
            let peering = self.call("PATCH", &self.halves[0], Some(seed::DISABLE), 200)?;
            let (tallies, silence) = self.nothing_arrives()?;
            ensure!(peering["name"] == "Updated Peering Name", "{peering}");
            ensure!(peering["state"] == "disabled", "{peering}");
            self.site.peering_in(&self.site.admin, &self.halves[1], "peer-disabled")?;
            Ok((tallies, format!("disabled; {silence}")))
        })
    }

    pub(super) fn enable(&self, screen: &mut Screen<'_>) -> Result<Duration> {
        screen.step("PATCH configured_status active", || {
            let sent = Instant::now();
            let peering = self.call("PATCH", &self.halves[0], Some(seed::ENABLE), 200)?;
            let packet = self.both_arrive(sent)?;
            let state = text(&peering["state"])?;
            ensure!(WELL.contains(&&*state), "{peering}");
            self.site.peering_in(&self.site.admin, &self.halves[0], "active")?;
            Ok((packet, format!("{state}; first packets {} after the PATCH", human(packet))))
        })
    }

    pub(super) fn delete(&self, screen: &mut Screen<'_>) -> Result<[Tally; 2]> {
        screen.step("DELETE the first half", || {
            self.call("DELETE", &self.halves[0], None, 204)?;
            let (tallies, silence) = self.nothing_arrives()?;
            self.call("GET", &self.halves[0], None, 404)?;
            self.site.peering_in(&self.site.admin, &self.halves[1], "pending-peer")?;
            Ok((tallies, format!("204; {silence}")))
        })
    }

    /// So that there is something to look at.
    pub(super) fn peer_again(&mut self, screen: &mut Screen<'_>) -> Result<()> {
        self.halves[0] = screen.step("POST the first half anew", || {
            let sent = Instant::now();
            let (uuid, state) = self.post(0)?;
            let packet = self.both_arrive(sent)?;
            self.site.peering_in(&self.site.admin, &uuid, "active")?;
            Ok((uuid, format!("{state}; first packets {} after the POST", human(packet))))
        })?;
        Ok(())
    }

    /// Makes one half; its UUID and state.
    fn post(&self, index: usize) -> Result<(String, String)> {
        let body = seed::create(&self.networks[index], &self.networks[1 - index]);
        let Reply { status, body } = self.site.admin.call_text("POST", PEERINGS, Some(&body))?;
        ensure!(status == 201, "{status} {body}");
        let peering = &body["network_peering"];
        Ok((text(&peering["uuid"])?, text(&peering["state"])?))
    }

    /// The peering as it was answered; null when the answer has none.
    fn call(&self, method: &str, uuid: &str, body: Option<&str>, wanted: u16) -> Result<Value> {
        let path = format!("{PEERINGS}/{uuid}");
        let Reply { status, mut body } = self.site.admin.call_text(method, &path, body)?;
        ensure!(status == wanted, "{method} {path}: {status} {body}");
        Ok(body["network_peering"].take())
    }

    /// The time from `sent` until a packet has arrived each way.
    fn both_arrive(&self, sent: Instant) -> Result<Duration> {
        let mut last = sent;
        for stream in &self.streams.0 {
            last = last.max(stream.arrival_since(sent, PATIENCE)?);
        }
        Ok(last - sent)
    }

    /// A hundred packets and more leave each way, none arrives, and the hosts say why.
    fn nothing_arrives(&self) -> Result<([Tally; 2], String)> {
        let [hel, fra] = HOSTS.map(|(name, _)| self.site.host(name));
        let (hel, fra) = (hel?, fra?);
        let before = [hel.verdicts()?, fra.verdicts()?];
        let moment = Instant::now();
        self.streams.silent(PACKETS)?;
        let mut counted = hel.verdicts_since(&before[0])?;
        for (verdict, count) in fra.verdicts_since(&before[1])? {
            *counted.entry(verdict).or_default() += count;
        }
        // All there were, as in the counters.
        let tallies = self.streams.0.each_ref().map(|stream| stream.since(moment));
        let [sent, arrived] = [|tally: &Tally| tally.sent, |tally: &Tally| tally.arrived]
            .map(|part| tallies.iter().map(part).sum::<usize>());
        ensure!(arrived == 0, "{arrived} of {sent} packets arrived: {tallies:?}");
        // What the machines' own kernels say: ARP and IPv6.
        counted.retain(|verdict, _| !["answered", "protocol"].contains(&verdict.as_str()));
        let reasons: Vec<String> = counted.iter().map(|(name, n)| format!("{name} {n}")).collect();
        Ok((tallies, format!("0 of {sent} packets arrive ({})", reasons.join(", "))))
    }
}

fn ping(from: &Workload, to: &Workload) -> Result<(Duration, String)> {
    let pinger = Pinger::new(&from.end.netns, to.end.address)?;
    let mut times = Vec::new();
    for _ in 0..PINGS {
        times.extend(pinger.once(56)?);
    }
    ensure!(times.len() == PINGS, "{} of {PINGS} answered", times.len());
    times.sort();
    let median = times[PINGS / 2];
    Ok((median, format!("{PINGS} of {PINGS} answered, median {}", human(median))))
}

#[expect(clippy::cast_precision_loss, reason = "megabytes")]
fn gbit_per_s(bytes: usize, time: Duration) -> f64 {
    bytes as f64 * 8.0 / 1e9 / time.as_secs_f64()
}
