"""Our networks beside those of other libraries: ``python -m benchmarks.side_by_side``.

Each peer runs in processes of its own (`benchmarks.side_by_side.peers`), which take turns: whatever
else the machine does meets all alike. Loads no framework; every backend of Keras will do.
"""
