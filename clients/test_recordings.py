"""The traffic of the real clients, as it was when they passed, played again to a fresh server."""

import json

import pytest

from conftest import RECORDINGS
from replay import ANY, differs, looked_at, replay

FILES = sorted(RECORDINGS.glob("*.jsonl"))


@pytest.mark.parametrize("recording", FILES, ids=lambda file: file.stem)
def test_as_recorded(site, recording):
    assert replay(recording, site.server.port) > 0


def test_recordings_are_there():
    assert FILES


UUIDS = [f"0{n}000000-0000-4000-8000-000000000000" for n in range(3)]


@pytest.mark.parametrize(
    ("recorded", "got", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {"a": None}, True),
        ([1, 2], [2, 1], True),
        ([1, 2], [1, 2, 3], False),
        ([1, 1], [1, 2], False),
        (["{uuid 1}"], [UUIDS[0]], True),
        (["{uuid 1}", "{uuid 2}"], UUIDS[:2], True),
        (["{uuid 1}", "{uuid 1}"], UUIDS[:2], False),
        (["{uuid 1}", "{uuid 2}"], [UUIDS[0]] * 2, False),
        ("The network {uuid 1} does not exist.", f"The network {UUIDS[0]} does not exist.", True),
        ("The network {uuid 1} does not exist.", f"The router {UUIDS[0]} does not exist.", False),
        ({"id": "{uuid 1}", "end": "{time}"}, {"id": UUIDS[0], "end": "2026-01-01T00:00:00Z"}, True),
        ("{time}", "tomorrow", False),
        ({"created": "{seconds}"}, {"created": 1795568941}, True),
        ({"created": "{seconds}"}, {"created": "1795568941"}, False),
        ({"error_message": "{text}"}, {"error_message": "Another sentence."}, True),
        ({"error_message": "{text}"}, {"error_message": ""}, False),
        ("{mac 1}", "0a:d7:0d:ee:0f:c2", True),
        ("{token 1}", "ucat_01ABCDEFGHJKMNPQRSTVWXYZ00", True),
        ([{"of": "{uuid 1}", "n": 2}, {"of": "{uuid 2}", "n": 1}],
         [{"of": UUIDS[0], "n": 1}, {"of": UUIDS[1], "n": 2}], True),
    ],
    ids=json.dumps,
)
def test_an_answer_is_as_recorded_when(recorded, got, same):
    assert bool(differs(recorded, got, {})) != same


def test_what_no_client_looks_at_is_left_out():
    answer = {
        "error": {"error_code": "X", "error_message": "Because."},
        "networks": {"network": [
            {"name": "Public 198.18.0.0/22", "type": "public", "ip_networks": {}},
            {"name": "mine", "type": "private", "ip_networks": {}},
        ]},
        "state": "error", "reasons": [], "health": {},
        "interface": [{"type": "public", "index": 1}],
    }
    assert looked_at(answer, ANY) == {
        "error": {"error_code": "X", "error_message": "{text}"},
        "networks": {"network": [{"name": "mine", "type": "private", "ip_networks": {}}]},
        "state": "error",
        "interface": [{"type": "public", "index": 1}],
    }


def test_a_name_stands_for_the_same_thing_in_every_answer():
    known = {}
    assert not differs({"uuid": "{uuid 1}"}, {"uuid": UUIDS[0]}, known)
    assert not differs({"of": "{uuid 1}"}, {"of": UUIDS[0]}, known)
    assert differs({"of": "{uuid 1}"}, {"of": UUIDS[1]}, known)
