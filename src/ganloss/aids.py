"""Aids beside the losses: which samples count, which fakes D sees, how large a weight should be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor, nn

from ganloss._random import Draws
from ganloss._scores import Scores, check_tensor, per_sample, scales
from ganloss._settings import check_number, check_whole


def top_k(scores: Scores, count: int, *, real_is_low: bool = False) -> Scores:
    r"""Scores of the ``count`` samples that the discriminator finds most real, for G's loss.

    A sample ranks by its mean score, summed over scales; whole samples are kept. The paper starts
    with the whole batch and multiplies the count by 0.99 after each epoch, down to half of it.
    Ranks are those of the local batch: each process keeps its own best.

    Args:
        scores: raw scores of generated samples ``(N, ...)``, or a list of them, one per scale.
        count: how many samples stay; all, if there are no more.
        real_is_low: whether the lowest are the most real, as energies are (EBGAN, BEGAN).

    Returns:
        Scores in the same structure, the most real first; gradients flow to those kept.

    Raises:
        TypeError: scores are no floating tensors, or the count no whole number.
        ValueError: a count below 1, or scales with different numbers of samples.

    References:
        Sinha et al., "Top-k Training of GANs: Improving GAN Performance by Throwing Away Bad
        Samples", NeurIPS 2020, arXiv:2002.06224, eq. 3.

    >>> top_k(torch.tensor([3.0, -1.0, 5.0]), 2)
    tensor([5., 3.])
    """
    checked = scales(scores, "scores")
    if check_whole(count, "count") < 1:
        raise ValueError(f"count is {count}; keep at least one sample")
    ranks = torch.stack([per_sample(scale.detach()) for scale in checked]).sum(0)
    kept = ranks.topk(min(count, len(ranks)), largest=not real_is_low).indices
    chosen = [scale[kept] for scale in checked]
    return chosen if isinstance(scores, list) else chosen[0]


def adaptive_weight(
    main: Tensor,
    adversarial: Tensor,
    *,
    at: Tensor | Sequence[Tensor],
    delta: float = 1e-6,
    largest: float = 1e4,
) -> Tensor:
    r"""Weight that makes the adversarial loss pull as hard as the main one.

    .. math:: \lambda = \min\Big(\lambda_{max},
        \frac{\lVert \nabla_w L_{main} \rVert}{\lVert \nabla_w L_{adv} \rVert + \delta}\Big)

    Both graphs are kept for the backward pass. The weight is a constant: it gets no gradient. It
    is a statistic of the local batch: with several processes, average it over them.

    Args:
        main: the reconstruction loss, a 0-d tensor.
        adversarial: the generator's adversarial loss, a 0-d tensor.
        at: w, the weight of the generator's last layer, or several; or the generated images.
        delta: δ, which keeps the quotient finite; 1e-6 in the paper, 1e-4 in its code.
        largest: upper bound; 1e4 in the paper's code.

    Returns:
        The weight, a 0-d tensor on the losses' device.

    Raises:
        TypeError: a loss is no tensor.
        ValueError: a loss is no single number, or nothing can be differentiated, as under
            ``torch.no_grad()``.

    References:
        Esser et al., "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021,
        arXiv:2012.09841, eq. 7.

    >>> w = torch.ones(2, requires_grad=True)
    >>> adaptive_weight((6 * w).sum(), (2 * w).sum(), at=w)
    tensor(3.0000)
    """
    weights = [at] if isinstance(at, Tensor) else list(at)
    for name, loss in (("main", main), ("adversarial", adversarial)):
        _check_loss(loss, name)
    if not weights or not all(w.requires_grad for w in weights):
        raise ValueError(
            "at has no gradient: pass the weight of the generator's last layer, or generated "
            "images with their graph"
        )
    ours, theirs = (
        _gradient_norm(loss, weights, name)
        for name, loss in (("main", main), ("adversarial", adversarial))
    )
    return (ours / (theirs + delta)).clamp(max=largest)


def _check_loss(loss: object, name: str) -> None:
    if not isinstance(loss, Tensor):
        raise TypeError(f"{name} must be a loss, a 0-d tensor, not {type(loss).__name__}")
    if loss.dim() != 0:
        raise ValueError(f"{name} has shape {tuple(loss.shape)}; pass a loss, a single number")
    if not loss.requires_grad:
        raise ValueError(
            f"{name} depends on nothing that is trained: compute it outside of torch.no_grad(), "
            "and do not detach it"
        )


def _gradient_norm(loss: Tensor, at: Sequence[Tensor], name: str) -> Tensor:
    found: Any = torch.autograd.grad(loss, at, retain_graph=True, allow_unused=True)
    reached = [g for g in found if g is not None]
    if not reached:
        raise ValueError(
            f"{name} does not depend on at: pass weights of the very generator that made the "
            "images, and score these by D itself, not by a Critic, which detaches them"
        )
    # In fp32: squares of half precision gradients are soon 0.
    norms = [torch.linalg.vector_norm(g.double() if g.is_cpu else g.float()) for g in reached]
    return torch.linalg.vector_norm(torch.stack(norms)).to(loss.dtype)


def latent_step(
    latents: Tensor,
    score: Callable[[Tensor], Tensor],
    *,
    rate: float = 0.9,
    damping: float | None = 5.0,
    share: float = 0.8,
    bound: float | None = None,
    random: Draws | None = None,
) -> Tensor:
    r"""Move latents to where the discriminator finds their samples more real: LOGAN's step.

    .. math:: z' = z + \alpha \frac{g}{\lVert g \rVert^2 + \beta}, \qquad g = \nabla_z D(G(z))

    for each sample by itself: the natural gradient of the paper, or :math:`z + \alpha g` without
    damping. Both players are then trained at z′, through the step: gradients flow on into
    whatever ``score`` is made of, which costs a double backward pass. Add
    :math:`w\, E\lVert z' - z \rVert^2` to the generator's loss (w = 0.1 in the paper, 300 without
    damping).

    Args:
        latents: z, ``(N, ...)``.
        score: gives the scores of latents, ``lambda z: D(G(z))``, ``(N, ...)``.
        rate: α; 0.9 in the paper, with a damping of 5.
        damping: β; None for plain gradient ascent.
        share: of a latent's elements, chosen at random, that move; 0.8 in the paper.
        bound: largest size of an element of z′, 1 for latents of the paper; None for none.
        random: where random numbers come from; torch's global generator by default.

    Returns:
        z′, of the shape of z.

    Raises:
        TypeError: latents are no floating tensor, or a setting is no number.
        ValueError: a share outside [0, 1], a negative damping, scores of other samples, or scores
            that cannot be differentiated, as under ``torch.no_grad()``.

    References:
        Wu et al., "LOGAN: Latent Optimisation for Generative Adversarial Networks", 2019,
        arXiv:1912.00953, eqs. 5, 8 and 9.

    >>> z = torch.zeros(1, 2)
    >>> latent_step(z, lambda z: z @ torch.tensor([3.0, 4.0]), damping=None, share=1.0)
    tensor([[2.7000, 3.6000]])
    """
    check_number(rate, "rate")
    for name, number in (("damping", damping), ("bound", bound)):
        check_number(number, name, (type(None),))
    if not 0 <= check_number(share, "share") <= 1:
        raise ValueError(f"share is {share}; it lies between 0 and 1 (0.8 in the paper)")
    if damping is not None and not damping > 0:
        raise ValueError(f"damping is {damping}; it must be positive (5 in the paper), or None")
    if not torch.is_grad_enabled():
        raise ValueError(
            "a latent step differentiates the scores, which torch.no_grad() and "
            "torch.inference_mode() forbid; take it outside, or leave it out when evaluating"
        )
    checked = check_tensor(latents, "latents")
    given, latents = latents.dtype, checked
    z = latents if latents.requires_grad else latents.detach().requires_grad_(True)
    autocast = torch.is_autocast_enabled(z.device.type)  # its networks have weights in fp32
    # Gradients in half precision, differentiated again, would underflow.
    with torch.autocast(z.device.type, enabled=False):
        scores = per_sample(score(z if autocast else z.to(given)))
        if len(scores) != len(z):
            raise ValueError(f"there are {len(scores)} scores of {len(z)} latents")
        if not scores.requires_grad:
            raise ValueError(
                "the scores do not depend on the latents: something inside detaches them"
            )
        (gradient,) = torch.autograd.grad(scores.sum(), z, create_graph=True)
    if damping is not None:
        squares = gradient.reshape(len(z), -1).square().sum(1).view(-1, *[1] * (z.dim() - 1))
        gradient = gradient / (squares + damping)
    if share < 1:
        chosen = (
            torch.rand_like(z)
            if random is None
            else random.uniform("latent-step", *z.shape, dtype=z.dtype)
        )
        gradient = gradient * (chosen < share)
    moved = latents + rate * gradient
    moved = moved if bound is None else moved.clamp(-bound, bound)
    return moved if autocast else moved.to(given)


@final
class ImagePool(nn.Module):
    """A history of generated images that the discriminator is shown, so that it does not forget.

    Until it is full every image is kept and returned. Then each image is either returned as it
    came, or changes places with a stored one; both with probability 1/2. What is stored is in
    ``state_dict``, so that a resumed run sees the same images. Each process has a pool of its own
    images.

    Args:
        size: how many images are kept, 50 in the papers; 0 returns the images as they came.

    Raises:
        TypeError: ``size`` is no whole number.
        ValueError: ``size`` is negative, or a state that is loaded has more images than that.

    References:
        Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial
        Training", CVPR 2017, arXiv:1612.07828, section 2.3; its use in CycleGAN: Zhu et al., ICCV
        2017, arXiv:1703.10593, section 4.

    >>> pool = ImagePool(size=2)
    >>> shown = pool(torch.zeros(2, 3, 8, 8))
    >>> len(pool)
    2
    """

    images: Tensor

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        if check_whole(size, "size") < 0:
            raise ValueError(f"size is {size}; it must be 0 or more")
        self.size = size
        self.register_buffer("images", torch.empty(0))
        self.register_load_state_dict_pre_hook(_make_room)

    def __len__(self) -> int:
        return len(self.images)

    @torch.no_grad()
    def forward(
        self,
        images: Tensor,
        *,
        random: Draws | torch.Generator | None = None,
        stream: str = "pool",
    ) -> Tensor:
        """Give the images to show instead of these, ``(N, ...)``, without a graph.

        Args:
            images: generated images.
            random: where random numbers come from; torch's global generator by default.
            stream: name of the numbers among ``Draws``; two pools of one turn need different ones.

        Raises:
            TypeError: images are no floating tensor.
            ValueError: an empty batch, or images of another shape than those that are stored.

        In ``eval`` mode images are given as they came, and nothing is stored.

        >>> pool = ImagePool(8)
        >>> shown = pool(torch.ones(4, 1, 2, 2))  # the first images are stored, and given back
        >>> bool((shown == 1).all()), len(pool)
        (True, 4)
        """
        check_tensor(images, "images")
        if self.size == 0 or not self.training:
            return images.detach()
        if len(self.images) and self.images.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"images {tuple(images.shape)} do not fit the stored {tuple(self.images.shape)}; "
                "use a pool for each size"
            )
        shown = images.detach().clone()
        free = min(self.size - len(self.images), len(images))
        if free:
            stored = [self.images.to(shown), shown[:free]] if len(self.images) else [shown[:free]]
            self.images = torch.cat(stored)
        # The numbers are drawn on the CPU, so that reading them never waits for a device.
        for i, (coin, place) in enumerate(_pairs(len(images), random, stream)):
            if i >= free and coin < 0.5:
                other = int(place * self.size)
                swapped = self.images[other].clone()
                self.images[other] = shown[i]
                shown[i] = swapped
        return shown

    def extra_repr(self) -> str:
        """Describe the size and how much of it is used.

        >>> ImagePool(8)
        ImagePool(size=8, stored=0)
        """
        return f"size={self.size}, stored={len(self)}"


def _make_room(pool: nn.Module, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Let a pool that was saved with images fit into one that is still empty."""
    saved = state.get(f"{prefix}images")
    if isinstance(pool, ImagePool) and isinstance(saved, Tensor):
        if len(saved) > pool.size:
            raise ValueError(
                f"the saved pool holds {len(saved)} images and this one has room for {pool.size}; "
                f"make it with size={len(saved)} or more"
            )
        pool.images = torch.empty_like(saved, device=pool.images.device)


def _pairs(
    count: int, random: Draws | torch.Generator | None, stream: str
) -> list[tuple[float, float]]:
    """Two uniform numbers for each sample."""
    if isinstance(random, Draws):
        numbers = replace(random, device=torch.device("cpu")).uniform(stream, count, 2)
    else:
        numbers = torch.rand(count, 2, generator=random)
    return [(float(a), float(b)) for a, b in numbers.tolist()]
