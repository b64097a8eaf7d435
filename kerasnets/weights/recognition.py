"""Whose layout a weight file has, and for how many classes: told by a few of its names."""

from __future__ import annotations

from kerasnets.registry import Layout, Registration
from kerasnets.weights.tensors import WeightFile

# Our own: how we name tensors in safetensors files, and Keras the layers of our networks.
OWN = Layout(names=str, framework="keras")
# The last layer of AlexNet and VGG, as a dense layer and as a convolution.
FORMS = {"fc8": "logits", "logits": "fc8"}
# LeNet-5's classifier has a row of codes for each class; all others have a column of a kernel.
IN_ROWS = ("rbf",)


def project_of(file: WeightFile, entry: Registration) -> str | None:
    """The project whose layout a file has, of those that publish weights of the network.

    Returns:
        A key of `Registration.layouts`; ``None`` for our own layout, and for an unknown one.
    """
    prefixes = {name[: max(name.rfind("."), name.rfind("/")) + 1] for name in file.tensors}
    layers = {layout.first_layer for layout in entry.layouts.values()} | set(entry.head_layers)
    candidates: dict[str | None, Layout] = {None: OWN}
    for project, layout in entry.layouts.items():
        if layout.framework == file.framework:
            candidates[project] = layout

    def known(project: str | None) -> int:
        return sum(prefix_of(candidates[project], layer) in prefixes for layer in layers)

    return max(candidates, key=known)


def prefix_of(layout: Layout, layer: str) -> str:
    """What the names of a layer's tensors begin with in a layout."""
    names = layout.names(layer)
    module = names if isinstance(names, str) else names[0]
    return module + ("." if layout.framework == "torch" else "/")


def classes_of(file: WeightFile, entry: Registration) -> int | None:
    """How many classes the file's classifier is for; ``None`` where it has none."""
    last, project = entry.head_layers[-1], project_of(file, entry)
    layout = entry.layouts[project] if project else OWN
    prefixes = [prefix_of(layout, last)]
    if project is None:
        prefixes.append(prefix_of(layout, FORMS.get(last, last)))
    axis = 0 if layout.framework == "torch" or last in IN_ROWS else -1
    for prefix in prefixes:
        for end in ("weight", "bias", "0", "kernel", "codes"):
            if stored := file.tensors.get(prefix + end):
                return stored.shape[axis]
    return None
