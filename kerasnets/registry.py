"""Every network by name: its paper, its counts, and the functions that build it.

Standard library only: listing and describing networks loads neither Keras nor TensorFlow.
"""

from __future__ import annotations

import fnmatch
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from kerasnets.errors import UserError, unknown
from kerasnets.files import parse_json
from kerasnets.inputs import Preprocessing
from kerasnets.values import from_plain


@dataclass(frozen=True, kw_only=True)
class Paper:
    """Where a network was published."""

    title: str
    authors: str
    year: int
    url: str


@dataclass(frozen=True, kw_only=True)
class WeightSource:
    """Published weights of a network: a row of the table of sources.

    Attributes:
        tag: The name that ``weights=`` takes: that of the project, as in ``keras``, and where it
            has several, ``timm:resnet18.tv_in1k``.
        location: ``https://...``, or ``hf:OWNER/REPO[@REVISION]/FILE`` on the Hugging Face hub.
        checksum: ``md5:...``, or ``sha256:...`` with the first digits at least; empty where none
            is published. The hub keeps its own.
        location_without_top, checksum_without_top: The file without the classifier, if any.
        licence: Licence of the weights, as their publisher states it.
        top1, top5: Published accuracies, in %.
        data: What they were trained on, in order; the last is what the accuracies are of.
        training_size: Side of the training images, in pixels.
        preprocessing: What an image goes through.
        layout: How the file names its tensors, and which options of the network it needs: a key of
            `Registration.layouts`.
    """

    tag: str
    location: str
    checksum: str = ""
    location_without_top: str = ""
    checksum_without_top: str = ""
    licence: str
    top1: float
    top5: float | None = None
    data: str
    training_size: int
    preprocessing: Preprocessing
    layout: str

    @property
    def project(self) -> str:
        """Who publishes them: the first word of the tag."""
        return self.tag.partition(":")[0]

    @property
    def needs_torch(self) -> bool:
        """Whether the file is a pickle of PyTorch's."""
        return self.location.endswith((".pth", ".pt", ".th"))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a project that publishes weights of a network names and keeps them.

    Attributes:
        names: From the name of one of our layers with weights to that of the project's module or
            layer; with ``"dense"`` or ``"conv"`` where the project's is that and ours is not.
        framework: ``torch``: tensors are called ``MODULE.weight`` and so on, channels first.
            ``keras``: files of Keras, a layer's variables in order.
        convolution_bias: Whether its convolutions in front of a batch norm have a bias.
        auxiliary: How the names of its auxiliary classifiers begin.
        options: With which `kerasnets.build` gives the project's network, in training too: the
            epsilon and the momentum of its batch norms are among them where they are not ours.
            Without them the weights fit too, but the results are others.
        first_layer: Our name of the network's first layer with weights. A file's layout is
            recognised by this layer's name in the file, and by those of the classifier's layers.
    """

    names: Callable[[str], str | tuple[str, str]]
    framework: Literal["torch", "keras"] = "torch"
    convolution_bias: bool = False
    auxiliary: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    first_layer: str = "stem_conv"


@dataclass(frozen=True, kw_only=True)
class WeightsOrigin:
    """Where a network's weights are from; `kerasnets.build` leaves it as the model's ``origin``.

    Attributes:
        network: The name that `kerasnets.build` takes.
        preprocessing: What an image goes through, at the input size of the weights.
        source: The tag of the published source, where it is one.
        options: Options of the network that the weights need.
    """

    network: str
    preprocessing: Preprocessing
    source: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def get_config(self) -> dict[str, Any]:
        """As the configuration of a model keeps it."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Any) -> WeightsOrigin:
        """The origin of a configuration that `get_config` returned, or that JSON gave back.

        Raises:
            UserError: When it is no such configuration.
        """
        origin = from_plain(cls, config, "an origin")
        if min(origin.preprocessing.size) < 1:
            raise UserError(f"size must be positive. Received: {origin.preprocessing.size}.")
        return origin

    def to_json(self) -> str:
        """As run folders and our own weight files keep it."""
        return json.dumps(self.get_config(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> WeightsOrigin:
        """The origin of a text that `to_json` returned.

        Raises:
            ValueError: When it is no such text.
        """
        return cls.from_config(parse_json(text))


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What is known of a network before it is built.

    Attributes:
        name: The name that `kerasnets.build` takes.
        family: The module of `kerasnets.models` that builds it.
        title, authors, year, url: The paper's.
        input_shape: The paper's input, (height, width, channels).
        classes: Number of classes of the paper's classifier.
        trainable_params: With the paper's head: kernels, biases, batch-norm gammas and betas.
        non_trainable_params: Batch-norm statistics and fixed codes.
        multiply_adds: Of all convolutions and dense layers, for one image at `input_shape`.
        preprocessing: What an image goes through before the network.
        recipe: The name of the training recipe that `kerasnets train` takes by default.
        weights: Where weights are published, the best first; see `kerasnets.pretrained.published`.
        description: What tells this variant from its siblings, in one line.
    """

    name: str
    family: str
    title: str
    authors: str
    year: int
    url: str
    input_shape: tuple[int, int, int]
    classes: int
    trainable_params: int
    non_trainable_params: int
    multiply_adds: int
    preprocessing: Preprocessing
    recipe: str
    description: str = ""

    @property
    def weights(self) -> tuple[WeightSource, ...]:
        """Where weights are published, the best first; see `kerasnets.pretrained.published`."""
        return _WEIGHTS.get(self.name, ())

    @property
    def params(self) -> int:
        """All parameters, trainable or not."""
        return self.trainable_params + self.non_trainable_params


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A network's facts and functions.

    Attributes:
        info: The facts.
        backbone: ``backbone(x, style, **options)`` takes the images and returns the last feature
            map. The default of `style` is that of the network.
        head: ``head(x, style, classes, **options)`` takes that and returns the logits.
        head_layers: Names of the head's layers with weights, in order.
        variant: The options that make this variant what it is.
        fixed: Options that other networks take and this one does not, and why.
        stages: The stage outputs by name, ``{"stage1": "LAYER", ...}``, from large maps to small.
        auxiliary_heads: The layers that the auxiliary classifiers of the training network follow:
            ``{"aux1": "LAYER"}``.
        auxiliary_head: ``auxiliary_head(x, style, classes, name="aux1")`` returns the logits.
        layouts: How other projects keep weights of this network, by project: ``torchvision``,
            ``timm``, ``keras``...
    """

    info: ModelInfo
    backbone: Callable
    head: Callable
    head_layers: tuple[str, ...] = ("logits",)
    variant: Mapping[str, object] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    auxiliary_heads: Mapping[str, str] = field(default_factory=dict)
    auxiliary_head: Callable | None = None
    layouts: Mapping[str, Layout] = field(default_factory=dict)

    @property
    def style(self) -> Any:
        """The options of all layers (`kerasnets.models.blocks.Style`): the builder's default."""
        return inspect.signature(self.backbone).parameters["style"].default

    def epsilon_of(self, project: str) -> float:
        """The epsilon of a project's batch norms, which is ours where its layout has no other."""
        epsilon: Any = self.layouts[project].options.get("norm_epsilon", self.style.norm_epsilon)
        return epsilon


_REGISTRATIONS: dict[str, Registration] = {}
_ALIASES: dict[str, str] = {}
_WEIGHTS: dict[str, tuple[WeightSource, ...]] = {}


def register(
    name: str,
    *,
    paper: Paper,
    backbone: Callable,
    head: Callable,
    head_layers: tuple[str, ...] = ("logits",),
    variant: Mapping[str, object] | None = None,
    fixed: Mapping[str, str] | None = None,
    stages: Mapping[str, str] | None = None,
    auxiliary_heads: Mapping[str, str] | None = None,
    auxiliary_head: Callable | None = None,
    layouts: Mapping[str, Layout] | None = None,
    aliases: tuple[str, ...] = (),
    **facts,
) -> None:
    """Adds a network under `name`; see `Registration` and `ModelInfo` for the arguments.

    Raises:
        ValueError: When the name or an alias is taken.
    """
    for key in (name, *aliases):
        if key in _REGISTRATIONS or key in _ALIASES:
            raise ValueError(f"Two networks are registered as {key!r}.")
    info = ModelInfo(
        name=name,
        family=backbone.__module__.rpartition(".")[2],
        title=paper.title,
        authors=paper.authors,
        year=paper.year,
        url=paper.url,
        **facts,
    )
    _REGISTRATIONS[name] = Registration(
        info=info,
        backbone=backbone,
        head=head,
        head_layers=head_layers,
        variant=dict(variant or {}),
        fixed=dict(fixed or {}),
        stages=dict(stages or {}),
        auxiliary_heads=dict(auxiliary_heads or {}),
        auxiliary_head=auxiliary_head,
        layouts=dict(layouts or {}),
    )
    _ALIASES.update(dict.fromkeys(aliases, name))


def register_weights(network: str, sources: Iterable[WeightSource]) -> None:
    """Adds published weights of a network, the best first.

    Raises:
        UserError: When no network has this name.
    """
    _WEIGHTS[info(network).name] = tuple(sources)


def registration(name: str) -> Registration:
    """The registration of a network or an alias of it.

    Raises:
        UserError: When there is none; the message has the closest names.
    """
    if not isinstance(name, str):
        raise UserError(f"A network's name must be a string. Received: {name!r}.")
    key = name.lower()
    key = _ALIASES.get(key, key)
    if key not in _REGISTRATIONS:
        raise unknown("network", name, [*_REGISTRATIONS, *_ALIASES])
    return _REGISTRATIONS[key]


def info(name: str) -> ModelInfo:
    """What is known of the network called `name` (an alias will do) before it is built.

    Raises:
        UserError: When no network has this name; the message has the closest names.
    """
    return registration(name).info


def network_of(model: object) -> str | None:
    """The network that a model is: of its origin, or by its name; ``None`` for others' models."""
    origin = getattr(model, "origin", None)
    name = origin.network if isinstance(origin, WeightsOrigin) else getattr(model, "name", None)
    return name if name in _REGISTRATIONS else None


def list_models(pattern: str = "*", family: str | None = None) -> list[str]:
    """Names of the networks that match, sorted, numbers by their value.

    Args:
        pattern: With ``*``, ``?`` and ``[...]`` as in file names, for example ``"resnet*_cifar"``.
        family: Only this family, for example ``"resnet"``.

    Raises:
        UserError: When there is no such family.
    """
    families = {entry.info.family for entry in _REGISTRATIONS.values()}
    if family is not None and family not in families:
        raise unknown("family", family, families)
    names = [
        name
        for name, entry in _REGISTRATIONS.items()
        if fnmatch.fnmatchcase(name, pattern.lower()) and family in (None, entry.info.family)
    ]
    return sorted(names, key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts ``resnet56`` before ``resnet110``."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
