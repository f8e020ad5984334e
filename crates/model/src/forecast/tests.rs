use super::*;
use crate::objects::Configured;
use crate::play::{
    Play, ZONE, configure, create_half, create_network, create_port, delete_half, half_id, host_id,
    network_id, peer, peered, renumber,
};
use crate::way::{Measure, Measured, Passage, Way};

fn told(play: &Play, presence: &Presence, op: &Op) -> Forecast {
    let patience = Patience { now: 100, days: 7 };
    forecast(Now { world: &play.world, presence, patience }, op).unwrap()
}

/// State before and after of each half that is told of.
fn states(it: &Forecast) -> Vec<(Uuid, Option<State>, Option<State>)> {
    it.verdicts.iter().map(|v| (v.half.uuid, v.before, v.after)).collect()
}

/// Two hosts that carry networks 0 and 2, and what they have measured between
/// two others.
fn measured(measures: [Measure; 2]) -> Presence {
    let one = |host: u8, to: u8, measure| {
        let way = Way {
            from: 77.try_into().unwrap(),
            to: 78.try_into().unwrap(),
            vtep: Some([192, 0, 2, to + 1].into()),
        };
        let measured = Measured { measure, since: 0, at: 0 };
        let ways = std::iter::once((way, measured)).collect();
        (host_id(host.into()), Standing { ways, ..Standing::default() })
    };
    let [mine, theirs] = measures;
    [one(0, 1, mine), one(1, 0, theirs)].into_iter().collect()
}

fn open(path: u32, link: u32) -> Measure {
    let mtu = |n: u32| Some(n.try_into().unwrap());
    Measure { passage: Passage::Open, path_mtu: mtu(path), link_mtu: mtu(link), ..Measure::UNTRIED }
}

fn ahead(play: &Play, presence: &Presence, op: &Op) -> Vec<String> {
    let it = told(play, presence, op);
    let half = it.verdicts.iter().find(|v| v.half.uuid == half_id(0, 2)).unwrap();
    half.ahead.iter().map(|reason| format!("{}: {}", reason.code, reason.message)).collect()
}

#[test]
fn the_second_half_makes_both_active_and_routes_at_both_hosts() {
    let mut play = peered();
    play.must(delete_half(2, 0));
    let it = told(&play, &Presence::default(), &create_half(2, 0));
    let (first, second) = (half_id(0, 2), half_id(2, 0));
    let (waits, works) = (Some(State::PendingPeer), Some(State::Active));
    assert_eq!(states(&it), [(first, waits, works), (second, None, works)]);
    let gains: Vec<_> = it.imports.iter().map(|i| (i.network.uuid, i.gains[0].through)).collect();
    let through = [Through::Peering(first), Through::Peering(second)];
    assert_eq!(gains, [(network_id(0), through[0]), (network_id(2), through[1])]);
    // The prefix and the port of the other.
    let added = |host: &HostChange| host.networks.values().map(|it| it.routes_added).sum::<usize>();
    assert_eq!(it.hosts.iter().map(added).collect::<Vec<_>>(), [2, 2]);
    assert!(play.world.half(network_id(2), network_id(0)).is_none(), "nothing was done");
}

#[test]
fn a_newcomer_is_told_what_it_clashes_with_and_breaks_nothing() {
    let mut play = peered();
    play.must(create_network(4, &["10.2.0.0/16"], Some(4)));
    play.must(create_half(4, 0));
    let it = told(&play, &Presence::default(), &create_half(0, 4));
    let clash = Some(State::ConflictSubnet);
    let (mine, theirs) = (half_id(0, 4), half_id(4, 0));
    assert_eq!(
        states(&it),
        [(mine, None, clash), (theirs, Some(State::PendingPeer), clash)],
        "the peering that works is none of them"
    );
    let want = format!(
        "10.2.0.0/16 overlaps 10.2.0.0/24, which your network {} reaches through its peering {}.",
        network_id(0),
        half_id(0, 2)
    );
    assert_eq!(it.verdicts[0].reasons[0].message, want);
    assert!(it.verdicts.iter().all(|v| !v.breaks) && it.imports.is_empty());
}

