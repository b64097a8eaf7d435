"""Times augmentations, ours and those of keras and keras-cv, as the input pipeline runs them.

    python benchmarks/augmentations.py [--images 256] [--rounds 3] [AUGMENTATION ...]

Images of 224x224 are in memory, so that nothing is read, decoded or resized. What is printed is
the processor time of an image, the median of the rounds, without that of the pipeline itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH, SIDE = 64, 224
# What does nearly the same, beside each other.
AUGMENTATIONS = (
    "randaugment",
    "keras:RandAugment(num_ops=2, factor=0.9)",
    "keras_cv:RandAugment(augmentations_per_image=2, magnitude=0.9)",
    "inception_colour",
    "keras:RandomColorJitter(brightness_factor=0.4, contrast_factor=0.4, saturation_factor=0.4)",
    "affine",
    "keras:RandomRotation(0.03)",
    "keras_cv:RandomRotation(0.03)",
    "cutout",
    "keras:RandomErasing()",
    "keras_cv:RandomCutout(0.3, 0.3)",
    "pad_crop_flip",
    "keras:RandomFlip('horizontal')",
    "keras_cv:RandomFlip()",
    "keras:AugMix()",
    "keras_cv:AugMix()",
    "keras_cv:GridMask()",
    "keras:RandomHue(0.2)",
    "keras_cv:RandomHue(0.2)",
    "keras_cv:ChannelShuffle()",
    "keras:RandomGaussianBlur()",
    "keras:RandomElasticTransform()",
    "keras:RandomPerspective()",
)


def milliseconds(text: str, pixels: np.ndarray, rounds: int) -> float:
    """Processor time of an image: the median of `rounds`, after one for warming up."""
    from kerasnets.data import Augment, augmentation, from_arrays, training_batches
    from kerasnets.inputs import Preprocessing

    labels = np.zeros(len(pixels), np.int32)
    split = from_arrays({"train": (pixels, labels)}, ("noise",)).split("train")
    # Without the crop, which would resize.
    augment = Augment(transforms=augmentation(text).transforms)
    batches = iter(
        training_batches(
            split, Preprocessing(size=(SIDE, SIDE)), 3, batch_size=BATCH, augment=augment
        )
    )
    times = []
    for _ in range(rounds + 1):
        start = time.process_time()
        for _ in range(len(pixels) // BATCH):
            next(batches)
        times.append((time.process_time() - start) / len(pixels) * 1e3)
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("augmentations", nargs="*", default=AUGMENTATIONS)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import tensorflow as tf

    coarse = np.random.default_rng(0).integers(0, 256, (options.images, 28, 28, 3))
    pixels = tf.cast(tf.image.resize(coarse, (SIDE, SIDE)), tf.uint8).numpy()
    # The pipeline itself, image by image.
    alone = milliseconds("keras:Rescaling(1.0)", pixels, options.rounds)
    print(f"{os.cpu_count()} cores; the pipeline itself takes {alone:.2f} ms an image")
    for text in options.augmentations:
        found = milliseconds(text, pixels, options.rounds) - alone
        print(f"{max(found, 0):8.2f} ms  {text}", flush=True)


if __name__ == "__main__":
    main()
