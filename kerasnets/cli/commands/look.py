"""``kerasnets look filters``, ``maps``, ``schedule``...: pictures of a network or a recipe."""

from __future__ import annotations

import abc
import logging
import pathlib
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, subcommand

from kerasnets import registry
from kerasnets.cli.checks import check_data
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.models import Chosen, chosen, decoded, readable
from kerasnets.errors import UserError, unknown
from kerasnets.figures.view import no_dense_blocks
from kerasnets.plotting import check_picture
from kerasnets.plugins import load_plugins

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    import numpy as np

    from kerasnets.config import Recipe
    from kerasnets.data.sources import Split
    from kerasnets.figures import View
    from kerasnets.inputs import Preprocessing

log = logging.getLogger("kerasnets")


@dataclass(frozen=True, kw_only=True)
class _Picture(abc.ABC):
    out: pathlib.Path = pathlib.Path("look.png")
    """Picture to write: .png, .pdf or .svg."""

    def check(self) -> None:
        """Refuses what can be refused before TensorFlow is loaded."""
        check_picture(self.out)

    @abc.abstractmethod
    def view(self) -> View:
        """The picture."""

    def run(self) -> None:
        self.check()
        load_tensorflow("tensorflow")
        view = self.view()
        view.save(self.out)
        print(f"Written to {self.out}.")
        if path := getattr(self, "csv", None):
            view.save_csv(path)
            print(f"Written to {path}.")


@dataclass(frozen=True, kw_only=True)
class _Network(_Picture):
    model: Positional[str]
    """Run folder, or the name of a network."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""

    # Whether random weights show nothing that was learned.
    learned: typing.ClassVar[bool] = True

    @property
    def chosen(self) -> Chosen:
        """The network, which is not loaded."""
        return chosen(self.model, self.weights, self.options)

    def check(self) -> None:
        super().check()
        _ = self.chosen

    def load(self) -> tuple[keras.Model, Preprocessing]:
        """The model that takes pixels, and its preprocessing."""
        from kerasnets.inputs import with_preprocessing

        found = self.chosen
        if found.random and self.learned:
            log.warning(
                "%s has random weights: this shows how they were drawn, nothing learned. "
                "--weights SOURCE takes trained ones.",
                found.name,
            )
        network, preprocessing = found.load()
        return with_preprocessing(network, preprocessing), preprocessing


def _fitted(
    paths: list[pathlib.Path], model: keras.Model, preprocessing: Preprocessing
) -> np.ndarray:
    """The images of files, (N, H, W, C) uint8, as the model takes them."""
    import numpy as np

    from kerasnets.data.images import fit
    from kerasnets.lazy import tf

    pixels = decoded(paths, model.input_shape[-1]).values()
    return np.stack([fit(tf.constant(each), preprocessing).numpy() for each in pixels])


@dataclass(frozen=True, kw_only=True)
class Filters(_Network):
    """Draw the first layer's filters, or the images that a later layer's units answer most to."""

    layer: str | None = None
    """Layer or stage; the first convolution if not given."""
    units: tuple[int, ...] = ()
    """Channels to draw; all of the first convolution, 16 of a later layer if not given."""
    steps: int = 128
    """Steps of gradient ascent, for later layers."""

    def check(self) -> None:
        super().check()
        if self.steps < 1:
            raise UserError(f"--steps must be at least 1. Received: {self.steps}.")

    def view(self) -> View:
        from kerasnets.figures import filters

        model, preprocessing = self.load()
        order = preprocessing.channel_order
        return filters(model, self.layer, self.units or None, channel_order=order, steps=self.steps)


@dataclass(frozen=True, kw_only=True)
class Maps(_Network):
    """Draw the maps that a layer or a stage makes of an image."""

    image: Positional[pathlib.Path]
    """Image file."""
    layer: str | None = None
    """Layer or stage; the first stage if not given."""

    def check(self) -> None:
        super().check()
        readable([self.image])

    def view(self) -> View:
        from kerasnets.figures import maps

        model, preprocessing = self.load()
        (pixels,) = _fitted([self.image], model, preprocessing)
        return maps(model, pixels, self.layer, picture=pixels)


@dataclass(frozen=True, kw_only=True)
class ReceptiveField(_Network):
    """Draw what the middle unit of a layer sees: in theory, and what of it counts."""

    image: Positional[pathlib.Path | None] = None
    """Image file to draw it on; the gradients are those of noise if not given."""
    layer: str | None = None
    """Layer or stage; the last one with maps if not given."""
    csv: pathlib.Path | None = None
    """File to which the sizes are written."""

    learned: typing.ClassVar[bool] = False

    def check(self) -> None:
        super().check()
        if self.image is not None:
            readable([self.image])

    def view(self) -> View:
        from kerasnets.figures import receptive_field

        model, preprocessing = self.load()
        pixels = None
        if self.image is not None:
            pixels = _fitted([self.image], model, preprocessing)
        picture = None if pixels is None else pixels[0]
        view = receptive_field(model, self.layer, pixels, picture)
        (height, width), stride = view.arrays["size"], view.arrays["stride"]
        print(f"{height} x {width} pixels, stride {stride[0]} x {stride[1]}")
        return view


@dataclass(frozen=True, kw_only=True)
class _OfImages(_Network):
    data: str | None = None
    """Data set in place of the run's: digits, folder:PATH or another of docs/data.md."""
    data_dir: pathlib.Path | None = None
    """Folder in which TFDS keeps its data sets."""
    split: str | None = None
    """Split whose images are taken; the one held out for testing if not given."""
    count: int = 256
    """Number of images of the split, spread evenly over it."""
    csv: pathlib.Path | None = None
    """File to which the values are written."""

    def check(self) -> None:
        super().check()
        if self.count < 1:
            raise UserError(f"--count must be at least 1. Received: {self.count}.")
        if self.data is not None:
            check_data(self.data)
        elif not getattr(self, "images", ()) and self.chosen.run is None:
            what = "image files, or --data SOURCE" if hasattr(self, "images") else "--data SOURCE"
            raise UserError(f"{self.model!r} is a network: give {what}.")

    def some(self, default: str | None = None) -> tuple[Split, tuple[str, ...]]:
        """Some images of the split, and the names of the classes."""
        import numpy as np

        from kerasnets.data import load
        from kerasnets.runs.run import load_data

        run = self.chosen.run
        if self.data is not None:
            dataset = load(self.data, data_dir=self.data_dir)
        else:
            assert run is not None  # `check` refuses that
            dataset = load_data(run.config)
        split = dataset.split(self.split or default or dataset.held_out)
        places = np.linspace(0, split.size - 1, min(self.count, split.size)).round().astype(int)
        return split.take(places), dataset.class_names


