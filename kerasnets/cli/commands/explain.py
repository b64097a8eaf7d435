"""``kerasnets explain``."""

from __future__ import annotations

import pathlib
import typing
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.models import Chosen, chosen, decoded, is_savedmodel, readable
from kerasnets.errors import UserError, unknown
from kerasnets.explanation.methods import LAYER_METHODS, Method
from kerasnets.explanation.sheet import Panel, check_sheet
from kerasnets.prediction.prediction import image_files

if typing.TYPE_CHECKING:
    import keras

    from kerasnets.inputs import Preprocessing
    from kerasnets.runs.run import Run

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
    """Run folder, SavedModel, or the name of a network (then with --weights)."""
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
    labels: pathlib.Path | None = None
    """File with a class name on each line, for a network; indices are shown otherwise."""
    out: pathlib.Path = pathlib.Path("explanation.png")
    """Picture to write: .png, .pdf or .svg."""

    def run(self) -> None:
        if is_savedmodel(self.model):
            self._explain_savedmodel()
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

    def _explain_savedmodel(self) -> None:
        """Draws what the signature ``explain`` answers."""
        check_sheet(self.out, len(self.images))
        fields = ("class_name", "layer", "mistakes", "weights", "options", "labels")
        given = [name.removesuffix("_name") for name in fields if getattr(self, name)]
        if self.method != "grad_cam":
            given.append(f"method {self.method}")
        if given:
            raise UserError(
                f"--{given[0]} is for runs and networks; the SavedModel {self.model!r} tells the "
                "grad_cam of the predicted class alone."
            )
        if not self.images:
            raise UserError("Give image files: kerasnets explain SAVEDMODEL IMAGE...")
        paths = readable(self.images)
        load_tensorflow("tensorflow")
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
        if self.layer and self.method not in LAYER_METHODS:
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
    from kerasnets.data.images import seen_part
    from kerasnets.lazy import tf

    titled = [
        (f"{word}: {_name(names, label)} {scores[label]:.1%}", found)
        for word, (label, found) in zip((kind, "true"), maps.items(), strict=False)
    ]
    title = "\n".join([pathlib.PurePath(subject.name).name, *_true(subject, names)])
    part = seen_part(tf.constant([subject.pixels.shape[:2]]), preprocessing)[0].numpy()
    return Panel(subject.pixels, title, tuple(titled), tuple(part))


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
    split = dataset.split(dataset.held_out)
    found = images_by_name(dataset, dataset.held_out, names, channels)
    return [
        Subject(name, pixels, int(split.labels[place]))
        for name, (place, pixels) in zip(names, found, strict=True)
    ]
