"""Where a network puts images: features in a plane.

By principal components, and by t-SNE: van der Maaten, Hinton 2008, "Visualizing data using t-SNE",
JMLR 9.
"""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.explanation.classifier import Classifier
from kerasnets.explanation.graph import first, functional, named, run_watching
from kerasnets.figures.view import View, model_name, new_figure
from kerasnets.files import make_folder, whole, write_text

PERPLEXITY = 30
# Classes with a colour each; more are coloured along a scale.
MOST_COLOURS = 20
# Pixels of an image in TensorBoard's sprite, which is at most 8192 pixels wide.
SPRITE = 64


def embeddings(
    model: keras.Model,
    batches: Iterable[Any],
    labels: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    layer: str | None = None,
    seed: int = 0,
) -> View:
    """The features of images, in two dimensions by PCA and by t-SNE.

    Args:
        model: A functional or sequential classifier.
        batches: Images (N, H, W, C), as the model takes them.
        labels: The true class of each image, for the colours.
        class_names: By label.
        layer: A layer's or stage's name, whose maps are averaged; by default what the layer of the
            logits takes.
        seed: Seed of t-SNE.

    Returns:
        A view of ``features`` (N, D) float32, ``pca`` and ``tsne`` (N, 2), and
        ``explained`` (2,), the fractions of the variance along the two components.

    Raises:
        UserError: When there are fewer than three images, or labels for others.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    model = functional(model)
    features = _features(model, batches, layer)
    if len(features) < 3:
        raise UserError(f"Give three images at least. Received: {len(features)}.")
    if labels is not None and len(labels) != len(features):
        raise UserError(f"{len(features)} images need as many labels. Received: {len(labels)}.")
    analysis = PCA(2, random_state=seed)
    pca = analysis.fit_transform(features)
    # The original paper's range is 5 to 50, and it must be below the number of images.
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(features)
    arrays = {
        "features": features,
        "pca": pca,
        "tsne": tsne,
        "explained": analysis.explained_variance_ratio_,
    }
    where = layer or "the last features"
    title = (
        f"{model_name(model)}: {len(features):,} images by {where}, {features.shape[1]} dimensions"
    )
    figure = _drawn(arrays, labels, class_names, title, perplexity)
    table = {"pca_1": pca[:, 0], "pca_2": pca[:, 1], "tsne_1": tsne[:, 0], "tsne_2": tsne[:, 1]}
    if labels is not None:
        table = {"class": [_name(label, class_names) for label in labels]} | table
    return View(arrays, figure, table)


def _features(model: Any, batches: Iterable[Any], layer: str | None) -> np.ndarray:
    chosen = named(model, layer) if layer else Classifier(model).logits_layer
    found: list[np.ndarray] = []

    def watch(each: Any, inputs: tuple[Any, ...], output: Any) -> None:
        if each is chosen:
            values: Any = first(output) if layer else inputs[0]
            if len(values.shape) == 4:
                values = tf.reduce_mean(tf.cast(values, tf.float32), axis=(1, 2))
            found.append(tf.cast(values, tf.float32).numpy())

    for batch in batches:
        run_watching(model, tf.cast(batch, tf.float32), watch)
    return np.concatenate(found) if found else np.zeros((0, 1), np.float32)


def _name(label: int, class_names: Sequence[str] | None) -> str:
    return class_names[label] if class_names else f"class {label}"


def _drawn(
    arrays: dict[str, np.ndarray],
    labels: Sequence[int] | None,
    class_names: Sequence[str] | None,
    title: str,
    perplexity: float,
) -> Any:
    from matplotlib import colormaps

    figure = new_figure(10, 5.2, title)
    left, right = figure.subplots(1, 2)
    present = [] if labels is None else np.unique(labels).tolist()
    few = 0 < len(present) <= MOST_COLOURS
    colours = colormaps["tab10" if len(present) <= 10 else "tab20"]
    for axes, name in ((left, "pca"), (right, "tsne")):
        points = arrays[name]
        if few:
            for place, label in enumerate(present):
                own = points[np.asarray(labels) == label]
                text = _name(label, class_names)
                axes.scatter(*own.T, s=9, color=colours(place), label=text, lw=0, alpha=0.8)
        else:
            axes.scatter(*points.T, s=9, c=labels, cmap="turbo", lw=0, alpha=0.8)
        axes.set_aspect("equal", "datalim")
    first_part, second_part = 100 * arrays["explained"]
    left.set_title("principal components", fontsize=10)
    left.set(xlabel=f"first: {first_part:.0f} % of the variance")
    left.set(ylabel=f"second: {second_part:.0f} % of the variance")
    right.set_title(f"t-SNE, perplexity {perplexity:.3g}", fontsize=10)
    # Its axes and distances between groups mean nothing.
    right.set(xticks=[], yticks=[])
    if few:
        handles, texts = left.get_legend_handles_labels()
        figure.legend(
            handles, texts, loc="outside lower center", ncols=min(10, len(texts)), fontsize=8,
            markerscale=2, frameon=False,
        )  # fmt: skip
    return figure


def save_projector(
    folder: str | os.PathLike,
    features: np.ndarray,
    images: Sequence[np.ndarray] = (),
    labels: Sequence[str] | None = None,
) -> pathlib.Path:
    """Writes what TensorBoard's projector shows: ``tensorboard --logdir FOLDER``.

    Args:
        folder: Folder to write; made if it is not there.
        features: (N, D).
        images: N images (H, W, C) uint8 for the sprite; none is written without.
        labels: The name of each image's class.

    Returns:
        The folder, with ``projector_config.pbtxt``, ``features.tsv`` and, as far as they are given,
        ``labels.tsv`` and ``images.png``.
    """
    folder = make_folder(pathlib.Path(folder))
    rows = ("\t".join(f"{value:.7g}" for value in row) for row in features)
    write_text(folder / "features.tsv", "\n".join(rows) + "\n")
    lines = ['tensor_name: "features"', 'tensor_path: "features.tsv"']
    if labels is not None:
        # A name with a tab or a line break would be two.
        clean = [" ".join(str(label).split()) or "-" for label in labels]
        write_text(folder / "labels.tsv", "\n".join(clean) + "\n")
        lines.append('metadata_path: "labels.tsv"')
    if len(images):
        side = _save_sprite(folder / "images.png", images)
        lines.append(f'sprite {{ image_path: "images.png" single_image_dim: [{side}, {side}] }}')
    body = "".join(f"  {line}\n" for line in lines)
    write_text(folder / "projector_config.pbtxt", f"embeddings {{\n{body}}}\n")
    return folder


def _save_sprite(path: pathlib.Path, images: Sequence[np.ndarray]) -> int:
    """All images in rows of one square; returns the side of each."""
    from PIL import Image

    columns = math.ceil(math.sqrt(len(images)))
    side = min(SPRITE, 8192 // columns)
    sheet = Image.new("RGB", (columns * side, columns * side))
    for place, image in enumerate(images):
        pixels = image[..., 0] if image.shape[-1] == 1 else image
        small = Image.fromarray(pixels).convert("RGB").resize((side, side))
        row, column = divmod(place, columns)
        sheet.paste(small, (column * side, row * side))
    with whole(path) as partial:
        sheet.save(partial)
    return side