def _batches(split: Split, model: keras.Model, preprocessing: Preprocessing) -> Iterator[Any]:
    from kerasnets.data.bad_images import naming_bad_images
    from kerasnets.data.pipeline import evaluation_batches
    from kerasnets.inspection.memory import batch_within

    channels = model.input_shape[-1]
    size = batch_within(model, kept=True, size=preprocessing.size)
    batches = evaluation_batches(split, preprocessing, channels, batch_size=min(size, 64))
    with naming_bad_images([split], channels):
        for images, _ in batches.as_numpy_iterator():
            yield images


@dataclass(frozen=True, kw_only=True)
class Activations(_OfImages):
    """Draw histograms of what each activation gives, with the dead and saturated units."""

    images: Positional[tuple[pathlib.Path, ...]] = ()
    """Image files; images of a split if not given."""

    def view(self) -> View:
        from kerasnets.figures import activations

        paths = readable(self.images)
        model, preprocessing = self.load()
        if paths:
            return activations(model, [_fitted(paths, model, preprocessing)])
        return activations(model, _batches(self.some()[0], model, preprocessing))


@dataclass(frozen=True, kw_only=True)
class Gradients(_OfImages):
    """Draw the norms of the gradients by layer, on one batch of training images."""

    count: int = 64
    """Number of images of the batch."""

    learned: typing.ClassVar[bool] = False

    def check(self) -> None:
        super().check()
        if self.chosen.run:
            self.chosen.run.task.check("gradients")

    def view(self) -> View:
        import numpy as np

        from kerasnets.figures import gradients

        model, preprocessing = self.load()
        split, names = self.some("train")
        if len(names) > self.chosen.classes:
            raise UserError(
                f"{self.model!r} has {self.chosen.classes} classes, the data {len(names)}; "
                f"give --options classes {len(names)}."
            )
        images = np.concatenate(list(_batches(split, model, preprocessing)))
        return gradients(model, images, split.labels)


@dataclass(frozen=True, kw_only=True)
class Embeddings(_OfImages):
    """Draw where a network puts images: its features by PCA and t-SNE."""

    layer: str | None = None
    """Layer or stage; what the layer of the logits takes if not given."""
    count: int = 1000
    """Number of images of the split, spread evenly over it."""
    projector: pathlib.Path | None = None
    """Folder to write for TensorBoard's projector."""

    def check(self) -> None:
        super().check()
        if self.chosen.run:
            self.chosen.run.task.check("embeddings")

    def view(self) -> View:
        from kerasnets.figures import embeddings, save_projector

        model, preprocessing = self.load()
        split, names = self.some()
        kept: list[np.ndarray] = []

        def batches() -> Iterator[Any]:
            for images in _batches(split, model, preprocessing):
                kept.extend(images if self.projector else ())
                yield images

        view = embeddings(model, batches(), split.labels.tolist(), names, layer=self.layer)
        if self.projector:
            labels = [names[label] for label in split.labels]
            save_projector(self.projector, view.arrays["features"], kept, labels)
            print(f"Written to {self.projector}; see it by: tensorboard --logdir {self.projector}")
        return view


@dataclass(frozen=True, kw_only=True)
class Reuse(_Network):
    """Draw how far the layers of DenseNet's blocks use the maps of earlier ones."""

    csv: pathlib.Path | None = None
    """File to which the values are written."""

    def check(self) -> None:
        name = self.chosen.name
        if not registry.info(name).family.startswith("densenet"):
            raise no_dense_blocks(name)
        super().check()

    def view(self) -> View:
        from kerasnets.figures import reuse

        return reuse(self.load()[0])


