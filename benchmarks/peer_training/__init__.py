"""Our training steps beside PyTorch's: ``python -m benchmarks.peer_training``.

Each network that torchvision or timm has too is trained by both from the same weights, on the same
images, and what differs is kept in ``results.jsonl``, from which `make docs` writes
docs/peer_training.md.
"""
