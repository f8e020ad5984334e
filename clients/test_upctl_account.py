"""upctl: tokens, and everything in the account listed and purged."""

from upctl import BAD_CREDENTIALS


def bearer(token: str) -> dict:
    return {"UPCLOUD_USERNAME": "", "UPCLOUD_PASSWORD": "", "UPCLOUD_TOKEN": token}


def test_upctl_makes_uses_lists_shows_and_deletes_a_token(upctl):
    assert upctl.json("account", "token", "list") == []
    create = ("account", "token", "create", "--name", "robot", "--expires-in", "1h")
    made = upctl.json(*create, "--allow-ip-range", "0.0.0.0/0")
    assert made["token"].startswith("ucat_")
    # Shown once, at its making.
    [listed] = upctl.json("account", "token", "list")
    assert (listed["id"], listed["name"], listed.get("token", "")) == (made["id"], "robot", "")
    shown = upctl.json("account", "token", "show", "robot")
    assert (shown["id"], shown["allowed_ip_ranges"]) == (made["id"], ["0.0.0.0/0"])

    used = upctl.call("network", "list", **bearer(made["token"]))
    assert used.code == 0, used
    # A token makes another only if it was made to.
    refused = upctl.call(*create, "--allow-ip-range", "0.0.0.0/0", **bearer(made["token"]))
    assert refused.code == 1, refused

    upctl.want("account", "token", "delete", made["id"])
    assert upctl.json("account", "token", "list") == []
    gone = upctl.call("network", "list", **bearer(made["token"]))
    assert gone.code == BAD_CREDENTIALS, gone


def test_upctl_cannot_use_a_token_from_outside_its_ranges(upctl):
    create = ("account", "token", "create", "--name", "robot", "--expires-in", "1h")
    nowhere = upctl.json(*create)
    elsewhere = upctl.json(*create, "--allow-ip-range", "192.0.2.0/24")
    for token in (nowhere, elsewhere):
        refused = upctl.call("network", "list", **bearer(token["token"]))
        assert refused.code == BAD_CREDENTIALS, refused


def test_u03_upctl_lists_everything_of_an_empty_account(upctl):
    assert upctl.json("all", "list") == []
    upctl.want("all", "list")


def furnish(site):
    hubs = [site.api.make_router(f"hub {number}") for number in range(3)]
    lans = [site.api.make_network(f"10.0.{n}.0/24", hub, f"lan {n}") for n, hub in enumerate(hubs)]
    site.api.make_network("10.9.0.0/24", name="loose")
    site.api.make_peering(lans[0], lans[1], "there")
    site.api.make_peering(lans[1], lans[0], "back")
    site.api.make_peering(lans[2], lans[0], "half")


def test_upctl_lists_everything(site, upctl):
    furnish(site)
    listed = sorted(it["name"] for it in upctl.json("all", "list"))
    assert listed == [
        "back", "half", "hub 0", "hub 1", "hub 2", "lan 0", "lan 1", "lan 2", "loose", "there",
    ]


def test_upctl_purges_everything_and_ends(site, upctl):
    furnish(site)
    public = site.api.get("/1.3/network")["networks"]["network"]
    public = [it["uuid"] for it in public if it["type"] != "private"]
    upctl.want("all", "purge")
    assert site.api.own() == {}
    # What is everybody's stays.
    assert [it["uuid"] for it in site.api.get("/1.3/network")["networks"]["network"]] == public


def test_upctl_purges_what_is_named_and_spares_the_rest(site, upctl):
    furnish(site)
    named = [word for name in ("*hub*", "*lan*", "there", "back") for word in ("--include", name)]
    upctl.want("all", "purge", *named, "--exclude", "*2*")
    assert site.api.own() == {
        "peerings": ["half"], "networks": ["lan 2", "loose"], "routers": ["hub 2"],
    }
    # It was of a network that is gone.
    [half] = upctl.json("network-peering", "list")
    assert half["state"] == "deleted-peer-network"
