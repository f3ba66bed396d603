"""Feature matching, cycle consistency and identity."""

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl


def maps(*values: float) -> list[Tensor]:
    return [torch.full((2, 3 + i), float(value)) for i, value in enumerate(values)]


def test_feature_matching_adds_means_over_layers_and_discriminators():
    """pix2pixHD eq. 4: differences 1, 2 and 3, 6 give 12."""
    fake, real = [maps(1, 2), maps(3, 6)], [maps(0, 0), maps(0, 0)]
    assert gl.FeatureMatching()(fake=fake, real=real).item() == 12
    assert gl.FeatureMatching()(fake=fake[0], real=real[0]).item() == 3


def test_real_maps_get_no_gradient():
    fake, real = torch.ones(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    for loss in (
        gl.FeatureMatching()(fake=[fake], real=[real]),
        gl.MeanFeatureMatching()(fake=fake, real=real),
    ):
        loss.backward()
    assert real.grad is None
    assert fake.grad is not None


def test_a_tensor_in_place_of_a_list_is_refused():
    """The article's code walks the batch instead of the layers, silently."""
    with pytest.raises(TypeError, match="would be taken apart sample by sample"):
        gl.FeatureMatching()(fake=torch.ones(2, 3), real=torch.ones(2, 3))


@pytest.mark.parametrize(
    ("fake", "real"),
    [(maps(1, 2), maps(1)), ([maps(1), maps(2)], [maps(1)]), ([maps(1)], maps(1))],
)
def test_other_structures_are_refused(fake: list[Tensor], real: list[Tensor]):
    with pytest.raises(ValueError, match="same discriminators and layers"):
        gl.FeatureMatching()(fake=fake, real=real)


def test_other_shapes_are_refused_with_their_place():
    fake, real = [maps(1, 2)], [[torch.ones(2, 3), torch.ones(2, 1)]]
    with pytest.raises(ValueError, match=r"fake\[0\]\[1\] \(2, 4\)"):
        gl.FeatureMatching()(fake=fake, real=real)


def test_no_maps_are_refused():
    with pytest.raises(ValueError, match="empty list"):
        gl.FeatureMatching()(fake=[], real=[])


def test_mean_feature_matching():
    """Salimans et al.: means (2, 4) against (1, 1): 1 + 9 = 10."""
    fake = torch.tensor([[0.0, 2.0], [4.0, 6.0]])
    assert gl.MeanFeatureMatching()(fake=fake, real=torch.ones(2, 2)).item() == 10
    assert gl.MeanFeatureMatching()(fake=[fake, fake], real=[torch.ones(2, 2)] * 2).item() == 20


def test_mean_feature_matching_needs_no_pairs():
    fake, real = torch.randn(6, 3), torch.randn(4, 3)
    term = gl.MeanFeatureMatching()
    torch.testing.assert_close(term(fake=fake, real=real), term(fake=fake.flip(0), real=real))
    assert term(fake=real.flip(0), real=real).item() == pytest.approx(0, abs=1e-10)


MAPS = {"a_to_b": lambda x: 2 * x, "b_to_a": lambda y: 0.5 * y + 0.1}
A, B = torch.ones(1, 1).double(), torch.full((1, 1), 3.0).double()


def test_cycle_and_identity_of_linear_maps():
    """|.5(2) + .1 - 1| + |2(1.6) - 3| = .3; |.6 - 1| + |6 - 3| = 3.4."""
    assert gl.CycleConsistency()(real_a=A, real_b=B, **MAPS).item() == pytest.approx(0.3)
    assert gl.Identity()(real_a=A, real_b=B, **MAPS).item() == pytest.approx(3.4)


def test_swapped_generators_cannot_be_passed_by_position():
    for term in (gl.CycleConsistency(), gl.Identity()):
        with pytest.raises(TypeError, match="takes these arguments by name"):
            term(A, B, MAPS["b_to_a"], MAPS["a_to_b"])


def test_swapped_generators_give_another_number():
    """Through a map that is not affine, so that the cycle can see it."""
    curved = {"a_to_b": lambda x: x**2, "b_to_a": lambda y: y + 1}
    swapped = {"a_to_b": curved["b_to_a"], "b_to_a": curved["a_to_b"]}
    right = gl.CycleConsistency()(real_a=A, real_b=B, **curved)
    assert right.item() == 1 + 13
    assert gl.CycleConsistency()(real_a=A, real_b=B, **swapped).item() == 3 + 7


def test_fakes_that_are_known_are_used_and_give_the_same():
    a_to_b, b_to_a = (nn.Linear(1, 1).double() for _ in range(2))
    arguments = {"real_a": A, "real_b": B, "a_to_b": a_to_b, "b_to_a": b_to_a}
    whole = gl.CycleConsistency()(**arguments)
    known = gl.CycleConsistency()(**arguments, fake_a=b_to_a(B), fake_b=a_to_b(A))
    torch.testing.assert_close(known, whole)
    parameters = [*a_to_b.parameters(), *b_to_a.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(known, parameters), torch.autograd.grad(whole, parameters)
    )


def test_another_criterion():
    cycle = gl.CycleConsistency(criterion=gl.MSE())
    assert cycle(real_a=A, real_b=B, **MAPS).item() == pytest.approx(0.01 + 0.04)


def test_a_criterion_that_is_a_class_is_refused():
    with pytest.raises(TypeError, match=r"criterion=L1\(\)"):
        gl.CycleConsistency(criterion=gl.MSE)


def test_identity_between_other_channels_is_refused():
    with pytest.raises(ValueError, match="leave this loss out, or convert one domain first"):
        gl.Identity()(real_a=torch.ones(1, 1, 4, 4), real_b=torch.ones(1, 3, 4, 4), **MAPS)


def test_a_generator_that_changes_the_size_is_named():
    with pytest.raises(ValueError, match=r"b_to_a\(fake_b\) \(1, 2\) and real_a \(1, 1\)"):
        gl.CycleConsistency()(
            real_a=A, real_b=B, a_to_b=lambda x: x, b_to_a=lambda y: y.repeat(1, 2)
        )
