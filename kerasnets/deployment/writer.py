"""The files of a deployment, from templates, each read again by what will read it."""

from __future__ import annotations

import os
import pathlib
import shlex
from typing import Literal

from kerasnets.deployment.plan import Deployment
from kerasnets.errors import UserError
from kerasnets.files import make_folder, write_text

Target = Literal["compose", "kubernetes"]
TEMPLATES = pathlib.Path(__file__).with_name("files")
# What both targets need; Kubernetes has it in a ConfigMap.
CONFIGURATION = ("models.config", "batching.config", "monitoring.config", "probe.sh")
FLAGS = (
    "--port=8500",
    "--rest_api_port=8501",
    "--rest_api_timeout_in_ms=30000",
    "--model_config_file=/config/models.config",
    "--model_config_file_poll_wait_seconds=30",
    # Otherwise the server would not start with labels.
    "--allow_version_labels_for_unavailable_models=true",
    "--enable_batching",
    "--batching_parameters_file=/config/batching.config",
    "--monitoring_config_file=/config/monitoring.config",
)
FILES = {
    "compose": (*CONFIGURATION, "prometheus.yml", "compose.yaml"),
    "kubernetes": ("kubernetes.yaml",),
}


def check_folder(folder: pathlib.Path, target: Target, *, overwrite: bool) -> None:
    """Refuses, unless they may be overwritten, files that are there already."""
    there = [name for name in FILES[target] if (folder / name).exists()]
    if there and not overwrite:
        raise UserError(f"{str(folder / there[0])!r} is there already; --overwrite replaces it.")


def write_deployment(
    deployment: Deployment, folder: pathlib.Path, target: Target
) -> list[pathlib.Path]:
    """Writes the files of a target.

    Args:
        deployment: What is deployed.
        folder: Folder to write into.
        target: ``compose`` or ``kubernetes``.

    Returns:
        The files, the one to start with last.
    """
    make_folder(folder)
    texts = {name: rendered(deployment, folder, name) for name in FILES[target]}
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def rendered(deployment: Deployment, folder: pathlib.Path, name: str) -> str:
    """The text of one file."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    inner = CONFIGURATION if name == "kubernetes.yaml" else ()
    text = environment.get_template(name).render(
        deployment=deployment,
        models=deployment.models,
        flags=FLAGS,
        sources=_sources(deployment, folder),
        configuration={each: rendered(deployment, folder, each) for each in inner},
        folder=shlex.quote(str(folder)),
    )
    if name == "models.config":
        _check_models(text, deployment)
    return text


def _sources(deployment: Deployment, folder: pathlib.Path) -> dict[str, str]:
    """Where compose finds the models: their folders, seen from that of its file."""
    base = os.path.abspath(folder)
    relative = {
        model.name: os.path.relpath(os.path.abspath(model.folder), base)
        for model in deployment.models
    }
    # Without a dot in front it would be the name of a volume.
    return {name: path if path.startswith("..") else f"./{path}" for name, path in relative.items()}


def _check_models(text: str, deployment: Deployment) -> None:
    """Reads the list of models by TensorFlow Serving's own messages."""
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import

    found = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert [model.name for model in found] == [model.name for model in deployment.models]
