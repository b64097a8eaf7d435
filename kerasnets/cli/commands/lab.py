"""``kerasnets lab``."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Literal

from tyro.conf import Positional

from kerasnets.cli.checks import check_data
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.tables import show
from kerasnets.errors import UserError
from kerasnets.lab.catalogue import experiment, names
from kerasnets.lab.design import SECTIONS, Experiment


@dataclass(frozen=True)
class Lab:
    """List the experiments on what lectures claim, or run one.

    One that was stopped goes on where it was, by the same command.
    """

    name: Positional[str | None] = None
    """Experiment to run; all are listed if not given."""
    scale: Literal["small", "full"] = "small"
    """How large: small ends within minutes on two cores, full is near the paper."""
    seeds: int | None = None
    """Number of seeds; the scale's own if not given."""
    epochs: int | None = None
    """Epochs of each training; the scale's own number if not given."""
    data: str | None = None
    """Data set, as `kerasnets train` takes it; the scale's own if not given."""
    out: pathlib.Path | None = None
    """Folder for cells, table and figure; lab/NAME-SCALE if not given."""
    explain: bool = False
    """Print the claim, its source, what was published and what is simplified; run nothing."""

    def run(self) -> None:
        if self.name is None:
            _list(self)
            return
        chosen = experiment(self.name)
        if self.explain:
            _explain(chosen)
            return
        self._check(chosen)
        load_tensorflow(keras="tensorflow")
        from kerasnets.lab.runner import run

        results = run(
            self.name,
            scale=self.scale,
            seeds=self.seeds,
            epochs=self.epochs,
            data=self.data,
            out=self.out,
        )
        show(*results.table(), left=("variant",))
        print("\n".join([f"{results.verdict.word.upper()}", *results.verdict.sentences]))
        folder = self.out or pathlib.Path("lab", f"{self.name}-{self.scale}")
        print(f"\n{folder}: figure.png, table.csv, verdict.txt, results.json")

    def _check(self, chosen: Experiment) -> None:
        """Refuses what can be refused before TensorFlow is loaded."""
        from kerasnets.lab.runner import check_folder, scale_of, with_choices

        for name in ("seeds", "epochs", "data"):
            if chosen.exact and getattr(self, name) is not None:
                raise UserError(f"The experiment {self.name} is exact and takes no --{name}.")
        if self.data is not None:
            check_data(self.data)
        word, scale = scale_of(chosen, self.scale)
        scale = with_choices(chosen, scale, self.seeds, self.epochs, self.data)
        check_folder(chosen, scale, self.out or pathlib.Path("lab", f"{self.name}-{word}"))


def _list(command: Lab) -> None:
    if given := [
        name for name in ("seeds", "epochs", "data", "out") if getattr(command, name) is not None
    ]:
        raise UserError(f"--{given[0]} is for one experiment: kerasnets lab NAME --{given[0]} ...")
    if command.explain:
        raise UserError("--explain is for one experiment: kerasnets lab NAME --explain.")
    found = [experiment(name) for name in names()]
    show(
        ("experiment", "claim", "source", "minutes"),
        [
            (each.name, each.title, each.short_source, f"{each.small.minutes:g}")
            for each in sorted(found, key=lambda each: (each.group, each.name))
        ],
        left=("experiment", "claim", "source"),
    )
    print("kerasnets lab NAME runs one; with --explain it says what is claimed and simplified.")


def _explain(chosen: Experiment) -> None:
    print(chosen.title)
    for name in SECTIONS:
        if name in chosen.sections:
            print(f"\n{name}: {chosen.sections[name]}")
    print("\nRule: " + " ".join(f"{claim}." for claim in chosen.claims))
    scales = {"small": chosen.small, "full": chosen.full}
    about = [
        f"{name} on {scale.data}, about {scale.minutes:g} minutes on two cores"
        for name, scale in scales.items()
        if scale
    ]
    print(f"\nScales: {'; '.join(about)}.")
