"""Modes: which classes the samples cover."""

import torch
from torch import Tensor


def class_shares(labels: Tensor, classes: int) -> list[float]:
    """Share of each class among the labels.

    >>> class_shares(torch.tensor([0, 0, 2, 1]), 3)
    [0.5, 0.25, 0.25]
    """
    counts = torch.bincount(labels, minlength=classes).double()
    return (counts / counts.sum()).tolist()
