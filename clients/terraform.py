"""Terraform with UpCloud's provider as it is, in a folder of its own."""

import json
import shutil
import time
from pathlib import Path

from program import Ended, run
from traffic import Exchange

CONFIGURATIONS = Path(__file__).parent / "terraform"

# What `terraform plan -detailed-exitcode` ends with.
NO_CHANGE, CHANGES = 0, 2


class Terraform:
    def __init__(self, program: str, provider: Path, site):
        self.program = program
        self.site = site
        self.folder = site.folder / "terraform"
        self.folder.mkdir()
        # A folder is overridden, and the program in it has to have this name.
        named = site.folder / "provider" / "terraform-provider-upcloud"
        named.parent.mkdir()
        named.symlink_to(provider.resolve())
        rc = site.folder / "terraform.rc"
        overrides = f'dev_overrides {{ "UpCloudLtd/upcloud" = "{named.parent}" }}'
        # `direct` is left out: no provider is asked of the network.
        rc.write_text(f"provider_installation {{\n  {overrides}\n}}\n")
        self.env = site.env | {"TF_CLI_CONFIG_FILE": str(rc), "CHECKPOINT_DISABLE": "1"}

    def configure(self, name: str):
        """Takes a file of terraform/ for the whole configuration."""
        shutil.copy(CONFIGURATIONS / f"{name}.tf", self.folder / "main.tf")

    def call(self, *words) -> Ended:
        return run([self.program, *words], self.folder, self.env | {"TF_IN_AUTOMATION": "1"})

    def want(self, *words) -> str:
        ended = self.call(*words)
        assert ended.code == 0, f"terraform {' '.join(words)}: {ended}"
        return ended.out

    def apply(self, *words) -> list[Exchange]:
        """Applies, with ten resources at a time; a plan made right after it is empty.

        What the provider said and was told until then.
        """
        began = time.monotonic()
        changing = ("-auto-approve", "-input=false", "-no-color", "-parallelism=10")
        self.want("apply", *changing, *words)
        seen = self.site.proxy.since(began)
        self.wants_nothing(*words)
        return seen

    def refresh(self, *words):
        """Reads all that is in the state anew."""
        self.want("apply", "-refresh-only", "-auto-approve", "-input=false", "-no-color", *words)

    def plan(self, *words) -> Ended:
        return self.call("plan", "-detailed-exitcode", "-input=false", "-no-color", *words)

    def wants_nothing(self, *words):
        planned = self.plan(*words)
        assert planned.code == NO_CHANGE, f"the plan is not empty: {planned}"

    def wants_changes(self, *words) -> str:
        planned = self.plan(*words)
        assert planned.code == CHANGES, f"the plan is not of changes: {planned}"
        return planned.out

    def destroy(self, *words) -> list[Exchange]:
        began = time.monotonic()
        changing = ("-auto-approve", "-input=false", "-no-color", "-parallelism=10")
        self.want("destroy", *changing, *words)
        assert self.state() == {}
        return self.site.proxy.since(began)

    def take(self, address: str, uuid: str, *words):
        """`terraform import`."""
        self.want("import", "-input=false", "-no-color", *words, address, uuid)

    def forget(self):
        """All state is gone, as on another machine."""
        for file in self.folder.glob("terraform.tfstate*"):
            file.unlink()

    def state(self) -> dict:
        """The attributes of each resource by its address."""
        shown = json.loads(self.want("show", "-json"))
        resources = shown.get("values", {}).get("root_module", {}).get("resources", [])
        return {it["address"]: it["values"] for it in resources}
