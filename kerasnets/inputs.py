"""What happens to an image before a network sees it: one description for every stage.

Training, evaluation, prediction and export all read the same `Preprocessing`, so they cannot
disagree. Fitting an image to the network's size is done on uint8 pixels by `kerasnets.data`;
scaling is done by the model itself, by one `Normalization` layer (see `with_preprocessing`).
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from kerasnets.errors import UserError
from kerasnets.lazy import keras


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an image becomes the network's input.

    Attributes:
        fit: How an image of another size is brought to ``size``. ``crop``: the short side is
            resized to ``resize`` and the centre is cut out; ``stretch``: both sides are resized;
            ``pad``: both sides are resized to ``resize`` and the image is centred on black.
        size: Height and width that the network takes, in pixels.
        resize: Pixels, see ``fit``; ``None`` means ``min(size)``.
        interpolation: How pixels are interpolated; antialiased when the image shrinks, as Pillow
            does.
        mean: Subtracted from each channel, as a fraction of 255. One value serves all channels.
        std: Divides each channel, as a fraction of 255. One value serves all channels.
        channel_order: The order of the network's input channels, and of the mean and std.
    """

    size: tuple[int, int]
    fit: Literal["crop", "stretch", "pad"] = "crop"
    resize: int | None = None
    interpolation: Literal["bilinear", "bicubic", "nearest", "area", "lanczos3"] = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __str__(self) -> str:
        """In short: ``224 of 256, bilinear, bgr, mean 104 117 124, std 1``, of 255."""
        height, width = self.size
        side = str(height) if height == width else f"{height}x{width}"
        scaling = [
            f"{name} {' '.join(f'{255 * value:.3g}' for value in dict.fromkeys(values))}"
            for name, values in (("mean", self.mean), ("std", self.std))
        ]
        how = "" if self.fit == "crop" else f" {self.fit}"
        fitting = f"{side} of {self.resize_to}" if self.fit != "stretch" else side
        return ", ".join([f"{fitting}{how}", self.interpolation, self.channel_order, *scaling])

    @property
    def resize_to(self) -> int:
        """The side, in pixels, that an image is resized to before cropping or padding."""
        return self.resize or min(self.size)

    def for_input(self, height: int, width: int, channels: int) -> Preprocessing:
        """The same preprocessing for a network of another input size or number of channels.

        The fraction of the image that the crop keeps (or the padding takes) stays the same. A
        grayscale input gets the average of the colour statistics.
        """
        scale = min(height, width) / min(self.size)
        resize = None if self.resize is None else max(1, round(self.resize * scale))
        return dataclasses.replace(
            self,
            size=(height, width),
            resize=resize,
            mean=_per_channel(self.mean, channels),
            std=_per_channel(self.std, channels),
            channel_order="rgb" if channels == 1 else self.channel_order,
        )


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == channels:
        return values
    if len(set(values)) == 1 or channels == 1:
        return (sum(values) / len(values),) * channels
    raise UserError(
        f"The network's preprocessing has {len(values)} values, one for each channel, "
        f"{' '.join(f'{value:.3g}' for value in values)}; "
        f"an input of {channels} channels needs its own. Received: channels={channels}."
    )


def with_preprocessing(model: keras.Model, preprocessing: Preprocessing) -> keras.Model:
    """Puts the scaling of `preprocessing` in front of a network.

    Args:
        model: A network that takes scaled images, (N, H, W, C) float.
        preprocessing: Its mean, std and channel order.

    Returns:
        A model of the same outputs that takes raw images (N, H, W, C) in RGB order, of 0 to 255.
        They are cast to uint8, so do not scale them: of floats the fractions are cut off. It shares
        the network's weights.
    """
    height, width, channels = model.input_shape[1:]
    images = keras.Input((height, width, channels), dtype="uint8", name="images")
    mean = [255.0 * value for value in _per_channel(preprocessing.mean, channels)]
    variance = [(255.0 * value) ** 2 for value in _per_channel(preprocessing.std, channels)]
    x = images
    if preprocessing.channel_order == "bgr":
        x = keras.ops.flip(x, axis=-1)
    # In float32, whatever the network computes in: half precision would round the pixels.
    x = keras.layers.Normalization(
        mean=mean, variance=variance, dtype="float32", name="normalization"
    )(x)
    return keras.Model(images, model(x), name=f"{model.name}_on_images")
