"""Layers that the papers need and Keras does not have. Pure Keras 3: every backend runs them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
