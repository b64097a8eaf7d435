"""Our networks beside those of other libraries, measured in one run: ``kerasnets benchmark``.

Each peer runs in processes of its own (`kerasnets.benchmark.peers`), which take turns: whatever
else the machine does meets all alike. Loads no framework; every backend of Keras will do.
"""
