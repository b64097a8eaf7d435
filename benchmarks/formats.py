"""What float32, half precision and int8 cost and save, by format: size, time, accuracy.

    python benchmarks/formats.py [--images 2000]

A trained ResNet-20 for CIFAR-10 is exported in each form and asked about the same held-out images,
as ``kerasnets evaluate`` and ``kerasnets predict`` do it; the forms take turns. Times are of image
files in memory, decoding included. It needs ``KERASNETS_SHARED``, and says so where there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import tarfile
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from timing import in_turn

from kerasnets.data import load
from kerasnets.export import Form, export_network
from kerasnets.prediction import ImageModel, open_model
from kerasnets.prediction.measuring import measured, with_labels_of

FORMS = {
    "SavedModel, float32": Form(),
    "SavedModel, fp16": Form(precision="fp16"),
    "SavedModel, bf16": Form(precision="bf16"),
    "LiteRT, float32": Form(format="litert"),
    "LiteRT, int8": Form(format="litert", quantize="int8"),
    "ONNX, float32": Form(format="onnx"),
    "ONNX, int8": Form(format="onnx", quantize="int8"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="held-out images")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    shared = pathlib.Path(os.environ.get("KERASNETS_SHARED", "../shared"))
    weights = shared / "weights" / "resnet20_cifar10.safetensors"
    if not weights.exists():
        sys.exit("no real data: KERASNETS_SHARED does not point at any")
    print(json.dumps({"machine": platform.machine(), "cpus": os.cpu_count()}))
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        with tarfile.open(shared / "data" / "cifar10-jpeg.tar.xz") as archive:
            archive.extractall(root, filter="data")
        report(root, weights, arguments.images, arguments.rounds)


def report(root: pathlib.Path, weights: pathlib.Path, images: int, rounds: int) -> None:
    """Prints a row for each form."""
    data = f"folder:{root / 'cifar10-jpeg'}"
    dataset = load(data)
    split = dataset.split("test")
    split = split.take(np.linspace(0, split.size - 1, min(images, split.size)).astype(int))
    (root / "labels.txt").write_text("\n".join(dataset.class_names))
    models: dict[str, ImageModel] = {}
    sizes = {}
    for name, form in FORMS.items():
        version = export_network(
            "resnet20_cifar",
            weights,
            root / name,
            labels=root / "labels.txt",
            form=form,
            calibration=data,
        )
        models[name] = open_model(version)
        files = [path for path in version.rglob("*") if path.is_file()]
        sizes[name] = sum(path.stat().st_size for path in files)
    content = [next(split.take(np.array([at])).records.files()) for at in range(64)]
    one = in_turn({name: timer(model, content[:1]) for name, model in models.items()}, rounds)
    many = in_turn({name: timer(model, content) for name, model in models.items()}, rounds)
    print("| | MB | one image, ms | images/s | top-1 |\n| --- | --: | --: | --: | --: |")
    for name, model in models.items():
        own, names = with_labels_of(model, dataset, split)
        top1 = measured(model, own, names).top1
        print(
            f"| {name} | {sizes[name] / 1e6:.2f} | {1e3 * statistics.median(one[name]):.1f} | "
            f"{len(content) / statistics.median(many[name]):,.0f} | {top1:.2%} |",
            flush=True,
        )


def timer(model: ImageModel, content: list[bytes]):
    """Seconds for the answers on some images."""

    def seconds() -> float:
        start = time.perf_counter()
        model.answer(content)
        return time.perf_counter() - start

    return seconds


if __name__ == "__main__":
    main()
