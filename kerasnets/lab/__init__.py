"""What the lectures claim of these networks, as experiments that anybody can run.

>>> from kerasnets import lab
>>> results = lab.run("bottleneck-cost")
>>> results.verdict.word
'supported'

Importing it loads no framework.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
