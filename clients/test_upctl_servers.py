"""upctl: servers and their interfaces on networks."""

from traffic import of


def test_upctl_puts_a_server_on_a_network_moves_it_and_takes_it_off(site, upctl):
    lan = site.api.make_network("10.0.1.0/24", name="lan")
    server = site.api.make_server("web")
    assert [it["uuid"] for it in upctl.json("server", "list")["servers"]] == [server]
    assert "web" in upctl.want("server", "list")

    nic = ("server", "network-interface")
    made = upctl.json(*nic, "create", "web", "--network", "lan")
    [address] = made["ip_addresses"]
    assert (made["type"], made["network"], address["address"]) == ("private", lan, "10.0.1.2")
    moved = upctl.json(*nic, "modify", "web", "--index", str(made["index"]), "--new-index", "7")
    assert (moved["index"], moved["mac"]) == (7, made["mac"])

    shown = upctl.json("server", "show", "web")
    assert [it["index"] for it in shown["networking"]["interfaces"]] == [7]
    assert "10.0.1.2" in upctl.want("server", "show", server)
    [on_it] = upctl.json("network", "show", "lan")["servers"]
    assert (on_it["uuid"], on_it["title"]) == (server, "web")
    assert "web" in upctl.want("network", "show", "lan")

    kept = upctl.call("network", "delete", "lan")
    assert kept.code == 1 and "NETWORK_NOT_EMPTY" in kept.out + kept.err, kept
    upctl.want(*nic, "delete", "web", "--index", "7")
    upctl.want("network", "delete", "lan")
    assert site.api.own() == {"servers": ["web"]}


def test_upctl_gives_an_interface_the_address_that_was_asked_for(site, upctl):
    site.api.make_network("10.0.1.0/24", name="lan")
    site.api.make_server("web")
    create = ("server", "network-interface", "create", "web", "--network", "lan", "--ip-addresses")
    made = upctl.json(*create, "10.0.1.77")
    assert [it["address"] for it in made["ip_addresses"]] == ["10.0.1.77"]
    taken = upctl.call(*create, "10.0.1.77")
    assert taken.code == 1, taken


def test_upctl_stops_and_deletes_a_server(site, upctl):
    site.api.make_server("web")
    upctl.want("server", "stop", "web", "--type", "hard", "--wait")
    upctl.want("server", "delete", "web")
    assert site.api.own() == {}
    assert of(site.proxy.seen(), "DELETE", "/1.3/server")


def test_upctl_purges_servers_and_the_networks_they_are_on(site, upctl):
    lan = site.api.make_routed("10.0.1.0/24", "lan")
    server = site.api.make_server("web")
    site.api.make_interface(server, lan)
    assert sorted(it["name"] for it in upctl.json("all", "list")) == ["lan", "router of lan", "web"]
    upctl.want("all", "purge")
    assert site.api.own() == {}
