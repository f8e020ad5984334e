//! From what a host has to what it should have, as printable steps.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use imbl::ordmap::DiffItem;
use uuid::Uuid;

use crate::seal::{self, End, Generation, PeerKey};
use crate::spec::{Condition, HostSpec, HostState, PortSpec, RouteKey, Target};

/// One change of one host's kernel. Each is idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    RemoveRoute(RouteKey),
    RemovePort(Uuid),
    EnsureVtep,
    /// Make the tunnel, or make it right. Says why.
    EnsureTunnel {
        generation: Generation,
        why: String,
    },
    RemovePeer(PeerKey),
    SetPeer {
        key: PeerKey,
        end: End,
    },
    /// Packets to that host go through a tunnel, and those from it are taken
    /// only out of one.
    Seal {
        vtep: IpAddr,
        generation: Generation,
    },
    Unseal(IpAddr),
    RemoveTunnel(Generation),
    /// Make the port, or make it right. Says why.
    EnsurePort {
        port: Uuid,
        spec: Box<PortSpec>,
        why: String,
    },
    SetRoute {
        key: RouteKey,
        target: Target,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemoveRoute(key) => write!(f, "remove route {key}"),
            Self::RemovePort(port) => write!(f, "remove port {port}"),
            Self::EnsureVtep => write!(f, "ensure vtep"),
            Self::EnsureTunnel { generation, why } => {
                write!(f, "ensure tunnel of generation {generation}: {why}")
            }
            Self::RemovePeer(key) => write!(f, "remove peer {key}"),
            Self::SetPeer { key, end } => {
                write!(f, "set peer {key} to {} at port {}", end.key, end.port)
            }
            Self::Seal { vtep, generation } => {
                write!(f, "seal vtep {vtep} by generation {generation}")
            }
            Self::Unseal(vtep) => write!(f, "unseal vtep {vtep}"),
            Self::RemoveTunnel(generation) => write!(f, "remove tunnel of generation {generation}"),
            Self::EnsurePort { port, spec, why } => {
                write!(
                    f,
                    "ensure port {port} vni {} {} at {}: {why}",
                    spec.vni, spec.address, spec.attachment
                )
            }
            Self::SetRoute { key, target } => write!(f, "set route {key} to {target}"),
        }
    }
}

/// The steps that turn what the kernel has into what the host should have, in
/// the order to take them:
///
/// 1. routes that must go, so that consent withdrawn is obeyed first,
/// 2. ports that must go, so that their addresses and devices are free,
/// 3. the VTEP, then tunnels with their peers, and what is sealed by them: what
///    must not go in the clear has no route before,
/// 4. ports, as routes point to them,
/// 5. tunnels that nothing is sealed by any more,
/// 6. routes, new or changed, and those to a port of step 4: its device may
///    be another one than before.
pub fn plan(want: &HostSpec, have: &HostState) -> Vec<Step> {
    let stale = have.routes.diff(&want.routes).filter_map(to_remove);
    let gone = have.ports.keys().filter(|p| !want.ports.contains_key(p));
    let vtep = (have.vtep != Condition::Whole(())).then_some(Step::EnsureVtep);
    let ports: BTreeMap<Uuid, Step> = want
        .ports
        .iter()
        .filter_map(|(port, spec)| {
            let why = difference(spec, have.ports.get(port))?;
            Some((*port, Step::EnsurePort { port: *port, spec: Box::new(spec.clone()), why }))
        })
        .collect();
    let sealing = seal::steps(want, have);
    let spent = have.tunnels.keys().filter(|it| !want.sealing.tunnels.contains(it));
    let again = to_remade(want, have, &ports);
    // Of a host that has nothing yet there may be a million, which are not to be moved about.
    let many = want.routes.len().saturating_sub(have.routes.len());
    let few = 1 + sealing.len() + ports.len() + have.tunnels.len() + again.len();
    let mut steps = Vec::with_capacity(few + many);
    steps.extend(stale);
    steps.extend(gone.map(|port| Step::RemovePort(*port)));
    steps.extend(vtep);
    steps.extend(sealing);
    steps.extend(ports.into_values());
    steps.extend(spent.map(|generation| Step::RemoveTunnel(*generation)));
    steps.extend(have.routes.diff(&want.routes).filter_map(to_set));
    steps.extend(again);
    steps
}

