"""The form in which a network is exported. Loads no framework: the command line reads it."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Literal

from kerasnets.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form in which a network is exported."""

    format: Literal["savedmodel", "litert", "onnx"] = "savedmodel"
    """Format: savedmodel takes image files; litert and onnx take raw pixels of the right size."""
    optimize: bool = True
    """Fold batch norm into the convolutions, and leave out pixels that no layer reads."""
    device: Literal["any", "cpu"] = "any"
    """Device that serves it: cpu computes wide 3x3 convolutions in tiles, slower on GPUs."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Precision of a SavedModel's weights and sums; the classifier computes in fp32."""
    quantize: Literal["none", "int8"] = "none"
    """Quantization of weights and activations, for litert; needs calibration images."""
    keep: int | None = None
    """Number of versions to keep, including the new one; all if not given."""

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise UserError(f"--keep must be at least 1. Received: {self.keep}.")
        if self.quantize != "none" and self.format != "litert":
            raise UserError(
                f"--quantize {self.quantize} is for --format litert. "
                f"Received: --format {self.format}."
            )
        plain = self.format != "savedmodel" or not self.optimize or self.precision != "fp32"
        if self.device == "cpu" and plain:
            raise UserError(
                "--device cpu is for optimised SavedModels in fp32. "
                f"Received: --format {self.format}, --precision {self.precision}, "
                f"optimize={self.optimize}."
            )
        if self.precision != "fp32" and self.format != "savedmodel":
            raise UserError(
                f"--precision {self.precision} is for --format savedmodel. "
                f"Received: --format {self.format}."
            )

    def folder(self, name: str) -> pathlib.Path:
        """Where the versions of a network go if nothing else is said."""
        parents = {"savedmodel": "savedmodels", "litert": "litert", "onnx": "onnx"}
        return pathlib.Path(parents[self.format], name)
