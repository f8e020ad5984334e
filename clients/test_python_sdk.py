"""PyPI's upcloud-api: networks and routers by its classes, peerings by its plain calls."""

import pytest
from upcloud_api import CloudManager, UpCloudAPIError

from server import USER


def test_python_reads_the_account_and_the_zones(python):
    assert python.authenticate()["account"]["username"] == USER
    account = python.get_account()["account"]
    assert account["resource_limits"]["network_peerings"] > 0
    zones = python.get_zones()["zones"]["zone"]
    assert {"id": "fi-hel1", "description": "Helsinki #1", "public": "yes"} in zones


def test_python_with_a_wrong_password_is_told_so(python):
    with pytest.raises(UpCloudAPIError) as refused:
        CloudManager(USER, "wrong").get_networks()
    assert refused.value.error_code == "AUTHENTICATION_FAILED"
    assert refused.value.error_message


def test_python_makes_changes_and_deletes_a_network_with_one_object_for_its_subnet(site, python):
    router = python.create_router("hub")
    made = python.create_network(
        "lan", "fi-hel1", "10.0.1.0/24", "yes", "IPv4", router=router.uuid, dhcp_default_route="yes",
        dhcp_dns=["10.0.1.3", "1.1.1.1"], dhcp_bootfile_url="tftp://10.0.1.4/boot", gateway="10.0.1.1",
    )
    assert (made.name, made.type, made.zone) == ("lan", "private", "fi-hel1")
    [subnet] = made.ip_networks
    assert (subnet.address, subnet.dhcp, subnet.gateway) == ("10.0.1.0/24", "yes", "10.0.1.1")
    assert subnet.dhcp_dns == ["10.0.1.3", "1.1.1.1"]
    assert subnet.dhcp_bootfile_url == "tftp://10.0.1.4/boot"
    [post] = site.proxy.since(0, "POST", "/1.3/network")
    assert isinstance(post.body["network"]["ip_networks"]["ip_network"], dict)

    changed = python.modify_network(made.uuid, "no", "IPv4", name="renamed", dhcp_dns=["10.0.1.9"])
    assert changed.name == "renamed"
    [subnet] = changed.ip_networks
    assert (subnet.address, subnet.dhcp, subnet.dhcp_dns) == ("10.0.1.0/24", "no", ["10.0.1.9"])
    # What was left out is kept.
    assert subnet.dhcp_bootfile_url == "tftp://10.0.1.4/boot"
    assert [it["uuid"] for it in python.get_router(router.uuid).attached_networks["network"]] == [made.uuid]

    assert python.get_network(made.uuid).name == "renamed"
    python.delete_network(made.uuid)
    python.delete_router(router.uuid)
    assert site.api.own() == {}


def test_python_lists_networks_by_zone_with_a_trailing_slash(site, python):
    here = python.create_network("here", "fi-hel1", "10.0.1.0/24", "yes", "IPv4")
    there = python.create_network("there", "de-fra1", "10.0.2.0/24", "yes", "IPv4")

    def private(networks):
        return [it.uuid for it in networks if it.type == "private"]

    assert private(python.get_networks()) == sorted([here.uuid, there.uuid])
    assert private(python.get_networks("de-fra1")) == [there.uuid]
    assert site.proxy.seen()[-1].target == "/1.3/network/?zone=de-fra1"


def test_python_renames_a_router(python):
    first, second = python.create_router("first"), python.create_router("second")
    assert python.modify_router(first.uuid, "renamed").name == "renamed"
    assert python.get_router(first.uuid).name == "renamed"
    found = {it.uuid: (it.name, it.type) for it in python.get_routers()}
    assert found == {first.uuid: ("renamed", "normal"), second.uuid: ("second", "normal")}


def test_python_puts_a_server_on_a_network_moves_it_and_takes_it_off(site, python):
    lan = python.create_network("lan", "fi-hel1", "10.0.1.0/24", "yes", "IPv4")
    server = site.api.make_server("web")
    made = python.create_network_interface(server, lan.uuid, "private", [{"family": "IPv4"}])
    assert (made.network, made.ip_addresses["ip_address"][0]["address"]) == (lan.uuid, "10.0.1.2")
    assert [it.mac for it in python.get_server_networks(server)] == [made.mac]
    # It says null for addresses that stay as they are.
    moved = python.modify_network_interface(server, made.index, index_in_body=9)
    assert (moved.index, moved.ip_addresses) == (9, made.ip_addresses)
    assert [it["uuid"] for it in python.get_network(lan.uuid).servers["server"]] == [server]

    read = python.get_server(server)
    assert (read.title, read.zone, read.state) == ("web", "fi-hel1", "started")
    assert [it.uuid for it in python.get_servers()] == [server]
    python.delete_network_interface(server, 9)
    assert python.get_server_networks(server) == []


def test_python_is_told_why_a_router_with_a_network_stays(python):
    router = python.create_router("hub")
    python.create_network("lan", "fi-hel1", "10.0.1.0/24", "yes", "IPv4", router=router.uuid)
    with pytest.raises(UpCloudAPIError) as refused:
        python.delete_router(router.uuid)
    assert refused.value.error_code == "ROUTER_ATTACHED"
    with pytest.raises(UpCloudAPIError) as absent:
        python.get_router("04000000-0000-4000-8000-000000000000")
    assert absent.value.error_code == "ROUTER_NOT_FOUND"


@pytest.mark.parametrize("slash", ["", "/"])
def test_python_peers_two_networks_by_plain_calls(site, python, slash):
    local, peer = site.api.make_routed("10.0.1.0/24", "local"), site.api.make_routed("10.0.2.0/24", "peer")
    path = f"/network-peering{slash}"

    def peering(name, ours, theirs):
        body = {"name": name, "network": {"uuid": ours}, "peer_network": {"uuid": theirs}}
        made = python.api.post_request(path, {"network_peering": body})
        return made["network_peering"]

    there = peering("there", local, peer)
    assert there["state"] == "pending-peer"
    back = peering("back", peer, local)
    assert back["state"] == "active"

    listed = python.api.get_request(path)["network_peerings"]["network_peering"]
    assert [it["uuid"] for it in listed] == sorted([there["uuid"], back["uuid"]])
    assert {it["state"] for it in listed} == {"active"}

    one = f"/network-peering/{there['uuid']}{slash}"
    off = python.api.patch_request(one, {"network_peering": {"configured_status": "disabled"}})
    assert off["network_peering"]["state"] == "disabled"
    assert site.api.state(back["uuid"]) == "peer-disabled"
    assert python.api.delete_request(one) == {}
    assert site.api.state(back["uuid"]) == "pending-peer"
    with pytest.raises(UpCloudAPIError) as gone:
        python.api.get_request(one)
    assert gone.value.error_code == "PEERING_NOT_FOUND"
