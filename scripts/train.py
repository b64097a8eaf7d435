"""The same as ``kerasnets train``."""

import sys

from kerasnets.cli.main import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
