"""Times the input pipeline beside Keras', PyTorch's and keras-cv's, and measures its memory.

    python benchmarks/input_pipeline.py --data FOLDER [--seconds 5] [--rounds 2]

FOLDER holds photographs as JPEG in ``train/CLASS/``. Every system runs in a process of its own,
in turn, on the photographs as they are and enlarged to 500x375 at least; all but bare decoding give
batches of 64 images of 224x224. PyTorch is left out where torchvision is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH, SIDE = 64, 224
LEAST = (500, 375)


def ours(augment: str, source: str = "folder") -> Callable[[str], Iterator[int]]:
    def batches(folder: str) -> Iterator[int]:
        from kerasnets.data import load, training_batches
        from kerasnets.inputs import Preprocessing

        split = load(f"{source}:{folder}").split("train")
        preprocessing = Preprocessing(size=(SIDE, SIDE), resize=256)
        for images, _ in training_batches(
            split, preprocessing, 3, batch_size=BATCH, augment=augment
        ):
            yield len(images)

    return batches


def records(folder: str) -> Iterator[int]:
    from kerasnets.data import load, write_tfrecords

    packed = f"{folder}-records"
    if not os.path.exists(packed):
        write_tfrecords(load(f"folder:{folder}"), packed, images_per_shard=128)
    return ours("inception", "records")(packed)


def decode(folder: str) -> Iterator[int]:
    """Nothing but decoding; images of different sizes, handed over one by one."""
    import tensorflow as tf

    files = tf.data.Dataset.list_files(f"{folder}/train/*/*").repeat()
    found = files.map(lambda path: tf.io.decode_jpeg(tf.io.read_file(path), 3), tf.data.AUTOTUNE)
    for _ in found.prefetch(tf.data.AUTOTUNE):
        yield 1


def decode_and_drop(folder: str) -> Iterator[int]:
    """Nothing but decoding, and no image leaves the threads that decode."""
    import tensorflow as tf

    files = tf.data.Dataset.list_files(f"{folder}/train/*/*").repeat()

    def dropped(path: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_jpeg(tf.io.read_file(path), 3)[0, 0, 0]

    for values in files.map(dropped, tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE):
        yield len(values)


def keras_directory(folder: str) -> Iterator[int]:
    import keras
    import tensorflow as tf

    found = keras.utils.image_dataset_from_directory(
        f"{folder}/train", image_size=(256, 256), batch_size=BATCH, verbose=False
    )
    layers = [keras.layers.RandomCrop(SIDE, SIDE), keras.layers.RandomFlip("horizontal")]

    def augment(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for layer in layers:
            images = layer(images, training=True)
        return images, labels

    found = found.map(augment, tf.data.AUTOTUNE).repeat().prefetch(tf.data.AUTOTUNE)
    for images, _ in found:
        yield len(images)


def keras_cv_layer() -> Callable:
    import keras_cv

    return keras_cv.layers.RandAugment(
        value_range=(0, 255), augmentations_per_image=2, magnitude=0.9
    )


def keras_cv_randaugment(folder: str) -> Iterator[int]:
    import tensorflow as tf

    files = tf.data.Dataset.list_files(f"{folder}/train/*/*").repeat()

    def read(path: tf.Tensor) -> tf.Tensor:
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), 3), (SIDE, SIDE))

    found = files.map(read, tf.data.AUTOTUNE).batch(BATCH)
    found = found.map(keras_cv_layer(), tf.data.AUTOTUNE)
    for images in found.prefetch(tf.data.AUTOTUNE):
        yield len(images)


def in_memory(folder: str) -> np.ndarray:
    """Photographs, resized to (512, 224, 224, 3) uint8."""
    import tensorflow as tf

    files = tf.data.Dataset.list_files(f"{folder}/train/*/*", seed=0).repeat().take(8 * BATCH)

    def read(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(tf.io.read_file(path), 3)
        return tf.cast(tf.image.resize(image, (SIDE, SIDE)), tf.uint8)

    return np.stack(list(files.map(read, tf.data.AUTOTUNE).as_numpy_iterator()))


def ours_alone(folder: str) -> Iterator[int]:
    """RandAugment and nothing else: no file, no crop, no flip."""
    from kerasnets.data import from_arrays, training_batches
    from kerasnets.data.augment import Augment
    from kerasnets.data.transforms import RandAugment
    from kerasnets.inputs import Preprocessing

    images = in_memory(folder)
    labels = np.zeros(len(images), np.int32)
    split = from_arrays({"train": (images, labels)}, ("photograph",)).split("train")
    augment = Augment(transforms=(RandAugment(2, 9),))
    preprocessing = Preprocessing(size=(SIDE, SIDE))
    for found, _ in training_batches(split, preprocessing, 3, batch_size=BATCH, augment=augment):
        yield len(found)


def keras_cv_alone(folder: str) -> Iterator[int]:
    import tensorflow as tf

    found = tf.data.Dataset.from_tensor_slices(in_memory(folder)).repeat().batch(BATCH)
    for images in found.map(keras_cv_layer(), tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE):
        yield len(images)


def torch_loader(folder: str) -> Iterator[int]:
    """torchvision's own folder, crop and flip; uint8 out, as ours, which spares it a conversion."""
    import torch
    from torchvision import datasets, transforms

    torch.set_num_threads(1)
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
        ]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(f"{folder}/train", transform), BATCH, shuffle=True,
        num_workers=os.cpu_count(), persistent_workers=True, drop_last=True,
    )  # fmt: skip
    while True:
        for images, _ in loader:
            yield len(images)


