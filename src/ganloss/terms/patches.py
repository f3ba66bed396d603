"""Terms that compare the places of an image, or of its feature maps, with each other."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ganloss._scores import check_same_shape, check_tensor, named, product
from ganloss._settings import check_settings
from ganloss.terms._term import Term, check_positive, directions


@final
@dataclass(frozen=True)
class PatchNCE:
    r"""A patch should be recognised as the same place of the source among others of that image.

    .. math:: L = \sum_l E_s\Big[-\log \frac{e^{v_s \cdot k_s / \tau}}
        {\sum_t e^{v_s \cdot k_t / \tau}}\Big]

    with v the features of the generated image at S places s, k those of its source at the same
    places, all scaled to length 1; a mean over places and images, a sum over layers l. Negatives
    are the other places of the same image. The source's features get no gradient.

    Args:
        temperature: τ, positive; 0.07 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``temperature`` is not positive.

    Shapes: lists, one entry per layer, of features ``(N, S, C)`` of two places or more.

    Range: [0, ∞).

    Use: One-sided unpaired translation (CUT), weight 1, on features of the generator's encoder
    sent through a small MLP.

    Cost: One product of S x C by C x S for each image and layer.

    Peers: The authors' code averages over layers: ours divided by their number. It reshapes by
    the option batch_size, so the last, smaller batch fails.

    References:
        Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
        arXiv:2007.15651, eqs. 3 and 4.

    >>> import torch
    >>> patches = torch.eye(4)[None]  # four places, orthogonal: log(1 + 3 exp(-1))
    >>> PatchNCE(temperature=1.0)(fake=[patches], real=[patches])
    tensor(0.7437)
    """

    temperature: float = 0.07

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.temperature, "temperature", "0.07 in the paper")

    @named("loss(fake=..., real=...)")
    def __call__(self, *, fake: list[Tensor], real: list[Tensor]) -> Tensor:
        """Sum over layers, a 0-d tensor.

        Args:
            fake: features of the generated images, one ``(N, S, C)`` for each layer.
            real: features of their sources at the same places; get no gradient.

        Raises:
            TypeError: not lists of floating tensors.
            ValueError: the numbers of layers or the shapes differ, or there is only one place.
        """
        if isinstance(fake, Tensor) or isinstance(real, Tensor):
            raise TypeError("pass lists of features (N, S, C), one per layer: fake=[f], real=[r]")
        if len(fake) != len(real) or not fake:
            raise ValueError(
                f"fake has {len(fake)} layers and real has {len(real)}; pass the same layers, at "
                "least one"
            )
        layers = zip(fake, real, strict=True)
        return torch.stack([self._layer(f, r, i) for i, (f, r) in enumerate(layers)]).sum()

    def _layer(self, fake: Tensor, real: Tensor, i: int) -> Tensor:
        v, k = check_tensor(fake, f"fake[{i}]"), check_tensor(real, f"real[{i}]").detach()
        check_same_shape(v, k, f"fake[{i}]", f"real[{i}]")
        if v.dim() != 3 or v.shape[1] < 2:
            raise ValueError(
                f"fake[{i}] has shape {tuple(v.shape)}; features (N, S, C) of at least two places "
                "S are needed: for a map (N, C, H, W) pass map.flatten(2).mT"
            )
        logits = product(directions(v), directions(k).mT) / self.temperature
        return -logits.log_softmax(-1).diagonal(dim1=-2, dim2=-1).mean()


@final
@dataclass(frozen=True)
class Contextual(Term):
    r"""Every feature of the target should be found somewhere, wherever that is, in the input.

    .. math:: L = -\log \frac1S \sum_j \max_i c_{ij}, \qquad
        c_{ij} = \frac{e^{(1 - \tilde d_{ij}) / h}}{\sum_k e^{(1 - \tilde d_{ik}) / h}}, \qquad
        \tilde d_{ij} = \frac{d_{ij}}{\min_k d_{ik} + \epsilon}, \qquad
        d_{ij} = 1 - \cos(x_i - \mu, y_j - \mu)

    averaged over the batch, for the S features x_i of the input and y_j of the target, with μ the
    mean of the target's features and ε = 1e-5. Images need not be aligned. The loss is between 0
    and log S, which a target without any structure gives.

    Args:
        bandwidth: h, positive; 0.5 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``bandwidth`` is not positive, or there are no places.

    Shapes: features ``(N, C, ...)``, at least one place each, of one shape.

    Range: [0, ∞); at most log S, for S places.

    Use: Images that show the same things elsewhere, on feature maps of a network, e.g. conv3_2 and
    conv4_2 of a VGG; not on raw pixels of large images.

    Cost: S² distances for each image: at 64 x 64 places 64 MiB in fp32.

    Peers: The authors' TensorFlow code: of one image and cosine distances the same; of a batch it
    centres features over all images together.

    References:
        Mechrez et al., "The Contextual Loss for Image Transformation with Non-Aligned Data", ECCV
        2018, arXiv:1803.02077, eqs. 1 to 5.

    >>> import torch
    >>> y = torch.tensor([[[1.0, -1.0]]])  # one channel, two places
    >>> Contextual()(torch.ones(1, 1, 2), y)  # only the first is found: log 2
    tensor(0.6931)
    """

    bandwidth: float = 0.5

    _EPSILON: ClassVar[float] = 1e-5

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.bandwidth, "bandwidth", "0.5 in the paper")

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the loss of each sample from features ``(N, C, ...)``."""
        if input.dim() < 3:
            raise ValueError(
                f"input has shape {tuple(input.shape)}; features (N, C, ...) of several places are "
                "needed, e.g. (N, C, H, W)"
            )
        y = target.flatten(2).mT
        mean = y.mean(1, keepdim=True)
        x, y = directions(input.flatten(2).mT - mean), directions(y - mean)
        distances = (1 - product(x, y.mT)).clamp(min=0)  # rounding could lead below
        relative = distances / (distances.amin(2, keepdim=True) + self._EPSILON)
        similar = (-relative / self.bandwidth).softmax(2)
        return -similar.amax(1).mean(1).log()
