"""Ours beside the peers', in one process on the same input. Run by `make benchmark`."""
