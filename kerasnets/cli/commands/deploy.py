"""``kerasnets deploy``."""

from __future__ import annotations

import logging
import pathlib
from dataclasses import dataclass, field

from tyro.conf import Positional

from kerasnets.cli.flags import Options
from kerasnets.deployment.plan import Server, plan
from kerasnets.deployment.writer import Target, check_folder, start_commands, write_deployment
from kerasnets.errors import UserError
from kerasnets.files import check_writable

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Deploy:
    """Write Docker Compose or Kubernetes files that serve models.

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
    """Rollback: versions to label stable instead of the newest, as NAME VERSION pairs."""
    server: Server = "tensorflow-serving"
    """What answers: tensorflow-serving, or embedded, the server of kerasnets serve, for which a
    Dockerfile is written."""
    serving: str | None = None
    """Release of the image tensorflow/serving; by default the one that was tested."""
    image: str | None = None
    """What the image of the embedded server is called, such as registry.example/NAME:TAG; by
    default kerasnets-serve, with the version of kerasnets."""
    replicas: int = 4
    """Most copies of the server that Kubernetes starts under load."""
    overwrite: bool = False
    """Replace files that are there."""

    def run(self) -> None:
        deployment = plan(
            self.models,
            canary=self.canary,
            stable={name: _number(name, text) for name, text in self.stable.items()},
            server=self.server,
            serving=self.serving,
            image=self.image,
            replicas=self.replicas,
        )
        check_writable(self.to)
        check_folder(self.to, self.server, self.target, overwrite=self.overwrite)
        write_deployment(deployment, self.to, self.target)
        for model in deployment.models:
            labels = ", ".join(f"{label} {number}" for label, number in model.labels.items())
            log.info("%s: versions %s; %s", model.name, model.loaded, labels)
        log.info("Start it by:")
        for command in start_commands(deployment, self.to, self.target):
            log.info("  %s", command)


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"--stable {name} must be the number of a version. Received: {text!r}.")
    return int(text)
