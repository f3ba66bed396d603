"""What all penalties share: the call, and the checks of the samples they are given."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from ganloss._random import Draws


class Penalty(ABC):
    """A regulariser ``penalty(critic, real=, fake=)`` that differentiates the critic itself.

    It takes the samples it needs, accepts and ignores the other, never touches the caller's
    tensors and sends no gradient into the generator. Multiply it by the paper's weight.

    Samples are ``(N, ...)`` of any rank. The critic's output is made one number per sample first:
    the mean over its elements, summed over scales.

    >>> import torch
    >>> from ganloss import R1, MaxGradientPenalty
    >>> R1().needs, R1().controller()
    (('real',), None)
    >>> R1()(lambda x: 3 * x, real=torch.ones(2, 1))  # 3² / 2
    tensor(4.5000)
    >>> MaxGradientPenalty().over_all_processes()
    MaxGradientPenalty(across_processes=True)
    """

    #: It takes the gradient of the critic by its input; otherwise it looks at scores or weights
    #: only, works under ``torch.no_grad()`` and takes compiled discriminators.
    differentiates: ClassVar[bool] = True
    #: It adds noise of its own to every coordinate of the samples.
    adds_noise: ClassVar[bool] = False
    #: It looks at the critic's weights alone.
    of_weights: ClassVar[bool] = False
    #: It is no mean over samples.
    batch_statistic: ClassVar[bool] = False

    def over_all_processes(self) -> "Penalty":
        """Give the same penalty as a statistic of the global batch; itself if it is none."""
        return self

    def controller(self, *, across_processes: bool = False) -> nn.Module | None:
        """Give what holds this penalty's state in training and moves it; None without a state.

        It is called as the penalty is.
        """
        del across_processes
        return None

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Which samples the penalty looks at: ``"real"``, ``"fake"`` or both."""

    @final
    def __call__(
        self,
        critic: Callable[..., Any],
        *,
        real: Tensor | None = None,
        fake: Tensor | None = None,
        random: Draws | None = None,
    ) -> Tensor:
        """Penalty averaged over the batch, a 0-d tensor.

        Args:
            critic: the discriminator, any callable ``D(x)``, or a :class:`~ganloss.Critic`.
            real: real samples, ``(N, ...)``.
            fake: generated samples, ``(N, ...)``; detached inside.
            random: where random numbers come from; torch's global generator by default.

        Raises:
            TypeError: a needed argument is missing or is not a floating tensor.
            ValueError: an empty batch, or real and fake that would broadcast; under
                ``torch.no_grad()``, inside a ``torch.func`` transform, or with a discriminator
                compiled by ``torch.compile``, whose backward pass cannot be differentiated: give
                penalties the discriminator itself.
        """
        samples = {"real": real, "fake": fake}
        for name in self.needs:
            _check_samples(samples[name], name, type(self).__name__)
        return self._penalty(critic, real, fake, random)

    @abstractmethod
    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        """Compute the penalty from checked samples."""


def _check_samples(value: object, name: str, penalty: str) -> None:
    if value is None:
        raise TypeError(f"{penalty} needs {name}: pass {name}=...")
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor of samples (N, ...), not {type(value).__name__}")
    if not value.is_floating_point():
        raise TypeError(f"{name} has dtype {value.dtype}; convert the samples to floating point")
    if value.dim() == 0 or value.numel() == 0:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}; at least one sample is needed, (N, ...)"
        )
    _check_differentiable(value, name, penalty)


def _check_differentiable(value: Tensor, name: str, penalty: str) -> None:
    if value.is_inference() and not torch.is_inference_mode_enabled():
        raise ValueError(
            f"{name} was made in torch.inference_mode() and cannot be differentiated any more: "
            f"make it under torch.no_grad() instead, or pass {name}.clone()"
        )
    try:
        value.detach().requires_grad_(True)
    except RuntimeError as error:
        raise ValueError(
            f"{penalty} differentiates the critic itself, which does not work inside torch.func "
            "transforms (vmap, grad): call it outside, on the whole batch"
        ) from error


class GeneratorPenalty(ABC):
    """A regulariser ``penalty(generator, latents=, others=)`` of a generator.

    It runs the generator itself, on latents instead of samples: it takes the latents it needs and
    ignores the others. For a conditional generator pass ``lambda z: G(z, labels)``. Under autocast
    it runs in fp32: small differences and products of gradients would be lost.

    >>> import torch
    >>> from ganloss import ModeSeeking, PathLength
    >>> z = torch.zeros(2, 3)
    >>> ModeSeeking()(lambda z: z, latents=z, others=z + 1)
    tensor(1.0000)
    >>> ModeSeeking().over_all_processes()
    ModeSeeking(across_processes=True)
    >>> PathLength().controller().penalty
    PathLength(average=tensor(0.), rate=0.01)
    """

    #: Whether it compares ``latents`` with ``others``.
    needs_others: ClassVar[bool] = False
    #: It is no mean over samples.
    batch_statistic: ClassVar[bool] = False

    def over_all_processes(self) -> "GeneratorPenalty":
        """Give the same penalty as a statistic of the global batch; itself if it is none."""
        return self

    def controller(self, *, across_processes: bool = False) -> nn.Module | None:
        """Give what holds this penalty's state in training and moves it; None without a state."""
        del across_processes
        return None

    @final
    def __call__(
        self,
        generator: Callable[[Tensor], Tensor],
        *,
        latents: Tensor,
        others: Tensor | None = None,
        random: Draws | None = None,
    ) -> Tensor:
        """Penalty averaged over the batch, a 0-d tensor.

        Args:
            generator: any callable from latents ``(N, ...)`` to samples ``(N, ...)``.
            latents: inputs of the generator; gradients flow on into what made them.
            others: a second batch of latents of the same shape, where two are compared.
            random: where random numbers come from; torch's global generator by default.

        Raises:
            TypeError: latents are missing or are not a floating tensor.
            ValueError: an empty batch, or two batches of different shapes.
        """
        name = type(self).__name__
        _check_samples(latents, "latents", name)
        if self.needs_others:
            _check_samples(others, "others", name)
        latents = widened(latents)
        others = widened(others) if self.needs_others and others is not None else None
        with torch.autocast(latents.device.type, enabled=False):
            return self._penalty(generator, latents, others, random)

    @abstractmethod
    def _penalty(
        self,
        generator: Callable[[Tensor], Tensor],
        latents: Tensor,
        others: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        """Compute the penalty from checked latents."""


def widened(x: Tensor) -> Tensor:
    """Give ``x`` in fp32 where autocast made it half precision; gradients flow on."""
    halved = x.dtype in (torch.float16, torch.bfloat16)
    return x.float() if halved and torch.is_autocast_enabled(x.device.type) else x


def noise_like(x: Tensor, random: Draws | None, stream: str) -> Tensor:
    """Standard normal numbers of the shape of ``x``, whatever its memory format."""
    if random is None:
        return torch.randn(x.shape, device=x.device, dtype=x.dtype)
    return random.normal(stream, x.shape[0], *x.shape[1:], dtype=x.dtype)
