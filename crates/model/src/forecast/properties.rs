use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::host_spec::{host_spec, reachable};
use crate::ids::{Prefix, Vni};
use crate::objects::StaticRoute;
use crate::op::Wish;
use crate::play::{
    NETWORKS, Play, create_router, delete_port, host_id, network_id, router_id, router_op, step,
    story_with_ports,
};
use crate::router;
use crate::spec::RouteKey;
use crate::state::{HostError, judge};

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn what_is_foretold_is_what_comes(
        story in story_with_ports(),
        asked in proptest::collection::vec(asked(), 1..8),
        presence in presence(),
        stir in any::<bool>(),
    ) {
        let mut play = Play::new();
        for op in story {
            let _ = play.op(&op);
        }
        for op in asked.into_iter().flatten() {
            let before = play.clone();
            let now = Now { world: &before.world, presence: &presence, patience: PATIENCE };
            let told = forecast(now, &op);
            if stir {
                // Of others, about something else.
                let _ = play.op(&rename_router(5));
                let _ = play.op(&delete_port(99, 1));
            }
            match (told, play.op(&op)) {
                // A server makes a new UUID each time; a story may not.
                (_, Err(Rule::Exists(..))) => {}
                (Err(told), Err(refused)) => prop_assert_eq!(told, refused, "{:?}", op),
                (Ok(told), Ok(_)) => {
                    prop_assert_eq!(told.revision, before.world.revision());
                    check(&told, now, &play.world, &op)?;
                }
                (told, done) => prop_assert!(false, "{told:?} {done:?} {op:?}"),
            }
        }
    }
}

const PATIENCE: Patience = Patience { now: 1000, days: 7 };

fn check(told: &Forecast, now: Now<'_>, after: &World, op: &Op) -> Result<(), TestCaseError> {
    let before = now.world;
    let obeyed = now
        .presence
        .hosts
        .iter()
        .map(|(host, it)| (*host, Standing { applied: None, asked_ms: None, ..it.clone() }));
    let obeyed: Presence = obeyed.collect();
    let word = |world: &World, uuid: &Uuid| {
        world.peerings.get(uuid).map(|it| judge(world, &obeyed, PATIENCE, it))
    };
    let verdicts: BTreeMap<Uuid, &Verdict> =
        told.verdicts.iter().map(|v| (v.half.uuid, v)).collect();
    prop_assert_eq!(verdicts.len(), told.verdicts.len());
    let halves: BTreeSet<&Uuid> = before.peerings.keys().chain(after.peerings.keys()).collect();
    for uuid in halves {
        let (was, is) = (word(before, uuid), word(after, uuid));
        let Some(verdict) = verdicts.get(uuid) else {
            prop_assert_eq!(was, is, "nothing is told of {} at {:?}", uuid, op);
            continue;
        };
        let (state, reasons) = is.map_or((None, vec![]), |(state, reasons)| (Some(state), reasons));
        prop_assert_eq!((verdict.after, &verdict.reasons), (state, &reasons), "{:?}", op);
        let half = before.peerings.get(uuid);
        let known = half.map(|it| judge(before, now.presence, PATIENCE, it).0);
        prop_assert_eq!(verdict.before, known);
    }
    check_imports(told, before, after)?;
    check_hosts(told, before, after)
}

fn check_imports(told: &Forecast, before: &World, after: &World) -> Result<(), TestCaseError> {
    let all = |world: &World, uuid: &Uuid| -> BTreeSet<(Prefix, Uuid)> {
        let Some(network) = world.network(*uuid) else { return BTreeSet::new() };
        let reached = reachable(world, network).into_iter();
        reached.flat_map(|n| n.prefixes().map(|p| (p, n.uuid))).collect()
    };
    let listed = |imports: &[Import]| -> BTreeSet<(Prefix, Uuid)> {
        imports.iter().map(|it| (it.prefix, it.from)).collect()
    };
    let found: BTreeMap<Uuid, &Imports> =
        told.imports.iter().map(|it| (it.network.uuid, it)).collect();
    for uuid in before.networks.keys().chain(after.networks.keys()) {
        let (old, new) = (all(before, uuid), all(after, uuid));
        let (gains, loses) = (&new - &old, &old - &new);
        let it = found.get(uuid);
        prop_assert_eq!(it.map(|it| listed(&it.gains)).unwrap_or_default(), gains);
        prop_assert_eq!(it.map(|it| listed(&it.loses)).unwrap_or_default(), loses);
    }
    Ok(())
}

