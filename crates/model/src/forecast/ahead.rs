//! What packets of a half will meet once they flow, as far as hosts have
//! measured the ways between them for others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use uuid::Uuid;

use super::{Now, Sides};
use crate::admission::{Pair, admitted};
use crate::ids::Mtu;
use crate::objects::Peering;
use crate::reasons::{Ahead, Omen, Reason, words};
use crate::state::Presence;
use crate::way::Passage;
use crate::world::World;

/// Nothing for one whose packets flow already: of that its state tells.
pub(super) fn of(now: Now<'_>, sides: Sides<'_>, half: &Peering) -> Vec<Reason> {
    if flows(sides.before, half.uuid) || !flows(sides.after, half.uuid) {
        return Vec::new();
    }
    let world = sides.after;
    let carriers = [half.network, half.peer_network].map(|network| world.hosts_of(network));
    let measured: BTreeMap<Uuid, Measures> = carriers
        .iter()
        .flatten()
        .map(|host| (*host, Measures::of(world, now.presence, *host)))
        .collect();
    let [here, there] = &carriers;
    let pairs = here.iter().flat_map(|a| there.iter().map(move |b| [*a, *b]));
    let pairs: BTreeSet<[Uuid; 2]> = pairs.filter(|[a, b]| a != b).map(ordered).collect();
    let ahead = pairs.into_iter().flat_map(|hosts| between(world, &measured, hosts));
    // Several hosts may be told of in the same words.
    let mut told = BTreeSet::new();
    let reasons = ahead.map(|ahead| words(world, half, &ahead));
    reasons.filter(|reason| told.insert(reason.message.clone())).collect()
}

fn ordered(mut hosts: [Uuid; 2]) -> [Uuid; 2] {
    hosts.sort_unstable();
    hosts
}

fn flows(world: &World, half: Uuid) -> bool {
    let half = world.peerings.get(&half);
    half.is_some_and(|half| Pair::of(world, half).is_some() && admitted(world, half))
}

/// What one host has measured.
#[derive(Default)]
struct Measures {
    link: Option<Mtu>,
    towards: BTreeMap<IpAddr, Towards>,
}

#[derive(Default)]
struct Towards {
    open: bool,
    closed: bool,
    narrow: Option<(Mtu, Mtu)>,
}

impl Measures {
    fn of(world: &World, presence: &Presence, host: Uuid) -> Self {
        let mut it = Self::default();
        let Some(standing) = presence.get(&host).filter(|_| !world.is_lost(host)) else {
            return it;
        };
        for (way, measured) in &standing.ways {
            let Some(vtep) = way.vtep else { continue };
            let measure = &measured.measure;
            it.link = it.link.max(measure.link_mtu);
            let to = it.towards.entry(vtep).or_default();
            to.open |= measure.passage == Passage::Open;
            to.closed |= matches!(measure.passage, Passage::Lost | Passage::Never);
            to.narrow = [to.narrow, measure.narrow()].into_iter().flatten().min();
        }
        it
    }
}

fn between(world: &World, all: &BTreeMap<Uuid, Measures>, hosts: [Uuid; 2]) -> Vec<Ahead> {
    let [one, other] = hosts;
    let towards = |from: Uuid, to: Uuid| {
        let vtep = world.hosts.get(&to)?.underlay;
        all.get(&from)?.towards.get(&vtep)
    };
    let both = [towards(one, other), towards(other, one)];
    let mut omens = Vec::new();
    let is = |what: fn(&Towards) -> bool| both.iter().flatten().any(|it| what(it));
    if is(|it| it.closed) && !is(|it| it.open) {
        omens.push(Omen::Closed);
    }
    let narrow = both.iter().flatten().filter_map(|it| it.narrow).min();
    omens.extend(narrow.map(|(path, link)| Omen::Narrow { path, link }));
    let links = [one, other].map(|host| all.get(&host).and_then(|it| it.link));
    if let [Some(mine), Some(theirs)] = links
        && mine != theirs
    {
        omens.push(Omen::Uneven([mine, theirs]));
    }
    omens.extend(encrypted(world, hosts).map(Omen::Encrypted));
    omens.into_iter().map(|kind| Ahead { hosts, kind }).collect()
}

/// By so many bytes packets are longer in a tunnel: outer IP header (20 bytes,
/// or 40 for IPv6), UDP 8, WireGuard 32.
fn encrypted(world: &World, hosts: [Uuid; 2]) -> Option<u8> {
    let [a, b] = hosts.map(|host| world.hosts.get(&host));
    let (a, b) = a.zip(b)?;
    world.seals.pair(&a.zone, &b.zone)?;
    Some(if b.underlay.is_ipv4() { 60 } else { 80 })
}
