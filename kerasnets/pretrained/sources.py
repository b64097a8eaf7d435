"""What ``weights=`` stands for: a published source, a repository of the hub, a file or a run.

The sources are rows of `kerasnets.pretrained.published`. Importing this module loads no framework.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from kerasnets.errors import UserError, unknown
from kerasnets.files import read_text, write_text
from kerasnets.inputs import Preprocessing
from kerasnets.pretrained.download import download, parse_hub
from kerasnets.registry import WeightsOrigin, WeightSource, info, list_models, registration
from kerasnets.weights.files import open_weights
from kerasnets.weights.recognition import project_of
from kerasnets.weights.tensors import WeightFile, read_origin

if TYPE_CHECKING:
    import keras

RUN_FACTS = "network.json"
RUN_WEIGHTS = "weights.safetensors"
# Of weight files.
ENDINGS = (".safetensors", ".h5", ".keras", ".pth", ".pt", ".th", ".bin")


def preprocessing(
    network: str | keras.Model, source: str | os.PathLike | None = None
) -> Preprocessing:
    """How an image becomes the input of a network.

    >>> kerasnets.preprocessing("vgg16", "keras").channel_order
    'bgr'

    Args:
        network: A name from `kerasnets.list_models`; or a model of `kerasnets.build`, a copy of
            one, or what `features`, `replace_head` or `for_inference` made of one. A model gives
            its own input size.
        source: The source of the weights, as ``weights=`` takes it. By default that of the model's
            weights; for a name, and for weights that tell nothing, the network's own.

    Raises:
        UserError: When the network has no such source, or the model is none of ours.
    """
    if isinstance(network, str):
        return describe(network, source).preprocessing
    origin = getattr(network, "origin", None)
    if not isinstance(origin, WeightsOrigin):
        for layer in getattr(network, "layers", ()):
            if isinstance(getattr(layer, "origin", None), WeightsOrigin):
                raise UserError(
                    f"The model {network.name!r} has a network inside, {layer.name!r}, and may "
                    "have its preprocessing too. Give the network: "
                    f"preprocessing(model.get_layer({layer.name!r}))."
                )
        raise UserError(
            f"The model {getattr(network, 'name', network)!r} does not tell where its weights are "
            "from: kerasnets did not build it. Give the network's name and the source."
        )
    found = origin if source is None else describe(origin.network, source)
    height, width, channels = network.input_shape[1:]
    own_height, own_width = found.preprocessing.size
    return found.preprocessing.for_input(height or own_height, width or own_width, channels)


def describe(network: str, weights: str | os.PathLike | None) -> WeightsOrigin:
    """What is known of weights, with a look into the file where nothing else tells.

    Args:
        network: The name of a network.
        weights: As `kerasnets.build` takes them.

    Raises:
        UserError: When the network has no such source, or the file cannot be had.
    """
    origin = known(network, weights)
    if weights is None or origin.source is not None or _is_folder(weights):
        return origin
    with opened(network, weights) as (_, origin):
        return origin


@contextlib.contextmanager
def opened(
    network: str, weights: str | os.PathLike, *, include_top: bool = True
) -> Iterator[tuple[WeightFile, WeightsOrigin]]:
    """The open weight file that ``weights=`` stands for, and what is known of the weights.

    Args:
        network: The name of a network.
        weights: As `kerasnets.build` takes them.
        include_top: Without it, a file without the classifier is taken where there is one.

    Raises:
        UserError: When there is no such source or file, or it cannot be had or read.
    """
    origin = known(network, weights)
    with open_weights(resolve(network, weights, include_top=include_top)) as file:
        if file.origin is not None and origin.source is None and not _is_folder(weights):
            origin = _kept(network, file.origin)
        yield file, of_project(origin, project_of(file, registration(network)))


def known(network: str, weights: str | os.PathLike | None) -> WeightsOrigin:
    """What is known of weights before a file is downloaded or opened.

    Args:
        network: The name of a network.
        weights: As `kerasnets.build` takes them.

    Raises:
        UserError: When the network has no such source.
    """
    facts = info(network)
    if weights is None:
        return WeightsOrigin(network=facts.name, preprocessing=facts.preprocessing)
    if not isinstance(weights, (str, os.PathLike)):
        raise UserError(
            "weights must name a source, a file or a run, such as 'imagenet'. "
            f"Received: {weights!r}."
        )
    if _is_folder(weights):
        path = pathlib.Path(weights, RUN_FACTS)
        if path.is_file():
            return _kept(network, read_origin(read_text(path), path))
    row = find(network, weights)
    if row is None:
        return WeightsOrigin(network=facts.name, preprocessing=facts.preprocessing)
    options = registration(network).layouts[row.layout].options
    return WeightsOrigin(
        network=facts.name, preprocessing=row.preprocessing, source=row.tag, options=dict(options)
    )


def _kept(network: str, origin: WeightsOrigin) -> WeightsOrigin:
    """What a run folder, or a file of ours, says of its weights, for a network."""
    name = info(network).name
    # Another network's options are of no use to this one.
    return replace(origin, network=name, options=origin.options if origin.network == name else {})


def of_project(origin: WeightsOrigin, project: str | None) -> WeightsOrigin:
    """What is known once a file has told by its layout which project's network it is for.

    Its weights take images scaled as all that the project publishes, where those agree.
    """
    if origin.source is not None or project is None:
        return origin
    options = dict(registration(origin.network).layouts[project].options)
    rows = [row for row in info(origin.network).weights if row.layout == project]
    scalings = {
        (row.preprocessing.mean, row.preprocessing.std, row.preprocessing.channel_order)
        for row in rows
    }
    agreed = rows[0].preprocessing if len(scalings) == 1 else origin.preprocessing
    return replace(origin, preprocessing=agreed, options=options)


def resolve(network: str, weights: str | os.PathLike, *, include_top: bool = True) -> pathlib.Path:
    """The weight file that ``weights=`` stands for, downloaded where it is not here yet.

    Args:
        network: The name of a network.
        weights: As `kerasnets.build` takes them.
        include_top: Without it, a file without the classifier is taken where there is one.

    Raises:
        UserError: When there is no such source or file, or it cannot be had.
    """
    if _is_of_hub(weights):
        return download(weights)
    if _is_name(weights) and (source := find(network, weights)):
        if source.location_without_top and not include_top:
            return download(source.location_without_top, source.checksum_without_top)
        return download(source.location, source.checksum)
    path = pathlib.Path(weights)
    if path.is_dir():
        return _of_run(path)
    if path.exists():
        return path
    if path.name == str(weights) and not path.suffix:
        raise unknown(f"weights of {network}", str(weights), _names(network))
    like_hub = len(path.parts) == 2 and not path.parent.exists() and path.suffix not in ENDINGS
    hub = f" A repository of the Hugging Face hub is 'hf:{weights}'." if like_hub else ""
    raise UserError(f"There is no weight file {str(path)!r}.{hub}")


def find(network: str, weights: str | os.PathLike) -> WeightSource | None:
    """The published source that ``weights=`` stands for; ``None`` where it stands for none.

    A file, or a file of the hub, is known by its published name.

    Raises:
        UserError: When it names a source that the network does not have.
    """
    rows = info(network).weights
    if not _is_name(weights):
        return next((row for row in rows if _is_file_of(row, weights)), None)
    if weights == "imagenet":
        found = [row for row in rows if _is_of_imagenet(row)]
    else:
        found = [row for row in rows if weights in (row.tag, row.project)]
    if not found:
        raise _none_for(network, str(weights))
    return found[0]


def is_of_imagenet(network: str, weights: str | os.PathLike) -> bool:
    """Whether ``weights=`` stands for published weights for ImageNet's 1,000 classes."""
    row = find(network, weights)
    return row is not None and _is_of_imagenet(row)


