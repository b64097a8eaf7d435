"""The experiments, each a file that reads like a methods section; ``_`` stands for ``-``."""
