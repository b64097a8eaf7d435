"""``kerasnets explain``."""

from __future__ import annotations

import logging
import pathlib
import typing
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from kerasnets.cli.checks import is_export
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.models import Chosen, chosen, decoded, readable
from kerasnets.errors import UserError, unknown
from kerasnets.explanation.methods import ANSWER_METHODS, LAYER_METHODS, Method
from kerasnets.explanation.sheet import Panel, check_sheet
from kerasnets.prediction.models import HEAVY, Found, find_model
from kerasnets.prediction.prediction import Answer, image_files

if typing.TYPE_CHECKING:
    import keras

    from kerasnets.inputs import Preprocessing
    from kerasnets.runs.run import Run

log = logging.getLogger("kerasnets")
# Side of a SavedModel's maps on the sheet.
SMOOTH = 224


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
    """Run folder, export, URL of a model, or the name of a network (then with --weights)."""
    images: Positional[tuple[pathlib.Path, ...]]
    """Image files."""
    method: Method | None = None
    """Method; docs/explanations.md says which one shows what. If not given grad_cam, or occlusion
    of models that give no gradients."""
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
    labels: pathlib.Path | None = None
    """File with a class name on each line, for a network; indices are shown otherwise."""
    out: pathlib.Path = pathlib.Path("explanation.png")
    """Picture to write: .png, .pdf or .svg."""

    def run(self) -> None:
        if is_export(self.model):
            self._explain_export(find_model(self.model))
            return
        found = self._check()
        run, names = found.run, found.class_names
        worst = _worst_mistakes(run, self.mistakes) if run and self.mistakes else None
        paths = readable(self.images)
        load_tensorflow("tensorflow")
        network, preprocessing = found.load()
        channels = network.input_shape[-1]
        if run and worst is not None:
            subjects = _of_split(run, worst, channels)
        else:
            pixels = decoded(paths, channels)
            subjects = [
                Subject(str(path), each, _folder_label(path, names))
                for path, each in pixels.items()
            ]
        self._draw(network, preprocessing, subjects, names)

    def _explain_export(self, found: Found) -> None:
        """Draws what an export tells, whose layers cannot be looked into."""
        check_sheet(self.out, len(self.images))
        for name in ("layer", "mistakes", "weights", "options", "labels"):
            if getattr(self, name):
                raise UserError(f"--{name} is for runs and networks; {self.model!r} is an export.")
        works = ANSWER_METHODS if found.kind != "savedmodel" else ("grad_cam", *ANSWER_METHODS)
        method = self.method or works[0]
        if method not in works:
            raise UserError(
                f"--method {method} needs more than {self.model!r} gives; for it there is "
                f"{' and '.join(works)}."
            )
        if self.class_name and method not in ANSWER_METHODS:
            raise UserError(
                f"--class needs --method {' or '.join(ANSWER_METHODS)}: a SavedModel gives the "
                f"{method} of the predicted class alone."
            )
        if not self.images:
            raise UserError("Give image files: kerasnets explain MODEL IMAGE...")
        paths = readable(self.images)
        if found.kind in HEAVY:
            load_tensorflow("tensorflow")
        if method in ANSWER_METHODS:
            self._draw_by_answers(found, paths)
        else:
            self._draw_by_signature(paths)

    def _draw_by_answers(self, found: Found, paths: list[pathlib.Path]) -> None:
        """Draws what the probabilities lose where a part of an image is hidden."""
        from kerasnets.explanation.sheet import save_sheet
        from kerasnets.plotting import drawable
        from kerasnets.prediction.explaining import MOST, check_explained, occlusion, told
        from kerasnets.prediction.models import open_model
        from kerasnets.prediction.pixels import upright
        from kerasnets.prediction.prediction import Unreadable, read_image
        from kerasnets.prediction.sources import Item

        model, panels = open_model(found.where), []
        check_explained(model)
        for path in paths:
            content = read_image(path)
            pixels = upright(content, MOST)
            if isinstance(pixels, Unreadable):
                log.warning("skipped: %s", pixels.error(path))
                continue
            (answer,) = told(model, [Item(str(path), content)])
            names = model.class_names or _told_names(answer)
            subject = Subject(str(path), pixels, _folder_label(path, names))
            asked = self._label(names, len(names))
            best = int(answer.probabilities.argmax())
            labels = _wanted(best, asked, subject)
            maps = dict(zip(labels, occlusion(model, pixels, labels), strict=True))
            print(f"{path}: {names[best]} {answer.scores[0]:.2%}", *_true(subject, names))
            kind = "predicted" if asked is None else "chosen"
            panels.append(_panel(subject, drawable(names), kind, maps, answer.probabilities))
        if not panels:
            raise UserError("None of the images can be read.")
        save_sheet(self.out, panels, f"{'/'.join(pathlib.Path(self.model).parts[-2:])}: occlusion")
        print(f"Written to {self.out}.")

    def _draw_by_signature(self, paths: list[pathlib.Path]) -> None:
        """Draws what the signature ``explain`` answers."""
        from kerasnets.explanation.sheet import save_sheet
        from kerasnets.lazy import tf
        from kerasnets.prediction.savedmodel import load_explainer

        explained = load_explainer(pathlib.Path(self.model))
        panels = []
        for path, pixels in decoded(paths, 3).items():
            found = explained(tf.constant([path.read_bytes()]))
            name, score, seen = (found[key].numpy()[0] for key in ("class", "score", "seen"))
            print(f"{path}: {name.decode()} {score:.2%}")
            title = f"predicted: {name.decode()} {score:.1%}"
            # Smooth, as the maps of runs are.
            smooth = tf.image.resize(found["map"][0][..., None], (SMOOTH, SMOOTH))[..., 0].numpy()
            panels.append(Panel(pixels, path.name, ((title, smooth),), tuple(seen)))
        save_sheet(self.out, panels, f"{'/'.join(pathlib.Path(self.model).parts[-2:])}: grad_cam")
        print(f"Written to {self.out}.")

    def _check(self) -> Chosen:
        check_sheet(self.out, self.mistakes or len(self.images))
        if (self.mistakes is None) == (not self.images):
            raise UserError("Give image files, kerasnets explain MODEL IMAGE..., or --mistakes N.")
        if self.mistakes is not None and self.mistakes < 1:
            raise UserError(f"--mistakes must be at least 1. Received: {self.mistakes}.")
        if self.layer and self.method not in (None, *LAYER_METHODS):
            raise UserError(f"--layer is for methods of a layer; {self.method} asks the pixels.")
        image_files(self.images)
        found = chosen(self.model, self.weights, self.options, self.labels)
        if found.run:
            found.run.task.check("explain")
        if found.run is None and self.mistakes is not None:
            raise UserError(f"--mistakes is for a run; {self.model!r} is a network.")
        if found.random:
            raise UserError(f"To explain the network {found.name} give --weights SOURCE.")
        self._label(found.class_names, found.classes)
        return found

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

    def _draw(
        self,
        network: keras.Model,
        preprocessing: Preprocessing,
        subjects: list[Subject],
        names: tuple[str, ...] | None,
    ) -> None:
        from kerasnets.data.images import fit, seen_part
        from kerasnets.explanation.classifier import Classifier
        from kerasnets.explanation.maps import explain
        from kerasnets.explanation.sheet import save_sheet
        from kerasnets.inputs import with_preprocessing
        from kerasnets.lazy import tf
        from kerasnets.plotting import drawable

        model = with_preprocessing(network, preprocessing)
        classifier = Classifier(model)
        method = self.method or "grad_cam"
        # An unknown one is told before the images are fitted.
        layer = classifier.layer(self.layer) if method in LAYER_METHODS else None
        pixels = np.stack([fit(tf.constant(each.pixels), preprocessing) for each in subjects])
        scores = tf.nn.softmax(classifier.logits_of_many(pixels)).numpy()
        best, asked = scores.argmax(axis=1), self._label(names, classifier.classes)
        wanted = [
            _wanted(int(label), asked, each) for label, each in zip(best, subjects, strict=True)
        ]
        places = [place for place, labels in enumerate(wanted) for _ in labels]
        flat = [label for labels in wanted for label in labels]
        maps: list[dict[int, np.ndarray]] = [{} for _ in subjects]
        found = explain(model, pixels[places], method, flat, self.layer)
        for place, label, each in zip(places, flat, found, strict=True):
            maps[place][label] = each
        for each, label, score in zip(subjects, best, scores, strict=True):
            print(f"{each.name}: {_name(names, label)} {score[label]:.2%}", *_true(each, names))
        kind = "predicted" if asked is None else "chosen"
        drawn = drawable(names) if names else None
        sides = tf.constant([each.pixels.shape[:2] for each in subjects])
        panels = [
            _panel(each, drawn, kind, own, score, tuple(part))
            for each, own, score, part in zip(
                subjects, maps, scores, seen_part(sides, preprocessing).numpy(), strict=True
            )
        ]
        of_layer = f" of {layer.name}" if layer else ""
        save_sheet(self.out, panels, f"{network.name}: {method}{of_layer}")
        print(f"Written to {self.out}.")


