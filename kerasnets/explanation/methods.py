"""The names of the methods, which the command line knows before a framework is loaded."""

from __future__ import annotations

import typing
from typing import Literal

# Of the maps of a layer, and of the pixels.
LayerMethod = Literal[
    "cam", "grad_cam", "grad_cam_plus_plus", "hires_cam", "layer_cam", "xgrad_cam"
]
PixelMethod = Literal["smooth_grad", "integrated_gradients", "occlusion"]
Method = Literal[LayerMethod, PixelMethod]

LAYER_METHODS: tuple[str, ...] = typing.get_args(LayerMethod)
# Those that need nothing but answers, which every model gives.
ANSWER_METHODS: tuple[str, ...] = ("occlusion",)
METHODS: tuple[str, ...] = typing.get_args(Method)
