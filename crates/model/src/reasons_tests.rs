use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::change::{Change, Object};
use crate::consent::Patience;
use crate::ids::Prefix;
use crate::objects::{Host, Network, Port, Subnet};
use crate::spec::Attachment;
use crate::state::{APPLY_LIMIT_MS, Presence, Standing, State, judge};

#[path = "path_tests.rs"]
mod paths;

const ACCOUNTS: [&str; 3] = ["alice", "bob", "carol"];

fn network_uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0300 + n)
}

fn peering_uuid(from: u128, to: u128) -> Uuid {
    Uuid::from_u128(0x0f00 + from * 16 + to)
}

fn host_uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0600 + n)
}

const NOW_MS: u64 = 20_000;

/// A world in which everything has a name that tells whose it is.
#[derive(Default)]
struct Builder {
    world: World,
    presence: Presence,
}

impl Builder {
    fn put(&mut self, object: Object) {
        self.world.commit(&[Change::Put(object)]);
    }

    fn network(&mut self, n: u128, account: &str, prefix: &str, router: Option<u128>) {
        let prefix: Prefix = prefix.parse().unwrap();
        let gateway = prefix.net().hosts().next().unwrap();
        let subnet = Subnet::plain(prefix.to_string(), prefix, gateway);
        let subnet = Subnet { dhcp: true, ..subnet };
        let revision = self.world.next_revision();
        self.put(Object::Network(Network {
            uuid: network_uuid(n),
            account: account.to_owned(),
            name: String::new(),
            zone: String::new(),
            vni: u32::try_from(n + 1).unwrap().try_into().unwrap(),
            labels: vec![],
            router: router.map(|r| Uuid::from_u128(0x0400 + r)),
            router_since: revision,
            subnets: vec![subnet],
            subnets_since: revision,
            revision,
        }));
    }

    fn half(&mut self, from: u128, to: u128, configured: Configured) {
        let Some(account) = self.world.network(network_uuid(from)).map(|n| n.account.clone())
        else {
            return;
        };
        let revision = self.world.next_revision();
        self.put(Object::Peering(Peering {
            note: None,
            offered: 0,
            declined: false,
            group: None,
            uuid: peering_uuid(from, to),
            account,
            name: String::new(),
            configured,
            configured_since: revision,
            network: network_uuid(from),
            peer_network: network_uuid(to),
            labels: vec![],
            revision,
        }));
    }

    /// The host's name and its errors hold the word `host{n}`.
    fn port(&mut self, network: u128, host: u128) {
        let name = format!("host{host}");
        let underlay = [192, 0, 2, u8::try_from(host).unwrap()].into();
        self.put(Object::Host(Host {
            uuid: host_uuid(host),
            name,
            zone: String::new(),
            underlay,
            certificates: Default::default(),
        }));
        let Some(it) = self.world.network(network_uuid(network)).cloned() else { return };
        let uuid = Uuid::from_u128(0x0500 + network * 16 + host);
        let last = it.subnets[0].prefix.net().hosts().nth(usize::try_from(9 + host).unwrap());
        self.put(Object::Port(Port {
            uuid,
            account: it.account.clone(),
            network: it.uuid,
            host: Some(host_uuid(host)),
            address: last.unwrap(),
            further: vec![],
            prefixes: vec![],
            mac: crate::port::mac_of(uuid),
            attachment: Attachment::Device { device: "tap0".parse().unwrap() },
            nic: None,
        }));
    }

    fn standing(&mut self, host: u128, standing: Standing) {
        self.presence.hosts.insert(host_uuid(host), standing);
        self.presence.now_ms = NOW_MS;
    }

    fn judge(&self, from: u128, to: u128) -> (State, Vec<Reason>) {
        let patience = Patience::default();
        judge(&self.world, &self.presence, patience, &self.world.peerings[&peering_uuid(from, to)])
    }

    /// Alice's network 0 and Bob's 1, complete.
    fn two() -> Self {
        let mut it = Self::default();
        it.network(0, "alice", "10.0.0.0/24", Some(0));
        it.network(1, "bob", "10.0.1.0/24", Some(1));
        it.half(0, 1, Configured::Active);
        it.half(1, 0, Configured::Active);
        it
    }
}

fn codes(reasons: &[Reason]) -> Vec<&'static str> {
    reasons.iter().map(|r| r.code).collect()
}

#[test]
fn everything_that_is_missing_is_named_and_the_first_is_the_states() {
    let mut it = Builder::two();
    assert_eq!(it.judge(0, 1), (State::Active, vec![]));
    it.half(1, 0, Configured::Disabled);
    it.network(0, "alice", "10.0.0.0/24", None);
    it.network(1, "bob", "10.0.1.0/24", None);
    let (state, reasons) = it.judge(0, 1);
    assert_eq!(state, State::MissingLocalRouter);
    assert_eq!(codes(&reasons), ["no-local-router", "peer-half-disabled", "no-peer-router"]);
    let peer = network_uuid(1);
    assert_eq!(reasons[0].message, format!("Attach a router to your network {}.", network_uuid(0)));
    let want = format!("The owner of network {peer} has yet to attach a router to network {peer}.");
    assert_eq!(reasons[2].message, want);
    it.half(0, 1, Configured::Disabled);
    assert_eq!(it.judge(0, 1), (State::Disabled, vec![]));
}

