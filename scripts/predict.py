"""The same as ``kerasnets predict``."""

import sys

from kerasnets.cli.main import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
