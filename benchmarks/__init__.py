"""Timings of ganloss beside its peers: ``python -m benchmarks``."""
