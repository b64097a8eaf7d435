"""``kerasnets convert``."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field

from tyro.conf import Positional

from kerasnets.cli.checks import check_files
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.config.options import parse_options

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
    """Network that the weights are for; recognised by its tensors if not given."""
    layout: str | None = None
    """Layout to write: own, or a project's such as torchvision; .pth files default to one."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""

    def run(self) -> None:
        options = parse_options(self.options, GIVEN)
        check_files(self.source)
        from kerasnets.pretrained.convert import check_conversion, convert_weights

        check_conversion(self.source, self.target, network=self.model, layout=self.layout)
        load_tensorflow()
        network = convert_weights(
            self.source,
            self.target,
            network=self.model,
            layout=self.layout,
            **options,
        )
        print(f"{self.target}: the weights of {network}.")
