"""Training and measuring networks. Loading this package loads neither Keras nor TensorFlow."""

from kerasnets.lazy import exports

__all__ = ["Metrics", "Recipe", "Run", "TrainConfig", "evaluate", "recipe", "train"]

__getattr__ = exports(
    __name__,
    {
        "Metrics": "metrics",
        "Recipe": "recipes",
        "Run": "run",
        "TrainConfig": "config",
        "evaluate": "evaluation",
        "recipe": "recipes",
        "train": "trainer",
    },
)