def _recipe(word: str) -> Recipe:
    """The recipe of a run, of this name, of a file, or of a network."""
    from kerasnets.config.recipes import RECIPES, recipe
    from kerasnets.runs.run import Run

    path = pathlib.Path(word)
    if (path / "config.json").is_file():
        return Run.load(word).recipe
    if word not in RECIPES:
        load_plugins()
    if word in RECIPES or path.suffix in (".toml", ".json"):
        return recipe(word)
    if word in registry.list_models():
        return recipe(registry.info(word).recipe)
    raise unknown("recipe, run or network", word, [*RECIPES, *registry.list_models()])


@dataclass(frozen=True, kw_only=True)
class Schedule(_Picture):
    """Draw the learning rate and the momentum over a recipe's steps, without training."""

    recipe: Positional[str]
    """Recipe: a name of `kerasnets recipes`, a TOML or JSON file, or a run's or network's own."""
    steps: int | None = None
    """Steps of an epoch; those of the run, or 100 if not given."""
    csv: pathlib.Path | None = None
    """File to which the values of each step are written."""

    def check(self) -> None:
        super().check()
        _recipe(self.recipe)
        if self.steps is not None and self.steps < 1:
            raise UserError(f"--steps must be at least 1. Received: {self.steps}.")

    def view(self) -> View:
        from kerasnets.figures import schedule
        from kerasnets.figures.schedule import STEPS_PER_EPOCH

        found = _recipe(self.recipe)
        return schedule(found, self.steps or self._of_run(found) or STEPS_PER_EPOCH)

    def _of_run(self, found: Recipe) -> int:
        """The steps of an epoch that a run has recorded; 0 of others."""
        from kerasnets.files import read_json
        from kerasnets.runs.run import SPLITS

        path = pathlib.Path(self.recipe) / SPLITS
        if not path.is_file():
            return 0
        sizes: Any = read_json(path, dict[str, int], "the number of each split's images")
        return sizes.get("train", 0) // found.batch_size


@dataclass(frozen=True, kw_only=True)
class Augment(_Picture):
    """Draw an image on its way through a recipe's pipeline, stage by stage, several times."""

    recipe: Positional[str]
    """Recipe: a name of `kerasnets recipes`, a TOML or JSON file, or a run's or network's own."""
    image: Positional[pathlib.Path]
    """Image file."""
    draws: int = 6
    """Number of epochs, a row each."""
    seed: int = 0
    """Seed of the run."""
    size: int | None = None
    """Side of the images in pixels; that of the run or network, or of one that takes the recipe."""

    def check(self) -> None:
        super().check()
        readable([self.image])
        found = _recipe(self.recipe)
        for flag in ("draws", "size"):
            value = getattr(self, flag)
            if value is not None and value < 1:
                raise UserError(f"--{flag} must be at least 1. Received: {value}.")
        if found.mixup or found.cutmix:
            log.warning("%s blends the images of a batch afterwards; not drawn.", found.name)

    def view(self) -> View:
        from kerasnets.figures import augment

        found = _recipe(self.recipe)
        preprocessing, channels = self._input(found)
        if self.size:
            preprocessing = preprocessing.for_input(self.size, self.size, channels)
        return augment(
            str(self.image), found.augmentation, preprocessing,
            channels=channels, draws=self.draws, seed=self.seed, name=f"recipe {found.name}",
        )  # fmt: skip

    def _input(self, found: Recipe) -> tuple[Preprocessing, int]:
        from kerasnets.runs.run import Run

        if (pathlib.Path(self.recipe) / "config.json").is_file():
            run = Run.load(self.recipe)
            return run.preprocessing, run.input_shape[-1]
        named = [name for name in registry.list_models() if name == self.recipe]
        takers = [n for n in registry.list_models() if registry.info(n).recipe == found.name]
        facts = registry.info([*named, *takers, "resnet50"][0])
        return facts.preprocessing, facts.input_shape[-1]


@dataclass(frozen=True)
class Look:
    """Draw what a network, a recipe or a pipeline looks like."""

    command: OmitArgPrefixes[
        Annotated[Filters, subcommand("filters", prefix_name=False)]
        | Annotated[Maps, subcommand("maps", prefix_name=False)]
        | Annotated[ReceptiveField, subcommand("receptive-field", prefix_name=False)]
        | Annotated[Activations, subcommand("activations", prefix_name=False)]
        | Annotated[Gradients, subcommand("gradients", prefix_name=False)]
        | Annotated[Embeddings, subcommand("embeddings", prefix_name=False)]
        | Annotated[Reuse, subcommand("reuse", prefix_name=False)]
        | Annotated[Schedule, subcommand("schedule", prefix_name=False)]
        | Annotated[Augment, subcommand("augment", prefix_name=False)]
    ]

    def run(self) -> None:
        self.command.run()
