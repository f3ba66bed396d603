"""Networks of one's own: ``MODULE:NAME``, made with what they ask for, and tried once."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from ganloss._errors import UsageError
from ganloss._importing import Names, import_typed
from ganloss._lazy import suggest
from ganloss._scores import scales

#: Length of latents of a generator that does not name its own, as an attribute ``latent``.
DEFAULT_LATENT = 64


def own_network(target: str, shape: tuple[int, ...], classes: int, latent: int) -> nn.Module:
    """Make the network that ``MODULE:NAME`` or ``FILE.py:NAME`` names.

    A class or function is called with those of the keywords ``image_size``, ``channels``,
    ``classes`` and ``latent`` that it accepts; a module is taken as it is.

    Raises:
        UsageError: there is none, or it cannot be made.

    >>> own_network("torch.nn:Identity", (1, 8, 8), classes=0, latent=64)
    Identity()
    >>> own_network("torch.nn:Identify", (1, 8, 8), classes=0, latent=64)
    Traceback (most recent call last):
    ganloss._errors.UsageError: torch.nn has no 'Identify'...
    """
    name, colon, attribute = target.partition(":")
    if not colon or not attribute:
        raise UsageError(f"{target!r} names no network; write MODULE:NAME, e.g. my_nets.py:MyG")
    found = Names(import_typed(name))
    if attribute not in found:
        raise UsageError(f"{name} has no {attribute!r}{suggest(attribute, found)}")
    network = found[attribute]
    if not isinstance(network, nn.Module):
        network = _make(network, target, shape, classes, latent)
    if not isinstance(network, nn.Module):
        raise UsageError(f"{target} gives a {type(network).__name__}; a torch Module is needed")
    return network


def _make(
    maker: Callable[..., Any], target: str, shape: tuple[int, ...], classes: int, latent: int
) -> Any:
    offered = {
        "image_size": shape[-1],
        "channels": shape[0],
        "classes": classes,
        "latent": latent,
    }
    try:
        accepted = inspect.signature(maker).parameters
        return maker(**{name: value for name, value in offered.items() if name in accepted})
    except Exception as error:  # whatever the code of a user raises
        raise UsageError(
            f"{target} could not be made ({_said(error)}); its arguments may be image_size, "
            "channels, classes and latent, and others need defaults"
        ) from error


def probe_generator(
    generator: nn.Module, shape: tuple[int, ...], classes: int, latent: int
) -> None:
    """Try a generator on two latents, on a copy.

    Raises:
        UsageError: it fails, or gives samples of another shape.

    >>> probe_generator(nn.Linear(4, 2), shape=(2,), classes=0, latent=4)
    >>> probe_generator(nn.Linear(4, 3), shape=(2,), classes=0, latent=4)
    Traceback (most recent call last):
    ganloss._errors.UsageError: G(z) of latents (2, 4) gave ...
    """
    call = "G(z, y)" if classes else "G(z)"
    samples = _try(generator, torch.randn(2, latent), classes, call)
    if not isinstance(samples, Tensor) or tuple(samples.shape) != (2, *shape):
        raise UsageError(
            f"{call} of latents (2, {latent}) gave {_describe(samples)}; the data need "
            f"{(2, *shape)}, in [-1, 1]"
        )


def probe_discriminator(discriminator: nn.Module, shape: tuple[int, ...], classes: int) -> None:
    """Try a discriminator on two samples, on a copy.

    Raises:
        UsageError: it fails, or gives something other than scores of each sample.

    >>> probe_discriminator(nn.Linear(2, 1), shape=(2,), classes=0)
    """
    call = "D(x, y)" if classes else "D(x)"
    scores = _try(discriminator, torch.zeros(2, *shape), classes, call)
    try:
        right = all(scale.shape[0] == 2 for scale in scales(scores, "the discriminator's output"))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{call} does not give scores: {error}") from error
    if not right:
        raise UsageError(
            f"{call} of samples {(2, *shape)} gave {_describe(scores)}; give raw scores with the "
            "batch in front, (2,) or (2, ...)"
        )


def _try(network: nn.Module, first: Tensor, classes: int, call: str) -> Any:
    labels = (torch.zeros(2, dtype=torch.long),) if classes else ()
    trial = copy.deepcopy(network).float()
    try:
        with torch.no_grad():
            return trial(first, *labels)
    except Exception as error:  # whatever the code of a user raises
        raise UsageError(
            f"{call} failed on an input of {tuple(first.shape)}: {_said(error)}"
        ) from error


def _said(error: Exception) -> str:
    """What an error says, after its kind where that alone is clear: ``KeyError: 'width'``."""
    known = isinstance(error, (TypeError, ValueError, RuntimeError))
    return str(error) if known else f"{type(error).__name__}: {error}"


def _describe(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def refuse_batch_norm(network: nn.Module, player: str) -> None:
    """Refuse layers whose result depends on how many processes share the batch.

    Raises:
        UsageError: there is a batch normalisation.

    >>> refuse_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "generator")
    Traceback (most recent call last):
    ganloss._errors.UsageError: the generator has batch normalisation (1), ...
    """
    for name, layer in network.named_modules():
        if isinstance(layer, _BatchNorm) and not isinstance(layer, nn.SyncBatchNorm):
            raise UsageError(
                f"the {player} has batch normalisation ({name}), whose statistics would be those "
                "of one process's share of the batch; use one process, or another normalisation "
                "(GroupNorm, InstanceNorm, spectral norm)"
            )
