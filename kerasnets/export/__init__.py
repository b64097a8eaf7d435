"""Networks as SavedModels that take image files. Loading this package loads no TensorFlow."""

from kerasnets.lazy import exports

__all__ = ["Form", "classifier", "export", "export_network", "export_run"]

__getattr__ = exports(
    __name__,
    {
        "Form": "form",
        "classifier": "signatures",
        "export": "saved_model",
        "export_network": "sources",
        "export_run": "sources",
    },
)