type Difference<'a> = DiffItem<'a, 'a, RouteKey, Target>;

fn to_remove(difference: Difference<'_>) -> Option<Step> {
    match difference {
        DiffItem::Remove(key, _) => Some(Step::RemoveRoute(*key)),
        DiffItem::Add(..) | DiffItem::Update { .. } => None,
    }
}

fn to_set(difference: Difference<'_>) -> Option<Step> {
    match difference {
        DiffItem::Add(key, target) | DiffItem::Update { new: (key, target), .. } => {
            Some(Step::SetRoute { key: *key, target: *target })
        }
        DiffItem::Remove(..) => None,
    }
}

/// Routes that do not differ, to ports that are made anew.
fn to_remade(want: &HostSpec, have: &HostState, ports: &BTreeMap<Uuid, Step>) -> Vec<Step> {
    if ports.is_empty() {
        return Vec::new();
    }
    let remade =
        |target: &Target| matches!(target, Target::Local { port, .. } if ports.contains_key(port));
    let routes = want.routes.iter().filter(|(k, t)| remade(t) && have.routes.get(*k) == Some(*t));
    routes.map(|(key, target)| Step::SetRoute { key: *key, target: *target }).collect()
}

/// What differs, in words, or None.
fn difference(want: &PortSpec, have: Option<&Condition<PortSpec>>) -> Option<String> {
    let have = match have {
        None | Some(Condition::Missing) => return Some("missing".to_owned()),
        Some(Condition::Broken(why)) => return Some(why.clone()),
        Some(Condition::Whole(have)) if have == want => return None,
        Some(Condition::Whole(have)) => have,
    };
    let parts = [
        ("vni", have.vni != want.vni),
        ("address", have.address != want.address),
        ("subnet", have.subnet != want.subnet),
        ("gateway", have.gateway != want.gateway),
        ("mac", have.mac != want.mac),
        ("attachment", have.attachment != want.attachment),
        ("routes", have.routes != want.routes),
        ("further addresses", have.further != want.further),
        ("segment", have.segment != want.segment),
        ("DHCP", have.dhcp != want.dhcp),
    ];
    let names: Vec<&str> =
        parts.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    Some(format!("{} differs", names.join(", ")))
}

