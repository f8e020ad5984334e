"""Terraform: peerings from both sides at once, changed, taken in, healed."""

from collections import Counter

import pytest

from traffic import of

PEERING = "/1.3/network-peering/"
PAIRS = 5


def states(site) -> Counter:
    peerings = site.api.get("/1.3/network-peering")["network_peerings"]["network_peering"]
    return Counter(it["state"] for it in peerings)


def test_terraform_peers_many_networks_at_once_and_polls_each_peering_once(site, terraform):
    terraform.configure("peerings")
    seen = terraform.apply("-var", f"pairs={PAIRS}")
    assert states(site) == {"active": 2 * PAIRS}
    # A second poll would come after five seconds' sleep.
    polls = Counter(it.path for it in of(seen, "GET", PEERING))
    assert list(polls.values()) == [1] * 2 * PAIRS, polls
    terraform.destroy("-var", f"pairs={PAIRS}")
    assert site.api.own() == {}


def test_terraform_polls_once_for_a_peering_that_a_host_has_to_carry(site, terraform, host):
    peer = site.api.make_routed("10.2.0.0/24", "peer")
    host.carry(site.api, peer)
    terraform.configure("half")
    terraform.apply("-var", f"peer={peer}", "-target", "upcloud_network.local")
    site.api.make_peering(peer, terraform.state()["upcloud_network.local"]["id"])
    seen = terraform.apply("-var", f"peer={peer}")
    [post, poll] = of(seen, path="/1.3/network-peering")
    assert (post.method, post.answer["network_peering"]["state"]) == ("POST", "active")
    assert (poll.method, poll.answer["network_peering"]["state"]) == ("GET", "active")
    terraform.destroy("-var", f"peer={peer}")


@pytest.mark.server("--strict-router", "--strict-delete")
def test_terraform_peers_and_destroys_on_a_strict_server(site, terraform):
    terraform.configure("peerings")
    terraform.apply()
    assert states(site) == {"active": 2}
    terraform.destroy()
    assert site.api.own() == {}


def test_u04_terraform_changes_names_labels_and_status_and_takes_them_back(site, terraform):
    terraform.configure("peerings")
    terraform.apply()
    uuid = terraform.state()["upcloud_network_peering.there[0]"]["id"]

    def peering():
        return site.api.get(f"{PEERING}{uuid}")["network_peering"]

    changed = terraform.apply(
        "-var", "suffix= renamed", "-var", "there=disabled", "-var", 'labels={env="test", empty=""}'
    )
    it = peering()
    assert (it["name"], it["configured_status"], it["state"]) == ("there 0 renamed", "disabled", "disabled")
    assert sorted(label["key"] for label in it["labels"]) == ["empty", "env"]
    assert states(site) == {"disabled": 1, "peer-disabled": 1}
    polls = Counter(it.path for it in of(changed, "GET", PEERING))
    # One to read it, one to see whether it is still being provisioned.
    assert list(polls.values()) == [2, 2], polls

    back = terraform.apply()
    it = peering()
    assert (it["name"], it["state"], it["labels"]) == ("there 0", "active", [])
    # Terraform clears labels by null, and not by an empty list.
    assert [it.body["network_peering"]["labels"] for it in of(back, "PATCH")] == [None, None]
    terraform.destroy()


def test_terraform_takes_in_a_peering_that_was_made_elsewhere(site, terraform):
    terraform.configure("peerings")
    terraform.apply("-var", 'labels={env="test"}')
    terraform.refresh("-var", 'labels={env="test"}')
    made = terraform.state()
    terraform.forget()
    for address, it in made.items():
        terraform.take(address, it["id"], "-var", 'labels={env="test"}')
    terraform.wants_nothing("-var", 'labels={env="test"}')
    assert terraform.state() == made
    terraform.destroy()
    assert site.api.own() == {}


def test_terraform_makes_again_a_peering_that_is_gone_and_enables_one_that_was_disabled(site, terraform):
    terraform.configure("peerings")
    terraform.apply()
    state = terraform.state()
    site.api.delete(f"{PEERING}{state['upcloud_network_peering.there[0]']['id']}")
    off = {"network_peering": {"configured_status": "disabled"}}
    site.api.patch(f"{PEERING}{state['upcloud_network_peering.back[0]']['id']}", off)
    assert "1 to add, 1 to change, 0 to destroy" in terraform.wants_changes()
    terraform.apply()
    assert states(site) == {"active": 2}
    terraform.destroy()


def test_terraform_says_why_a_second_peering_of_the_same_networks_is_refused(site, terraform):
    peer = site.api.make_routed("10.2.0.0/24", "peer")
    terraform.configure("half")
    terraform.apply("-var", f"peer={peer}")
    terraform.forget()
    local = site.api.get("/1.3/network")["networks"]["network"]
    [local] = [it["uuid"] for it in local if it["name"] == "local"]
    terraform.take("upcloud_network.local", local, "-var", f"peer={peer}")
    refused = terraform.call("apply", "-auto-approve", "-input=false", "-no-color", "-var", f"peer={peer}")
    assert refused.code == 1 and "PEERING_CONFLICT" in refused.err, refused


def test_terraform_stops_at_once_on_bad_credentials(site, terraform):
    terraform.configure("peerings")
    terraform.env["UPCLOUD_PASSWORD"] = "wrong"
    refused = terraform.call("apply", "-auto-approve", "-input=false", "-no-color")
    assert refused.code == 1 and "AUTHENTICATION_FAILED" in refused.err, refused
    # Another status than 401 would be tried again ten times.
    assert len(of(site.proxy.seen(), "GET", "/1.3/account")) <= 2
    assert site.api.own() == {}
