"""Answers image files by SavedModels, as a program would that has TensorFlow and nothing else.

    python answer_alone.py SAVEDMODEL IMAGE...

Prints the outputs of the signatures ``serving_default`` and ``explain`` as JSON.
"""

import json
import pathlib
import sys


def main() -> None:
    sys.modules["keras"] = sys.modules["kerasnets"] = None  # importing them fails
    import tensorflow as tf

    model = tf.saved_model.load(sys.argv[1])
    files = tf.constant([pathlib.Path(path).read_bytes() for path in sys.argv[2:]])
    answer = dict(model.signatures["serving_default"](image_bytes=files))
    answer.update(model.signatures["explain"](image_bytes=files))
    assert sys.modules["keras"] is sys.modules["kerasnets"] is None
    print(json.dumps({name: _plain(value.numpy().tolist()) for name, value in answer.items()}))


def _plain(value):
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
