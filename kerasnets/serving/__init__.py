"""Answers on image files. Loading this package loads no TensorFlow."""

from kerasnets.lazy import exports

__all__ = ["Prediction", "predict"]

__getattr__ = exports(__name__, {"Prediction": "predictor", "predict": "predictor"})