/// Against the whole slices.
fn check_hosts(told: &Forecast, before: &World, after: &World) -> Result<(), TestCaseError> {
    let found: BTreeMap<Uuid, &HostChange> = told.hosts.iter().map(|it| (it.host, it)).collect();
    for host in after.hosts.keys() {
        let (old, new) = (host_spec(before, *host), host_spec(after, *host));
        let mut want: BTreeMap<Vni, Tally> = BTreeMap::new();
        let keys: BTreeSet<&RouteKey> = old.routes.keys().chain(new.routes.keys()).collect();
        for key in keys {
            match (old.routes.get(key), new.routes.get(key)) {
                (None, Some(_)) => want.entry(key.vni).or_default().routes_added += 1,
                (Some(_), None) => want.entry(key.vni).or_default().routes_removed += 1,
                (a, b) if a != b => want.entry(key.vni).or_default().routes_changed += 1,
                (_, _) => {}
            }
        }
        for (uuid, port) in &new.ports {
            if old.ports.get(uuid) != Some(port) {
                want.entry(port.vni).or_default().ports_changed += 1;
            }
        }
        let networks = found.get(host).map(|it| it.networks.clone()).unwrap_or_default();
        let got: BTreeMap<Vni, Tally> =
            networks.into_iter().map(|(uuid, it)| (after.networks[&uuid].vni, it)).collect();
        prop_assert_eq!(got, want, "{}", host);
    }
    Ok(())
}

/// What a plan can be asked of.
fn asked() -> impl Strategy<Value = Vec<Op>> {
    let route = (0..6u128, 0..3u8, 0..NETWORKS).prop_map(|(n, to, hop)| {
        let hop = format!("10.{hop}.0.7").parse().unwrap();
        let route = StaticRoute {
            name: "s".to_owned(),
            route: format!("172.16.{to}.0/24").parse().unwrap(),
            nexthop: Some(hop),
        };
        let wish = router::Modify { static_routes: Some(vec![route]), ..Default::default() };
        vec![router_op(n, Wish::Modify(wish))]
    });
    let gone = (0..6u128).prop_map(|n| vec![router_op(n, Wish::Delete)]);
    let made = (6..9u128).prop_map(|n| vec![create_router(n)]);
    let both = (0..NETWORKS, 0..NETWORKS).prop_map(|(a, b)| {
        let uuid = crate::play::half_id(a, b);
        vec![Op::DeleteBoth { by: crate::play::owner(a), uuid }]
    });
    prop_oneof![6 => step(), 2 => route, 1 => gone, 1 => made, 1 => both]
}

fn rename_router(n: u128) -> Op {
    let wish = router::Modify { name: Some(router_id(n).to_string()), ..Default::default() };
    router_op(n, Wish::Modify(wish))
}

/// Hosts that are there or not, have applied little or all, and fail or not.
fn presence() -> impl Strategy<Value = Presence> {
    let error = (0..NETWORKS, 0..4u8).prop_map(|(n, chance)| {
        let error = HostError {
            network: (chance > 1).then(|| network_id(n)),
            message: "no".to_owned(),
            breach: false,
        };
        (chance > 0).then_some(error).into_iter().collect::<Vec<_>>()
    });
    let standing = (prop_oneof![Just(Some(0)), Just(None)], 0..20_000u64, error);
    let standing = standing.prop_map(|(applied, asked_ms, errors)| Standing {
        applied,
        asked_ms: Some(asked_ms),
        errors,
        ..Standing::default()
    });
    let all = proptest::collection::btree_map(0..3u128, standing, 0..4);
    all.prop_map(|all| {
        let hosts = all.into_iter().map(|(n, it)| (host_id(n), it)).collect();
        Presence { hosts, now_ms: 20_000, ..Presence::default() }
    })
}
