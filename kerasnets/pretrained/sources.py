"""What ``weights=`` stands for: a published source, a repository of the hub, a file or a run.

The sources are rows of `kerasnets.pretrained.published`. Importing this module loads no framework.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from kerasnets.errors import UserError, unknown
from kerasnets.files import write_text
from kerasnets.inputs import Preprocessing
from kerasnets.pretrained.download import download, parse_hub
from kerasnets.registry import WeightSource, info, list_models, registration

if TYPE_CHECKING:
    import keras

RUN_FACTS = "network.json"
RUN_WEIGHTS = "weights.safetensors"
# The entry of our safetensors files that says what their network takes.
METADATA = "origin"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a network's weights say of it; `kerasnets.build` leaves it as the model's ``origin``.

    Attributes:
        network: The name that it is built by.
        preprocessing: What an image goes through, at the input size of the weights.
        source: The tag of the published source, where it is one.
        options: Of the network, that the weights need.
    """

    network: str
    preprocessing: Preprocessing
    source: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)


def preprocessing(
    network: str | keras.Model, source: str | os.PathLike | None = None
) -> Preprocessing:
    """How an image becomes the input of a network.

    >>> kerasnets.preprocessing("vgg16", "keras").channel_order
    'bgr'

    Args:
        network: A name from `kerasnets.list_models`; or a model of `kerasnets.build`, `features` or
            `replace_head`, which gives its own input size.
        source: Of the weights, as ``weights=`` takes it. By default that of the model's weights;
            for a name, and for weights that tell nothing, the network's own.

    Raises:
        UserError: When the network has no such source, or the model is none of ours, or was
            reloaded by Keras, which keeps no such thing.
    """
    if isinstance(network, str):
        return describe(network, source).preprocessing
    origin = getattr(network, "origin", None)
    if not isinstance(origin, Origin):
        raise UserError(
            f"The model {getattr(network, 'name', network)!r} does not tell where its weights are "
            "from: Keras does not keep that in a file. Give the network's name and the source."
        )
    found = origin if source is None else describe(origin.network, source)
    height, width, channels = network.input_shape[1:]
    own_height, own_width = found.preprocessing.size
    return found.preprocessing.for_input(height or own_height, width or own_width, channels)


def describe(network: str, weights: str | os.PathLike | None) -> Origin:
    """What is known of weights, with a look at the names in a file where nothing else tells.

    Args:
        network: The name of a network.
        weights: As `kerasnets.build` takes them.

    Raises:
        UserError: When the network has no such source, or the file cannot be had.
    """
    origin = known(network, weights)
    if weights is None or origin.source is not None or _kept(weights):
        return origin
    from kerasnets.weights.load import layout_of

    return of_project(origin, layout_of(resolve(network, weights), network))


def known(network: str, weights: str | os.PathLike | None) -> Origin:
    """What is known of weights before a file is downloaded, or its tensors are looked at.

    Args:
        network: The name of a network.
        weights: As `kerasnets.build` takes them.

    Raises:
        UserError: When the network has no such source.
    """
    facts = info(network)
    if weights is None:
        return Origin(network=facts.name, preprocessing=facts.preprocessing)
    if kept := _kept(weights):
        options = kept.options if kept.network == facts.name else {}
        return replace(kept, network=facts.name, options=options)
    row = find(network, weights)
    if row is None:
        return Origin(network=facts.name, preprocessing=facts.preprocessing)
    options = registration(network).layouts[row.layout].options
    return Origin(
        network=facts.name, preprocessing=row.preprocessing, source=row.tag, options=dict(options)
    )


def of_project(origin: Origin, project: str | None) -> Origin:
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
    if _is_name(weights):
        source = find(network, weights)
        if source.location_without_top and not include_top:
            return download(source.location_without_top, source.checksum_without_top)
        return download(source.location, source.checksum)
    if _is_of_hub(weights):
        return download(weights)
    path = pathlib.Path(weights)
    if path.is_dir():
        return _of_run(path)
    if path.exists():
        return path
    if path.name == str(weights) and not path.suffix:
        raise unknown(f"weights of {network}", str(weights), _names(network))
    raise UserError(f"There is no weight file {str(path)!r}.")


def find(network: str, weights: str | os.PathLike) -> WeightSource | None:
    """The published source that ``weights=`` stands for; ``None`` where it stands for none.

    A file, or a file of the hub, is known by its published name.

    Raises:
        UserError: When it names a source that the network has not.
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


def _is_name(weights: str | os.PathLike) -> bool:
    """Whether it names a source: ``imagenet``, a project, or ``PROJECT:NAME``."""
    if not isinstance(weights, str):
        return False
    projects = {row.project for name in list_models() for row in info(name).weights}
    return weights == "imagenet" or weights.partition(":")[0] in projects


def _is_of_hub(weights: str | os.PathLike) -> bool:
    return isinstance(weights, str) and weights.startswith("hf:")


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


def _tags(network: str) -> list[str]:
    return [row.tag for row in info(network).weights]


def _names(network: str) -> set[str]:
    """Every name that `find` knows for a network."""
    rows = info(network).weights
    whole = {"imagenet"} if any(map(_is_of_imagenet, rows)) else set()
    return whole | {row.project for row in rows} | {row.tag for row in rows}


def _none_for(network: str, weights: str) -> UserError:
    """An error for a source that a network has not; says whose it is, and what there is instead."""
    tags = _tags(network)
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


def write_run_facts(folder: pathlib.Path, origin: Origin) -> None:
    """Keeps in a run folder what its network takes."""
    write_text(folder / RUN_FACTS, to_json(origin) + "\n")


def to_json(origin: Origin) -> str:
    """As run folders and our own weight files keep it."""
    return json.dumps(asdict(origin), indent=2)


def _kept(weights: str | os.PathLike) -> Origin | None:
    """What a run folder, or a safetensors file of ours, keeps of its network; else ``None``."""
    if _is_name(weights) or _is_of_hub(weights):
        return None
    path = pathlib.Path(weights, RUN_FACTS)
    try:
        if path.is_file():
            return _from_json(path.read_text(encoding="utf-8"))
        path = pathlib.Path(weights)
        metadata = _metadata(path) if path.is_file() else {}
        return _from_json(metadata[METADATA]) if METADATA in metadata else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{str(path)!r} does not describe a network: {error}.") from error


def _from_json(text: str) -> Origin:
    values = json.loads(text)
    if not isinstance(values, dict) or not isinstance(values.get("preprocessing"), dict):
        raise TypeError("it is no object with the preprocessing of a network")
    fields = values.pop("preprocessing")
    fields = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    return Origin(preprocessing=Preprocessing(**fields), **values)


def _metadata(path: pathlib.Path) -> Mapping[str, str]:
    """Of a safetensors file; nothing of another, and of a damaged one, which loading refuses."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except safetensors.SafetensorError:
        return {}


def _of_run(folder: pathlib.Path) -> pathlib.Path:
    """The weights of a finished run."""
    if (folder / RUN_WEIGHTS).is_file():
        return folder / RUN_WEIGHTS
    if (folder / "config.json").is_file():
        raise UserError(f"The run in {str(folder)!r} has not finished: it has no {RUN_WEIGHTS}.")
    raise UserError(f"{str(folder)!r} is a folder, but no run: it has no {RUN_WEIGHTS}.")