/// What the host has once `step` was applied to it: how a reconcile loop
/// keeps its picture of the kernel between two full readings.
pub fn after(have: &mut HostState, step: &Step) {
    match step {
        Step::RemoveRoute(key) => {
            have.routes.remove(key);
        }
        Step::RemovePort(port) => {
            have.ports.remove(port);
            let to_it = |to: &Target| matches!(to, Target::Local { port: p, .. } if p == port);
            let lost: Vec<RouteKey> =
                have.routes.iter().filter(|(_, to)| to_it(to)).map(|(key, _)| *key).collect();
            for key in lost {
                if let Some(Target::Local { port, .. }) = have.routes.get_mut(&key) {
                    *port = Uuid::nil();
                }
            }
        }
        Step::EnsureVtep => have.vtep = Condition::Whole(()),
        Step::EnsureTunnel { generation, .. } => {
            have.tunnels.insert(*generation, Condition::Whole(()));
        }
        Step::RemovePeer(key) => drop(have.peers.remove(key)),
        Step::SetPeer { key, end } => drop(have.peers.insert(*key, *end)),
        Step::Seal { vtep, generation } => drop(have.seals.insert(*vtep, *generation)),
        Step::Unseal(vtep) => drop(have.seals.remove(vtep)),
        Step::RemoveTunnel(generation) => {
            have.tunnels.remove(generation);
            have.peers.retain(|key, _| key.generation != *generation);
        }
        Step::EnsurePort { port, spec, .. } => {
            have.ports.insert(*port, Condition::Whole((**spec).clone()));
        }
        Step::SetRoute { key, target } => {
            have.routes.insert(*key, *target);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, btree_set};
    use proptest::prelude::*;

    use super::*;
    use std::net::IpAddr;

    use crate::ids::{Mac, Prefix, Vni};
    use crate::seal::Sealing;
    use crate::spec::{Attachment, Routes};

    proptest! {
        #[test]
        fn a_plan_reaches_the_goal_and_then_there_is_nothing_to_do(want in spec(), have in state()) {
            let mut after_it = have;
            for step in plan(&want, &after_it.clone()) {
                after(&mut after_it, &step);
            }
            prop_assert_eq!(plan(&want, &after_it), []);
            prop_assert_eq!(after_it.routes, want.routes);
        }

        #[test]
        fn a_host_is_sealed_by_a_tunnel_that_is_there_and_none_goes_before(want in spec(), have in state()) {
            let mut after_it = have;
            for step in plan(&want, &after_it.clone()) {
                if let Step::Seal { generation, .. } = &step {
                    prop_assert_eq!(after_it.tunnels.get(generation), Some(&Condition::Whole(())));
                }
                if let Step::RemoveTunnel(generation) = &step {
                    prop_assert!(!after_it.seals.values().any(|by| by == generation));
                }
                after(&mut after_it, &step);
            }
            prop_assert_eq!(&after_it.seals, &want.sealing.seals);
            prop_assert_eq!(after_it.peers, want.sealing.peers);
        }

        #[test]
        fn withdrawn_routes_go_before_anything_is_added(want in spec(), have in state()) {
            let steps = plan(&want, &have);
            let last_removal = steps.iter().rposition(|s| matches!(s, Step::RemoveRoute(_) | Step::RemovePort(_)));
            let first_addition = steps.iter().position(|s| !matches!(s, Step::RemoveRoute(_) | Step::RemovePort(_)));
            if let (Some(removal), Some(addition)) = (last_removal, first_addition) {
                prop_assert!(removal < addition);
            }
        }
    }

    #[test]
    fn of_many_routes_that_share_memory_those_that_differ_are_set() {
        let vni = Vni::try_from(7).unwrap();
        let key = |n: u32| RouteKey { vni, prefix: Prefix::host(IpAddr::from(n.to_be_bytes())) };
        let to = |n: u8| Target::Remote { vtep: [192, 0, 2, n].into(), vni };
        let all: Routes = (0..10_000).map(|n| (key(2 * n), to(1))).collect();
        let (mut have, mut want) = (HostState::default(), HostSpec::default());
        (have.vtep, have.routes, want.routes) = (Condition::Whole(()), all.clone(), all);
        assert_eq!(plan(&want, &have), []);
        let mut expected = Vec::new();
        for n in (0..10_000).step_by(777) {
            want.routes.remove(&key(2 * n));
            expected.push(Step::RemoveRoute(key(2 * n)));
        }
        for n in (1..10_000).step_by(777) {
            want.routes.insert(key(2 * n), to(2));
            want.routes.insert(key(2 * n + 1), to(3));
            expected.push(Step::SetRoute { key: key(2 * n), target: to(2) });
            expected.push(Step::SetRoute { key: key(2 * n + 1), target: to(3) });
        }
        assert_eq!(plan(&want, &have), expected);
    }

    #[test]
    fn a_plan_reads_as_text() {
        let port = Uuid::from_u128(1);
        let key =
            RouteKey { vni: Vni::try_from(7).unwrap(), prefix: "10.0.0.2/32".parse().unwrap() };
        let target = Target::local(port, key.vni);
        let want = HostSpec {
            revision: 1,
            ports: [(port, port_of(2))].into(),
            routes: vec![(key, target)].into(),
            sealing: Sealing::default(),
        };
        let stale = RouteKey { prefix: "10.0.0.9/32".parse().unwrap(), ..key };
        let have =
            HostState { routes: vec![(stale, Target::Nobody)].into(), ..HostState::default() };
        let text: Vec<String> = plan(&want, &have).iter().map(Step::to_string).collect();
        assert_eq!(
            text,
            [
                "remove route vni 7 10.0.0.9/32",
                "ensure vtep",
                "ensure port 00000000-0000-0000-0000-000000000001 vni 7 10.0.0.2 at web/eth0: missing",
                "set route vni 7 10.0.0.2/32 to port 00000000-0000-0000-0000-000000000001 vni 7",
            ]
        );
    }

    fn port_of(n: u8) -> PortSpec {
        PortSpec {
            vni: Vni::try_from(7).unwrap(),
            address: [10, 0, 0, n].into(),
            subnet: "10.0.0.0/24".parse().unwrap(),
            gateway: [10, 0, 0, 1].into(),
            mac: Mac::local([0, 0, 0, 0, n]),
            attachment: Attachment::Netns {
                netns: "web".parse().unwrap(),
                device: "eth0".parse().unwrap(),
            },
            routes: ["0.0.0.0/0".parse().unwrap()].into(),
            further: Vec::new(),
            segment: false,
            dhcp: None,
        }
    }

    fn key() -> impl Strategy<Value = RouteKey> {
        (1u32..4, 0u8..8, 24u8..=32).prop_map(|(vni, host, len)| RouteKey {
            vni: Vni::try_from(vni).unwrap(),
            prefix: Prefix::containing(ipnet::IpNet::new([10, 0, 0, host].into(), len).unwrap()),
        })
    }

    fn target() -> impl Strategy<Value = Target> {
        let vni = Vni::try_from(7).unwrap();
        prop_oneof![
            (1u128..4).prop_map(move |n| Target::local(Uuid::from_u128(n), vni)),
            (1u8..4).prop_map(move |n| Target::Remote { vtep: [192, 0, 2, n].into(), vni }),
            Just(Target::Nobody),
        ]
    }

    fn spec() -> impl Strategy<Value = HostSpec> {
        // A route to a port needs the port: the planner is never asked otherwise.
        let ports: std::collections::BTreeMap<Uuid, PortSpec> =
            (1u8..4).map(|n| (Uuid::from_u128(n.into()), port_of(n))).collect();
        (btree_map(key(), target(), 0..20), sealing()).prop_map(move |(routes, sealing)| HostSpec {
            revision: 1,
            ports: ports.clone(),
            routes: routes.into(),
            sealing,
        })
    }

    fn state() -> impl Strategy<Value = HostState> {
        let port = prop_oneof![
            (1u8..6).prop_map(|n| Condition::Whole(port_of(n))),
            Just(Condition::Broken("link down".to_owned())),
        ];
        let ports = (btree_set(1u128..8, 0..6), proptest::collection::vec(port, 8))
            .prop_map(|(ids, ports)| ids.into_iter().map(Uuid::from_u128).zip(ports).collect());
        (ports, btree_map(key(), target(), 0..20), sealing(), any::<bool>()).prop_map(
            |(ports, routes, sealing, whole)| {
                let broken = || Condition::Broken("is down".to_owned());
                let condition = |_| if whole { Condition::Whole(()) } else { broken() };
                HostState {
                    vtep: Condition::Missing,
                    ports,
                    tunnels: sealing.tunnels.into_iter().map(|it| (it, condition(it))).collect(),
                    peers: if whole { sealing.peers } else { BTreeMap::new() },
                    seals: sealing.seals,
                    routes: routes.into(),
                }
            },
        )
    }

    /// Peers and what is sealed are of tunnels that there are.
    fn sealing() -> impl Strategy<Value = Sealing> {
        let some = || btree_map((1u64..4, 1u8..4), 0u8..3, 0..6);
        (btree_set(1u64..4, 0..3), some()).prop_map(|(tunnels, some)| {
            let mut it = Sealing { tunnels, ..Sealing::default() };
            for ((generation, host), key) in some {
                let vtep = [192, 0, 2, host].into();
                if it.tunnels.contains(&generation) {
                    let end = End { key: [key; 32].into(), port: 1 };
                    it.peers.insert(PeerKey { generation, vtep }, end);
                    it.seals.insert(vtep, generation);
                }
            }
            it
        })
    }
}
