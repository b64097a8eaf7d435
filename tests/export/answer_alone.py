"""Answers image files by SavedModels, as a program would that has TensorFlow and nothing else.

    python answer_alone.py SAVEDMODEL IMAGE...

Prints the outputs of the signature ``serving_default`` as JSON.
"""

import json
import pathlib
import sys


def main() -> None:
    sys.modules["keras"] = sys.modules["kerasnets"] = None  # importing them fails
    import tensorflow as tf

    model = tf.saved_model.load(sys.argv[1])
    files = tf.constant([pathlib.Path(path).read_bytes() for path in sys.argv[2:]])
    answer = model.signatures["serving_default"](image_bytes=files)
    assert sys.modules["keras"] is sys.modules["kerasnets"] is None
    print(json.dumps({name: _rows(value.numpy()) for name, value in answer.items()}))


def _rows(values) -> list:
    return [[v.decode() if isinstance(v, bytes) else v for v in row] for row in values.tolist()]


if __name__ == "__main__":
    main()
