"""What a network makes of images, as vectors: a file of them, neighbours, probes.

Importing it loads no framework.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
