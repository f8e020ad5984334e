"""A host with a real agent, in the network namespace of the tests."""

import os
import signal
import subprocess

from server import STOP_SECONDS, kannas, said

NAME = "host"
ZONE = "fi-hel1"


class Host:
    """Joined, and in touch with the server until it is frozen."""

    def __init__(self, site):
        token = site.api.post("/kannas/v1/host-tokens", {"host_token": {"zone": ZONE}})
        self.log = site.folder / "agent.log"
        self.process = kannas(
            self.log, "agent", "--server", f"https://127.0.0.1:{site.server.agent_port}",
            "--join", token["host_token"]["token"], "--zone", ZONE, "--name", NAME,
            "--underlay", "127.0.0.1", "--state-dir", site.folder / "agent",
            "--pin-dir", f"/sys/fs/bpf/{os.getpid()}-{site.server.port}",
        )
        said(self.process, self.log, "watching")
        # Of ten characters and less, so that the kernel takes it for a name.
        self.device = f"w{site.server.port}"
        link("add", self.device, "type", "veth", "peer", "name", f"{self.device}p")
        link("set", self.device, "up")
        link("set", f"{self.device}p", "up")

    def carry(self, api, network: str):
        """Has a port on an account's network; the answer comes when the agent has made it."""
        port = {"network": network, "host": NAME, "device": self.device}
        api.post("/kannas/v1/ports", {"port": port})

    def freeze(self):
        """It is there, and does nothing any more."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            link("delete", self.device)
        assert self.process.returncode == 0, self.log.read_text()


def link(*words):
    subprocess.run(["ip", "link", *words], check=True)
