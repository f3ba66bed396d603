"""Scratch memory that is kept between calls.

Fresh memory costs the operating system a fault for every page, which for a few maps of an image is
as much as the arithmetic on them.
"""

import math
import threading

import torch
from torch import Tensor

#: Elements a buffer may keep; what is larger is taken fresh, and given back.
_MOST = 2**21


class _Buffers(threading.local):
    """One set of buffers for each thread."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, torch.dtype, bool], Tensor] = {}


_buffers = _Buffers()


def scratch(name: str, like: Tensor, *shape: int) -> Tensor:
    """Memory of this shape with anything in it, the same for a name until the next call.

    It must not leave the function that takes it. On other devices than the CPU, whose allocators
    keep memory themselves, it is fresh.
    """
    count = math.prod(shape)
    if like.device.type != "cpu" or count > _MOST:
        return like.new_empty(shape)
    # Tensors made in inference mode cannot be written to outside of it.
    key = (name, like.dtype, torch.is_inference_mode_enabled())
    buffer = _buffers.held.get(key)
    if buffer is None or buffer.numel() < count:
        buffer = _buffers.held[key] = like.new_empty(count)
    return buffer[:count].view(shape)
