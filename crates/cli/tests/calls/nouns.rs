use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use crate::site::Site;
use crate::transcript::Transcript;

#[test]
fn routers_and_networks_are_made_shown_changed_and_deleted() {
    let site = Site::start();
    let mut it = Transcript::of(&site);
    it.run("router create hel --label env=prod --label empty=");
    it.run("router create spare --static-route 10.9.0.0/16=10.0.1.5");
    it.run("router list");
    it.run("router list --label env");
    it.run("router list --label env=test");
    it.run("network create hel --zone fi-hel1 --address 10.0.1.0/24 --router hel");
    it.run(
        "network create fra --zone de-fra1 --address 10.0.2.0/24 --gateway 10.0.2.9 --dhcp yes \
         --dhcp-default-route no --dhcp-dns 192.0.2.53 --label env=prod",
    );
    it.run("network list");
    it.run("network list --zone fi-hel1 --all");
    it.run("network list --zone de-fra1 --label env=prod");
    it.run("network list --zone de-fra1 --label env=prod -o json");
    it.run("router show hel");
    it.run("network show hel");
    it.run("network modify fra --router spare --name frankfurt --label tier=1 --label tier2=2");
    it.run("network modify frankfurt --no-router --no-labels --gateway 10.0.2.1 --dhcp no");
    it.run("network modify frankfurt --address 10.0.3.0/24");
    it.run("network delete hel frankfurt");
    it.run("router modify spare --name other --no-static-routes --label a1=b");
    it.run("router modify other --static-route 10.8.0.0/16=no-nexthop --no-labels");
    it.run("router delete hel other");
    it.run("router list -o json");
    it.run("network list");
    it.check("networks");
}

#[test]
fn peerings_are_made_enabled_disabled_and_deleted() {
    let site = Site::start();
    site.make_routed("hel", "fi-hel1", "10.0.1.0/24");
    site.make_routed("fra", "de-fra1", "10.0.2.0/24");
    let mut it = Transcript::of(&site);
    it.run("network show hel");
    it.run("network show fra");
    it.run("peering create hel-fra --network hel --peer-network fra --label region=eu");
    it.run("peering create fra-hel --network fra --peer-network hel --disabled --wait");
    it.run("peering show hel-fra");
    it.run("peering enable fra-hel --wait");
    it.run("peering list");
    it.run("peering list --network hel");
    it.run("peering list --label region=us");
    it.run("peering modify fra-hel --name back --label a1=b");
    it.run("peering disable back -o json");
    it.run("peering show hel-fra --wait=peer-disabled");
    it.run("network delete hel");
    it.run("peering delete hel-fra back");
    it.run("peering list");
    it.check("peerings");
}

#[test]
fn what_a_command_would_do_is_said_in_place_of_doing_it() {
    let site = Site::start();
    for (name, zone, address) in [
        ("hel", "fi-hel1", "10.0.1.0/24"),
        ("fra", "de-fra1", "10.0.2.0/24"),
        ("lon", "uk-lon1", "10.0.0.0/16"),
    ] {
        site.make_routed(name, zone, address);
    }
    let whole = Arc::new(AtomicBool::new(false));
    site.join("hel1-a", "fi-hel1", 1, &whole);
    site.kannas(&["port", "add", "--network", "hel", "--host", "hel1-a", "--netns", "web"]).ok();
    let mut it = Transcript::of(&site);
    it.run("peering plan hel-fra --network hel --peer-network fra");
    it.run("peering create hel-fra --network hel --peer-network fra");
    it.run("peering create fra-hel --network fra --peer-network hel --plan");
    it.run("peering create fra-hel --network fra --peer-network hel --plan -o json");
    it.run("peering create fra-hel --network fra --peer-network hel --wait");
    it.run("peering create lon-fra --network lon --peer-network fra");
    it.run("peering plan fra-lon --network fra --peer-network lon");
    it.run("peering plan fra-hel --network fra --peer-network hel");
    it.run("peering disable fra-hel --plan");
    it.run("peering modify hel-fra --name other --plan");
    it.run("network modify hel --no-router --plan");
    it.run("network modify hel --address 10.0.2.0/24 --plan");
    it.run("network delete hel --plan");
    it.run("network create oslo --zone fi-hel1 --address 10.7.0.0/24 --plan");
    it.run("router modify hel --static-route 10.9.0.0/16=10.0.1.2 --plan");
    it.run("router create spare --plan");
    it.run("peering delete hel-fra fra-hel --plan");
    it.run("peering delete hel-fra --plan");
    it.run("peering list");
    it.check("plans");
}

