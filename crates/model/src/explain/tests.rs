use super::*;
use crate::consent::Patience;
use crate::host_spec::host_spec;
use crate::objects::{Configured, StaticRoute};
use crate::op::{Op, Wish};
use crate::play::{
    Play, attach, configure, create_half, create_network, create_port, delete_half, delete_port,
    host_id, owner, port_id, port_wish, router_op,
};
use crate::router;
use crate::scope::Scope;
use crate::spec::Attachment;
use crate::state::{Presence, Standing};

/// Networks 0 and 2 are of account `a`, 1 of `b`; each has one port, at host 0 or 1.
fn play() -> Play {
    let mut play = Play::new();
    play.all([
        create_network(0, &["10.0.0.0/24"], Some(0)),
        create_network(1, &["10.1.0.0/24"], Some(1)),
        create_network(2, &["10.2.0.0/24"], Some(2)),
        create_port(0, 0, 0),
        create_port(1, 1, 1),
        create_port(2, 2, 1),
    ]);
    for (a, b) in [(0, 1), (0, 2)] {
        play.all(crate::play::peer(a, b));
    }
    play
}

fn presence() -> Presence {
    (0..3).map(|n| (host_id(n), Standing { applied: Some(1000), ..Standing::default() })).collect()
}

fn ask(destination: &str) -> Question {
    let (source, destination) = (port_id(0).to_string(), destination.to_owned());
    Question { source, destination, size: Some(1000), service: None }
}

fn known<'p>(play: &'p Play, presence: &'p Presence) -> Known<'p> {
    let scope = Scope::of(&play.world, None).unwrap();
    Known { world: &play.world, presence, patience: Patience::default(), account: "a", scope }
}

fn walked(play: &Play, question: &Question) -> Walk {
    let presence = presence();
    let known = known(play, &presence);
    walk(known, question).unwrap()
}

/// What the last step of an explanation is about, and its outcome.
fn end(steps: &[Step]) -> (&'static str, Outcome) {
    let last = steps.last().unwrap();
    assert_eq!(last.outcome == Outcome::Bad, last.fix.is_some(), "{last:?}");
    (last.step, last.outcome)
}

#[test]
fn the_first_thing_that_is_in_the_way_is_the_last_step() {
    let good = walked(&play(), &ask("10.1.0.2"));
    let trail = good.trail.unwrap();
    assert_eq!((trail.from.host, trail.to.host), (host_id(0), host_id(1)));
    assert!(trail.from.own && !trail.to.own);
    let outcomes: Vec<_> = good.steps.iter().map(|it| (it.step, it.outcome)).collect();
    let good = Outcome::Good;
    assert_eq!(outcomes, [("source", good), ("peering", good), ("destination", good)]);

    for (change, step) in [
        (configure(0, 1, Configured::Disabled), "peering"),
        (configure(1, 0, Configured::Disabled), "mirror"),
        (attach(0, None), "router"),
        (attach(1, None), "router"),
        (delete_port(1, 1), "destination"),
        (delete_half(0, 1), "route"),
    ] {
        let mut play = play();
        play.must(change.clone());
        let walk = walked(&play, &ask("10.1.0.2"));
        assert_eq!(end(&walk.steps), (step, Outcome::Bad), "{change:?}");
        assert_eq!(walk.trail, None);
    }
}

#[test]
fn an_overlap_is_told_with_what_it_is_with() {
    let mut play = play();
    play.all([
        create_network(4, &["10.1.0.0/25"], Some(4)),
        create_half(0, 4),
        create_half(4, 0),
        delete_half(0, 1),
        create_half(0, 1),
    ]);
    // 4 was there first by now.
    let walk = walked(&play, &ask("10.1.0.200"));
    assert_eq!(end(&walk.steps), ("admission", Outcome::Bad));
    assert!(walk.steps.last().unwrap().message.contains("overlaps"), "{walk:?}");
}

#[test]
fn what_is_no_port_of_the_callers_is_refused() {
    let (play, presence) = (play(), presence());
    let known = known(&play, &presence);
    let with = |source: &str, destination: &str| {
        let (source, destination) = (source.to_owned(), destination.to_owned());
        walk(known, &Question { source, destination, size: None, service: None })
    };
    let foreign = port_id(1).to_string();
    for (source, destination) in [("x", "10.1.0.2"), (&foreign, "10.0.0.2"), ("10.0.0.2", &foreign)]
    {
        assert!(matches!(with(source, destination), Err(crate::error::Rule::Absent(..))));
    }
    // Nobody's address and a stranger's are answered alike.
    for source in ["10.1.0.2", "10.9.9.9"] {
        let walk = with(source, "10.0.0.2").unwrap();
        assert_eq!(end(&walk.steps), ("source", Outcome::Bad));
        assert!(walk.steps[0].message.contains("spoofed-source"), "{walk:?}");
    }
    assert!(with("10.0.0.2", "10.2.0.2").unwrap().trail.is_some());
    assert!(with("10.0.0.2", &port_id(2).to_string()).unwrap().trail.is_some());
}

