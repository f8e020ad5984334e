"""Recorded traffic of the real clients, played again to a fresh server.

A recording is a file of lines, one exchange a line, in the order of the answers. What differs from
one server to the next stands in it as a name: `{uuid 3}`, `{token 1}`, `{mac 2}`, `{time}`.

An answer is as recorded if it has the same status and content type, and all that was recorded: more
keys in an object are allowed, as every client ignores them; another value, a key that is gone, or a
list with more or fewer items is not. What no client looks at is not recorded: the wording of an
error, what we say beside UpCloud's API, and the networks that are everybody's.
"""

import datetime
import json
import re
from pathlib import Path

from server import USER, PASSWORD, basic, request
from traffic import Exchange

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TOKEN = r"ucat_[0-9A-Za-z]{26}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
MAC = r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
VARYING = re.compile(f"(?P<uuid>{UUID})|(?P<token>{TOKEN})|(?P<mac>{MAC})|(?P<time>{TIME})")
NAMED = re.compile(r"\{(?:uuid|token|mac) \d+\}|\{time\}|\{text\}")
PATTERNS = {"uuid": UUID, "token": TOKEN, "mac": MAC, "time": TIME, "text": "(?s:.+)"}

# What stands for any value: of an error its sentence and number, of a server when it was made.
ANY = {"error_message": "{text}", "correlation_id": "{text}", "created": "{seconds}"}

# What a peering has at our server alone.
OURS = {"reasons", "health"}

# Headers that change what a server answers, with what all exchanges have left out.
SENT = {"accept": "", "content-type": "", "authorization": basic(USER, PASSWORD)}

# A day on, wherever a recorded client named a time: it did so for a token's end.
LATER = datetime.timedelta(days=1)


def record(path: Path, exchanges: list[Exchange]):
    names = Names(exchanges)
    lines = (json.dumps(recorded(it, names)) for it in exchanges)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))


def recorded(it: Exchange, names: "Names") -> dict:
    headers = {name: it.sent.get(name, "") for name in SENT}
    headers = {name: value for name, value in headers.items() if value != SENT[name]}
    whole = {
        "request": f"{it.method} {it.target}",
        "headers": headers,
        "body": it.body,
        "status": it.status,
        "content-type": it.got.get("content-type"),
        "answer": looked_at(it.answer, ANY),
    }
    text = json.dumps({key: value for key, value in whole.items() if value not in (None, {})})
    return json.loads(VARYING.sub(names.of, text))


def looked_at(answer, any_value: dict):
    """All that a client may look at; what stands for any value, by key, in place of it."""
    if isinstance(answer, dict):
        kept = {key: value for key, value in answer.items() if key not in OURS}
        return {key: any_value.get(key, looked_at(value, any_value)) for key, value in kept.items()}
    if isinstance(answer, list):
        return [looked_at(it, any_value) for it in answer if not everybodys(it)]
    return answer


def everybodys(it) -> bool:
    return isinstance(it, dict) and "ip_networks" in it and it.get("type") in ("public", "utility")


class Names:
    """Gives what varies a name, in order of appearance."""

    def __init__(self, exchanges: list[Exchange]):
        self.names: dict[str, str] = {}
        # What no answer told, a client made up, and will make up again.
        told = json.dumps([it.answer for it in exchanges if it.status < 400])
        self.told = {found.group() for found in VARYING.finditer(told)}

    def of(self, found: re.Match) -> str:
        kind, value = found.lastgroup, found.group()
        if kind == "time":
            return "{time}"
        if value not in self.told:
            return value
        number = 1 + sum(name.startswith("{" + kind) for name in self.names.values())
        return self.names.setdefault(value, f"{{{kind} {number}}}")


def replay(path: Path, port: int) -> int:
    """Number of exchanges that went as recorded.

    Raises AssertionError at the first that did not.
    """
    known: dict[str, str] = {}
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        want = json.loads(line)
        status, headers, answer = again(want, known, port)
        found = {"status": status, "content-type": headers.get("content-type")}
        found["answer"] = looked_at(answer, {})
        for key, got in found.items():
            wrong = differs(want.get(key), got, known)
            assert not wrong, f"{path.name}:{number}: {want['request']}: {key}{wrong}"
    return len(lines)


def again(want: dict, known: dict, port: int):
    def actual(found: re.Match) -> str:
        if found.group() == "{time}":
            return (datetime.datetime.now(datetime.UTC) + LATER).isoformat()
        return known.get(found.group(), found.group())

    method, _, target = NAMED.sub(actual, want["request"]).partition(" ")
    headers = SENT | want.get("headers", {})
    headers = {name: NAMED.sub(actual, value) for name, value in headers.items() if value}
    body = want.get("body")
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    return request(port, method, target, headers, body and NAMED.sub(actual, body))


def differs(want, got, known: dict) -> str:
    """Where and how `got` lacks what was recorded; empty if it does not.

    Names that are met for the first time are then known.
    """
    if isinstance(want, dict) and isinstance(got, dict):
        for key, value in want.items():
            if key not in got:
                return f".{key} is missing"
            if wrong := differs(value, got[key], known):
                return f".{key}{wrong}"
        return ""
    if isinstance(want, list) and isinstance(got, list):
        return list_differs(want, got, known)
    if isinstance(want, str) and isinstance(got, str) and "{" in want:
        return text_differs(want, got, known)
    same = type(want) is type(got) and want == got
    same = same or (want == "{seconds}" and type(got) is int)
    return "" if same else f": recorded {json.dumps(want)}, got {json.dumps(got)}"


def list_differs(want: list, got: list, known: dict) -> str:
    """In any order: lists are sorted by UUID, and those are new."""
    if len(want) != len(got):
        return f": recorded {len(want)} items, got {len(got)}: {json.dumps(got)}"
    left = list(got)
    for number, item in enumerate(want):
        for candidate in left:
            trial = dict(known)
            if not differs(item, candidate, trial):
                known.update(trial)
                left.remove(candidate)
                break
        else:
            return f"[{number}]: recorded {json.dumps(item)}, got none like it in {json.dumps(left)}"
    return ""


def text_differs(want: str, got: str, known: dict) -> str:
    names, pattern, end = [], "", 0
    for found in NAMED.finditer(want):
        name = found.group()
        names.append(name)
        fixed = re.escape(known[name]) if name in known else PATTERNS[name.strip("{}").split()[0]]
        pattern += re.escape(want[end : found.start()]) + f"({fixed})"
        end = found.end()
    matched = re.fullmatch(pattern + re.escape(want[end:]), got)
    said = f": recorded {want!r} with {known}, got {got!r}"
    if not matched:
        return said
    for name, value in zip(names, matched.groups()):
        if name in ("{time}", "{text}") or name in known:
            continue
        if value in known.values():
            return said
        known[name] = value
    return ""
