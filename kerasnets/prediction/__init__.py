"""Answers on image files, by an export, a run or a server. Importing it loads no framework."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
