"""``kerasnets explain``."""

from __future__ import annotations

import logging
import pathlib
import typing
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from kerasnets import registry
from kerasnets.cli.checks import check_alone, check_network, check_run, is_run
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.config.options import parse_options
from kerasnets.errors import UserError, unknown
from kerasnets.explanation.methods import LAYER_METHODS, Method
from kerasnets.explanation.sheet import Panel, check_sheet, seen_part
from kerasnets.export.versions import versions
from kerasnets.prediction.prediction import check_images, image_files, read_image

if typing.TYPE_CHECKING:
    import keras

    from kerasnets.inputs import Preprocessing
    from kerasnets.runs.run import Run

log = logging.getLogger("kerasnets")
# Arguments of `kerasnets.build` that no option of the network can be.
GIVEN = ("weights", "classifier_activation", "include_top", "pooling")


@dataclass(frozen=True)
class Subject:
    """An image to explain: its name, its pixels (H, W, C) uint8, its true class where known."""

    name: str
    pixels: np.ndarray
    label: int | None


@dataclass(frozen=True)
class Explain:
    """Show on images where a network finds a class."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights)."""
    images: Positional[tuple[pathlib.Path, ...]]
    """Image files."""
    method: Method = "grad_cam"
    """Method; docs/explanations.md says which one shows what."""
    class_name: Annotated[str | None, arg(name="class")] = None
    """Name or index of the class to explain; the predicted and the true one if not given."""
    layer: str | None = None
    """Layer whose maps are taken; the last one before pooling if not given."""
    mistakes: int | None = None
    """Explain the N worst mistakes of a run's evaluation, in place of image files."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""
    out: pathlib.Path = pathlib.Path("explanation.png")
    """Picture to write: .png, .pdf or .svg."""

    def run(self) -> None:
        run = self._check()
        worst = _worst_mistakes(run, self.mistakes) if run and self.mistakes else None
        paths = self._readable()
        load_tensorflow("tensorflow")
        network, preprocessing = self._network(run)
        names = run.class_names if run else None
        channels = network.input_shape[-1]
        if run and worst is not None:
            subjects = _of_split(run, worst, channels)
        else:
            subjects = [each for path in paths for each in _read(path, channels, names)]
        if not subjects:
            raise UserError("None of the images can be read.")
        self._draw(network, preprocessing, subjects, names)

    def _check(self) -> Run | None:
        check_sheet(self.out, self.mistakes or len(self.images))
        if (self.mistakes is None) == (not self.images):
            raise UserError("Give image files, kerasnets explain MODEL IMAGE..., or --mistakes N.")
        if self.mistakes is not None and self.mistakes < 1:
            raise UserError(f"--mistakes must be at least 1. Received: {self.mistakes}.")
        if self.layer and self.method not in LAYER_METHODS:
            raise UserError(f"--layer is for methods of a layer; {self.method} asks the pixels.")
        image_files(self.images)
        folder = pathlib.Path(self.model)
        if (folder / "saved_model.pb").is_file() or versions(folder):
            raise UserError(
                f"{self.model!r} is a SavedModel, whose layers cannot be looked into; explain the "
                "run or the network that it was exported from."
            )
        if is_run(self.model):
            check_alone(self, self.model, "weights", "options")
            run = check_run(self.model)
            self._label(run.class_names, len(run.class_names))
            return run
        if self.mistakes is not None:
            raise UserError(f"--mistakes is for a run; {self.model!r} is a network.")
        facts = registry.info(self.model)
        if self.weights is None:
            raise UserError(f"To explain the network {facts.name} give --weights SOURCE.")
        options = parse_options(self.options, GIVEN)
        check_network(self.model, options, self.weights)
        classes = options.get("classes", facts.classes)
        self._label(None, classes if isinstance(classes, int) else facts.classes)
        return None

    def _readable(self) -> list[pathlib.Path]:
        """The files that begin as images do; the others are named."""
        readable, reasons = [], []
        for path in self.images:
            try:
                check_images([path])
                readable.append(path)
            except UserError as error:
                reasons.append(str(error))
        if reasons and not readable:
            raise UserError(reasons[0])
        for reason in reasons:
            log.warning("skipped: %s", reason)
        return readable

    def _label(self, names: tuple[str, ...] | None, classes: int) -> int | None:
        """The index of --class."""
        if self.class_name is None:
            return None
        if names and self.class_name in names:
            return names.index(self.class_name)
        if self.class_name.isdecimal() and int(self.class_name) < classes:
            return int(self.class_name)
        if names and not self.class_name.isdecimal():
            raise unknown("class", self.class_name, names)
        raise UserError(f"--class must be 0 to {classes - 1}. Received: {self.class_name!r}.")

    def _network(self, run: Run | None) -> tuple[keras.Model, Preprocessing]:
        if run:
            return run.network(), run.preprocessing
        import kerasnets
        from kerasnets.pretrained.build import build

        network = build(self.model, weights=self.weights, **parse_options(self.options, GIVEN))
        height, width, channels = network.input_shape[1:]
        seen = kerasnets.preprocessing(network)
        return network, seen.for_input(height or seen.size[0], width or seen.size[1], channels)

    def _draw(
        self,
        network: keras.Model,
        preprocessing: Preprocessing,
        subjects: list[Subject],
        names: tuple[str, ...] | None,
    ) -> None:
        from kerasnets.data.images import fit
        from kerasnets.explanation.classifier import Classifier
        from kerasnets.explanation.maps import explain
        from kerasnets.explanation.sheet import save_sheet
        from kerasnets.inputs import with_preprocessing
        from kerasnets.lazy import tf
        from kerasnets.plotting import drawable

        model = with_preprocessing(network, preprocessing)
        classifier = Classifier(model)
        # An unknown one is told before the images are fitted.
        layer = classifier.layer(self.layer) if self.method in LAYER_METHODS else None
        pixels = np.stack([fit(tf.constant(each.pixels), preprocessing) for each in subjects])
        scores = tf.nn.softmax(classifier.logits_of_many(pixels)).numpy()
        best, asked = scores.argmax(axis=1), self._label(names, classifier.classes)
        chosen = best if asked is None else np.full(len(subjects), asked)
        wanted = [[int(label)] for label in chosen]
        for each, labels in zip(subjects, wanted, strict=True):
            # Where the network is wrong the true class has a map too.
            if asked is None and each.label not in (None, *labels):
                labels.append(each.label)
        places = [place for place, labels in enumerate(wanted) for _ in labels]
        flat = [label for labels in wanted for label in labels]
        maps: list[dict[int, np.ndarray]] = [{} for _ in subjects]
        found = explain(model, pixels[places], self.method, flat, self.layer)
        for place, label, each in zip(places, flat, found, strict=True):
            maps[place][label] = each
        for each, label, score in zip(subjects, best, scores, strict=True):
            print(f"{each.name}: {_name(names, label)} {score[label]:.2%}", *_true(each, names))
        kind = "predicted" if asked is None else "chosen"
        drawn = drawable(names) if names else None
        panels = [
            _panel(each, drawn, preprocessing, kind, own, score)
            for each, own, score in zip(subjects, maps, scores, strict=True)
        ]
        of_layer = f" of {layer.name}" if layer else ""
        save_sheet(self.out, panels, f"{network.name}: {self.method}{of_layer}")
        print(f"Written to {self.out}.")


def _panel(
    subject: Subject,
    names: tuple[str, ...] | None,
    preprocessing: Preprocessing,
    kind: str,
    maps: dict[int, np.ndarray],
    scores: np.ndarray,
) -> Panel:
    """A row of the sheet; the second of its maps is that of the true class."""
    titled = [
        (f"{word}: {_name(names, label)} {scores[label]:.1%}", found)
        for word, (label, found) in zip((kind, "true"), maps.items(), strict=False)
    ]
    title = "\n".join([pathlib.PurePath(subject.name).name, *_true(subject, names)])
    seen = seen_part(preprocessing, *subject.pixels.shape[:2])
    return Panel(subject.pixels, title, tuple(titled), seen)


def _true(subject: Subject, names: tuple[str, ...] | None) -> list[str]:
    return [] if subject.label is None else [f"true: {_name(names, subject.label)}"]


def _name(names: tuple[str, ...] | None, label: int) -> str:
    return names[label] if names and label < len(names) else f"class {label}"


def _read(path: pathlib.Path, channels: int, names: tuple[str, ...] | None) -> list[Subject]:
    """The image of a file; none where it cannot be decoded, which is told."""
    from kerasnets.data.bad_images import ERRORS, image_reason
    from kerasnets.data.images import decode
    from kerasnets.lazy import tf

    folder = path.absolute().parent.name
    label = names.index(folder) if names and folder in names else None
    try:
        pixels = decode(tf.constant(read_image(path)), channels).numpy()
    except UserError as error:
        log.warning("skipped: %s", error)
        return []
    except ERRORS as error:
        log.warning("skipped: %r cannot be read as an image: %s.", str(path), image_reason(error))
        return []
    return [Subject(str(path), pixels, label)]


def _worst_mistakes(run: Run, count: int) -> list[str]:
    """The names of the images that a run's evaluation was most wrong about."""
    from kerasnets.evaluation.results import read_mistakes

    mistakes = read_mistakes(run.folder)
    if not mistakes:
        raise UserError(f"The run in {str(run.folder)!r} made no mistakes in its evaluation.")
    return [mistake.image for mistake in mistakes[:count]]


def _of_split(run: Run, names: list[str], channels: int) -> list[Subject]:
    """The images of these names in the split that a run was evaluated on."""
    from kerasnets.reports.pictures import images_by_name
    from kerasnets.runs.run import load_data

    dataset = load_data(run.config)
    run.check_classes(dataset)
    split = dataset.split(dataset.held_out)
    found = images_by_name(dataset, dataset.held_out, names, channels)
    return [
        Subject(name, pixels, int(split.labels[place]))
        for name, (place, pixels) in zip(names, found, strict=True)
    ]
