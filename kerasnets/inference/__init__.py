"""Networks rewritten for inference: the same answers in less time."""

from kerasnets.lazy import exports

__all__ = ["for_inference"]

__getattr__ = exports(__name__, {"for_inference": "network"})