#[test]
fn what_would_stop_to_work_by_another_ones_change_is_told_apart() {
    let mut play = peered();
    play.must(create_network(4, &["10.4.0.0/24"], Some(4)));
    play.all(peer(0, 4));
    // Network 4 comes to overlap network 0.
    let it = told(&play, &Presence::default(), &renumber(4, &["10.0.0.0/16"]));
    let breaks: Vec<Uuid> = it.verdicts.iter().filter(|v| v.breaks).map(|v| v.half.uuid).collect();
    assert_eq!(breaks, [half_id(0, 4), half_id(4, 0)]);
    let it = told(&play, &Presence::default(), &configure(0, 2, Configured::Disabled));
    let breaks: Vec<Uuid> = it.verdicts.iter().filter(|v| v.breaks).map(|v| v.half.uuid).collect();
    assert_eq!(breaks, [half_id(2, 0)], "what is written itself is what is wanted");
}

#[test]
fn a_host_that_has_yet_to_act_is_taken_to_do_so_and_one_that_fails_to_go_on() {
    let mut play = peered();
    play.must(delete_half(2, 0));
    let error = crate::state::HostError { message: "no room".to_owned(), ..Default::default() };
    for (errors, want) in [(vec![], State::Active), (vec![error], State::Error)] {
        let standing =
            Standing { applied: Some(0), asked_ms: Some(0), errors, ..Standing::default() };
        let hosts = std::iter::once((host_id(1), standing)).collect();
        let presence = Presence { hosts, now_ms: 60_000, ..Presence::default() };
        let it = told(&play, &presence, &create_half(2, 0));
        assert_eq!(it.verdicts[0].after, Some(want));
    }
}

#[test]
fn trouble_that_others_have_measured_lies_ahead() {
    let mut play = peered();
    play.must(delete_half(2, 0));
    let op = create_half(2, 0);
    let say = |play: &Play, measures| ahead(play, &measured(measures), &op);
    assert_eq!(say(&play, [open(1450, 1450), open(1450, 1450)]), [""; 0]);
    assert_eq!(
        say(&play, [open(1300, 1450), open(1450, 1450)]),
        ["mtu-black-hole: Packets of more than 1300 bytes are lost between host h0 and host h1, \
          whose links take 1450; ports will be told to send no larger ones."]
    );
    assert_eq!(
        say(&play, [open(1450, 8950), open(1450, 1450)])[1],
        "uneven-mtu: Host h1 takes packets of 1450 bytes, host h0 of 8950: larger ones between \
         them are fragmented, or their senders told what fits."
    );
    let lost = || Measure { passage: Passage::Lost, ..Measure::UNTRIED };
    assert_eq!(
        say(&play, [lost(), lost()]),
        ["no-path: No packets cross between host h0 and host h1."]
    );
    assert_eq!(say(&play, [lost(), open(1450, 1450)]), [""; 0], "it is open for one of them");
    let zones = (ZONE.to_owned(), ZONE.to_owned());
    play.must(Op::Seals(crate::seal::Wish::Set { by: "a".to_owned(), zones, on: true, now: 0 }));
    assert_eq!(
        ahead(&play, &Presence::default(), &op),
        [
            "encryption-overhead: Packets between host h0 and host h1 will be encrypted, which takes \
          60 bytes of each: ports of both take so much less than in the clear."
        ]
    );
}

#[test]
fn of_what_flows_already_nothing_lies_ahead() {
    let mut play = peered();
    play.must(create_port(4, 0, 1));
    let presence = measured([open(1300, 1450), open(1300, 1450)]);
    let name = Some("other".to_owned());
    let wish = crate::peering::Modify { name, ..Default::default() };
    let op = crate::play::half_op(0, 2, crate::op::Wish::Modify(wish));
    let it = told(&play, &presence, &op);
    assert_eq!(it.verdicts.len(), 1, "what is written is told of even if its state stays");
    assert!(it.verdicts[0].ahead.is_empty());
    assert!(it.imports.is_empty() && it.hosts.is_empty());
}
