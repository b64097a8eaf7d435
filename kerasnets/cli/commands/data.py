"""``kerasnets data check``, ``stats``, ``pack``...: looking after a data set."""

from __future__ import annotations

import functools
import pathlib
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Optional

from tyro.conf import OmitArgPrefixes, Positional, arg, subcommand

from kerasnets.cli.checks import check_data, check_file, check_run
from kerasnets.cli.embedded import Asked
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.tables import show
from kerasnets.errors import UserError
from kerasnets.files import check_writable
from kerasnets.lazy import check_backend
from kerasnets.runs.folds import cross_validation
from kerasnets.tasks import TASKS, TaskName

if typing.TYPE_CHECKING:
    import numpy as np

    from kerasnets.data.checks import Report
    from kerasnets.data.sources import Dataset

# Names that are printed of a long list; all are in the files.
SHOWN = 10


@dataclass(frozen=True)
class _Source:
    source: Positional[str]
    """Data set: digits, a TFDS name, folder:PATH, manifest:FILE, records:PATH or hf:NAME."""
    data_dir: pathlib.Path | None = None
    """Folder in which TFDS keeps its data sets."""
    test_fraction: float = 0.2
    """Fraction of the images held out for testing where a source has no splits."""
    task: TaskName = "classification"
    """Task: classification, one class for each image; multilabel, several; regression, numbers."""

    def check(self) -> None:
        """Refuses what can be refused before TensorFlow is loaded."""
        check_data(self.source, self.task)

    def load(self) -> Dataset:
        """The data set."""
        from kerasnets.data import load

        return load(
            self.source, data_dir=self.data_dir, test_fraction=self.test_fraction, task=self.task
        )


@dataclass(frozen=True)
class Check(_Source):
    """Read every image once, and report what is in the data set and what is wrong with it."""

    out: pathlib.Path = pathlib.Path("data-check")
    """Folder to which the lists and pictures are written."""
    augment: str = "inception"
    """Augmentation that augmented.png shows: names or layers, see docs/data.md."""
    size: int | None = None
    """Side of the images in augmented.png, in pixels; at most 224 if not given."""

    def check(self) -> None:
        super().check()
        if self.size is not None and self.size < 1:
            raise UserError(f"--size must be at least 1. Received: {self.size}.")
        check_writable(self.out)

    def run(self) -> None:
        import numpy as np

        from kerasnets.data import augmentation, check
        from kerasnets.data.bad_images import BAD_IMAGES, write_list
        from kerasnets.data.checks import write_pairs
        from kerasnets.data.pictures import save_augmented, save_pairs, save_samples
        from kerasnets.files import make_folder, write_text

        augment = augmentation(self.augment)
        augment.check()
        dataset = self.load()
        report = check(dataset)
        out = make_folder(self.out)
        _print(dataset, report)
        bad = [each for split in report.splits.values() for each in split.bad]
        write_list(out / BAD_IMAGES, bad)
        for name in ("duplicates", "leaks"):
            lines = ["\t".join(group) + "\n" for group in getattr(report, name)]
            write_text(out / f"{name}.txt", "".join(lines))
        write_pairs(out / "near_duplicates.csv", report.near, ("distance", "difference"))
        if report.near:
            save_pairs(out / "near_duplicates.png", dataset, report.near, "near duplicates")
        else:
            (out / "near_duplicates.png").unlink(missing_ok=True)
        first = next(iter(dataset.splits))
        unread = [each.index for each in report.splits[first].bad]
        readable = dataset.splits[first]
        readable = readable.take(np.setdiff1d(np.arange(readable.size), unread))
        if readable.size:
            sides = report.splits[first].sides
            side = self.size or min(224, int(np.median(sides.min(axis=1))))
            save_samples(out / "samples.png", dataset, readable, side)
            save_augmented(out / "augmented.png", dataset, readable, side, augment, self.augment)
        print(f"Written to {out}: the lists, and pictures of samples, augmentation and duplicates.")
        if bad:
            raise UserError(
                f"{len(bad)} of {sum(split.size for split in dataset.splits.values()):,} images "
                f"cannot be read, among them {bad[0].name!r}; see {out / BAD_IMAGES}."
            )


