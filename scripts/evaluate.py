"""The same as ``kerasnets evaluate``."""

import sys

from kerasnets.cli.main import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
