"""``kerasnets convert``."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tyro.conf import Positional

# Arguments of `convert_weights` and of `build` that no option of the network can be.
GIVEN = ("source", "target", "network", "layout", "weights", "classifier_activation")


@dataclass(frozen=True)
class Convert:
    """Write a weight file in another format or another project's layout."""

    source: Positional[pathlib.Path]
    """Weight file of any known format."""
    target: Positional[pathlib.Path]
    """File to write: .weights.h5, .keras, .safetensors, or .pth for PyTorch."""
    model: str | None = None
    """Network that the weights are for; found by the tensors if not given."""
    layout: str | None = None
    """own, or a project's such as torchvision; own if not given, but in PyTorch files."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the network, as NAME VALUE pairs."""

    def run(self) -> None:
        from kerasnets.config.options import parse_options
        from kerasnets.pretrained.convert import convert_weights

        network = convert_weights(
            self.source,
            self.target,
            network=self.model,
            layout=self.layout,
            **parse_options(self.options, GIVEN),
        )
        print(f"{self.target}: the weights of {network}.")