def _print(dataset: Dataset, report: Report) -> None:
    """Counts, sides and what is wrong, on the terminal."""
    import numpy as np

    names = list(report.splits)
    counts = zip(*(report.splits[name].counts for name in names), strict=True)
    rows = [(name, *row) for name, row in zip(dataset.class_names, counts, strict=True)]
    totals = [sum(report.splits[name].counts) for name in names]
    show(("class", *names), rows, left=("class",), footer=("images", *totals))
    rows = []
    for name in names:
        sides = report.splits[name].sides
        if len(sides):
            low, middle, high = (np.quantile(sides, at, axis=0).astype(int) for at in (0, 0.5, 1))
            rows.append((name, *("x".join(map(str, each)) for each in (low, middle, high))))
    show(("height x width", "least", "median", "largest"), rows, left=("height x width",))
    for each in dataset.left_out:
        print(each)
    for name in names:
        _print_some(
            f"{name}: images that cannot be read",
            [f"{each.name!r}: {each.reason}" for each in report.splits[name].bad],
        )
    _print_some("files twice in a split", [" = ".join(group) for group in report.duplicates])
    _print_some("files in two splits", [" = ".join(group) for group in report.leaks])
    _print_some("near duplicates", list(map(str, report.near)))


def _print_some(title: str, lines: list[str]) -> None:
    print(f"{title}: {len(lines) or 'none'}")
    for line in lines[:SHOWN]:
        print(f"  {line}")
    if len(lines) > SHOWN:
        print(f"  and {len(lines) - SHOWN} more")


@dataclass(frozen=True)
class Stats(_Source):
    """Compute the mean, standard deviation and principal axes of the colours of the images."""

    split: str = "train"
    """Split whose images are read."""
    channels: typing.Literal[1, 3] = 3
    """Number of channels: 1 for grayscale, 3 for RGB."""

    def run(self) -> None:
        from kerasnets.data import statistics

        dataset = self.load()
        found = statistics(dataset.split(self.split), self.channels)
        print(f"{dataset.name}, {self.split}: of pixels in [0, 1]")
        for name in ("mean", "std", "values"):
            print(f"{name:8} {_numbers(getattr(found, name))}")
        for index, row in enumerate(found.vectors):
            print(f"{'vectors' if index == 0 else '':8} {_numbers(row)}")


def _numbers(values: np.ndarray) -> str:
    return "  ".join(f"{value:7.4f}" for value in values)


@dataclass(frozen=True)
class Pack(_Source):
    """Pack a data set into TFRecord files; an interrupted packing is continued."""

    out: pathlib.Path = pathlib.Path("records")
    """Folder to which the shards are written, to be used as records:FOLDER."""
    images_per_shard: int = 1024
    """Maximum number of images in a shard."""
    threads: int | None = None
    """Number of threads that read and write; one for each core if not given."""

    def check(self) -> None:
        super().check()
        check_writable(self.out)

    def run(self) -> None:
        from kerasnets.data import write_tfrecords

        manifest = write_tfrecords(
            self.load(), self.out, images_per_shard=self.images_per_shard, threads=self.threads
        )
        print(f"Packed into {manifest.parent}; use it as records:{manifest.parent}")


