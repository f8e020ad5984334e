"""upctl: zones, accounts, routers and networks, and the codes it ends with."""

import pytest

from server import USER
from upctl import BAD_CREDENTIALS


def test_upctl_lists_the_zones(upctl):
    zones = upctl.json("zone", "list")["zone"]
    assert len([it for it in zones if it["public"] == "yes"]) == 15
    assert {"id": "uk-lon1", "description": "London #1", "public": "yes"} in zones
    assert "de-fra1" in upctl.want("zone", "list")


def test_upctl_shows_the_account(upctl):
    account = upctl.json("account", "show")
    assert account["username"] == USER
    assert account["resource_limits"]["network_peerings"] > 0
    # For people it needs the account's details beside it.
    assert USER in upctl.want("account", "show")
    assert [it["username"] for it in upctl.json("account", "list")] == [USER]
    assert USER in upctl.want("account", "list")


def test_upctl_makes_shows_renames_and_deletes_a_router(site, upctl):
    made = upctl.json("router", "create", "--name", "hub")
    assert (made["name"], made["type"], made["static_routes"]) == ("hub", "normal", [])
    assert [it["uuid"] for it in upctl.json("router", "list")["routers"]] == [made["uuid"]]
    assert "hub" in upctl.want("router", "list")

    network = site.api.make_network("10.0.1.0/24", made["uuid"], "lan")
    shown = upctl.json("router", "show", "hub")
    assert [it["uuid"] for it in shown["attached_networks"]] == [network]
    assert "lan" in upctl.want("router", "show", made["uuid"])

    kept = upctl.call("router", "delete", "hub")
    assert kept.code == 1 and "ROUTER_ATTACHED" in kept.err + kept.out, kept
    assert upctl.json("router", "modify", "hub", "--name", "renamed")["name"] == "renamed"
    site.api.delete(f"/1.3/network/{network}")
    upctl.want("router", "delete", "renamed")
    assert site.api.own() == {}


def test_upctl_makes_shows_changes_and_deletes_networks(site, upctl):
    router = site.api.make_router("hub")
    subnet = "address=10.0.1.0/24,dhcp=true,dhcp-default-route=true,dhcp-dns=1.1.1.1,gateway=10.0.1.9"
    made = upctl.json(
        "network", "create", "--name", "lan", "--zone", "fi-hel1", "--ip-network", subnet, "--router", router
    )
    assert (made["type"], made["router"]) == ("private", router)
    [made_subnet] = made["ip_networks"]["ip_network"]
    assert (made_subnet["dhcp"], made_subnet["gateway"], made_subnet["dhcp_dns"]) == ("yes", "10.0.1.9", ["1.1.1.1"])
    there = upctl.json("network", "create", "--name", "there", "--zone", "de-fra1", "--ip-network", "address=10.0.2.0/24")
    [subnet] = there["ip_networks"]["ip_network"]
    assert (subnet["dhcp"], subnet["gateway"], there["router"]) == ("no", "10.0.2.1", "")

    def listed(*words):
        return [it["name"] for it in upctl.json("network", "list", *words)["networks"]]

    assert sorted(listed()) == ["lan", "there"]
    assert listed("--zone", "de-fra1") == ["there"]
    shown = upctl.json("network", "show", "lan")
    assert (shown["uuid"], shown["ip_networks"]) == (made["uuid"], made["ip_networks"])
    assert "10.0.1.0/24" in upctl.want("network", "show", "lan")

    both = upctl.json("network", "modify", "there", "--name", "renamed", "--router", "hub")
    assert (both["name"], both["router"]) == ("renamed", router)
    assert upctl.json("network", "modify", "renamed", "--detach-router")["router"] == ""
    # Without an address: the family tells which subnet is meant.
    changed = upctl.json("network", "modify", "lan", "--ip-network", "family=IPv4,dhcp=false")
    [subnet] = changed["ip_networks"]["ip_network"]
    assert (subnet["address"], subnet["dhcp"], subnet["dhcp_dns"]) == ("10.0.1.0/24", "no", ["1.1.1.1"])

    upctl.want("network", "delete", "lan", there["uuid"])
    assert site.api.own() == {"routers": ["hub"]}


def test_upctl_ends_with_the_number_of_what_failed(site, upctl):
    for count in (1, 2, 3):
        site.api.make_network("10.0.1.0/24", name="lan")
        absent = [f"absent-{number}" for number in range(count)]
        ended = upctl.call("network", "delete", *absent, "lan")
        assert ended.code == count, ended
        assert site.api.own() == {}


BAD = {
    "password": {"UPCLOUD_PASSWORD": "wrong"},
    "user": {"UPCLOUD_USERNAME": "nobody"},
    "token": {"UPCLOUD_USERNAME": "", "UPCLOUD_PASSWORD": "", "UPCLOUD_TOKEN": "ucat_01ABCDEFGHJKMNPQRSTVWXYZ00"},
}


@pytest.mark.parametrize("wrong", BAD)
def test_upctl_ends_with_103_on_a_bad(upctl, wrong):
    for words in ("network list", "account show", "network-peering list", "router create --name x"):
        ended = upctl.call(*words.split(), **BAD[wrong])
        assert ended.code == BAD_CREDENTIALS, ended
        assert "invalid user credentials" in ended.err + ended.out, ended