#[test]
fn groups_peer_the_networks_that_have_their_labels() {
    let site = Site::start();
    for (name, zone, address) in [
        ("hel", "fi-hel1", "10.0.1.0/24"),
        ("fra", "de-fra1", "10.0.2.0/24"),
        ("lon", "uk-lon1", "10.0.3.0/24"),
    ] {
        site.make_routed(name, zone, address);
        site.kannas(&["network", "modify", name, "--label", "env=prod"]).ok();
    }
    let mut it = Transcript::of(&site);
    for name in ["hel", "fra", "lon"] {
        it.run(&format!("network show {name}"));
    }
    it.run("group create prod --label env=prod");
    it.run("group create prod --mesh");
    it.run("group create prod --label env=prod --hub nowhere");
    it.run("group create prod --label env=prod --hub hel --plan");
    it.run("group create prod --label env=prod --hub hel");
    it.run("group create prod --label env=test --mesh");
    it.run("group delete prod --plan");
    it.run("peering list");
    it.run("network modify lon --no-labels --plan");
    it.run("network modify lon --no-labels");
    it.run("group show prod");
    it.run("group modify prod --mesh --name all");
    it.run("group undo all -o json");
    it.run("group undo all --plan");
    it.run("group list");
    it.run("group delete all");
    it.run("group list -o json");
    it.run("peering list");
    it.check("groups");
}

#[test]
fn hosts_join_and_ports_are_put_at_them() {
    let site = Site::start();
    site.make_routed("hel", "fi-hel1", "10.0.1.0/24");
    let whole = Arc::new(AtomicBool::new(false));
    let mut it = Transcript::of(&site);
    it.run("host token --zone fi-hel1");
    it.run("host token --zone fi-hel1 --valid 15m -o json");
    it.run("host list");
    site.join("hel1-a", "fi-hel1", 1, &whole);
    it.run("host list");
    it.run("host list --zone de-fra1");
    it.run("port add --network hel --host hel1-a --netns blue");
    it.run(
        "port add --network hel --host hel1-a --device tap7 --address 10.0.1.77 \
         --mac 02:00:00:00:00:07",
    );
    it.run("port list");
    it.run("port list --network hel -o json --host 06000000-0000-4000-8000-000000000000");
    it.run("host delete hel1-a");
    let ports = site.json(&["port", "list"]);
    let at = |address: &str| {
        let port = ports.as_array().unwrap().iter().find(|port| port["address"] == address);
        port.unwrap()["uuid"].as_str().unwrap()
    };
    let ports = [at("10.0.1.2"), at("10.0.1.77")];
    it.run(&format!("port show {}", ports[0]));
    it.run(&format!("port delete {} {}", ports[0], ports[1]));
    it.run("port list");
    it.run("host delete hel1-a");
    it.run("host list -o json");
    it.check("ports");
}

