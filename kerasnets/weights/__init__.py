"""Weights from files, whoever wrote them, into our networks; and back."""

from kerasnets.weights.files import read_tensors
from kerasnets.weights.load import load_weights
from kerasnets.weights.save import save_tensors, save_weights

__all__ = ["load_weights", "read_tensors", "save_tensors", "save_weights"]
