"""Records the traffic of any program that finds UpCloud by the environment, if it ends well.

    .cache/clients/python-*/bin/python clients/record.py NAME PROGRAM [ARGUMENT...]

The program is started with UPCLOUD_DEBUG_API_BASE_URL, UPCLOUD_USERNAME and UPCLOUD_PASSWORD of a
fresh server, and its traffic goes to recordings/NAME.jsonl.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from conftest import RECORDINGS, Site
from replay import record, replay
from server import Api, Server
from traffic import Proxy

LIMIT_SECONDS = 600


def main(name: str, *command: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        site = start(Path(folder))
        env = os.environ | site.env
        code = subprocess.run(command, env=env, timeout=LIMIT_SECONDS).returncode
        site.proxy.stop()
        site.server.stop()
        if code:
            return code
        file = RECORDINGS / f"{name}.jsonl"
        record(file, site.proxy.seen())
    # What differs from run to run and has no name yet shows here.
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        print(f"{file.name}: {replay(file, server.port)} exchanges")
        server.stop()
    return 0


def start(folder: Path) -> Site:
    server = Server(folder)
    proxy = Proxy(server.port, in_turn=True)
    return Site(server, proxy, Api(proxy.port), folder)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
