"""What a README and a model card say of a trained network, from its facts. Loads no framework."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
