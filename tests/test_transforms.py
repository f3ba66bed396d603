"""torch.compile and torch.func: what works, and what says that it does not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl

PAIRS = [
    gl.Minimax(),
    gl.NonSaturating(),
    gl.NonSaturating(real_label=0.9),
    gl.Wasserstein(),
    gl.LeastSquares(),
    gl.Hinge(),
    gl.FDivergence("js"),
    gl.Relativistic(gl.NonSaturating()),
]
TERMS = [
    gl.L1(),
    gl.MSE(),
    gl.Charbonnier(),
    gl.PSNR(data_range=1.0),
    gl.Cosine(dim=1),
    gl.SSIM(data_range=1.0),
    gl.FocalFrequency(),
    gl.Contextual(),
]
#: Terms that are called in other ways, with what they learn from.
LABELS = torch.tensor([0, 1, 0, 1])
OTHERS = {
    "variation": lambda x, y: gl.TotalVariation(isotropic=True)(x),
    "style": gl.Style(features=lambda x: [x], value_range=None),
    "lpips": gl.LPIPS(pretrained="random", value_range=(0, 1)),
    "patches": lambda x, y: gl.PatchNCE()(fake=[x.flatten(2)], real=[y.flatten(2)]),
    "2c": lambda x, y: gl.ConditionalContrastive()(
        embeddings=x.flatten(1), proxies=y.flatten(1), labels=LABELS
    ),
    "d2d-ce": lambda x, y: gl.DataToDataCrossEntropy()(
        embeddings=x.flatten(1), proxies=y.flatten(1), labels=LABELS
    ),
    "ac-gan": lambda x, y: gl.AuxiliaryClassifier().generator(fake=x[:, 0, 0], fake_labels=LABELS),
    "stft": lambda x, y: gl.MultiResolutionSTFT()(x.flatten(1), y.flatten(1)),
    "mel": lambda x, y: gl.MelSpectrogram(sample_rate=22050)(x.flatten(1), y.flatten(1)),
}
PENALTIES = [gl.GradientPenalty(), gl.R1(), gl.R2()]


def name_of(thing: object) -> str:
    return type(thing).__name__


def both_sides(pair: gl.GANLoss) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(real: Tensor, fake: Tensor) -> Tensor:
        return pair.discriminator(real=real, fake=fake) + pair.generator(real=real, fake=fake)

    return loss


def draw(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(*shape, generator=generator), torch.rand(*shape, generator=generator)


def assert_the_same_when_compiled(loss: Callable[..., Tensor], x: Tensor, y: Tensor) -> None:
    # All terms share one call, and only a few versions of a function are compiled.
    torch._dynamo.reset()
    results = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        leaf = x.clone().requires_grad_(True)
        value = function(leaf, y)
        value.backward()
        results.append((value.detach(), leaf.grad))
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pair", PAIRS, ids=name_of)
def test_pairs_compile_into_one_graph(pair: gl.GANLoss):
    assert_the_same_when_compiled(both_sides(pair), *draw(6, 1, 2, 2))


@pytest.mark.parametrize("term", TERMS, ids=name_of)
def test_terms_compile_into_one_graph(term: gl.Term):
    assert_the_same_when_compiled(term, *draw(2, 3, 14, 14))


@pytest.mark.parametrize("name", OTHERS)
def test_terms_with_other_calls_compile_into_one_graph(name: str):
    assert_the_same_when_compiled(OTHERS[name], *draw(4, 3, 32, 32))


@pytest.mark.parametrize("loss", [*map(both_sides, PAIRS), *TERMS])
def test_losses_work_under_vmap_and_grad(loss: Callable[[Tensor, Tensor], Tensor]):
    x, y = draw(3, 2, 3, 14, 14)
    expected = torch.stack([loss(a, b) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(torch.func.vmap(loss)(x, y), expected)
    slopes = torch.func.vmap(torch.func.grad(loss))(x, y)
    alone = torch.stack([torch.func.grad(loss)(a, b) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(slopes, alone)


@pytest.mark.parametrize("penalty", PENALTIES, ids=name_of)
@pytest.mark.parametrize("randomness", ["error", "different"])
def test_penalties_say_that_they_do_not_work_under_vmap(penalty: gl.Penalty, randomness: str):
    d = nn.Linear(4, 1)
    mapped = torch.func.vmap(lambda x: penalty(d, real=x, fake=x), randomness=randomness)
    with pytest.raises(ValueError, match=r"does not work inside torch\.func transforms"):
        mapped(torch.randn(2, 3, 4))


@pytest.mark.parametrize("penalty", PENALTIES, ids=name_of)
def test_penalties_say_that_they_do_not_work_under_func_grad(penalty: gl.Penalty):
    x = torch.randn(3, 4)
    with pytest.raises(ValueError, match=r"does not work inside torch\.func transforms"):
        torch.func.grad(lambda x: penalty(lambda z: z.sum(1) ** 2, real=x, fake=x))(x)


@pytest.mark.parametrize("penalty", PENALTIES, ids=name_of)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "critic"])
def test_a_compiled_discriminator_is_refused_by_penalties(penalty: gl.Penalty, wrapped: bool):
    d = torch.compile(nn.Linear(4, 1), backend="aot_eager")
    x = torch.randn(3, 4)
    with pytest.raises(ValueError, match="give the penalty the discriminator itself"):
        penalty(gl.Critic(d) if wrapped else d, real=x, fake=x)


@pytest.mark.parametrize("penalty", PENALTIES, ids=name_of)
def test_a_compiled_step_with_a_penalty_raises_and_drops_no_gradient(penalty: gl.Penalty):
    d, x = nn.Linear(4, 1), torch.randn(3, 4)
    step = torch.compile(lambda x: penalty(d, real=x, fake=x), fullgraph=True, backend="aot_eager")
    with pytest.raises((RuntimeError, torch._dynamo.exc.Unsupported)):
        step(x).backward()


def test_the_discriminator_itself_works_beside_its_compiled_self():
    d, x = nn.Linear(4, 1), torch.randn(3, 4)
    compiled = torch.compile(d, backend="aot_eager")
    loss = gl.Hinge().discriminator(real=compiled(x), fake=compiled(x + 1)) + gl.R1()(d, real=x)
    loss.backward()
    assert d.weight.grad is not None
