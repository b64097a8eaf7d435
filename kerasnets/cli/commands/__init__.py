"""The commands: each a dataclass whose fields are its flags and whose `run` does the work.

A command's module is imported when the command is asked for. It imports what loads Keras or
TensorFlow inside `run`, after everything that can be refused without them.
"""

from __future__ import annotations

import importlib
import typing


class Command(typing.Protocol):
    """What every command has."""

    def run(self) -> None:
        """Does the work."""


# By name, the module of each command and what it does: the first line of its docstring. The class
# has the command's name.
COMMANDS = {
    "train": ("train", "Train a network, evaluate it, draw the curves and export it."),
    "tune": (
        "tune",
        "Search for the best values of a recipe or of a network's options.",
    ),
    "evaluate": ("evaluate", "Evaluate a run, an export, or a network with weights, on a split."),
    "predict": ("predict", "Predict on image files, by an export, a run or a server."),
    "merge": ("merge", "Join the files that predict --shard wrote on several machines."),
    "explain": ("explain", "Show on images where a network finds a class."),
    "embed": (
        "embed",
        "Write the embeddings of images: what a network's classifier takes.",
    ),
    "neighbours": (
        "embed",
        "List the images of a `kerasnets embed` file most similar to an image.",
    ),
    "probe": (
        "embed",
        "Measure how well k-NN and a linear probe predict labels from embeddings.",
    ),
    "look": ("look", "Draw what a network, a recipe or a pipeline looks like."),
    "report": (
        "report",
        "Write what is known of runs as one HTML file, with a comparison where they are several.",
    ),
    "compare": (
        "compare",
        "Compare runs, and test whether two of them differ significantly.",
    ),
    "runs": ("runs", "List the runs of a folder as a table."),
    "export": ("export", "Write a SavedModel that takes image files, or a LiteRT or ONNX file."),
    "publish": (
        "publish",
        "Publish a run on the Hugging Face hub: weights, classes, figures and a model card.",
    ),
    "convert": ("convert", "Write a weight file in another format or another project's layout."),
    "data": (
        "data",
        "Check a data set, compute statistics, pack it, or list duplicates and suspect labels.",
    ),
    "serve": ("serve", "Serve SavedModels over HTTP, as TensorFlow Serving does."),
    "deploy": (
        "deploy",
        "Write Docker Compose or Kubernetes files that serve models.",
    ),
    "list": ("networks", "List the networks."),
    "advise": (
        "advise",
        "Name the most accurate networks that are fast and small enough on this machine.",
    ),
    "info": ("networks", "Print the facts about a network or a run."),
    "summary": ("networks", "Print a network's layers as a table, to compare with its paper."),
    "draw": ("networks", "Draw a network, or one of its blocks, as a graph with its shapes."),
    "recipes": ("recipes", "List the training recipes, or print one."),
    "lab": ("lab", "List the experiments on what lectures claim, or run one."),
    "benchmark": (
        "benchmark",
        "Measure the build time, training step, latency, memory and size of networks or models.",
    ),
}


def load(name: str) -> type[Command]:
    """The class of a command, whose module is imported."""
    module = importlib.import_module(f"kerasnets.cli.commands.{COMMANDS[name][0]}")
    return getattr(module, name.capitalize())
