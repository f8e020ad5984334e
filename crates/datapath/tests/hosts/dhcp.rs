//! DHCP, asked by a real client: busybox's udhcpc.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::Output;

use lab::{Netns, netns};
use model::spec::{Attachment, Dhcp, HostSpec};

use crate::site::{DEADLINE, Site, Workload};

/// A machine on a veth of somebody else's, which has no address, and a port
/// far away that it may reach.
struct Asking {
    site: Site,
    it: Workload,
    far: Workload,
    specs: [HostSpec; 2],
}

fn asking(test: &str, dhcp: Option<Dhcp>) -> Asking {
    let site = Site::new(test);
    let (mut it, far) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let host = &site.hosts[0];
    netns::link(&it.netns, "eth0", host, "vm0").unwrap();
    it.netns.ip(&format!("link set eth0 address {}", it.spec.mac)).unwrap();
    it.spec.attachment = Attachment::Device { device: "vm0".parse().unwrap() };
    it.spec.routes.clear();
    it.spec.dhcp = dhcp;
    let specs = site.set_up(&[&it, &far], &[(1, 2), (2, 1)]);
    Asking { site, it, far, specs }
}

fn offer() -> Dhcp {
    Dhcp {
        dns: vec![[10, 0, 1, 53].into(), [10, 0, 2, 53].into()],
        routes: vec![("10.0.2.0/24".parse().unwrap(), [10, 0, 1, 1].into())],
        default_route: false,
        bootfile: None,
    }
}

fn ask(netns: &Netns, more: &[&str]) -> (Output, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    lab::dhcp::ask(netns, folder.path(), more).unwrap()
}

#[test]
fn a_client_gets_the_ports_address_and_all_that_it_needs_to_reach_the_others() {
    let mut asking = asking("dhcp", Some(offer()));
    let Asking { site, it, far, specs } = &mut asking;
    let before = site.verdicts(0)["answered"];
    let told = site.at(0, |_| ask(&it.netns, &[])).1;
    for (name, want) in [
        ("ip", "10.0.1.2"),
        ("mask", "24"),
        ("serverid", "10.0.1.1"),
        ("dns", "10.0.1.53 10.0.2.53"),
        ("mtu", "1450"),
        ("lease", "3600"),
        ("staticroutes", "10.0.2.0/24 10.0.1.1"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(want), "{name}: {told:?}");
    }
    assert!(!told.contains_key("router"), "there is no default route: {told:?}");
    assert!(site.verdicts(0)["answered"] >= before + 2, "one for the offer, one to confirm it");
    it.reaches(far);
    // What the network gets meanwhile is told from the next answer on.
    let spec = specs[0].ports.get_mut(&it.uuid).unwrap();
    spec.dhcp.as_mut().unwrap().default_route = true;
    let steps = site.converge(0, &specs[0]);
    assert!(steps.iter().any(|s| s.ends_with("DHCP differs")), "{steps:?}");
    let told = site.at(0, |_| ask(&it.netns, &[])).1;
    assert_eq!(told.get("router").map(String::as_str), Some("10.0.1.1"), "{told:?}");
    assert_eq!(told["staticroutes"], "0.0.0.0/0 10.0.1.1 10.0.2.0/24 10.0.1.1");
}

#[test]
fn a_client_that_wants_another_address_is_given_its_own() {
    let asking = asking("dhcp-nak", Some(offer()));
    let (output, told) = asking.site.at(0, |_| ask(&asking.it.netns, &["-r", "10.0.1.99"]));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(told.get("ip").map(String::as_str), Some("10.0.1.2"), "{told:?}");
}

#[test]
fn a_network_without_dhcp_answers_nobody() {
    let asking = asking("dhcp-no", None);
    let before = asking.site.verdicts(0)["spoofed-source"];
    let (output, told) = asking.site.at(0, |_| ask(&asking.it.netns, &[]));
    assert!(!output.status.success() && told.is_empty(), "{output:?} {told:?}");
    assert!(asking.site.verdicts(0)["spoofed-source"] > before);
}

#[test]
fn what_was_asked_while_no_agent_ran_is_answered_when_one_does() {
    let asking = asking("dhcp-late", Some(offer()));
    let before = asking.site.verdicts(0)["answered"];
    let netns = asking.it.netns.clone();
    let client = std::thread::spawn(move || ask(&netns, &["-t", "10"]));
    lab::eventually(DEADLINE, "the client has asked", || {
        let counted = datapath::verdicts(&asking.site.setup(0).pin_dir).unwrap();
        (counted["answered"] > before).then_some(())
    })
    .unwrap();
    let (output, told) = asking.site.at(0, |_| client.join().unwrap());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(told["ip"], "10.0.1.2");
}

#[test]
fn a_workload_that_asks_too_much_is_heard_now_and_then() {
    let asking = asking("dhcp-much", Some(offer()));
    let Asking { site, it, .. } = &asking;
    it.netns.ip("addr add 10.0.1.2/24 dev eth0").unwrap();
    let before = site.verdicts(0);
    let socket = it.netns.run(|| UdpSocket::bind("10.0.1.2:68")).unwrap().unwrap();
    // To the gateway, as a client does that renews.
    for _ in 0..2000 {
        socket.send_to(&[0; 300], "10.0.1.1:67").unwrap();
    }
    let after = site.verdicts(0);
    let (heard, dropped) =
        (after["answered"] - before["answered"], after["no-port"] - before["no-port"]);
    // ARP is answered, too.
    assert!((1..200).contains(&heard), "{heard} heard, {dropped} not");
    assert!(dropped >= 1500, "{heard} heard, {dropped} not");
}
