"""Data sets under one word each, and the way from their files to batches."""

from kerasnets.lazy import exports

__all__ = ["Dataset", "Split", "evaluation_batches", "load", "training_batches"]

__getattr__ = exports(
    __name__,
    {
        "Dataset": "sources",
        "Split": "sources",
        "load": "sources",
        "evaluation_batches": "pipeline",
        "training_batches": "pipeline",
    },
)
