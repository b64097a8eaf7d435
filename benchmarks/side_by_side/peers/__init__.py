"""What runs in a peer's own process: ``python benchmarks/side_by_side/peers PEER``.

Of kerasnets they import the loop that measures alone, which loads no framework and changes none, so
that the process of another library is as its users have it.
"""
