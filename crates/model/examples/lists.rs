//! What a list of 20,000 peerings costs in CPU time: `cargo run --release -p model --example lists`.

use std::io::Write;
use std::time::Duration;

use model::change::{Change, Object};
use model::consent::Patience;
use model::label::{Filter, Label};
use model::objects::{Configured, Network, Peering, Subnet};
use model::state::Presence;
use model::wire::peering::{Many, ManyInner, View};
use model::world::World;
use uuid::Uuid;

const PAIRS: u32 = 10_000;
const RUNS: usize = 11;

fn main() -> std::io::Result<()> {
    let world = world();
    let presence = Presence::default();
    let list = |filters: &[Filter]| {
        let patience = Patience::default();
        let found = world.peerings_with("a", filters);
        let network_peering = found.map(|it| View::new(&world, &presence, patience, it)).collect();
        serde_json::to_vec(&Many { network_peerings: ManyInner { network_peering } })
    };
    let mut out = std::io::stdout().lock();
    for (what, filters) in [
        ("all 20,000", vec![]),
        ("label=batch=7, 20 of them", vec![Filter::new("batch=7")]),
        ("label=batch=none, none", vec![Filter::new("batch=none")]),
        ("label=env, all by the index", vec![Filter::new("env")]),
    ] {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..RUNS {
            let began = on_cpu()?;
            bytes = list(&filters)?.len();
            times.push(on_cpu()?.saturating_sub(began));
        }
        times.sort();
        writeln!(out, "{what}: {bytes} bytes in {:?} (median of {RUNS})", times[RUNS / 2])?;
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

/// Pairs of networks, each pair peered in both directions.
fn world() -> World {
    let mut world = World::default();
    for n in 0..PAIRS {
        for side in [0, 1] {
            let [_, a, b, c] = (2 * n + side).to_be_bytes();
            let address = format!("10.{a}.{b}.{}/32", c);
            let it = network(2 * n + side, address);
            world.commit(&[Change::Put(Object::Network(it))]);
        }
        for (from, to) in [(2 * n, 2 * n + 1), (2 * n + 1, 2 * n)] {
            let it = peering(from, to);
            world.commit(&[Change::Put(Object::Peering(it))]);
        }
    }
    world
}

fn uuid(kind: u8, n: u32) -> Uuid {
    Uuid::from_u128(u128::from(kind) << 120 | u128::from(n))
}

fn network(n: u32, address: String) -> Network {
    let prefix = address.parse().expect("an address of 10.0.0.0/8");
    let subnet = Subnet {
        address,
        prefix,
        gateway: prefix.address(),
        dhcp: false,
        dhcp_default_route: false,
        dhcp_dns: vec![],
        dhcp_routes: vec![],
        dhcp_bootfile_url: None,
        auto_population: None,
    };
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

fn peering(from: u32, to: u32) -> Peering {
    let label = |key: &str, value: String| Label { key: key.to_owned(), value };
    Peering {
        uuid: uuid(0x0f, from),
        account: "a".to_owned(),
        name: format!("peering {from}"),
        configured: Configured::Active,
        configured_since: 1,
        network: uuid(3, from),
        peer_network: uuid(3, to),
        labels: vec![label("env", "prod".to_owned()), label("batch", (from / 20).to_string())],
        note: None,
        offered: 0,
        declined: false,
        revision: 1,
    }
}
