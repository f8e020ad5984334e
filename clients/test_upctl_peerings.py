"""upctl: peerings are listed, disabled and deleted."""

import time

import pytest

from traffic import of

PEERING = "/1.3/network-peering"


def peer(site, name="p") -> tuple[str, str]:
    """Both halves of a new peering."""
    local = site.api.make_routed("10.1.0.0/24", "local")
    peer = site.api.make_routed("10.2.0.0/24", "peer")
    return site.api.make_peering(local, peer, f"{name} there"), site.api.make_peering(peer, local, f"{name} back")


def test_u01_upctl_lists_a_peering_that_is_not_answered(site, upctl):
    assert upctl.json("network-peering", "list") == []
    local, peer = site.api.make_routed("10.1.0.0/24", "local"), site.api.make_routed("10.2.0.0/24", "peer")
    uuid = site.api.make_peering(local, peer, "half")
    [listed] = upctl.json("network-peering", "list")
    assert (listed["uuid"], listed["name"], listed["state"]) == (uuid, "half", "pending-peer")
    table = upctl.want("network-peering", "list")
    assert "half" in table and "10.1.0.0/24" in table and "10.2.0.0/24" not in table, table

    site.api.make_peering(peer, local, "answer")
    table = upctl.want("network-peering", "list")
    assert table.count("10.1.0.0/24") == table.count("10.2.0.0/24") == 2, table
    assert table.count("active") == 2, table


def test_upctl_disables_a_peering(site, upctl):
    there, back = peer(site)
    assert upctl.json("network-peering", "disable", "p there")["configured_status"] == "disabled"
    assert (site.api.state(there), site.api.state(back)) == ("disabled", "peer-disabled")
    upctl.want("network-peering", "disable", back)
    assert site.api.state(back) == "disabled"


def test_upctl_waits_once_for_a_disabled_peering(site, upctl):
    there, _ = peer(site)
    began = time.monotonic()
    upctl.want("network-peering", "disable", there, "--wait")
    polls = of(site.proxy.since(began), "GET", f"{PEERING}/{there}")
    assert [it.answer["network_peering"]["state"] for it in polls] == ["disabled"]


def test_u02_upctl_disables_and_deletes_an_active_peering(site, upctl):
    there, back = peer(site)
    began = time.monotonic()
    upctl.want("network-peering", "delete", "p there", "--disable")
    seen = of(site.proxy.since(began), path=f"{PEERING}/{there}")
    assert [it.method for it in seen] == ["PATCH", "GET", "DELETE"]
    assert site.api.state(back) == "pending-peer"
    assert [it["uuid"] for it in upctl.json("network-peering", "list")] == [back]


def test_upctl_deletes_a_peering_that_is_active_and_one_that_is_disabled(site, upctl):
    there, back = peer(site)
    upctl.want("network-peering", "disable", there)
    upctl.want("network-peering", "delete", there, back)
    assert upctl.json("network-peering", "list") == []


@pytest.mark.server("--strict-delete")
def test_upctl_deletes_a_peering_from_a_strict_server_once_it_is_disabled(site, upctl):
    there, back = peer(site)
    kept = upctl.call("network-peering", "delete", there)
    assert kept.code == 1 and "PEERING_NOT_DISABLED" in kept.out + kept.err, kept
    assert site.api.state(there) == "active"
    upctl.want("network-peering", "delete", there, "--disable")
    upctl.want("all", "purge")
    assert site.api.own() == {}
