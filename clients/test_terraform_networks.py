"""Terraform: routers and networks, their options, and which is on which."""


def routes(values: list[dict], *keys) -> set:
    return {tuple(it[key] for key in keys) for it in values}


def test_u05_terraform_makes_changes_and_strips_routers_and_networks(site, terraform):
    terraform.configure("networks-1")
    terraform.apply()
    state = terraform.state()
    lan, other = state["upcloud_network.lan"], state["upcloud_network.other"]
    hub = state["upcloud_router.hub"]
    assert routes(lan["effective_routes"], "source", "route", "nexthop", "type", "source_resource_id") == {
        ("static-route", "192.168.0.0/24", "10.0.1.254", "user", hub["id"]),
        ("static-route", "192.168.1.0/24", "no-nexthop", "user", hub["id"]),
        ("router-connected-networks", "10.0.2.0/24", "10.0.1.1", "user", other["id"]),
    }
    # What the filters let through, and what was given.
    assert routes(lan["ip_network"][0]["dhcp_effective_routes"], "route", "nexthop", "auto_populated") == {
        ("192.168.0.0/24", "10.0.1.1", True),
        ("172.16.0.0/12", "10.0.1.1", False),
        ("172.20.0.0/16", "10.0.1.9", False),
    }
    assert lan["labels"] == {"env": "test", "a b": "c=d", "empty": ""}
    assert {it["name"] for it in hub["static_routes"]} == {"through the firewall", "static-route-1"}
    assert state["upcloud_network.off_the_grid"]["ip_network"][0]["address"] == "192.168.86.1/24"

    terraform.configure("networks-2")
    terraform.apply()
    changed = terraform.state()
    lan = changed["upcloud_network.lan"]
    assert {address: it["id"] for address, it in changed.items()} == {
        address: it["id"] for address, it in state.items()
    }
    assert lan["labels"] == {"env": "prod"}
    assert lan["ip_network"][0]["dhcp_dns"] == []
    assert lan["ip_network"][0]["dhcp_routes"] == ["172.31.0.0/16"]
    # Without filters everything is let through.
    assert routes(lan["ip_network"][0]["dhcp_effective_routes"], "route", "auto_populated") == {
        ("192.168.7.0/24", True), ("10.0.2.0/24", True), ("172.31.0.0/16", False),
    }

    terraform.configure("networks-3")
    terraform.apply()
    lan = terraform.state()["upcloud_network.lan"]
    assert not lan["labels"] and not lan["router"] and not lan["effective_routes"]

    terraform.destroy()
    assert site.api.own() == {}


def test_terraform_takes_in_what_was_made_elsewhere(site, terraform):
    terraform.configure("networks-1")
    terraform.apply()
    # A router is read before its networks are made, and so holds none of them until then.
    terraform.refresh()
    made = terraform.state()
    terraform.forget()
    for address, it in made.items():
        terraform.take(address, it["id"])
    terraform.wants_nothing()
    assert terraform.state() == made
    terraform.destroy()
    assert site.api.own() == {}


def router_puts(seen: list) -> list[dict]:
    return [it.body["network"] for it in seen if it.method == "PUT" and "router" in it.body["network"]]


def test_terraform_moves_a_network_from_router_to_router(site, terraform):
    terraform.configure("routers")

    def apply(routers: str, on: str):
        seen = terraform.apply("-var", f"routers={routers}", "-var", f"on={on}")
        state = terraform.state()
        router = state["upcloud_network.lan"]["router"]
        assert (router or None) == (state[f'upcloud_router.any["{on}"]']["id"] if on else None)
        for address, it in state.items():
            if address.startswith("upcloud_router"):
                attached = site.api.get(f"/1.3/router/{it['id']}")["router"]["attached_networks"]["network"]
                assert len(attached) == (1 if it["id"] == router else 0)
        return router_puts(seen)

    apply('["a", "b"]', "")
    assert apply('["a", "b"]', "a")[-1]["router"]
    assert apply('["a", "b"]', "b")[-1]["router"]
    assert {"router": ""} in apply('["a", "b"]', "")
    apply('["a", "b"]', "b")
    # The router goes with the network's attachment to it.
    apply('["a"]', "")
    terraform.destroy("-var", 'routers=["a"]')
    assert site.api.own() == {}


def test_terraform_deletes_a_router_that_a_network_of_others_is_on(site, terraform):
    terraform.configure("routers")
    terraform.apply("-var", 'routers=["a"]')
    router = terraform.state()['upcloud_router.any["a"]']["id"]
    foreign = site.api.make_network("10.0.9.0/24", router, "foreign")
    seen = terraform.destroy("-var", 'routers=["a"]')
    assert {"router": None} in router_puts(seen)
    assert "router" not in site.api.get(f"/1.3/network/{foreign}")["network"]
    assert site.api.own() == {"networks": ["foreign"]}


def test_terraform_makes_again_what_is_gone_and_undoes_what_was_changed(site, terraform):
    terraform.configure("networks-1")
    terraform.apply()
    state = terraform.state()
    site.api.delete(f"/1.3/network/{state['upcloud_network.off_the_grid']['id']}")
    renamed = {"network": {"name": "by hand", "labels": [], "router": None}}
    site.api.put(f"/1.3/network/{state['upcloud_network.lan']['id']}", renamed)
    wanted = terraform.wants_changes()
    assert "1 to add, 1 to change, 0 to destroy" in wanted
    terraform.apply()
    assert site.api.own() == {"networks": ["lan", "off the grid", "other"], "routers": ["hub"]}
    terraform.destroy()
    assert site.api.own() == {}
