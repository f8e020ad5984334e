"""upctl as it is."""

import json
from pathlib import Path

from program import Ended, run

# https://github.com/UpCloudLtd/upcloud-cli: bad credentials, and none of what was asked for went well.
BAD_CREDENTIALS = 103


class Upctl:
    def __init__(self, program: Path, site):
        self.program = program
        self.site = site
        self.env = site.env

    def call(self, *words, **env) -> Ended:
        return run([self.program, *words], self.site.folder, self.env | env)

    def want(self, *words) -> str:
        ended = self.call(*words)
        assert ended.code == 0, f"upctl {' '.join(words)}: {ended}"
        return ended.out

    def json(self, *words):
        return json.loads(self.want(*words, "-o", "json"))
