"""The same as ``kerasnets export``."""

import sys

from kerasnets.cli.main import main

if __name__ == "__main__":
    main(["export", *sys.argv[1:]])