/// What the hosts of a trail say when all is well.
fn well(play: &Play, trail: &Trail) -> [Found; 2] {
    let found = |here: &End, there: &End| {
        let spec = host_spec(&play.world, here.host);
        let route = |address| spec.target(here.vni, address);
        let (away, home) = (route(there.address), route(here.address));
        Found { away, home, mtu: Some(1450), ..Found::default() }
    };
    let sizes = [SMALL, 1000];
    let sent = sizes.map(|size| Trial { size, token: 1, fate: Fate::Back(80) }).to_vec();
    let heard = sizes.map(|size| Heard { size, verdict: "delivered".to_owned() }).to_vec();
    let [first, second] =
        [(&trail.from, &trail.to), (&trail.to, &trail.from)].map(|(a, b)| found(a, b));
    [Found { sent, ..first }, Found { heard, ..second }]
}

type Damage<'a> = dyn Fn(&mut [Found; 2]) + 'a;

#[test]
fn what_the_hosts_find_is_told_in_the_order_of_the_way() {
    let play = play();
    let silent = |size| Trial { size, token: 1, fate: Fate::Silent };
    let stopped = Trial { size: SMALL, token: 1, fate: Fate::Stopped("no-route".to_owned()) };
    let heard = |verdict: &str| vec![Heard { size: SMALL, verdict: verdict.to_owned() }];
    let none: fn(&mut [Found; 2]) = |_| {};
    let cases: [(&Damage<'_>, &str, Outcome); 10] = [
        (&none, "size", Outcome::Good),
        (
            &|it| it[0].fault = Some("the program on eth0 does not run".into()),
            "source-host",
            Outcome::Bad,
        ),
        (&|it| it[0].away = None, "source-host", Outcome::Bad),
        (&|it| it[1].home = None, "destination-host", Outcome::Bad),
        (&|it| it[1].fault = Some("the port is gone".into()), "destination-host", Outcome::Bad),
        (&|it| it[0].sent[0] = stopped.clone(), "packet", Outcome::Bad),
        (&|it| (it[0].sent[0], it[1].heard) = (silent(SMALL), vec![]), "underlay", Outcome::Bad),
        (
            &|it| (it[0].sent[0], it[1].heard) = (silent(SMALL), heard("no-return")),
            "underlay",
            Outcome::Bad,
        ),
        (&|it| (it[0].sent[1], it[1].heard) = (silent(1000), vec![]), "size", Outcome::Bad),
        (&|it| it[0].mtu = Some(900), "size", Outcome::Bad),
    ];
    for (index, (damage, step, outcome)) in cases.iter().enumerate() {
        let walk = walked(&play, &ask("10.1.0.2"));
        let mut found = well(&play, walk.trail.as_ref().unwrap());
        damage(&mut found);
        let steps = concluded(&play, walk, [Some(&found[0]), Some(&found[1])]);
        assert_eq!(end(&steps), (*step, *outcome), "case {index}: {steps:?}");
    }
}

fn concluded(play: &Play, walk: Walk, [first, second]: [Option<&Found>; 2]) -> Vec<Step> {
    let presence = presence();
    let known = known(play, &presence);
    conclude(known, walk, first, second)
}

#[test]
fn a_host_that_does_not_answer_is_named_and_the_rest_is_told() {
    let play = play();
    let walk = walked(&play, &ask("10.1.0.2"));
    let found = well(&play, walk.trail.as_ref().unwrap());
    let steps = concluded(&play, walk, [Some(&found[0]), None]);
    let unknown: Vec<_> =
        steps.iter().filter(|it| it.outcome == Outcome::Unknown).map(|it| it.step).collect();
    assert_eq!(unknown, ["destination-host"]);
    assert_eq!(steps.last().unwrap().step, "size");
}

#[test]
fn of_another_accounts_end_nothing_is_told_but_that_it_is_broken() {
    let play = play();
    let walk = walked(&play, &ask("10.1.0.2"));
    let mut found = well(&play, walk.trail.as_ref().unwrap());
    found[1].fault = Some("secret".into());
    let steps = concluded(&play, walk, [Some(&found[0]), Some(&found[1])]);
    let text = format!("{steps:?}");
    assert!(!text.contains("secret") && !text.contains(&port_id(1).to_string()), "{text}");
    assert!(!text.contains("h1"), "the host's name: {text}");
}

#[test]
fn each_thing_in_the_way_has_its_fix_in_words() {
    let [theirs, own] = ["10.1.0.2", "10.2.0.2"];
    for (change, to, words) in [
        (configure(0, 1, Configured::Disabled), theirs, "kannas peering enable"),
        (configure(1, 0, Configured::Disabled), theirs, "Ask its owner: enable the peering"),
        (configure(2, 0, Configured::Disabled), own, "kannas peering enable"),
        (delete_half(2, 0), own, "Create the peering from"),
        (delete_half(1, 0), theirs, "Create a peering from"),
        (attach(0, None), theirs, "Attach network"),
        (attach(1, None), theirs, "Ask its owner: attach network"),
        (attach(2, None), own, "Attach network"),
        (delete_port(1, 1), theirs, "Make a port with that address"),
    ] {
        let mut play = play();
        play.must(change.clone());
        let walk = walked(&play, &ask(to));
        let fix = walk.steps.last().unwrap().fix.clone().unwrap();
        assert!(fix.starts_with(words), "{change:?}: {walk:?}");
    }
}

#[test]
fn what_is_behind_a_port_or_a_static_route_is_the_ports() {
    let mut play = play();
    let prefixes = vec!["10.1.0.64/28".parse().unwrap()];
    let attachment = Attachment::Device { device: "br0".parse().unwrap() };
    let wish = crate::port::Create { prefixes, attachment, ..port_wish(4, 1, 1) };
    play.must(Op::CreatePort { by: owner(1), uuid: port_id(4), wish });
    assert_eq!(walked(&play, &ask("10.1.0.70")).trail.unwrap().to.port, port_id(4));

    let route = |hop: &str| StaticRoute {
        name: String::new(),
        route: "192.168.0.0/16".parse().unwrap(),
        nexthop: hop.parse().ok(),
    };
    let routed = |hop| {
        let wish = router::Modify { static_routes: Some(vec![route(hop)]), ..Default::default() };
        router_op(0, Wish::Modify(wish))
    };
    assert_eq!(end(&walked(&play, &ask("192.168.1.1")).steps), ("route", Outcome::Bad));
    for hop in ["10.0.0.99", "no-nexthop"] {
        play.must(routed(hop));
        let walk = walked(&play, &ask("192.168.1.1"));
        assert_eq!(end(&walk.steps), ("route", Outcome::Bad));
        assert!(walk.steps.last().unwrap().message.contains("static route"), "{walk:?}");
    }
    play.must(routed("10.0.0.2"));
    let trail = walked(&play, &ask("192.168.1.1")).trail.unwrap();
    assert_eq!((trail.to.port, trail.to.address), (port_id(0), [192, 168, 1, 1].into()));
}

#[test]
fn what_was_mended_is_told_to_who_owns_it_and_is_in_nobodys_way() {
    let play = play();
    let walk = walked(&play, &ask("10.1.0.2"));
    let mut found = well(&play, walk.trail.as_ref().unwrap());
    for it in &mut found {
        it.repairs.push(Repair { ago: 3, step: "set route vni 7".to_owned() });
    }
    let steps = concluded(&play, walk, [Some(&found[0]), Some(&found[1])]);
    let told: Vec<_> = steps.iter().filter(|it| it.step == "repairs").collect();
    assert!(told[0].message.contains("3 s ago") && told[0].message.contains("vni 7"), "{told:?}");
    assert!(!told[1].message.contains("vni 7"), "{told:?}");
    assert!(told.iter().all(|it| it.outcome == Outcome::Good && it.fix.is_some()));
    assert_eq!(crate::wire::explain::View::new(steps).reaches, Some(true));
}

#[test]
fn where_the_first_host_does_not_answer_the_other_tries_and_nobody_claims_too_much() {
    let play = play();
    for (fate, last, reaches) in [
        (Fate::Back(80), ("packet", Outcome::Unknown), None),
        (Fate::Silent, ("underlay", Outcome::Bad), Some(false)),
        (Fate::Stopped("no-route".to_owned()), ("packet", Outcome::Bad), Some(false)),
    ] {
        let walk = walked(&play, &ask("10.1.0.2"));
        let trail = walk.trail.clone().unwrap();
        assert_eq!(trail.second(None).send, [SMALL]);
        assert!(trail.second(Some(&Found::default())).send.is_empty());
        let sent = vec![Trial { size: SMALL, token: 1, fate }];
        let second = Found { sent, ..well(&play, &trail)[1].clone() };
        let steps = concluded(&play, walk, [None, Some(&second)]);
        let end = steps.last().unwrap();
        assert_eq!((end.step, end.outcome), last, "{steps:?}");
        assert_eq!(crate::wire::explain::View::new(steps).reaches, reaches);
    }
}
