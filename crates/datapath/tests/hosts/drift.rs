//! What is found again, mended and left alone.

use model::spec::{Attachment, Condition, HostSpec};

use crate::site::Site;

#[test]
fn a_restart_finds_everything_and_does_nothing() {
    let site = Site::new("again");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    let before = site.verdicts(0);
    assert_eq!(site.converge(0, &specs[0]), Vec::<String>::new());
    assert!(site.verdicts(0)["remote"] >= before["remote"], "the counters began anew");
    a.reaches(&b);
}

#[test]
fn what_others_did_is_mended() {
    let site = Site::new("mend");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let host = &site.hosts[0];
    let device = device(&site.prefix, host);
    let netns = a.netns.name();
    for (damage, why) in [
        (format!("link set {device} down"), "its device is down or has another MTU"),
        (format!("link set {device} mtu 1300"), "its device is down or has another MTU"),
        (format!("link del {device}"), "its device is gone"),
        ("link set kannas down".to_owned(), "vtep"),
        ("link del kannas".to_owned(), "vtep"),
        ("link del kannas-room".to_owned(), "headroom"),
        ("link set kannas-room up".to_owned(), "headroom"),
        (format!("link set {device} nomaster"), "headroom"),
        (format!("-n {netns} addr flush dev eth0"), "has not its address"),
        (format!("-n {netns} route flush proto 107"), "routes differs"),
        (format!("-n {netns} link set eth0 mtu 9000"), "end has another MTU"),
        (format!("-n {netns} link set eth0 down"), "end is down"),
        (format!("-n {netns} link set eth0 address 0a:00:00:00:00:77"), "another MAC"),
    ] {
        host.ip(&damage).unwrap();
        let steps = site.converge(0, &specs[0]);
        assert!(steps.iter().any(|s| s.contains(why)), "{damage}: {steps:?}");
        a.reaches(&b);
    }
    for link in std::fs::read_dir(site.setup(0).pin_dir.join("links")).unwrap() {
        std::fs::remove_file(link.unwrap().path()).unwrap();
    }
    let steps = site.converge(0, &specs[0]);
    assert_eq!(steps.iter().filter(|s| s.contains("ensure")).count(), 2, "{steps:?}");
    a.reaches(&b);
}

#[test]
fn the_hosts_routes_to_parts_of_the_underlay_are_obeyed() {
    let site = Site::new("part");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    let host = &site.hosts[0];
    let away = "198.18.0.2/32 via 198.18.0.99 dev under onlink";
    host.ip(&format!("route add {away}")).unwrap();
    let steps = site.converge(0, &specs[0]);
    assert!(steps.iter().any(|s| s.contains("vtep")), "{steps:?}");
    site.nothing_arrives((&a, &b), 0, "remote");
    host.ip(&format!("route del {away}")).unwrap();
    assert_eq!(site.converge(0, &specs[0]).len(), 1);
    a.reaches(&b);
    // A table of its own for what leaves from here.
    host.ip(&format!("route add {away} table 100")).unwrap();
    host.ip("rule add to 198.18.0.2 table 100").unwrap();
    assert_eq!(site.converge(0, &specs[0]).len(), 1);
    site.nothing_arrives((&a, &b), 0, "remote");
    host.ip("rule del to 198.18.0.2 table 100").unwrap();
    host.ip(&format!("route del {away} table 100")).unwrap();
    assert_eq!(site.converge(0, &specs[0]).len(), 1);
    a.reaches(&b);
}

#[test]
fn a_workload_namespace_that_was_made_anew_gets_its_port_again() {
    let site = Site::new("anew");
    let (mut a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let name = a.netns.name().to_owned();
    drop(std::mem::replace(&mut a.netns, b.netns.clone()));
    lab::eventually(crate::site::DEADLINE, "the port is seen to be broken", || {
        let ports = site.observe(0).ports;
        matches!(ports[&a.uuid], Condition::Broken(_)).then_some(())
    })
    .unwrap();
    a.netns = std::sync::Arc::new(lab::Netns::new(name).unwrap());
    site.converge(0, &specs[0]);
    a.reaches(&b);
}

#[test]
fn a_namespace_of_ours_comes_with_its_first_port_and_goes_with_its_last() {
    lab::netns::sweep_abandoned("kannas-kt").unwrap();
    let site = Site::new("server");
    let [mut a, mut b] = [2, 3].map(|last| site.workload(0, 1, last));
    let name = format!("kannas-{}", site.prefix);
    for (it, device) in [(&mut a, "eth0"), (&mut b, "eth1")] {
        it.spec.attachment =
            Attachment::Netns { netns: name.parse().unwrap(), device: device.parse().unwrap() };
    }
    let there = || std::path::Path::new("/run/netns").join(&name).exists();
    let nothing = HostSpec { revision: 2, ..HostSpec::default() };
    let both = site.specs(&[&a, &b], &[])[0].clone();
    let one = site.specs(&[&a], &[])[0].clone();
    for (spec, want) in [(&both, true), (&one, true), (&nothing, false), (&one, true)] {
        site.converge(0, spec);
        assert_eq!(there(), want);
    }
    // Somebody else took it away.
    site.hosts[0].ip(&format!("netns del {name}")).unwrap();
    lab::eventually(crate::site::DEADLINE, "the port is seen to be broken", || {
        matches!(site.observe(0).ports[&a.uuid], Condition::Broken(_)).then_some(())
    })
    .unwrap();
    site.converge(0, &one);
    assert!(there());
    site.converge(0, &nothing);
    assert!(!there());
}

#[test]
fn what_goes_leaves_nothing_behind_and_what_is_others_stays() {
    let site = Site::new("gone");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let host = &site.hosts[0];
    host.ip("link add knffffffffffff type bridge").unwrap();
    let nothing = HostSpec { revision: 2, ..HostSpec::default() };
    site.converge(0, &nothing);
    let links = host.ip("-br link").unwrap();
    assert!(links.contains("knffffffffffff") && links.matches("kn").count() == 1, "{links}");
    let state = site.observe(0);
    assert!(state.ports.is_empty() && state.routes.is_empty(), "{state:?}");
    assert!(a.netns.ip("link show eth0").is_err());
}

#[test]
fn a_device_of_our_name_that_is_not_ours_is_left_and_named() {
    let site = Site::new("name");
    site.hosts[0].ip("link add kannas type bridge").unwrap();
    let error = site.at(0, |it| it.apply(&model::plan::Step::EnsureVtep).unwrap_err().to_string());
    assert_eq!(error, "the device kannas has that name, and it is not ours");
    site.hosts[0].ip("link show kannas type bridge").unwrap();
}

#[test]
fn an_underlay_address_that_the_host_has_not_is_named() {
    let site = Site::new("under");
    site.hosts[0].ip("addr flush dev under").unwrap();
    let error = site.at(0, |it| it.apply(&model::plan::Step::EnsureVtep).unwrap_err().to_string());
    assert_eq!(error, "no device of this host has the underlay address 198.18.0.1");
}

/// The host's end of its only pair.
fn device(prefix: &str, host: &lab::Netns) -> String {
    let links = host.ip("-br link").unwrap();
    let names = links.lines().filter_map(|l| l.split(['@', ' ']).next());
    let mut ours = names.filter(|n| n.starts_with("kn"));
    ours.next().unwrap_or_else(|| panic!("{prefix}: {links}")).to_owned()
}
