"""What a training is asked to be: recipes and the configuration of a run. Loads no framework."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
