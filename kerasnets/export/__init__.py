"""Networks as SavedModels that take image files. Loading this package loads no TensorFlow."""

from kerasnets.lazy import exports

__all__ = ["classifier", "export", "export_network", "export_run"]

__getattr__ = exports(
    __name__,
    {
        "classifier": "signatures",
        "export": "saved_model",
        "export_network": "sources",
        "export_run": "sources",
    },
)