#[test]
fn who_owns_both_ends_is_told_that_it_is_his_turn() {
    let mut it = Builder::default();
    it.network(0, "alice", "10.0.0.0/24", Some(0));
    it.network(1, "alice", "10.0.1.0/24", Some(1));
    it.half(0, 1, Configured::Active);
    let (state, reasons) = it.judge(0, 1);
    assert_eq!((state, codes(&reasons)), (State::PendingPeer, vec!["no-peer-half"]));
    let (local, peer) = (network_uuid(0), network_uuid(1));
    let want = format!("You have yet to create the peering from {peer} to {local}.");
    assert_eq!(reasons[0].message, want);
}

#[test]
fn an_overlap_is_told_in_full_to_whom_it_is_at_and_without_the_rest_to_the_other() {
    let mut it = Builder::two();
    it.network(2, "carol", "10.0.0.0/25", Some(2));
    it.half(1, 2, Configured::Active);
    it.half(2, 1, Configured::Active);
    let (state, at_bob) = it.judge(1, 2);
    assert_eq!((state, codes(&at_bob)), (State::ConflictSubnet, vec!["subnet-overlap"]));
    let (bobs, first) = (network_uuid(1), peering_uuid(1, 0));
    let want = format!(
        "10.0.0.0/25 overlaps 10.0.0.0/24, which your network {bobs} reaches through its peering {first}."
    );
    assert_eq!(at_bob[0].message, want);
    let (state, at_carol) = it.judge(2, 1);
    assert_eq!((state, codes(&at_carol)), (State::ConflictSubnet, vec!["subnet-overlap"]));
    let want = format!(
        "Your 10.0.0.0/25 overlaps something else that network {bobs} reaches; its owner is told what."
    );
    assert_eq!(at_carol[0].message, want);
}

#[test]
fn a_hosts_failure_is_told_to_whose_network_it_is_about() {
    let mut it = Builder::two();
    it.port(0, 0);
    it.port(1, 1);
    let revision = it.world.revision();
    let failed = HostError {
        network: Some(network_uuid(1)),
        message: "no netns blue".to_owned(),
        breach: false,
    };
    let up = Standing { applied: Some(revision), ..Standing::default() };
    it.standing(0, up.clone());
    it.standing(1, Standing { errors: vec![failed], ..up.clone() });
    let (state, reasons) = it.judge(1, 0);
    assert_eq!((state, codes(&reasons)), (State::Error, vec!["host-failed"]));
    assert_eq!(reasons[0].message, "Host host1 has failed: no netns blue");
    let (state, reasons) = it.judge(0, 1);
    assert_eq!((state, codes(&reasons)), (State::Error, vec!["host-failed"]));
    let peer = network_uuid(1);
    let want = format!("A host that carries network {peer} has failed; its owner is told why.");
    assert_eq!(reasons[0].message, want);

    it.standing(1, Standing { applied: Some(0), ..up });
    let (state, reasons) = it.judge(1, 0);
    assert_eq!((state, codes(&reasons)), (State::Provisioning, vec!["host-pending"]));
    assert_eq!(reasons[0].message, "Host host1 has yet to apply it.");
}

#[test]
fn p64_provisioning_ends_by_itself_whether_or_not_the_host_answers() {
    let mut it = Builder::two();
    it.port(1, 1);
    let silent = |ms| {
        let asked_ms = Some(NOW_MS - ms);
        Standing { applied: Some(0), asked_ms, ..Standing::default() }
    };
    for (standing, want) in [
        (silent(0), (State::Provisioning, vec!["host-pending"])),
        (silent(APPLY_LIMIT_MS - 1), (State::Provisioning, vec!["host-pending"])),
        (silent(APPLY_LIMIT_MS), (State::Error, vec!["host-silent"])),
        (Standing { applied: Some(it.world.revision()), ..silent(0) }, (State::Active, vec![])),
    ] {
        it.standing(1, standing.clone());
        let (state, reasons) = it.judge(0, 1);
        assert_eq!((state, codes(&reasons)), want, "{standing:?}");
    }
}

/// What the code of a state's first reason is.
fn code_of(state: State) -> &'static [&'static str] {
    match state {
        State::Disabled | State::Active => &[],
        State::DeletedPeerNetwork => &["peer-network-deleted"],
        State::MissingLocalRouter => &["no-local-router"],
        State::PendingPeer => &["no-peer-half"],
        State::PeerDisabled => &["peer-half-disabled"],
        State::MissingPeerRouter => &["no-peer-router"],
        State::ConflictSubnet => &["subnet-overlap"],
        State::Error => &["host-failed", "host-silent"],
        State::Provisioning => &["host-pending"],
    }
}

