"""Data sets under one word each, and the way from their files to batches."""

from kerasnets.lazy import exports

__all__ = [
    "AUGMENTS",
    "MIXES",
    "Augment",
    "Dataset",
    "Split",
    "augmentation",
    "evaluation_batches",
    "load",
    "read",
    "steps_per_epoch",
    "training_batches",
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
        "load": "sources",
        "evaluation_batches": "pipeline",
        "read": "pipeline",
        "steps_per_epoch": "pipeline",
        "training_batches": "pipeline",
    },
)
