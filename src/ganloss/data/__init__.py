"""Data: reading, ordering and batching of images."""
