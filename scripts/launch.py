"""Several workers of one training on this machine: ``launch.py --workers 2 --out RUN ...``."""

import sys

from kerasnets.training.launch import main

if __name__ == "__main__":
    sys.exit(main())