def _is_name(weights: str | os.PathLike) -> bool:
    """Whether it names a source: ``imagenet``, a project, or ``PROJECT:NAME``."""
    if not isinstance(weights, str):
        return False
    projects = {row.project for name in list_models() for row in info(name).weights}
    return weights == "imagenet" or weights.partition(":")[0] in projects


def _is_of_hub(weights: str | os.PathLike) -> TypeGuard[str]:
    return isinstance(weights, str) and weights.startswith("hf:")


def _is_folder(weights: str | os.PathLike) -> bool:
    return not _is_name(weights) and not _is_of_hub(weights) and os.path.isdir(weights)


def _is_of_imagenet(row: WeightSource) -> bool:
    return row.data.endswith("ImageNet-1k")


def _is_file_of(row: WeightSource, weights: str | os.PathLike) -> bool:
    if _is_of_hub(weights):
        return (
            row.location.startswith("hf:") and parse_hub(row.location)[0] == parse_hub(weights)[0]
        )
    published = (row.location, row.location_without_top)
    names = {location.rpartition("/")[2] for location in published if location.startswith("https")}
    return pathlib.Path(weights).name in names


def _names(network: str) -> set[str]:
    """Every name that `find` knows for a network."""
    rows = info(network).weights
    of_imagenet = {"imagenet"} if any(map(_is_of_imagenet, rows)) else set()
    return of_imagenet | {row.project for row in rows} | {row.tag for row in rows}


def _none_for(network: str, weights: str) -> UserError:
    """The error for a source that a network does not have; says whose it is, and what there is."""
    tags = [row.tag for row in info(network).weights]
    others = [
        name
        for name in list_models()
        if weights in _names(name) and (":" in weights or name.startswith(network))
    ]
    if others:
        return UserError(f"{weights!r} has no weights of {network}; it has of {', '.join(others)}.")
    if not tags:
        return UserError(
            f"No weights of {network} are published in a form that fits it; weights takes the path "
            f"of a file too. Received: weights={weights!r}."
        )
    if weights == "imagenet":
        return UserError(
            f"There are no weights of {network} from ImageNet. There are: {', '.join(tags)}."
        )
    return unknown(f"source of weights of {network}", weights, _names(network))


def write_run_facts(folder: pathlib.Path, origin: WeightsOrigin) -> None:
    """Keeps in a run folder what its network takes."""
    write_text(folder / RUN_FACTS, origin.to_json() + "\n")


def _of_run(folder: pathlib.Path) -> pathlib.Path:
    """The weights of a finished run."""
    if (folder / RUN_WEIGHTS).is_file():
        return folder / RUN_WEIGHTS
    if (folder / "config.json").is_file():
        raise UserError(f"The run in {str(folder)!r} has not finished: it has no {RUN_WEIGHTS}.")
    raise UserError(f"{str(folder)!r} is a folder, but no run: it has no {RUN_WEIGHTS}.")
