"""Writes ``docs/networks/FAMILY.md`` from the registry, the papers' tables and the built networks.

Run by ``make docs``, which also writes the end of ``docs/recipes.md``, from the registered recipes,
the index of all pages, ``docs/README.md``, the names that editors complete,
``kerasnets/models/names.py``, ``docs/lab/``, from the results of experiments that are kept there,
``docs/results.md``, ``docs/learning.md`` and ``docs/peer_training.md``, from those of
``benchmarks/reproduce``, ``benchmarks/learning`` and ``benchmarks/peer_training``, and README's
section of results; the tests fail where a file is not what this writes.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import pathlib
import tomllib
from collections.abc import Iterator, Sequence

import kerasnets
from benchmarks.learning import report as learning
from benchmarks.peer_training import report as peer_training
from benchmarks.reproduce import report
from kerasnets import models
from kerasnets.cli.commands.recipes import trained_by
from kerasnets.cli.tables import written
from kerasnets.config.recipes import RECIPES, Recipe
from kerasnets.inspection import LayerRow, layer_table
from kerasnets.lab import Results
from kerasnets.models.build import unweighted
from kerasnets.plotting import save_figure

DOCS = pathlib.Path(__file__).parent
FOLDER = DOCS / "networks"
LAB = DOCS / "lab"
LAB_GROUPS = {
    "training": "Training",
    "architecture": "Architecture against architecture",
    "surgery": "Surgery on trained networks",
    "costs": "Costs, without training",
}
# The pages of the index, by what one is there for.
PAGES = {
    "Start": "walkthrough data labels recipes transfer weights tuning distributed",
    "Use": "prediction embeddings explanations reports export serving publishing",
    "Look inside": "drawings figures errata inception_cost",
    "Measurements": "results learning peer_training performance",
    "Develop": "architecture adding_a_network",
}
ERRATA_HEADING = "## What did not hold when it was run"
README = DOCS.parent / "README.md"
NAMES = DOCS.parent / "kerasnets" / "models" / "names.py"


@functools.cache
def tables() -> dict[str, dict]:
    """The papers' tables, by network or by a name of their own."""
    return tomllib.loads((FOLDER / "tables.toml").read_text(encoding="utf-8"))


def families() -> list[str]:
    """Names of the families, each with a page."""
    return sorted({kerasnets.info(name).family for name in kerasnets.list_models()})


@functools.cache
def layers(network: str, **options) -> tuple[LayerRow, ...]:
    """The layers of a network."""
    return tuple(layer_table(unweighted(network, **options)))


def select(rows: Sequence[LayerRow], part: str) -> list[LayerRow]:
    """The layer of this name and all whose names go on with ``_``, or all that match a pattern.

    Raises:
        KeyError: When no layer does.
    """
    own = [
        row
        for row in rows
        if row.name.startswith(f"{part}_") or fnmatch.fnmatchcase(row.name, part)
    ]
    if not own:
        raise KeyError(part)
    return own


def built(rows: Sequence[LayerRow], part: str) -> tuple[str, int]:
    """Output and trainable parameters of some layers; see `select`."""
    own = select(rows, part)
    shape = "x".join("?" if side is None else str(side) for side in own[-1].output_shape)
    return shape, sum(row.trainable for row in own)


def compare(name: str, table: dict) -> Iterator[tuple[str, str, str, bool]]:
    """The paper's row, the built layer, what was built, and whether it is the same."""
    rows = layers(table.get("network", name), **table.get("options", {}))
    for label, part, output, *parameters in table["rows"]:
        shape, count = built(rows, part)
        same = shape == output and (not parameters or parameters[0] == count)
        paper = f"{label} | {output}" + (f" | {parameters[0]:,}" if parameters else " | –")
        yield paper, f"`{part}`", f"{shape} | {count:,}", same


