"""TensorFlow, loaded quietly and announced."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from typing import Literal

from kerasnets.lazy import check_backend, prefer_onednn

log = logging.getLogger("kerasnets")


def load_tensorflow(keras: Literal["none", "any", "tensorflow"] = "any") -> None:
    """Imports TensorFlow, says so first, and keeps its start-up notes to itself.

    They are written before its log level counts, so they are caught at the file descriptor; they
    are shown if the import fails.

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
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow

            # The notes on missing GPUs come with the first look at the devices.
            tensorflow.config.list_physical_devices()
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
