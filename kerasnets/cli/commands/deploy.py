"""``kerasnets deploy``."""

from __future__ import annotations

import logging
import pathlib
import shlex
from dataclasses import dataclass, field

from tyro.conf import Positional

from kerasnets.cli.flags import Options
from kerasnets.deployment.plan import SERVING, plan
from kerasnets.deployment.writer import Target, check_folder, write_deployment
from kerasnets.errors import UserError
from kerasnets.files import check_writable

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Deploy:
    """Write the files by which Docker Compose or Kubernetes runs TensorFlow Serving.

    The newest version of each model gets the label stable, and the one before stays loaded for the
    way back. See docs/serving.md.
    """

    models: Positional[tuple[pathlib.Path, ...]]
    """Folders of versions, such as savedmodels/lenet5."""
    to: pathlib.Path
    """Folder to write into."""
    target: Target = "compose"
    """What runs the server: compose or kubernetes."""
    canary: bool = False
    """Give the newest versions the label canary, and those before them stable."""
    stable: Options = field(default_factory=dict)
    """Stable versions as NAME VERSION pairs, in the place of the newest: the way back."""
    serving: str = SERVING
    """Release of the image tensorflow/serving."""
    replicas: int = 4
    """Most copies of the server that Kubernetes starts under load."""
    overwrite: bool = False
    """Replace files that are there."""

    def run(self) -> None:
        deployment = plan(
            self.models,
            canary=self.canary,
            stable={name: _number(name, text) for name, text in self.stable.items()},
            serving=self.serving,
            replicas=self.replicas,
        )
        check_writable(self.to)
        check_folder(self.to, self.target, overwrite=self.overwrite)
        *_, start = write_deployment(deployment, self.to, self.target)
        for model in deployment.models:
            labels = ", ".join(f"{label} {number}" for label, number in model.labels.items())
            log.info("%s: versions %s; %s", model.name, model.loaded, labels)
        up = {"compose": "docker compose -f %s up", "kubernetes": "kubectl apply -f %s"}
        log.info("Start it by:")
        log.info(f"  {up[self.target]}", shlex.quote(str(start)))


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"--stable {name} must be the number of a version. Received: {text!r}.")
    return int(text)