def page(family: str) -> str:
    """The page of a family."""
    names = kerasnets.list_models(family=family)
    infos = [kerasnets.info(name) for name in names]
    title = (getattr(models, family).__doc__ or family).splitlines()[0].rstrip(".")
    papers = dict.fromkeys(
        f"{info.authors}: [{info.title}]({info.url}), {info.year}." for info in infos
    )
    lines = [
        f"# {title}",
        "",
        f"{' '.join(papers)} "
        f"Read it beside [`kerasnets/models/{family}.py`](../../kerasnets/models/{family}.py). "
        "This page is written by `make docs`; a layer in its tables stands for all whose names "
        "start so.",
        "",
        "| network | what it is | input | parameters | not trained | multiply-adds |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for info in infos:
        shape = "x".join(map(str, info.input_shape))
        lines.append(
            f"| `{info.name}` | {info.description} | {shape} | {info.trainable_params:,} "
            f"| {info.non_trainable_params:,} | {info.multiply_adds:,} |"
        )
    for name, table in tables().items():
        if table.get("network", name) in names:
            lines += ["", *_comparison(name, table)]
    return "\n".join([*lines, ""])


def _comparison(name: str, table: dict) -> list[str]:
    network = table.get("network", name)
    options = ", ".join(f"{key}={value!r}" for key, value in table.get("options", {}).items())
    lines = [
        f"## {network}" + (f" with `{options}`" if options else ""),
        "",
        f"{table['source']}.",
        "",
        "| paper's row | output | parameters | built layer | output | parameters | same? |",
        "| --- | --- | ---: | --- | --- | ---: | --- |",
    ]
    for paper, part, found, same in compare(name, table):
        lines.append(f"| {paper} | {part} | {found} | {'yes' if same else '**no**'} |")
    return lines


def recipes() -> str:
    """The page on recipes: what is written by hand, then every recipe."""
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    by_hand, heading, _ = text.partition("## All recipes\n")
    note = (
        "Written by `make docs` from the code, without the values that are every recipe's default. "
        "Errors are as published, not reproduced here: top-1 / top-5 in per cent on ILSVRC-2012's "
        "validation images, one crop and one network, where nothing else is said."
    )
    sections = "\n".join(_recipe(each) for each in RECIPES.values())
    return f"{by_hand}{heading}\n{note}\n\n{sections}"


def _recipe(chosen: Recipe) -> str:
    values = dataclasses.asdict(chosen)
    defaults = {field.name: field.default for field in dataclasses.fields(chosen)}
    shown = ("epochs", "batch_size", "optimizer", "learning_rate", "schedule")
    fields = [
        f"`{name} {_value(value)}`"
        for name, value in values.items()
        if name not in ("name", "source", "reported") and (name in shown or value != defaults[name])
    ]
    networks = ", ".join(f"`{name}`" for name in trained_by(chosen.name))
    lines = [f"### {chosen.name}", "", f"{chosen.source}.", "", ", ".join(fields)]
    lines += ["", f"Reported: {chosen.reported}."] if chosen.reported else []
    lines += ["", f"Default of {networks}."] if networks else []
    return "\n".join([*lines, ""])


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def weights() -> str:
    """The page on weights: what is written by hand, then every source."""
    text = (DOCS / "weights.md").read_text(encoding="utf-8")
    by_hand, heading, _ = text.partition("## All sources\n")
    note = (
        "Written by `make docs` from the code, in the order above. Accuracies are as published, "
        "in %, of one centre crop of ImageNet's validation images, or of CIFAR-10's test images. "
        "Input is the crop of the resized short side, and the side of the training images where it "
        "was another; mean and std are of pixels from 0 to 255."
    )
    lines = [
        "| network | `weights=` | top-1 | top-5 | trained on | input | licence | checksum |",
        "| --- | --- | ---: | ---: | --- | --- | --- | --- |",
        *(
            _source(name, source)
            for name in kerasnets.list_models()
            for source in kerasnets.info(name).weights
        ),
    ]
    return f"{by_hand}{heading}\n{note}\n\n" + "\n".join([*lines, ""])


def _source(network: str, source: kerasnets.WeightSource) -> str:
    where = source.location
    if where.startswith("hf:"):
        where = f"https://huggingface.co/{where.removeprefix('hf:').rpartition('/')[0]}"
    image = str(source.preprocessing)
    if source.training_size != source.preprocessing.size[0]:
        image += f"; trained at {source.training_size}"
    by_hub = "of the hub" if source.location.startswith("hf:") else "none published"
    cells = (
        f"`{network}`",
        f"[`{source.tag}`]({where})",
        f"{source.top1:.2f}",
        f"{source.top5:.2f}" if source.top5 else "",
        source.data,
        image,
        source.licence,
        source.checksum or by_hub,
    )
    return f"| {' | '.join(cells)} |"


@functools.cache
def lab_results() -> dict[str, tuple[Results, ...]]:
    """The results that are kept under ``docs/lab/results``, by experiment, the smallest first.

    ``NAME.json`` is of the small scale, ``NAME-full.json`` and others are of larger ones.
    """
    found: dict[str, tuple[Results, ...]] = {}
    for path in sorted((LAB / "results").glob("*.json"), key=lambda path: path.stem):
        results = Results.load(path)
        found[results.name] = (*found.get(results.name, ()), results)
    return found


def lab_pictures(name: str) -> dict[str, Results]:
    """The results of an experiment, by the name of their picture."""
    small, *larger = lab_results()[name]
    return {
        f"{name}.png": small,
        **{f"{name}-{number}.png": each for number, each in enumerate(larger, 2)},
    }


def lab_page(name: str) -> str:
    """The page of an experiment that was run."""
    own = lab_results()[name][0].experiment
    method = f"../../kerasnets/lab/experiments/{name.replace('-', '_')}.py"
    runs = [_lab_run(results, picture) for picture, results in lab_pictures(name).items()]
    return "\n".join(
        [
            f"# {own.title}",
            "",
            *(f"**{part}.** {text}\n" for part, text in own.sections.items()),
            f"The experiment is [one file]({method}); this page is written by `make docs` from "
            "[what was found](results).",
            "",
            *runs,
        ]
    )


def _lab_run(results: Results, picture: str) -> str:
    own, seconds = results.experiment, results.seconds
    took = f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{max(seconds, 1):.0f} s"
    seeds = "no seed changes it" if own.exact else f"{results.seeds} seeds{_epochs(results)}"
    where = f" on {results.data}" if len(lab_results()[results.name]) > 1 else ""
    return "\n".join(
        [
            f"## {results.verdict.word.capitalize()}{where}",
            "",
            "```sh",
            results.command,
            "```",
            "",
            *(f"- {sentence}" for sentence in results.verdict.sentences),
            "",
            f"![{own.title}]({picture})",
            "",
            written("markdown", *results.table(), left=("variant",)),
            "",
            f"Run on {results.began}, {seeds}, in about {took}: {results.machine}.",
            "",
        ]
    )


def _epochs(results: Results) -> str:
    """Of a run whose number of epochs was chosen, that number and the scale's own."""
    scale = getattr(results.experiment, results.scale, None)
    own = scale.recipe.get("epochs") if scale else None
    chosen = results.epochs not in (None, own)
    return f", {results.epochs} epochs in the place of {own}" if chosen else ""


def lab_index() -> str:
    """The page that shows all experiments that were run, small."""
    lines = [
        "# The laboratory: claims about these networks, tested",
        "",
        "`kerasnets lab` lists the experiments, `kerasnets lab NAME` runs one and "
        "`kerasnets lab NAME --explain` says what it claims and simplifies. In Python, "
        '`kerasnets.lab.run("degradation", seeds=3)` gives the table, the figure and the verdict. '
        "Most experiments train reduced networks on scikit-learn's digits, 8x8 pixels, with a few "
        "seeds on two cores: a verdict holds at that scale, and does not refute a paper.",
        "",
        "A claim is supported where the 95 % interval of its difference over seeds lies wholly "
        "beyond the smallest difference that matters, not supported where it lies wholly on the "
        "other side, and undecided here otherwise; what is counted exactly has no interval. An "
        "experiment of several claims is supported if all are, not supported if one is not.",
    ]
    for group, heading in LAB_GROUPS.items():
        lines += [
            "",
            f"## {heading}",
            "",
            "| experiment | verdict | figure |",
            "| --- | --- | --- |",
        ]
        for name, (first, *_) in lab_results().items():
            if first.experiment.group != group:
                continue
            for picture, results in lab_pictures(name).items():
                image = f'<img src="{picture}" alt="{results.experiment.title}" width="260">'
                title = f"[`{name}`]({name}.md): {results.experiment.title}{_on(results)}"
                lines.append(f"| {title} | {results.verdict.word} | {image} |")
    return "\n".join([*lines, ""])


def _on(results: Results) -> str:
    return "" if results.experiment.exact else f" ({results.data})"


def lab_errata() -> str:
    """The section of errata.md on the experiments whose claims did not hold."""
    lines = [
        ERRATA_HEADING,
        "",
        "Written by `make docs` from the [laboratory](lab/README.md): claims of which a part was "
        "not supported at the scale at which it was run, which may be the claim's fault or the "
        "scale's.",
        "",
        "| claim | what was found |",
        "| --- | --- |",
    ]
    for name, runs in lab_results().items():
        for results in runs:
            found = [each for each in results.verdict.sentences if each.endswith("not supported.")]
            title = f"[{results.experiment.title}](lab/{name}.md){_on(results)}"
            lines += [f"| {title} | {' '.join(found)} |"] if found else []
    return "\n".join([*lines, ""])


def errata() -> str:
    """The sections of errata.md that are written from results."""
    return f"{lab_errata()}\n{learning.errata()}"


def write_lab() -> None:
    """Writes the pages of the laboratory, their figures, their index and the errata."""
    for name in lab_results():
        (LAB / f"{name}.md").write_text(lab_page(name), encoding="utf-8")
        for picture, results in lab_pictures(name).items():
            save_figure(results.figure, LAB / picture, dpi=80)
    (LAB / "README.md").write_text(lab_index(), encoding="utf-8")
    by_hand = (DOCS / "errata.md").read_text(encoding="utf-8").partition(ERRATA_HEADING)[0]
    (DOCS / "errata.md").write_text(f"{by_hand.rstrip()}\n\n{errata()}", encoding="utf-8")


def index() -> str:
    """The page that lists all others by their titles.

    Raises:
        ValueError: When a page is in none of the lists, or one that is listed is not there.
    """
    listed = {name for names in PAGES.values() for name in names.split()}
    if odd := listed ^ ({path.stem for path in DOCS.glob("*.md")} - {"README"}):
        raise ValueError(f"PAGES and docs/*.md differ: {', '.join(sorted(odd))}")
    lines = ["# Documentation"]
    for heading, names in PAGES.items():
        lines += ["", f"## {heading}", "", *(_entry(DOCS / f"{name}.md") for name in names.split())]
        lines += [_entry(LAB / "README.md")] if heading == "Look inside" else []
    lines += ["", "## Networks", "", "For each family the papers' tables next to what is built:"]
    lines += ["", *(_entry(FOLDER / f"{family}.md") for family in families())]
    return "\n".join([*lines, ""])


def readme() -> str:
    """README with its section of results as they are now."""
    before, heading, rest = README.read_text(encoding="utf-8").partition(report.HEADING)
    _, following, after = rest.partition("\n## ")
    return f"{before}{report.section() if heading else ''}{following.lstrip()}{after}"


def _entry(path: pathlib.Path) -> str:
    title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    return f"- [{title}]({path.relative_to(DOCS).as_posix()})"


def names() -> str:
    """The module with the type of a network's name."""
    lines = "".join(f'    "{name}",\n' for name in kerasnets.list_models())
    return (
        '"""The names of all networks, for editors to complete. Written by `make docs`."""\n\n'
        f"from typing import Literal\n\nNetworkName = Literal[\n{lines}]\n"
    )


def main() -> None:
    """Writes every page, the names, then the index."""
    NAMES.write_text(names(), encoding="utf-8")
    for family in families():
        (FOLDER / f"{family}.md").write_text(page(family), encoding="utf-8")
    (DOCS / "recipes.md").write_text(recipes(), encoding="utf-8")
    (DOCS / "weights.md").write_text(weights(), encoding="utf-8")
    write_lab()
    (DOCS / learning.PAGE).write_text(learning.page(), encoding="utf-8")
    (DOCS / "results.md").write_text(report.page(), encoding="utf-8")
    save_figure(report.figure(), DOCS / report.PICTURE, dpi=80)
    (DOCS / "peer_training.md").write_text(peer_training.page(), encoding="utf-8")
    README.write_text(readme(), encoding="utf-8")
    (DOCS / "README.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
