//! Packets counted for each pair of networks, both ways, by what became of them.

use std::time::Duration;

use lab::ping::Pinger;
use lab::traffic::tcp_bulk;
use model::flow::{Exchange, Flow, Flows, Traffic};
use model::spec::HostSpec;

use crate::site::{Site, vni};

fn flows(site: &Site, host: usize) -> Flows {
    datapath::flows(&site.setup(host).pin_dir).unwrap()
}

fn of(flows: &Flows, from: u8, to: u8, verdict: &str) -> Traffic {
    let known = |n| (n > 0).then(|| vni(n));
    let flow = Flow { from: known(from), to: known(to), verdict: verdict.to_owned() };
    flows.get(&flow).copied().unwrap_or_default()
}

#[test]
fn each_pair_of_networks_has_counters_of_its_own_for_each_direction() {
    let site = Site::new("count");
    let (a, b, c) = (site.workload(0, 1, 2), site.workload(1, 2, 2), site.workload(1, 3, 2));
    site.set_up(&[&a, &b, &c], &[(1, 2), (2, 1), (1, 3), (3, 1)]);
    a.reaches(&b);
    a.reaches(&c);
    let before = [0, 1].map(|host| flows(&site, host));
    let pinger = Pinger::new(&a.netns, b.spec.address).unwrap();
    for _ in 0..5 {
        pinger.once(56).unwrap().expect("it is reached");
    }
    let after = [0, 1].map(|host| flows(&site, host));
    let rise = |host: usize, from, to, verdict| {
        let [before, after] = [&before, &after].map(|it| of(&it[host], from, to, verdict));
        (after.packets - before.packets, after.bytes - before.bytes)
    };
    // 20 bytes of IP, 8 of ICMP, 56 of data.
    for (host, from, to, verdict) in
        [(0, 1, 2, "remote"), (1, 1, 2, "delivered"), (1, 2, 1, "remote"), (0, 2, 1, "delivered")]
    {
        assert_eq!(rise(host, from, to, verdict), (5, 5 * 84), "{host} {from} {to} {verdict}");
    }
    assert_eq!(rise(0, 1, 3, "remote"), (0, 0), "that is another peering");

    let mut exchange = Exchange::default();
    for host in &after {
        exchange.add(host, vni(1), vni(2));
    }
    assert_eq!(exchange.sent, of(&after[0], 1, 2, "remote"));
    assert_eq!(exchange.received, of(&after[0], 2, 1, "delivered"));
}

#[test]
fn many_segments_in_one_are_counted_as_they_are_on_the_wire() {
    let site = Site::new("segments");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let sent = tcp_bulk(&a.end(), &b.end(), Duration::from_millis(100)).unwrap();
    let there = of(&flows(&site, 1), 1, 2, "delivered");
    let payload = sent.bytes;
    assert!(there.bytes >= payload, "{there:?} {sent:?}");
    // Segments of 1,398 bytes and their headers fill the MTU of 1,450.
    let least = payload / 1_450;
    assert!(there.packets >= least && there.packets < 3 * least + 1_000, "{there:?} {sent:?}");
}

#[test]
fn drops_are_counted_where_they_happen_with_the_networks_that_are_known_there() {
    let site = Site::new("lost");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    // b's owner withdraws; a's host has not heard of it.
    let alone = site.specs(&[&a, &b], &[]);
    site.converge(1, &alone[1]);
    site.nothing_arrives((&a, &b), 1, "no-return");
    assert!(of(&flows(&site, 1), 0, 2, "no-return").packets > 0);
    site.converge(0, &alone[0]);
    site.nothing_arrives((&a, &b), 0, "no-route");
    assert!(of(&flows(&site, 0), 1, 0, "no-route").packets > 0);

    // What is not in the slice any more is forgotten; the rest is kept.
    assert!(of(&flows(&site, 0), 1, 2, "remote").packets > 0);
    site.at(0, |it| it.keep_flows(&alone[0]).unwrap());
    assert_eq!(of(&flows(&site, 0), 1, 2, "remote"), Traffic::default());
    assert!(of(&flows(&site, 0), 1, 0, "no-route").packets > 0);
    site.at(0, |it| it.keep_flows(&HostSpec::default()).unwrap());
    assert!(flows(&site, 0).is_empty());
    site.converge(1, &specs[1]);
}
