"""What the tests are given: a site of their own, and the clients that are at hand."""

import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from upcloud_api import CloudManager
from upcloud_api.api import API

from host import Host
from replay import record
from server import PASSWORD, USER, Api, Server
from terraform import Terraform
from traffic import Proxy
from upctl import Upctl

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass
class Site:
    """A fresh server, the proxy that clients reach it through, and a plain caller beside them."""

    server: Server
    proxy: Proxy
    api: Api
    folder: Path

    @property
    def env(self) -> dict:
        """Where UpCloud's clients written in Go find the server; nothing else of ours."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "UPCLOUD_DEBUG_API_BASE_URL": f"http://127.0.0.1:{self.proxy.port}",
            "UPCLOUD_USERNAME": USER,
            "UPCLOUD_PASSWORD": PASSWORD,
        }


def pytest_addoption(parser):
    text = "write the traffic of each passing test of a client to recordings/"
    parser.addoption("--record", action="store_true", help=text)


@pytest.fixture
def site(request, tmp_path):
    recording = request.config.getoption("--record")
    options = request.node.get_closest_marker("server")
    server = Server(tmp_path, *(options.args if options else ()))
    proxy = Proxy(server.port, in_turn=recording)
    yield Site(server, proxy, Api(proxy.port), tmp_path)
    proxy.stop()
    server.stop()
    passed = getattr(request.node, "passed", False)
    if recording and passed and not options and recordable(set(request.fixturenames)):
        name = re.sub("[^0-9A-Za-z]+", "-", request.node.name.removeprefix("test_")).strip("-")
        record(RECORDINGS / f"{name}.jsonl", proxy.seen())


def recordable(fixtures: set) -> bool:
    """The client is not there in CI, and a server alone answers as this one did."""
    return bool(fixtures & {"terraform", "upctl"}) and "host" not in fixtures


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.passed = report.passed
    return report


def pytest_terminal_summary(terminalreporter):
    """What was not run, and why, in a line each."""
    skipped = terminalreporter.stats.get("skipped", [])
    for why, count in Counter(it.longrepr[2] for it in skipped).items():
        terminalreporter.write_line(f"NOT RUN: {count} tests: {why.removeprefix('Skipped: ')}")


@pytest.fixture
def host(site):
    host = Host(site)
    yield host
    host.stop()


@pytest.fixture
def python(site):
    """The Python SDK, pointed at the site."""
    before, API.api_root = API.api_root, f"http://127.0.0.1:{site.proxy.port}/1.3"
    yield CloudManager(USER, PASSWORD, timeout=30)
    API.api_root = before


@pytest.fixture
def terraform(site):
    provider = given("KANNAS_TERRAFORM_PROVIDER")
    program = shutil.which("terraform")
    if not program:
        pytest.skip("terraform is not installed")
    return Terraform(program, provider, site)


@pytest.fixture
def upctl(site):
    return Upctl(given("KANNAS_UPCTL"), site)


def given(variable: str) -> Path:
    """A program that nothing here installs."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"{variable} is not set")
    path = Path(path)
    if not os.access(path, os.X_OK):
        pytest.fail(f"{variable}={path} is no program")
    return path
