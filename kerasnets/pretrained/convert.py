"""From one weight format to another."""

from __future__ import annotations

import os
import pathlib
from typing import Literal

import numpy as np

from kerasnets.errors import UserError, unknown
from kerasnets.files import check_writable, whole
from kerasnets.lazy import keras
from kerasnets.pretrained.build import build
from kerasnets.registry import Registration, registration
from kerasnets.weights.files import file_format, open_weights
from kerasnets.weights.recognition import classes_of
from kerasnets.weights.tensors import WeightFile

# By the ending of the file's name.
Ending = Literal[".weights.h5", ".keras", ".safetensors", ".pth", ".pt", ".th"]
ENDINGS: tuple[Ending, ...] = (".weights.h5", ".keras", ".safetensors", ".pth", ".pt", ".th")


def convert_weights(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    network: str | None = None,
    layout: str | None = None,
    **options,
) -> str:
    """Reads a weight file of any known layout and writes it in another format.

    Args:
        source: As ``weights=`` of `kerasnets.build`.
        target: The file to write; its ending says the format: ``.weights.h5``, ``.keras``,
            ``.safetensors``, or ``.pth``, ``.pt`` and ``.th`` for PyTorch.
        network: What the weights are for; found by the tensors if not given.
        layout: Whose names and order: ``"own"``, or a project's, such as ``"torchvision"``. By
            default ``"torchvision"`` in a PyTorch file where the network has it, else the only
            one; ``"own"`` elsewhere.
        **options: Options of the network, as in `kerasnets.build`.

    Returns:
        The network's name.

    Raises:
        UserError: When the source cannot be read or fits no network, or the target cannot be
            written in this form.
    """
    from kerasnets.weights import pytorch
    from kerasnets.weights.save import save_tensors, save_weights

    ending = check_conversion(source, target, network=network, layout=layout)
    with open_weights(source) as file:
        network = network or _network_of(file)
        entry = registration(network)
        layout = _checked_layout(entry, ending, layout)
        options.setdefault("classes", classes_of(file, entry))
    model = build(network, weights=source, classifier_activation=None, **options)
    if layout != "own":
        tensors = project_tensors(model, entry, layout)
        write = save_tensors if ending == ".safetensors" else pytorch.save
        write(target, tensors)
    elif ending == ".keras":
        with whole(target) as partial:
            model.save(partial)
    else:
        save_weights(model, target)
    return entry.info.name


def check_conversion(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    network: str | None = None,
    layout: str | None = None,
) -> Ending:
    """The ending of the file to write; the arguments are those of `convert_weights`.

    Raises:
        UserError: When they cannot work; no framework is loaded to tell that.
    """
    ending, folder = _ending(target), pathlib.Path(target).parent
    file_format(source)
    if network is not None:
        _checked_layout(registration(network), ending, layout)
    if not folder.is_dir():
        raise UserError(f"{str(target)!r} cannot be written: there is no folder {str(folder)!r}.")
    check_writable(folder)
    return ending


def project_tensors(model: keras.Model, entry: Registration, layout: str) -> dict[str, np.ndarray]:
    """The network's weights as a project names and orders them.

    PyTorch's batch norms also count their batches: the counts are 0 here.
    """
    from kerasnets.weights.layouts import layout_tensors

    tensors = {}
    epsilon = entry.epsilon_of(layout)
    for tensor in layout_tensors(model, entry.layouts[layout], epsilon=epsilon):
        values = np.asarray(keras.ops.convert_to_numpy(tensor.variable.value))
        tensors[tensor.name] = tensor.to_file(values)
        if tensor.name.endswith(".running_var"):
            count = tensor.name.removesuffix("running_var") + "num_batches_tracked"
            tensors[count] = np.array(0, "int64")
    return tensors


def _ending(target: str | os.PathLike) -> Ending:
    name = pathlib.Path(target).name
    for ending in ENDINGS:
        if name.endswith(ending):
            return ending
    raise UserError(
        f"The format is told by the file's ending: {', '.join(ENDINGS)}. Received: {name!r}."
    )


def _network_of(file: WeightFile) -> str:
    from kerasnets.pretrained.closest import networks_that_fit

    fitting = networks_that_fit(file)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(
            f"{str(file.path)!r} fits {' and '.join(fitting)}, which differ in more than "
            "weights: give the network's name."
        )
    raise UserError(
        f"{str(file.path)!r} fits no network of about its size: give the network's name, and "
        "its options where it was built with some."
    )


def _checked_layout(entry: Registration, ending: Ending, layout: str | None) -> str:
    """The layout to write; PyTorch has no use for ours."""
    torch = {name for name, each in entry.layouts.items() if each.framework == "torch"}
    in_torch = ending in (".pth", ".pt", ".th")
    if layout is None:
        if not in_torch:
            return "own"
        layout = "torchvision" if "torchvision" in torch else next(iter(sorted(torch)), "own")
    if layout not in torch | {"own"}:
        raise unknown(f"layout of {entry.info.name}", layout, torch | {"own"})
    if layout == "own" and in_torch:
        raise UserError(
            f"No PyTorch project that is known here has {entry.info.name}; write .safetensors, "
            f".weights.h5 or .keras. Received: {ending}."
        )
    if layout != "own" and not (in_torch or ending == ".safetensors"):
        raise UserError(f"{layout}'s layout goes into .safetensors or .pth. Received: {ending}.")
    return layout
