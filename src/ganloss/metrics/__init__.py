"""Metrics: how far samples are from real images, in the features of a fixed network."""