@dataclass(frozen=True)
class Duplicates:
    """List images that show the same to a network: other crops, mirrored ones, parts of a series.

    `data check` finds copies, without a network.
    """

    source: Positional[str]
    """Data set, or folder of image files."""
    model: str
    """Run folder, or the name of a network (then with --weights)."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""
    data_dir: pathlib.Path | None = None
    """Folder in which TFDS keeps its data sets."""
    task: Optional[TaskName] = None  # noqa: UP045  # tyro loads typeguard for `str | None`
    """What the labels are for; as the run was trained, or one class, if not given."""
    cosine: float = 0.95
    """Least cosine of the vectors of two images, as of `kerasnets neighbours`, in [-1, 1]."""
    out: pathlib.Path = pathlib.Path("duplicates")
    """Folder to which the list and a picture are written."""

    def check(self) -> None:
        """Refuses what can be refused before TensorFlow is loaded."""
        if not -1 <= self.cosine <= 1:
            raise UserError(f"--cosine must be in [-1, 1]. Received: {self.cosine}.")
        check_writable(self.out)
        check_backend("tensorflow")
        _ = self._asked

    @functools.cached_property
    def _asked(self) -> Asked:
        return Asked.of(
            self.model, self.source, self.weights, self.options, self.task, self.data_dir
        )

    def run(self) -> None:
        from kerasnets.data.checks import write_pairs
        from kerasnets.data.pictures import save_pairs
        from kerasnets.embedding import semantic_duplicates
        from kerasnets.files import make_folder

        asked = self._asked
        dataset = asked.dataset()
        found = semantic_duplicates(asked.embeddings(dataset), self.cosine)
        out = make_folder(self.out)
        write_pairs(out / "duplicates.csv", found, ("cosine",))
        if found:
            by = f"alike to {asked.network.name}"
            save_pairs(out / "duplicates.png", dataset, found, by)
        else:
            (out / "duplicates.png").unlink(missing_ok=True)
        images = sum(dataset.sizes.values())
        _print_some(
            f"pairs of {images:,} images with a cosine of {self.cosine} or more",
            list(map(str, found)),
        )
        print(f"Written to {out}: duplicates.csv{' and duplicates.png' if found else ''}.")


@dataclass(frozen=True)
class Suspects:
    """List images whose label is probably wrong, by what networks say that have not seen them."""

    run_folder: Annotated[Positional[pathlib.Path], arg(metavar="RUN")]
    """Run folder, or that of a cross-validation (`train --folds`), which covers all images."""
    split: str | None = None
    """Split of a run's data; the held-out one if not given."""
    out: pathlib.Path = pathlib.Path("suspects.csv")
    """CSV file to which all of them are written, the surest first."""

    def check(self) -> None:
        """Refuses what can be refused before TensorFlow is loaded."""
        check_file(self.out, (".csv",))
        whole = cross_validation(self.run_folder)
        if whole is None:
            check_run(self.run_folder).task.check("suspects")
            return
        TASKS[whole.task].check("suspects")
        if self.split is not None:
            raise UserError("--split is for a run; a cross-validation covers all images.")

    def run(self) -> None:
        import numpy as np

        from kerasnets.evaluation.suspects import suspects
        from kerasnets.files import write_csv

        what, names, classes, labels, said = self._said()
        found = suspects(labels, np.asarray(said))
        rows = [
            (names[each.image], classes[each.label], classes[each.suggested],
             f"{each.own:.4f}", f"{each.other:.4f}")
            for each in found
        ]  # fmt: skip
        header = ("image", "label", "suggested", "probability of label", "probability of suggested")
        write_csv(self.out, header, rows)
        print(f"{len(rows)} of {len(labels):,} images of {what} are probably mislabelled:")
        show(header, rows[:SHOWN], left=header[:3])
        print(f"Written to {self.out}.")

    def _said(self) -> tuple[str, Sequence[str], Sequence[str], np.ndarray, np.ndarray]:
        """What the images are, their names, the classes, the labels and the probabilities."""
        from kerasnets.evaluation.evaluator import logits_of_split
        from kerasnets.evaluation.results import softmax
        from kerasnets.runs.folds import read_out_of_fold
        from kerasnets.runs.run import Run, load_data

        if cross_validation(self.run_folder) is not None:
            return ("all folds", *read_out_of_fold(self.run_folder))
        run = Run.load(self.run_folder)
        dataset = load_data(run.config)
        run.check_classes(dataset)
        name = self.split or dataset.held_out
        split = dataset.split(name)
        said = softmax(logits_of_split(run.network(), split, run.preprocessing, name=name))
        names = [split.name(index) for index in range(split.size)]
        return name, names, run.class_names, split.labels, said


@dataclass(frozen=True)
class Data:
    """Check a data set, compute statistics, pack it, or list duplicates and suspect labels."""

    command: OmitArgPrefixes[
        Annotated[Check, subcommand("check", prefix_name=False)]
        | Annotated[Stats, subcommand("stats", prefix_name=False)]
        | Annotated[Pack, subcommand("pack", prefix_name=False)]
        | Annotated[Duplicates, subcommand("duplicates", prefix_name=False)]
        | Annotated[Suspects, subcommand("suspects", prefix_name=False)]
    ]

    def run(self) -> None:
        self.command.check()
        load_tensorflow()
        self.command.run()
