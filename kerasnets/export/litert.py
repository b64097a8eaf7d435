"""The format ``litert``, for phones: a file that takes one image of raw pixels."""

from __future__ import annotations

import pathlib
import warnings
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kerasnets.export.form import Exporter, Job, register_exporter
from kerasnets.lazy import installed, notes_withheld, tf

if TYPE_CHECKING:
    from kerasnets.export.checks import Answer


class LiteRT(Exporter):
    """LiteRT files, in float32 or, with calibration images, int8."""

    file = "model.tflite"
    parent = "litert"
    takes = ("quantize",)

    def write(self, job: Job, folder: pathlib.Path) -> dict[str, object]:
        from kerasnets.export.pixels import compare_on_pixels, on_pixels, write

        options, images = {}, job.calibration
        if images is not None:
            options = {
                "optimizations": [tf.lite.Optimize.DEFAULT],
                "representative_dataset": lambda: ([image[None]] for image in images),
                "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
                "inference_input_type": tf.uint8,
            }
        model = on_pixels(job.inference, job.preprocessing, job.task)
        with notes_withheld():
            write(model, folder / self.file, "litert", batch=1, **options)
            return compare_on_pixels(job, _run(folder / self.file))

    def embed(self, path: pathlib.Path, texts: Mapping[str, str]) -> None:
        """As a ZIP archive behind the model, where others' metadata have their labels too."""
        with zipfile.ZipFile(path, "a") as archive:
            for name, text in texts.items():
                # Of no time of its own: the same export is the same file.
                archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


def _run(path: pathlib.Path) -> Answer:
    """Logits by a LiteRT file, run by ai-edge-litert where it is installed."""
    import numpy as np

    if installed("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's interpreter is deprecated.
            interpreter = tf.lite.Interpreter(str(path))
    run = interpreter.get_signature_runner("serving_default")
    dtype = run.get_input_details()["images"]["dtype"]

    def answer(pixels: np.ndarray) -> np.ndarray:
        return np.concatenate([run(images=image[None].astype(dtype))["logits"] for image in pixels])

    return answer


register_exporter("litert", LiteRT())