def _wanted(best: int, asked: int | None, subject: Subject) -> list[int]:
    """The classes that get a map: where the network is wrong the true one too."""
    if asked is not None:
        return [asked]
    return [best] if subject.label in (None, best) else [best, subject.label]


def _told_names(answer: Answer) -> tuple[str, ...]:
    """The names of the classes as far as an answer tells them, otherwise their indices."""
    names = list(map(str, range(len(answer.probabilities))))
    best = np.argsort(-answer.probabilities, kind="stable")
    for label, name in zip(best, answer.classes, strict=False):
        names[label] = name
    return tuple(names)


def _panel(
    subject: Subject,
    names: tuple[str, ...] | None,
    kind: str,
    maps: dict[int, np.ndarray],
    scores: np.ndarray,
    seen: tuple[float, float, float, float] = (0, 0, 1, 1),
) -> Panel:
    """A row of the sheet; the second of its maps is that of the true class."""
    titled = [
        (f"{word}: {_name(names, label)} {scores[label]:.1%}", found)
        for word, (label, found) in zip((kind, "true"), maps.items(), strict=False)
    ]
    title = "\n".join([pathlib.PurePath(subject.name).name, *_true(subject, names)])
    return Panel(subject.pixels, title, tuple(titled), seen)


def _true(subject: Subject, names: tuple[str, ...] | None) -> list[str]:
    return [] if subject.label is None else [f"true: {_name(names, subject.label)}"]


def _name(names: tuple[str, ...] | None, label: int) -> str:
    return names[label] if names and label < len(names) else f"class {label}"


def _folder_label(path: pathlib.Path, names: tuple[str, ...] | None) -> int | None:
    """The class whose folder a file lies in."""
    folder = path.absolute().parent.name
    return names.index(folder) if names and folder in names else None


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
    # An evaluation written into the run's folder may be of another split than the run's own.
    name = str(run.metrics()["split"])
    split = dataset.split(name)
    found = images_by_name(dataset, name, names, channels)
    return [
        Subject(name, pixels, int(split.labels[place]))
        for name, (place, pixels) in zip(names, found, strict=True)
    ]
