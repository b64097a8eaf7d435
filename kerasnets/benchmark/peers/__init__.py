"""What runs in a peer's own process: ``python kerasnets/benchmark/peers PEER``.

The modules here import each other by their own names and nothing of kerasnets, so that the process
of another library is as its users have it; `kerasnets_peer` alone imports kerasnets.
"""
