"""Times ``kerasnets data check`` on photographs, and says which part of it finds duplicates.

    KERASNETS_SHARED=FOLDER python benchmarks/duplicates.py [--images 10000] [--copies 100]

The photographs are made of the flowers under KERASNETS_SHARED, each cropped and mirrored at
random, or of noise where there are none: JPEG files of 500 pixels at the longer side, in a
temporary folder. Some are copied into the other split, encoded anew with half the sides.
"""

from __future__ import annotations

import argparse
import io
import os
import pathlib
import tarfile
import tempfile
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SIDE = 500


def photographs(rng: np.random.Generator) -> Sequence[Image.Image]:
    """Flowers, or noise that is smooth at several scales."""
    shared = pathlib.Path(os.environ.get("KERASNETS_SHARED", "../shared"))
    archive = shared / "data" / "flowers.tar"
    if archive.is_file():
        with tarfile.open(archive) as tar:
            files = [tar.extractfile(each) for each in tar if each.name.endswith(".jpg")]
            return [Image.open(io.BytesIO(file.read())).convert("RGB") for file in files if file]
    found = []
    for _ in range(300):
        sides = (4, 16, 64)
        layers = [rng.integers(0, 256, (side, side, 3), np.uint8) for side in sides]
        large = [np.asarray(Image.fromarray(each).resize((384, 288)), int) for each in layers]
        found.append(Image.fromarray((sum(large) // len(large)).astype(np.uint8)))
    return found


def write(folder: pathlib.Path, images: int, copies: int) -> None:
    """A ``train`` and a ``val`` folder of two classes that mean nothing."""
    rng = np.random.default_rng(0)
    originals = photographs(rng)
    for split in ("train", "val"):
        for label in "01":
            (folder / split / label).mkdir(parents=True)
    for index in range(images - copies):
        image = originals[index % len(originals)]
        size = rng.uniform(0.5, 0.9, 2) * image.size
        left, top = rng.uniform(0, 1, 2) * (image.size - size)
        image = image.crop((int(left), int(top), int(left + size[0]), int(top + size[1])))
        image = ImageOps.contain(ImageOps.mirror(image) if index % 2 else image, (SIDE, SIDE))
        image.save(folder / "train" / str(index % 2) / f"{index}.jpg", quality=90)
        if index < copies:
            half = image.resize((image.width // 2, image.height // 2))
            half.save(folder / "val" / str(index % 2) / f"{index}.jpg", quality=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--copies", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder), options.images, options.copies)
        from kerasnets.data import check, load

        dataset = load(f"folder:{folder}")
        start = time.perf_counter(), time.process_time()
        report = check(dataset)
        seconds, processor = time.perf_counter() - start[0], time.process_time() - start[1]
        # Copies have the number of their original.
        right = [
            pair
            for pair in report.near
            if pathlib.Path(pair.first.name).name == pathlib.Path(pair.second.name).name
        ]
        print(
            f"{options.images:,} images: {seconds:.1f} s, {processor:.1f} s of processor time; "
            f"{len(right)} of {options.copies} copies found, {len(report.near) - len(right)} others"
        )


if __name__ == "__main__":
    main()
