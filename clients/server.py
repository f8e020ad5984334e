"""A fresh `kannas server` for one test, and a plain caller of its API."""

import base64
import http.client
import json
import os
import subprocess
import time
from pathlib import Path

USER = "demo"
PASSWORD = "only for tests on loopback"
START_SECONDS = 30
STOP_SECONDS = 10
CALL_SECONDS = 30


def kannas(log: Path, *words) -> subprocess.Popen:
    # The kernel ends it when the tests end, kill -9 included.
    command = ["setpriv", "--pdeathsig", "KILL", os.environ["KANNAS_BIN"], *words, "--log-format", "json"]
    with log.open("wb") as to:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=to, stderr=to)


def said(process: subprocess.Popen, log: Path, message: str) -> dict:
    """The first line of the log with this message, as soon as it is there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            event = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
            if event.get("message") == message:
                return event
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"{process.args} did not say {message!r}:\n{log.read_text()}")


class Server:
    """Listens on a port of loopback that was free, with one account and nothing in it."""

    def __init__(self, directory: Path, *words: str):
        password = directory / "password"
        password.write_text(PASSWORD + "\n")
        self.log = directory / "server.log"
        self.process = kannas(
            self.log, "server", "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0",
            "--data-dir", directory / "data", "--admin-user", USER, "--admin-password-file", password,
            *words,
        )
        listening = said(self.process, self.log, "listening")
        self.port, self.agent_port = (int(listening[of].rpartition(":")[2]) for of in ("api", "agents"))

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not end within 10 s of SIGTERM")
        assert code == 0, f"the server ended with {code}:\n{self.log.read_text()}"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Api:
    """Calls as curl would make them; what a test does beside the client under test."""

    def __init__(self, port: int, user: str = USER, password: str = PASSWORD):
        self.port = port
        self.authorization = basic(user, password)

    def call(self, method: str, path: str, body=None):
        """Status, headers and parsed body of the answer."""
        text = None if body is None else json.dumps(body)
        headers = {"Authorization": self.authorization}
        return request(self.port, method, path, headers, text)

    def want(self, status: int, method: str, path: str, body=None):
        got, _, answer = self.call(method, path, body)
        assert got == status, f"{method} {path}: {got} {answer}"
        return answer

    def get(self, path):
        return self.want(200, "GET", path)

    def post(self, path, body):
        return self.want(201, "POST", path, body)

    def patch(self, path, body):
        return self.want(200, "PATCH", path, body)

    def put(self, path, body):
        return self.want(200, "PUT", path, body)

    def delete(self, path):
        return self.want(204, "DELETE", path)

    def make_router(self, name="router") -> str:
        return self.post("/1.3/router", {"router": {"name": name}})["router"]["uuid"]

    def make_network(self, address: str, router=None, name="network") -> str:
        network = {
            "name": name,
            "zone": "fi-hel1",
            "ip_networks": {"ip_network": [{"address": address, "family": "IPv4", "dhcp": "yes"}]},
        }
        if router:
            network["router"] = router
        return self.post("/1.3/network", {"network": network})["network"]["uuid"]

    def make_routed(self, address: str, name="network") -> str:
        return self.make_network(address, self.make_router(f"router of {name}"), name)

    def make_peering(self, local: str, peer: str, name="peering") -> str:
        body = {"name": name, "network": {"uuid": local}, "peer_network": {"uuid": peer}}
        made = self.post("/1.3/network-peering", {"network_peering": body})
        return made["network_peering"]["uuid"]

    def make_server(self, title: str) -> str:
        """Running, with no interface."""
        server = {
            "title": title,
            "hostname": f"{title}.example.com",
            "zone": "fi-hel1",
            "networking": {"interfaces": {"interface": []}},
        }
        return self.want(202, "POST", "/1.3/server", {"server": server})["server"]["uuid"]

    def make_interface(self, server: str, network: str):
        addresses = {"ip_address": [{"family": "IPv4"}]}
        interface = {"type": "private", "network": network, "ip_addresses": addresses}
        self.post(f"/1.3/server/{server}/networking/interface", {"interface": interface})

    def state(self, peering: str) -> str:
        return self.get(f"/1.3/network-peering/{peering}")["network_peering"]["state"]

    def own(self) -> dict:
        """Names of all that this account has, by kind."""
        networks = self.get("/1.3/network")["networks"]["network"]
        peerings = self.get("/1.3/network-peering")["network_peerings"]["network_peering"]
        kinds = {
            "peerings": [it["name"] for it in peerings],
            "networks": [it["name"] for it in networks if it["type"] == "private"],
            "routers": [it["name"] for it in self.get("/1.3/router")["routers"]["router"]],
            "servers": [it["title"] for it in self.get("/1.3/server")["servers"]["server"]],
        }
        return {kind: sorted(names) for kind, names in kinds.items() if names}


def request(port: int, method: str, path: str, headers: dict, body=None):
    """Status, headers in lower case and body, parsed if it is JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        got = {name.lower(): value for name, value in response.getheaders()}
        return response.status, got, parsed(response.read().decode())
    finally:
        connection.close()


def parsed(text: str):
    """What JSON says; text that is none, as it is; None for nothing."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