/// Words of `text` that a stranger could learn something from, which the
/// owner of `it` may not see.
fn leaks(built: &Builder, it: &Peering, text: &str) -> Vec<String> {
    let Builder { world, presence } = built;
    let owns = |network: Uuid| world.network(network).is_some_and(|n| n.account == it.account);
    let mut known: BTreeSet<String> = [it.peer_network.to_string()].into();
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    for network in world.networks.values() {
        let mine = owns(network.uuid);
        let halves = world.halves_of(network.uuid).filter(|h| world.mirror(h).is_some());
        let offered = halves.into_iter().any(|h| owns(h.peer_network));
        if mine {
            known.insert(network.uuid.to_string());
            known.extend(network.router.map(|r| r.to_string()));
        }
        if mine || offered {
            known.extend(network.prefixes().map(|p| p.to_string()));
        }
        for host in world.hosts_of(network.uuid) {
            *names.entry(world.hosts[&host].name.clone()).or_default() |= mine;
        }
    }
    // Who has failed at something of an owner's is known to have it.
    for (host, standing) in &presence.hosts {
        let mine = standing.errors.iter().any(|e| e.network.is_some_and(owns));
        let host = world.hosts.get(host).filter(|_| mine);
        names.extend(host.map(|h| (h.name.clone(), true)));
    }
    let own = world.peerings.values().filter(|p| p.account == it.account);
    known.extend(own.map(|p| p.uuid.to_string()));
    let words = text.split([' ', ',', ';', ':']).map(|w| w.trim_end_matches('.'));
    let tells = |word: &&str| {
        let is_name = Uuid::try_parse(word).is_ok() || word.parse::<Prefix>().is_ok();
        let secret = word.strip_prefix("secret-of-").is_some_and(|whose| whose != it.account);
        let host = names.get(*word).is_some_and(|mine| !mine);
        (is_name && !known.contains(*word)) || secret || host
    };
    words.filter(tells).map(str::to_owned).collect()
}

type Step = (u8, u128, u128, u8);

fn build(steps: &[Step]) -> Builder {
    let mut it = Builder::default();
    for (n, account) in (0..6u128).zip(ACCOUNTS.into_iter().cycle()) {
        it.network(n, account, &format!("10.{}.0.0/16", n % 4), Some(n));
    }
    for &(what, a, b, how) in steps {
        let account = ACCOUNTS[usize::try_from(a % 3).unwrap()];
        match what {
            0 => it.network(a, account, &format!("10.0.{how}.0/24"), None),
            1 => it.network(a, account, &format!("10.{}.0.0/16", how % 4), Some(b)),
            2 if how == 0 && it.world.halves_of(network_uuid(a)).next().is_none() => {
                let key = crate::change::Key::Network(network_uuid(a));
                it.world.commit(&[Change::Delete(key)]);
            }
            3 => it.port(a, b),
            4 => {
                let errors = (how % 2 == 0).then(|| HostError {
                    network: (how % 3 != 0).then(|| network_uuid(a)),
                    message: if how % 3 == 0 {
                        "all of it".to_owned()
                    } else {
                        format!("secret-of-{account}")
                    },
                    breach: false,
                });
                let applied = Some(if how < 6 { it.world.revision() } else { 0 });
                let asked_ms = Some(if how % 4 == 1 { 0 } else { NOW_MS - 1 });
                let errors = errors.into_iter().collect();
                it.standing(b, Standing { applied, asked_ms, errors, ..Standing::default() });
            }
            _ if a == b => {}
            _ => {
                let configured = if how == 0 { Configured::Disabled } else { Configured::Active };
                it.half(a, b, configured);
            }
        }
    }
    it
}

proptest! {
    #[test]
    fn every_state_has_its_reason_and_none_tells_what_is_not_the_owners(
        steps in prop::collection::vec((0..9u8, 0..6u128, 0..6u128, 0..8u8), 1..60)
    ) {
        let it = build(&steps);
        for peering in it.world.peerings.values() {
            let (state, reasons) = judge(&it.world, &it.presence, Patience::default(), peering);
            let first = reasons.first().map(|r| r.code);
            match first {
                Some(code) => prop_assert!(code_of(state).contains(&code), "{state:?} {code}"),
                None => prop_assert!(code_of(state).is_empty(), "{state:?} has no reason"),
            }
            for reason in &reasons {
                let leaks = leaks(&it, peering, &reason.message);
                prop_assert!(leaks.is_empty(), "{leaks:?} in {reason:?} for {peering:?}");
            }
            let one_sided = it.world.mirror(peering).is_none();
            if one_sided && it.world.network(peering.peer_network).is_some() {
                let about_peer = codes(&reasons).into_iter().filter(|c| *c != "no-local-router");
                let want = (state != State::Disabled).then_some("no-peer-half");
                prop_assert!(about_peer.eq(want), "{reasons:?} tells of a silent peer");
            }
        }
    }
}
