"""Data sets under one word each, and the way from their files to batches."""

from kerasnets.lazy import exports

__all__ = [
    "AUGMENTS",
    "MIXES",
    "Augment",
    "Dataset",
    "Split",
    "augmentation",
    "check",
    "dense_batches",
    "evaluation_batches",
    "from_arrays",
    "load",
    "read",
    "statistics",
    "steps_per_epoch",
    "training_batches",
    "write_tfrecords",
]

__getattr__ = exports(
    __name__,
    {
        "AUGMENTS": "augment",
        "MIXES": "augment",
        "Augment": "augment",
        "augmentation": "augment",
        "Dataset": "sources",
        "Split": "sources",
        "from_arrays": "sources",
        "load": "sources",
        "check": "checks",
        "statistics": "stats",
        "write_tfrecords": "packing",
        "dense_batches": "pipeline",
        "evaluation_batches": "pipeline",
        "read": "pipeline",
        "steps_per_epoch": "pipeline",
        "training_batches": "pipeline",
    },
)
