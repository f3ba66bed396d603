"""Randomness as a function of (seed, stream, step, sample): the same for any number of processes.

Every draw covers the *global* batch from a generator seeded by a hash of its address, and a
process keeps the rows of its own samples. Nothing has to be stored to resume: the address of the
next draw follows from the step.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=4096)
def _stream_key(seed: int, stream: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


_MASK = (1 << 64) - 1


def _mix(value: int) -> int:
    """Scramble 64 bits (the finaliser of SplitMix64; Steele et al., OOPSLA 2014)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def seed_of(seed: int, stream: str, step: int) -> int:
    """Seed of the generator at an address.

    >>> seed_of(0, "latent", 3) == seed_of(0, "latent", 3)
    True
    >>> seed_of(0, "latent", 3) == seed_of(0, "latent", 4)
    False
    """
    return _mix((_stream_key(seed, stream) + (step + 1) * 0x9E3779B97F4A7C15) & _MASK)


_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Draws:
    """Random numbers for one turn of one player.

    Args:
        seed: seed of the run.
        step: address of the turn; unique per turn.
        rows: total number of samples over all processes.
        first: index of this process's first sample in the global batch.
        device: where the numbers are wanted; they are drawn there as well.
    """

    seed: int
    step: int
    rows: int
    first: int = 0
    device: torch.device = _CPU

    def generator(self, stream: str) -> torch.Generator:
        """Give a generator that depends on the address alone."""
        generator = torch.Generator(self.device)
        return generator.manual_seed(seed_of(self.seed, stream, self.step))

    def uniform(
        self, stream: str, count: int, *shape: int, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Uniform numbers in [0, 1) for this process's ``count`` samples, ``(count, *shape)``.

        >>> whole = Draws(seed=0, step=5, rows=4).uniform("u", 4, 1)
        >>> half = Draws(seed=0, step=5, rows=4, first=2).uniform("u", 2, 1)
        >>> bool((whole[2:] == half).all())
        True
        """
        return self._mine(
            torch.rand(
                self.rows, *shape, generator=self.generator(stream), device=self.device, dtype=dtype
            ),
            count,
        )

    def normal(
        self, stream: str, count: int, *shape: int, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Draw standard normal numbers for this process's ``count`` samples."""
        return self._mine(
            torch.randn(
                self.rows, *shape, generator=self.generator(stream), device=self.device, dtype=dtype
            ),
            count,
        )

    def _mine(self, values: Tensor, count: int) -> Tensor:
        if self.first + count > self.rows:
            raise ValueError(
                f"{count} samples from index {self.first} do not fit in a batch of {self.rows}"
            )
        return values[self.first : self.first + count]
