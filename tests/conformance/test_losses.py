"""Every pair in LOSSES: its formula, its closed forms, and what only our pairs promise."""

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

import ganloss as gl
from conformance import formulas

NAMES = list(formulas.LOSSES)
NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES}


def make(name: str) -> gl.GANLoss:
    return eval(name, NAMESPACE)


PER_SAMPLE = [name for name in NAMES if not make(name).batch_statistic]


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, dtype=torch.float64, generator=generator)


def both_sides(pair: gl.GANLoss, real: Tensor, fake: Tensor, **options: object) -> list[Tensor]:
    return [
        pair.discriminator(real=real, fake=fake, **options),
        pair.generator(real=real, fake=fake, **options),
    ]


def test_every_entry_has_a_formula() -> None:
    assert formulas.missing(gl.LOSSES.values(), formulas.LOSSES) == []


def test_control_an_entry_without_a_formula_is_found() -> None:
    class NewLoss: ...

    assert formulas.missing([gl.Hinge, NewLoss], formulas.LOSSES) == ["NewLoss"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 1, 3, 3)])
def test_both_sides_equal_the_formula(name: str, shape: tuple[int, ...]) -> None:
    real, fake = draw(*shape), draw(*shape, seed=1)
    d, g = both_sides(make(name), real, fake)
    formula = formulas.LOSSES[name]
    assert d.item() == pytest.approx(formula.discriminator(real.numpy(), fake.numpy()), rel=1e-12)
    assert g.item() == pytest.approx(formula.generator(real.numpy(), fake.numpy()), rel=1e-12)


# f-GAN's formulas as printed lose digits themselves at large scores: log(1 - exp(-tiny)).
# The unbiased MMD subtracts numbers near 5: its value may be next to 0.
@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith(("FDiv", "MaximumMean"))])
@pytest.mark.parametrize("scale", [0.01, 10.0, 30.0])
def test_float64_digits_hold_for_small_and_large_scores(name: str, scale: float) -> None:
    real, fake = scale * torch.linspace(-1, 1, 9).double(), scale * torch.linspace(-0.9, 1, 9)
    fake = fake.double()
    formula = formulas.LOSSES[name]
    for loss, expected in zip(
        both_sides(make(name), real, fake),
        (f(real.numpy(), fake.numpy()) for f in (formula.discriminator, formula.generator)),
        strict=True,
    ):
        assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_closed_forms_hold_in_fp32_and_fp64(name: str) -> None:
    for side, real, fake, value in formulas.LOSSES[name].closed:
        for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
            scores = {
                "real": torch.tensor(real, dtype=dtype),
                "fake": torch.tensor(fake, dtype=dtype),
            }
            loss = getattr(make(name), side)(**scores)
            assert loss.item() == pytest.approx(value, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_per_sample_values_average_to_the_mean_and_add_to_the_sum(name: str) -> None:
    pair, real, fake = make(name), draw(5, 1, 2, 2), draw(5, 1, 2, 2, seed=1)
    for side in range(2):
        each = both_sides(pair, real, fake, reduction="none")[side]
        assert each.shape == (5,)
        torch.testing.assert_close(each.mean(), both_sides(pair, real, fake)[side])
        torch.testing.assert_close(each.sum(), both_sides(pair, real, fake, reduction="sum")[side])
        alone = [both_sides(pair, real[i : i + 1], fake[i : i + 1])[side] for i in range(5)]
        torch.testing.assert_close(each, torch.stack(alone))


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(PER_SAMPLE)))
def test_a_statistic_of_the_batch_has_no_value_per_sample(name: str) -> None:
    pair, real, fake = make(name), draw(5), draw(5, seed=1)
    for side in (pair.discriminator, pair.generator):
        with pytest.raises(ValueError, match="is a statistic of the whole batch"):
            side(real=real, fake=fake, reduction="none")
        total = side(real=real, fake=fake, reduction="sum")
        torch.testing.assert_close(total, 5 * side(real=real, fake=fake))


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_weights_follow_the_weighted_means_of_numpy(name: str) -> None:
    pair, real, fake = make(name), draw(6), draw(6, seed=1)
    weight = torch.tensor([0.0, 1.0, 2.0, 0.5, 3.0, 1.0], dtype=torch.float64)
    kept = {"real_weight": weight}
    if not pair.paired:
        kept["fake_weight"] = weight
    each = pair.discriminator(real=real, fake=fake, reduction="none").numpy()
    w = weight.numpy()
    found = pair.discriminator(real=real, fake=fake, **kept)
    assert found.item() == pytest.approx(float((w * each).sum() / w.sum()), rel=1e-12)
    found = pair.discriminator(real=real, fake=fake, reduction="sum", **kept)
    assert found.item() == pytest.approx(float((w * each).sum()), rel=1e-12)
    found = pair.discriminator(real=real, fake=fake, reduction="none", **kept)
    np.testing.assert_allclose(found.numpy(), w * each)
    each = pair.generator(real=real, fake=fake, reduction="none").numpy()
    found = pair.generator(real=real, fake=fake, fake_weight=weight)
    assert found.item() == pytest.approx(float((w * each).sum() / w.sum()), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_unequal_batches_work_where_no_pairs_are_formed(name: str) -> None:
    pair, real, fake = make(name), draw(6), draw(4, seed=1)
    if pair.paired:
        with pytest.raises(ValueError, match="pass equal batches"):
            pair.discriminator(real=real, fake=fake)
        return
    found = pair.discriminator(real=real, fake=fake).item()
    formula = formulas.LOSSES[name].discriminator
    assert found == pytest.approx(formula(real.numpy(), fake.numpy()), rel=1e-12)
    sentence = "statistic of the whole batch" if pair.batch_statistic else "equal batches"
    with pytest.raises(ValueError, match=sentence):
        pair.discriminator(real=real, fake=fake, reduction="none")


@pytest.mark.parametrize("name", NAMES)
def test_finite_at_ten_thousand_wherever_the_formula_is(name: str) -> None:
    pair, formula, top = make(name), formulas.LOSSES[name], float(np.finfo(np.float32).max)
    for a in (-1e4, 1e4):
        for b in (-1e4, 1e4):
            real = torch.full((2,), a, requires_grad=True)
            fake = torch.full((2,), b, requires_grad=True)
            with np.errstate(all="ignore"):
                arrays = np.full(2, a), np.full(2, b)
                expected = formula.discriminator(*arrays), formula.generator(*arrays)
            for loss, value in zip(both_sides(pair, real, fake), expected, strict=True):
                if not abs(value) < top:
                    continue
                assert loss.item() == pytest.approx(value, rel=1e-6)
                gradients = torch.autograd.grad(loss, (real, fake), allow_unused=True)
                assert all(g is None or torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_is_a_value(name: str) -> None:
    pair = make(name)
    assert eval(repr(pair), NAMESPACE) == pair
    assert pickle.loads(pickle.dumps(pair)) == pair
    assert hash(pair) == hash(make(name))
    with pytest.raises(AttributeError):
        pair.margin = 3.0


@pytest.mark.parametrize("name", NAMES)
def test_pairs_work_under_vmap(name: str) -> None:
    pair, real, fake = make(name), draw(3, 5), draw(3, 5, seed=1)
    mapped = torch.func.vmap(lambda r, f: pair.discriminator(real=r, fake=f))(real, fake)
    alone = [pair.discriminator(real=r, fake=f) for r, f in zip(real, fake, strict=True)]
    torch.testing.assert_close(mapped, torch.stack(alone))