SYSTEMS = {
    "ours": ours("inception"),
    "ours, RandAugment": ours("randaugment"),
    "ours, TFRecords": records,
    "bare decode": decode,
    "bare decode, dropped": decode_and_drop,
    "Keras": keras_directory,
    "keras-cv, RandAugment": keras_cv_randaugment,
    "ours, RandAugment alone": ours_alone,
    "keras-cv, RandAugment alone": keras_cv_alone,
    "PyTorch": torch_loader,
}
# What is compared: ours, with what, and the ratio to reach.
RATIOS = (
    ("ours", "Keras", 2.3),
    ("ours", "PyTorch", 2.3),
    ("ours", "bare decode", 0.8),
    ("ours", "bare decode, dropped", 0.8),
    ("ours, RandAugment", "keras-cv, RandAugment", 5.0),
    ("ours, RandAugment alone", "keras-cv, RandAugment alone", 5.0),
    ("ours, TFRecords", "ours", 0.95),
)


def speed(system: str, folder: str, seconds: float) -> float:
    """Images a second, after as long a time for warming up."""
    batches = SYSTEMS[system](folder)
    for limit in (seconds, seconds):
        count, start = 0, None
        for size in batches:
            # The first batch includes making the pipeline.
            now = time.perf_counter()
            if start is None:
                start = now
                continue
            count += size
            if now - start > limit:
                break
    return count / (now - start)


def peak_memory(folder: str, size: int) -> float:
    """Largest resident memory of an epoch over a folder of `size` images, in MiB.

    The folder holds links to the same photographs, again and again.
    """
    import resource

    from kerasnets.data import load, training_batches
    from kerasnets.inputs import Preprocessing

    paths = sorted(pathlib.Path(folder).glob("train/*/*"))
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(size):
            path = paths[number % len(paths)].resolve()
            link = pathlib.Path(scratch, "train", path.parent.name, f"{number}.jpg")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
        split = load(f"folder:{scratch}").split("train")
        preprocessing = Preprocessing(size=(SIDE, SIDE))
        batches = training_batches(split, preprocessing, 3, batch_size=BATCH, augment="inception")
        for _ in batches.take(size // BATCH):
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def enlarged(folder: str, out: pathlib.Path) -> str:
    from PIL import Image

    for path in sorted(pathlib.Path(folder).glob("train/*/*")):
        to = out / "train" / path.parent.name / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            long, short = LEAST if image.width >= image.height else LEAST[::-1]
            scale = max(long / image.width, short / image.height)
            sides = [-int(-scale * side // 1) for side in image.size]
            image.convert("RGB").resize(sides, Image.Resampling.BICUBIC).save(to, quality=90)
    # The pipeline's own test split is not used.
    (out / "val").symlink_to(out / "train")
    return str(out)


def child(*arguments: object) -> float:
    """Runs one measurement in a process of its own."""
    result = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps(arguments)],
        capture_output=True, text=True,
    )  # fmt: skip
    if result.returncode:
        raise SystemExit(f"{arguments} failed:\n{result.stderr[-2000:]}")
    return float(result.stdout.split()[-1])


def compare(title: str, folder: str, systems: list[str], seconds: float, rounds: int) -> None:
    """Prints images a second of each system, and the ratios."""
    found = {name: [] for name in systems}
    for _ in range(rounds):
        for name in systems:
            found[name].append(child(name, folder, seconds))
    print(f"\n{title}, images/s, median of {rounds} (least to largest)")
    for name, values in found.items():
        middle = statistics.median(values)
        print(f"  {name:28}{middle:8,.0f}   ({min(values):,.0f} to {max(values):,.0f})")
    for one, other, least in RATIOS:
        if one in found and other in found:
            ratio = statistics.median(found[one]) / statistics.median(found[other])
            print(f"  {one} / {other}: {ratio:.2f} (to reach: {least})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of photographs, JPEG in train/CLASS/")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", type=int, nargs=2, default=(10_000, 30_000))
    parser.add_argument("--only", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, *rest = options.child
        print(peak_memory(*rest) if name == "memory" else speed(name, *rest))
        return
    if options.data is None:
        parser.error("give --data FOLDER to measure on photographs")
    systems = list(options.only)
    if subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True).returncode:
        systems = [name for name in systems if name != "PyTorch"]
    print(f"{os.cpu_count()} cores, batches of {BATCH} images of {SIDE}x{SIDE}")
    with tempfile.TemporaryDirectory() as scratch:
        plain = pathlib.Path(scratch, "plain")
        plain.mkdir()
        for split in ("train", "val"):
            (plain / split).symlink_to(pathlib.Path(options.data, "train").resolve())
        compare("as they are", str(plain), systems, options.seconds, options.rounds)
        large = enlarged(options.data, pathlib.Path(scratch, "large"))
        compare("enlarged to 500x375", large, systems, options.seconds, options.rounds)
        if options.memory[0]:
            peaks = [child("memory", str(plain), size) for size in options.memory]
            for size, peak in zip(options.memory, peaks, strict=True):
                print(f"peak memory of an epoch over {size:,} images: {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
