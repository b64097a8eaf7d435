"""The files of a deployment, from templates, each read again by what will read it."""

from __future__ import annotations

import os
import pathlib
import shlex
from typing import Literal

from kerasnets.deployment.image import python, requirements, write_package
from kerasnets.deployment.plan import Deployment, Server
from kerasnets.errors import UserError
from kerasnets.files import make_folder, write_text

Target = Literal["compose", "kubernetes"]
TEMPLATES = pathlib.Path(__file__).with_name("files")
PACKAGE = "kerasnets.tar.gz"
# What a server reads; Kubernetes has it in a ConfigMap.
CONFIGURATION = {
    "tensorflow-serving": ("models.config", "batching.config", "monitoring.config", "probe.sh"),
    "embedded": ("models.config",),
}
FLAGS = {
    "tensorflow-serving": (
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
    ),
    "embedded": ("--config=/config/models.config",),
}
# Prometheus asks by the name of the service; what in a cluster asks, by names of any kind.
ALLOWED = {"compose": "--allowed-hosts=serving", "kubernetes": "--allowed-hosts=*"}
# Of Kubernetes: whether requests may come, and whether the server lives.
PROBES = {
    "tensorflow-serving": (
        """exec: {command: ["bash", "/config/probe.sh"]}""",
        "tcpSocket: {port: rest}",
    ),
    "embedded": (
        "httpGet: {path: /readyz, port: rest}",
        "httpGet: {path: /healthz, port: rest}",
    ),
}


def files(server: Server, target: Target) -> tuple[str, ...]:
    """The names of the files for a server and a target, the one to start with last."""
    image = ("Dockerfile", "requirements.txt", PACKAGE) if server == "embedded" else ()
    if target == "kubernetes":
        return (*image, "kubernetes.yaml")
    return (*CONFIGURATION[server], *image, "prometheus.yml", "compose.yaml")


def start_commands(deployment: Deployment, folder: pathlib.Path, target: Target) -> list[str]:
    """The commands that start the server from the written files."""
    quoted, image = shlex.quote(str(folder)), deployment.image
    embedded = deployment.server == "embedded"
    if target == "compose":
        file = shlex.quote(str(folder / "compose.yaml"))
        return [f"docker compose -f {file} up{' --build' if embedded else ''}"]
    build = [f"docker build -t {image} {quoted}"] if embedded else []
    # Without a registry the image is for a cluster on this machine.
    push = [f"docker push {image}"] if embedded and "/" in image else []
    return [*build, *push, f"kubectl apply -f {shlex.quote(str(folder / 'kubernetes.yaml'))}"]


def check_folder(folder: pathlib.Path, server: Server, target: Target, *, overwrite: bool) -> None:
    """Refuses, unless they may be overwritten, files that are there already."""
    there = [name for name in files(server, target) if (folder / name).exists()]
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
    names = files(deployment.server, target)
    texts = {name: rendered(deployment, folder, target, name) for name in names if name != PACKAGE}
    for name in names:
        if name == PACKAGE:
            write_package(folder / name)
        else:
            write_text(folder / name, texts[name])
    return [folder / name for name in names]


def rendered(deployment: Deployment, folder: pathlib.Path, target: Target, name: str) -> str:
    """The text of one file."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    server = deployment.server
    embedded = server == "embedded"
    inner = CONFIGURATION[server] if name == "kubernetes.yaml" else ()
    ready, alive = PROBES[server]
    text = environment.get_template(name).render(
        deployment=deployment,
        models=deployment.models,
        embedded=embedded,
        flags=(*FLAGS[server], *((ALLOWED[target],) if embedded else ())),
        ready=ready,
        alive=alive,
        python=python(),
        requirements=requirements() if name == "requirements.txt" else (),
        sources=_sources(deployment, folder),
        configuration={each: rendered(deployment, folder, target, each) for each in inner},
        commands=start_commands(deployment, folder, target),
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
