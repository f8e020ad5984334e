"""Terraform: destroy ends from each state that a peering can be in, and leaves nothing.

The provider disables a peering and then waits, with no limit, for it to be `disabled`.
"""

import pytest

from program import eventually
from server import Api
from traffic import of

PEERING = "/1.3/network-peering"
ADDRESS = "10.2.0.0/24"
BOB = ("bob", "bobs password on loopback")

# For the two that are left see below.
STATES = {
    "active": lambda half: half.answer(half.peer()),
    "disabled": lambda half: half.answer(half.peer(), "-var", "status=disabled"),
    "pending-peer": lambda half: half.ask(half.peer()),
    "peer-disabled": lambda half: half.disable(half.answer(half.peer())),
    "missing-local-router": lambda half: half.answer(half.peer(), "-var", "routed=false"),
    "missing-peer-router": lambda half: half.answer(half.bob.make_network(ADDRESS)),
    "conflict-subnet": lambda half: half.answer(half.peer(), "-var", f"address={ADDRESS}"),
    "deleted-peer-network": lambda half: half.leave(half.answer(half.peer())),
}


class Half:
    """Terraform's half of a peering, and the other one, which another account made by hand."""

    def __init__(self, site, terraform):
        account = {"username": BOB[0], "password": BOB[1]}
        site.api.post("/kannas/v1/accounts", {"account": account})
        self.bob = Api(site.proxy.port, *BOB)
        self.terraform = terraform
        self.words = ()

    def peer(self) -> str:
        return self.bob.make_routed(ADDRESS, "peer")

    def ask(self, peer: str, *words):
        self.words = ("-var", f"peer={peer}", *words)
        self.terraform.configure("half")
        self.terraform.apply(*self.words)

    def answer(self, peer: str, *words) -> str:
        """UUID of the other half."""
        self.ask(peer, *words)
        local = self.terraform.state()["upcloud_network.local"]["id"]
        return self.bob.make_peering(peer, local)

    def freeze(self, host):
        """Answers when the host that carries the peer network has just stopped to act."""
        peer = self.peer()
        self.ask(peer)
        host.carry(self.bob, peer)
        host.freeze()
        local = self.terraform.state()["upcloud_network.local"]["id"]
        self.bob.make_peering(peer, local)

    def disable(self, answer: str):
        off = {"network_peering": {"configured_status": "disabled"}}
        self.bob.patch(f"{PEERING}/{answer}", off)

    def leave(self, answer: str):
        peer = self.bob.get(f"{PEERING}/{answer}")["network_peering"]["network"]["uuid"]
        self.bob.delete(f"{PEERING}/{answer}")
        self.bob.delete(f"/1.3/network/{peer}")


@pytest.mark.parametrize("state", STATES)
def test_terraform_destroys_a_peering_that_is(site, terraform, state):
    half = Half(site, terraform)
    STATES[state](half)
    uuid = terraform.state()["upcloud_network_peering.it"]["id"]
    assert site.api.state(uuid) == state
    terraform.wants_nothing(*half.words)
    destroys(site, terraform, half, uuid)


@pytest.mark.parametrize("state", ["provisioning", "error"])
def test_terraform_destroys_a_peering_whose_host_does_nothing_and_that_is(site, terraform, host, state):
    half = Half(site, terraform)
    half.freeze(host)
    uuid = terraform.state()["upcloud_network_peering.it"]["id"]
    assert site.api.state(uuid) == "provisioning"
    eventually(lambda: site.api.state(uuid) == state)
    destroys(site, terraform, half, uuid)


def destroys(site, terraform, half, uuid):
    disabled = site.api.state(uuid) == "disabled"
    seen = of(terraform.destroy(*half.words), path=f"{PEERING}/{uuid}")
    assert site.api.own() == {}
    # It is `disabled` at the first look after it was set so: the next would be five seconds on.
    last = [(it.method, it.answer and it.answer["network_peering"]["state"]) for it in seen]
    disabling = [("GET", "disabled")] if disabled else [("PATCH", "disabled")]
    assert last[-3:] == [*disabling, ("GET", "disabled"), ("DELETE", None)]
    assert [method for method, _ in last].count("PATCH") == (not disabled)
    # What the host's silence made of it ends by itself.
    assert last[-4][1] != "provisioning", last
