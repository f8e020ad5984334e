"""Runs a client to its end."""

import subprocess
import time
from dataclasses import dataclass

# Above the longest wait that a client here has of its own by far.
SECONDS = 150


@dataclass
class Ended:
    code: int
    out: str
    err: str

    def __str__(self):
        return f"exit code {self.code}\n{self.out}\n{self.err}"


def run(command: list, folder, env: dict) -> Ended:
    """The client's exit code and output; one that does not end by itself is an error."""
    command = [str(word) for word in command]
    try:
        ended = subprocess.run(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{' '.join(command)} did not end:\n{late.stdout}\n{late.stderr}")
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def eventually(true, seconds=60):
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)
