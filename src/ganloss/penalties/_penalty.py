"""What all penalties share: the call, and the checks of the samples they are given."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from ganloss._random import Draws
from ganloss._scores import named, not_strided


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
    @named("penalty(critic, real=..., fake=...)")
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
            check_samples(samples[name], name, type(self).__name__)
        _check_random(random)
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


def check_samples(value: object, name: str, penalty: str) -> None:
    """Refuse what a penalty cannot be taken at.

    Raises:
        TypeError: nothing, or no floating tensor.
        ValueError: an empty batch, or what cannot be differentiated.
    """
    if value is None:
        raise TypeError(f"{penalty} needs {name}: pass {name}=...")
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor of samples (N, ...), not {type(value).__name__}")
    if value.layout is not torch.strided:
        raise TypeError(not_strided(value, name))
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


def _check_random(random: object) -> None:
    if random is not None and not isinstance(random, Draws):
        raise TypeError(
            f"random is of type {type(random).__name__}; leave it out, and torch's global "
            "generator is used: torch.manual_seed(...)"
        )


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
    @named("penalty(generator, latents=..., others=...)")
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
            TypeError: latents, or what the generator gives, are not a floating tensor.
            ValueError: an empty batch, two batches of different shapes, or a generator that gives
                other than one sample for each latent.
        """
        name = type(self).__name__
        check_samples(latents, "latents", name)
        if self.needs_others:
            check_samples(others, "others", name)
        _check_random(random)
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


def generated(generator: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
    """Run a generator, and refuse what is not one sample for each latent; in fp32 or better.

    >>> generated(lambda z: z.sum(), torch.ones(2, 3))
    Traceback (most recent call last):
    ValueError: the generator gave shape () for 2 latents; (N, ...) is needed, one sample for each
    """
    made: Any = generator(latents)
    if not isinstance(made, Tensor) or not made.is_floating_point():
        kind = made.dtype if isinstance(made, Tensor) else type(made).__name__
        raise TypeError(
            f"the generator gave {kind}; samples (N, ...) in floating point are needed: of several "
            "outputs pass lambda z: G(z)[0]"
        )
    if made.shape[:1] != latents.shape[:1]:
        raise ValueError(
            f"the generator gave shape {tuple(made.shape)} for {len(latents)} latents; (N, ...) is "
            "needed, one sample for each"
        )
    return full(made)


def widened(x: Tensor) -> Tensor:
    """Give ``x`` in fp32 where autocast made it half precision; gradients flow on."""
    return full(x) if torch.is_autocast_enabled(x.device.type) else x


def full(x: Tensor) -> Tensor:
    """Give ``x`` in fp32 where it is half precision, in which squares over- and underflow."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def noise_like(x: Tensor, random: Draws | None, stream: str) -> Tensor:
    """Standard normal numbers of the shape of ``x``, whatever its memory format."""
    if random is None:
        return torch.randn(x.shape, device=x.device, dtype=x.dtype)
    return random.normal(stream, x.shape[0], *x.shape[1:], dtype=x.dtype)
