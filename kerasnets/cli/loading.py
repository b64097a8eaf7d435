"""TensorFlow, loaded quietly and announced."""

from __future__ import annotations

import logging
import os
import sys
from typing import Literal

from kerasnets.lazy import check_backend, notes_withheld, prefer_onednn

log = logging.getLogger("kerasnets")


def load_tensorflow(keras: Literal["none", "any", "tensorflow"] = "any") -> None:
    """Imports TensorFlow, says so first, and keeps its start-up notes to itself.

    Args:
        keras: On which of its backends the command needs Keras too.

    Raises:
        UserError: When Keras is set to a backend that is not installed, or that will not do.
    """
    if keras != "none":
        check_backend(None if keras == "any" else keras)
    if "tensorflow" in sys.modules:
        return
    log.info("Loading TensorFlow ...")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prefer_onednn()
    with notes_withheld():
        import tensorflow

        # The notes on missing GPUs come with the first look at the devices.
        tensorflow.config.list_physical_devices()
