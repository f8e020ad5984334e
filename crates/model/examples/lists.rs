//! What a list of 20,000 peerings costs in CPU time: `cargo run --release -p model --example lists`.

use std::io::Write;
use std::time::Duration;

use model::change::{Change, Object};
use model::consent::Patience;
use model::label::{Filter, Label};
use model::objects::{Configured, Network, Peering, Subnet};
use model::state::Presence;
use model::wire::Each;
use model::wire::peering::{Many, ManyInner, View};
use model::world::World;
use uuid::Uuid;

const PAIRS: u32 = 10_000;
/// Many, as the scheduler counts in ticks of some milliseconds.
const RUNS: u32 = 40;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let pairs = (0..PAIRS).map(|n| (2 * n, 2 * n + 1)).collect::<Vec<_>>();
    // Each with each other: 142 networks.
    let mesh = (0..142).flat_map(|a| (0..a).map(move |b| (a, b))).collect::<Vec<_>>();
    let star = (1..=PAIRS).map(|n| (0, n)).collect::<Vec<_>>();
    for (what, pairs) in [("pairs", pairs), ("mesh", mesh), ("star", star)] {
        writeln!(out, "{what}, {} peerings:", 2 * pairs.len())?;
        measure(&world(&pairs), &mut out)?;
    }
    Ok(())
}

fn measure(world: &World, out: &mut impl Write) -> std::io::Result<()> {
    let presence = Presence::default();
    let list = |filters: &[Filter]| {
        let patience = Patience::default();
        let found = world.peerings_with("a", filters);
        let page: Vec<_> = found.collect();
        let network_peering = Each::of(View::all(world, &presence, patience, &page));
        serde_json::to_vec(&Many { network_peerings: ManyInner { network_peering } })
    };
    for (what, filters) in [
        ("all", vec![]),
        ("label=batch=7, 20 of them", vec![Filter::new("batch=7")]),
        ("label=batch=none, none", vec![Filter::new("batch=none")]),
        ("label=env, all by the index", vec![Filter::new("env")]),
    ] {
        let mut bytes = 0;
        let began = on_cpu()?;
        for _ in 0..RUNS {
            bytes = list(&filters)?.len();
        }
        let took = on_cpu()?.saturating_sub(began) / RUNS;
        writeln!(out, "{what}: {bytes} bytes in {took:?} (mean of {RUNS})")?;
    }
    Ok(())
}

/// How long this thread was on a CPU, as the scheduler has it
/// (Documentation/scheduler/sched-stats.rst): a busy machine does not count.
fn on_cpu() -> std::io::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// Networks with a router each, and peerings in both directions between those
/// of `pairs`.
fn world(pairs: &[(u32, u32)]) -> World {
    let mut world = World::default();
    let last = pairs.iter().map(|(a, b)| *a.max(b)).max().unwrap_or(0);
    for n in 0..=last {
        let [_, a, b, c] = n.to_be_bytes();
        let it = network(n, format!("10.{a}.{b}.{c}/32"));
        world.commit(&[Change::Put(Object::Network(it))]);
    }
    for (n, (a, b)) in (0..).step_by(2).zip(pairs) {
        for (n, from, to) in [(n, *a, *b), (n + 1, *b, *a)] {
            world.commit(&[Change::Put(Object::Peering(peering(n, from, to)))]);
        }
    }
    world
}

/// In no order, as random ones are.
fn uuid(kind: u8, n: u32) -> Uuid {
    let mixed = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Uuid::from_u128(u128::from(kind) << 120 | mixed >> 8)
}

fn network(n: u32, address: String) -> Network {
    let prefix = address.parse().expect("an address of 10.0.0.0/8");
    let subnet = Subnet::plain(address, prefix, prefix.address());
    Network {
        uuid: uuid(3, n),
        account: "a".to_owned(),
        name: "n".to_owned(),
        zone: "fi-hel1".to_owned(),
        vni: (n + 1).try_into().expect("so few have numbers"),
        labels: vec![],
        router: Some(uuid(4, n)),
        router_since: 1,
        subnets: vec![subnet],
        subnets_since: 1,
        revision: 1,
    }
}

fn peering(n: u32, from: u32, to: u32) -> Peering {
    let label = |key: &str, value: String| Label { key: key.to_owned(), value };
    Peering {
        uuid: uuid(0x0f, n),
        account: "a".to_owned(),
        name: format!("peering {n}"),
        configured: Configured::Active,
        configured_since: 1,
        network: uuid(3, from),
        peer_network: uuid(3, to),
        labels: vec![label("env", "prod".to_owned()), label("batch", (n / 20).to_string())],
        note: None,
        offered: 0,
        declined: false,
        group: None,
        revision: 1,
    }
}
