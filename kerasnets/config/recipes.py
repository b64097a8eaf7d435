"""Training recipes by name: those of the papers, those for LeNet-5, and modern ones."""

from __future__ import annotations

import dataclasses
import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any

from kerasnets.config.paper_recipes import PAPERS
from kerasnets.config.recipe_fields import Recipe, fields
from kerasnets.errors import UserError, unknown
from kerasnets.files import parse_json, read_text
from kerasnets.plugins import load_plugins
from kerasnets.values import check, from_plain

_LENET = (
    Recipe(
        name="lenet1998",
        source=(
            "LeCun et al. 1998, sections II.C and III.B: MAP criterion (equation 9), 20 passes, "
            "affine distortions; Adam stands for their stochastic Levenberg-Marquardt of batch 1"
        ),
        reported="MNIST test error 0.95 %, with distortions 0.8 %",
        epochs=20,
        batch_size=64,
        optimizer="adam",
        learning_rate=3e-3,
        loss="map",
        augment="affine",
    ),
    Recipe(
        name="lenet1998_digits",
        source="As lenet1998, longer, for the 1,212 training digits of scikit-learn",
        epochs=60,
        batch_size=32,
        optimizer="adam",
        learning_rate=3e-3,
        warmup_epochs=1,
        loss="map",
        augment="affine",
    ),
    Recipe(
        name="lenet_modern",
        source="No paper: Adam, cosine decay and small affine distortions",
        epochs=20,
        batch_size=128,
        optimizer="adam",
        learning_rate=3e-3,
        warmup_epochs=0.5,
        augment="affine",
    ),
    Recipe(
        name="lenet_fast",
        source=(
            "No paper: 99 % of MNIST's test images after two epochs, for trials: AdamW, a line to "
            "zero, slight label smoothing"
        ),
        epochs=2,
        batch_size=128,
        optimizer="adamw",
        learning_rate=7e-3,
        weight_decay=0.05,
        schedule="polynomial",
        warmup_epochs=0.3,
        label_smoothing=0.02,
    ),
    Recipe(
        name="digits",
        source="No paper: for small sets of small images, such as scikit-learn's digits",
        epochs=60,
        batch_size=32,
        optimizer="adam",
        learning_rate=3e-3,
        warmup_epochs=1,
        augment="affine",
    ),
)

_MODERN = (
    Recipe(
        name="cosine",
        source="No paper: a start for any network and data set",
        epochs=100,
        batch_size=128,
        base_batch_size=128,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=5e-5,
        warmup_epochs=5,
        label_smoothing=0.1,
    ),
    Recipe(
        name="cosine_cifar",
        source="No paper: cosine for small photographs, with the stronger decay they stand",
        epochs=200,
        batch_size=128,
        base_batch_size=128,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=5e-4,
        warmup_epochs=1,
        augment="pad_crop_flip",
    ),
    Recipe(
        name="cosine_imagenet",
        source=(
            "He, T. et al. 2018, arXiv 1812.01187, sections 3 and 5: warm-up, cosine, label "
            "smoothing, no decay on biases and batch norms, mixup 0.2 over 200 epochs"
        ),
        reported="ResNet-50-D top-1 error 20.85",
        epochs=200,
        batch_size=256,
        base_batch_size=256,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        warmup_epochs=5,
        label_smoothing=0.1,
        augment="inception_colour",
        mixup=0.2,
    ),
    Recipe(
        name="cosine_adamw",
        source="No paper: decoupled decay, averaged weights, gradients cut off at 1",
        epochs=100,
        batch_size=128,
        optimizer="adamw",
        learning_rate=1e-3,
        weight_decay=0.05,
        clip_norm=1.0,
        warmup_epochs=5,
        label_smoothing=0.1,
        ema=0.9999,
    ),
    Recipe(
        name="one_cycle",
        source=(
            "Smith, Topin 2017, arXiv 1708.07120: one climb, one descent, few epochs; without the "
            "cycle of the momentum"
        ),
        epochs=30,
        batch_size=128,
        base_batch_size=128,
        optimizer="nesterov",
        learning_rate=0.4,
        weight_decay=5e-4,
        schedule="one_cycle",
        augment="pad_crop_flip",
    ),
    Recipe(
        name="transfer",
        source=(
            "No paper: a new classifier on a trained network (--weights or --init-from), with "
            "--freeze-until or a smaller rate for each earlier stage"
        ),
        epochs=20,
        batch_size=32,
        optimizer="adam",
        learning_rate=3e-3,
        warmup_epochs=1,
        augment="pad_crop_flip",
        stage_decay=0.5,
    ),
)

RECIPES = {each.name: each for each in (*_LENET, *PAPERS, *_MODERN)}


def register_recipe(recipe: Recipe) -> None:
    """Adds a recipe under its name.

    Raises:
        UserError: When there is a recipe of this name.
    """
    if recipe.name in RECIPES:
        raise UserError(f"There is a recipe {recipe.name!r} already.")
    RECIPES[recipe.name] = recipe


def recipe(name: str, /, **changes: Any) -> Recipe:
    """A recipe, with some of its values changed.

    Args:
        name: Name of a recipe, or path of a TOML or JSON file that holds one: any fields of
            `Recipe`, on top of those of the recipe that its `base` names.
        **changes: Values of fields that replace the recipe's own.

    Raises:
        UserError: When there is no such recipe or field, or a value is out of range.
    """
    if name.endswith((".toml", ".json")):
        return dataclasses.replace(_from_file(pathlib.Path(name)), **_known(changes))
    if name not in RECIPES:
        load_plugins()
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return dataclasses.replace(RECIPES[name], **_known(changes))


def _known(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in changes:
        if key not in fields():
            raise unknown("value of a recipe", key, fields())
    return changes


def _from_file(path: pathlib.Path) -> Recipe:
    text = read_text(path)
    try:
        values = parse_json(text) if path.suffix == ".json" else tomllib.loads(text)
        values = {"name": path.stem, "source": str(path)} | check(values, dict[str, Any], "it")
        if "base" in values:
            base = recipe(check(values.pop("base"), str, "base"))
            values = dataclasses.asdict(base) | {"reported": ""} | values
        return from_plain(Recipe, values, "a recipe")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{str(path)!r} is no recipe: {error}") from error
