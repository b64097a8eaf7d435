"""What an experiment is: variants, what is measured of each, the claims, and two scales."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import json
import pathlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kerasnets.lab.cells import Measured
from kerasnets.lab.figure import Plot
from kerasnets.lab.verdict import Claim

if TYPE_CHECKING:
    from kerasnets.config.training import TrainConfig
    from kerasnets.lab.fitting import Builder, Fitted
    from kerasnets.lab.images import Sets
    from kerasnets.runs.run import Run

Group = Literal["training", "architecture", "surgery", "costs"]
SECTIONS = ("Claim", "Source", "Published", "Expected", "Simplifications")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large an experiment runs.

    Attributes:
        minutes: About how long it takes with its seeds on two cores.
        data: Data set, as `kerasnets train` takes it.
        images: Which of its images `Trial.sets` has, and how: arguments of `images.load`.
        options: Options of every network, as words.
        recipe: What every training has in another way than the recipe ``base``; of `Trial.fit`,
            its settings.
        base: Name of the recipe; `Trial.fit` has none.
        seeds: How many, if nobody says.
    """

    minutes: float
    data: str = "digits"
    images: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    base: str = "digits"
    seeds: int = 3


@dataclass(frozen=True)
class Trained:
    """A variant that is trained: a registered network, and in what it differs from the others."""

    model: str
    options: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A cell that is to be measured.

    Attributes:
        variant: What the experiment has under the variant's name.
        scale: How large it is.
        seed: The seed.
        folder: Where a training has its run folder.
    """

    variant: Any
    scale: Scale
    seed: int
    folder: pathlib.Path

    def config(self) -> TrainConfig:
        """The configuration of a variant that is `Trained`."""
        from kerasnets.config.recipes import recipe  # their checks take a while to load
        from kerasnets.config.training import TrainConfig

        own: Trained = self.variant
        changes = {**self.scale.recipe, **own.recipe}
        return TrainConfig(
            model=own.model,
            data=self.scale.data,
            options={**self.scale.options, **own.options},
            recipe=dataclasses.replace(recipe(self.scale.base), **changes),
            seed=self.seed,
            out=self.folder,
            log_to=(),
        )

    def train(self) -> Run:
        """Trains the variant, from where an earlier process stopped."""
        from kerasnets.training.trainer import train

        return train(self.config(), resume=(self.folder / "config.json").exists())

    def sets(self) -> Sets:
        """The images of the scale, in memory."""
        from kerasnets.lab.images import load

        return load(self.scale.data, **self.scale.images)

    def fit(self, build: Builder, **changes: Any) -> Fitted:
        """Trains a network that the experiment builds, by the scale's recipe and these changes.

        Args:
            build: Makes it; see `kerasnets.lab.fitting.fit`, which names the settings too.
            **changes: Settings of this variant; ``sets`` for other images than the scale's.
        """
        from kerasnets.lab.fitting import fit

        settings: dict[str, Any] = {"seed": self.seed, **self.scale.recipe, **changes}
        sets = settings.pop("sets", None) or self.sets()
        return fit(build, sets, **settings)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment; its module's docstring says what is claimed, in the sections `SECTIONS`.

    Attributes:
        group: What kind it is of.
        variants: By name; they differ in what is tested and in nothing else.
        measure: What is measured of a `Trial`.
        claims: What must be so for a verdict of "supported".
        plot: The figure.
        small: The scale that ends within minutes on two cores.
        full: Nearer to the paper, in an hour or so; ``None`` where small is all there is.
        exact: Whether no seed changes the figures.
    """

    group: Group
    variants: Mapping[str, Any]
    measure: Callable[[Trial], Measured]
    claims: tuple[Claim, ...]
    plot: Plot
    small: Scale
    full: Scale | None = None
    exact: bool = False

    @property
    def name(self) -> str:
        """The name, by which `kerasnets lab` knows it: that of its file."""
        return self.measure.__module__.rpartition(".")[2].replace("_", "-")

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return (self._module.__doc__ or "").partition("\n")[0].rstrip(".")

    @functools.cached_property
    def sections(self) -> dict[str, str]:
        """The sections of the docstring, by name."""
        text = inspect.getdoc(self._module) or ""
        words = re.split(rf"^({'|'.join(SECTIONS)}): ", text, flags=re.M)
        return {
            name: " ".join(text.split())
            for name, text in zip(words[1::2], words[2::2], strict=True)
        }

    @property
    def short_source(self) -> str:
        """Authors and year."""
        words = re.match(r"(.*?\b\d{4}\b|[^,.;]*)", self.sections.get("Source", ""))
        authors, _, rest = (words[1] if words else "").partition(",")
        year = re.search(r"\b\d{4}$", rest)
        return f"{authors} {year[0]}" if year else authors

    @property
    def _module(self) -> Any:
        return sys.modules[self.measure.__module__]

    def identity(self, scale: Scale) -> dict[str, Any]:
        """What two runs must share to be the same experiment.

        Words, imports and the other scale may change.
        """
        tree = ast.parse(inspect.getsource(self._module))
        for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
            call.keywords = [each for each in call.keywords if each.arg not in ("small", "full")]
        words = (ast.Expr, ast.Import, ast.ImportFrom)
        tree.body = [each for each in tree.body if not isinstance(each, words)]
        digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]
        plain = json.loads(json.dumps(dataclasses.asdict(scale)))
        plain = {name: plain[name] for name in ("data", "images", "options", "base", "recipe")}
        return {"experiment": self.name, "code": digest, "scale": plain}