#[test]
fn accounts_and_zones_are_made_and_listed() {
    let site = Site::start();
    let mut it = Transcript::of(&site);
    it.run("zone list");
    it.run("zone add xx-lab1 --description Cellar");
    it.run("zone add xx-lab2 -o json");
    it.run("zone add fi-hel1");
    it.run("zone list");
    it.run("zone encrypt xx-lab1 fi-hel1");
    it.run("zone encrypt xx-lab1");
    it.run("zone encrypt xx-lab1 nowhere");
    it.run("zone list");
    it.run("zone encrypt fi-hel1 xx-lab1 --off");
    it.run("zone encrypt fi-hel1 xx-lab1 --off");
    it.run("zone delete xx-lab2 a/b?c");
    it.run("zone delete fi-hel1");
    it.run("zone list");
    it.run("account list");
    site.make_account("bob");
    let file = site.file("bob");
    let file = file.to_str().unwrap();
    it.run(&format!("account create eve --new-password-file {file} --admin"));
    it.run(&format!("account create eva --new-password-file {file} -o json"));
    it.run("account list");
    it.run("account limit eve --networks 5 --requests 100 --burst 200");
    it.run("account limit eve --networks 7");
    it.run("account limit eva -o json");
    it.run("account limit nobody --burst 0");
    it.run("account limit nobody");
    it.run("account list");
    it.run_as("bob", "account limit bob --networks 9");
    it.run_as("bob", "network list");
    it.run_as("bob", "account list");
    it.run_as("bob", "host list");
    it.run_as("bob", "zone add yy-lab1");
    it.run_as("bob", "zone encrypt fi-hel1");
    it.run_as("bob", "zone keys --rotate");
    it.run_as("bob", "host token --zone fi-hel1");
    it.check("accounts");
}

#[test]
fn json_is_what_the_api_answers_without_its_envelope() {
    let site = Site::start();
    let made = site.json(&["router", "create", "hel"]);
    let want = json!({
        "uuid": made["uuid"], "name": "hel", "type": "normal", "labels": [],
        "attached_networks": {"network": []}, "attached_network_gateways": [], "static_routes": []
    });
    assert_eq!(made, want);
    assert_eq!(site.json(&["router", "list"]), json!([want]));
    assert_eq!(site.json(&["router", "show", "hel"]), want);
    assert_eq!(site.kannas(&["router", "delete", "hel", "-o", "json"]).ok(), "");
    assert_eq!(site.json(&["router", "list"]), json!([]));
}

#[test]
fn what_is_encrypted_is_shown_with_the_age_of_its_keys() {
    let site = Site::start();
    let before = site.kannas(&["zone", "keys"]).ok();
    let none = "Generation:    -\nIn use since:  -\nRotating:      no\n";
    assert!(before.starts_with(none), "{before}");
    site.json(&["zone", "encrypt", "fi-hel1", "de-fra1"]);
    let keys = site.json(&["zone", "keys"]);
    assert_eq!(keys["pairs"][0]["zones"], json!(["de-fra1", "fi-hel1"]));
    assert_eq!(keys["generation"], 1);
    let shown = site.kannas(&["zone", "keys"]).ok();
    let since = keys["pairs"][0]["since"].as_str().unwrap();
    assert!(shown.ends_with(&format!("de-fra1  fi-hel1  {since}\n")), "{shown}");
}

#[test]
fn what_was_done_is_shown_and_how_it_was() {
    let site = Site::start();
    let [hel, fra] = [("hel", "10.0.1.0/24"), ("fra", "10.0.2.0/24")]
        .map(|(name, address)| site.make_routed(name, "fi-hel1", address));
    site.make_account("bob");
    let mut it = Transcript::of(&site);
    it.run("peering create there --network hel --peer-network fra");
    it.run("peering modify there --name renamed --label env=prod");
    it.run("peering disable renamed");
    it.run("history renamed");
    let peerings = site.json(&["peering", "list"]);
    let uuid = peerings[0]["uuid"].as_str().unwrap();
    let events = site.json(&["history", uuid]);
    let made = events[0]["at"].as_str().unwrap();
    it.run("peering delete renamed");
    it.run(&format!("history {uuid}"));
    it.run("events --limit 3");
    it.run("events --after 1000000");
    it.run("events --limit 0");
    it.run_as("bob", "events");
    it.run_as("bob", "events --check");
    it.run_as("bob", &format!("history {uuid}"));
    it.run("peering list --at yesterday");
    it.run("peering list --at 1999-01-01T00:00:00Z");
    it.check("events");
    let past = site.json(&["peering", "list", "--at", made]);
    assert_eq!((&past[0]["name"], &past[0]["state"]), (&json!("there"), &json!("pending-peer")));
    assert_eq!(past[0]["network"]["uuid"], hel);
    assert_eq!(past[0]["peer_network"]["uuid"], fra);
    let checked = site.kannas(&["events", "--check"]).ok();
    assert!(checked.ends_with(": each is as it was written\n"), "{checked}");
}
