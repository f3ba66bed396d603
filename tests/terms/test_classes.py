"""Terms of conditional GANs: both players, and the faults other libraries have had."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import ganloss as gl
from ganloss.check import check

LABELS = torch.tensor([0, 2, 1, 2])


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_batches_of_real_and_generated_samples_may_differ_in_size():
    found = gl.AuxiliaryClassifier().discriminator(
        real=torch.zeros(5, 3),
        real_labels=torch.zeros(5, dtype=torch.long),
        fake=torch.zeros(4, 3),
        fake_labels=LABELS,
    )
    assert found.item() == pytest.approx(2 * math.log(3))


def test_the_twins_part_pushes_against_the_classifiers():
    """Gong et al.: with both classifiers alike, nothing is left for the generator to gain."""
    fake = draw(4, 3).requires_grad_(True)
    loss = gl.TwinAuxiliaryClassifier().generator(fake=fake, fake_twin=fake, fake_labels=LABELS)
    (slope,) = torch.autograd.grad(loss, fake)
    assert loss.item() == 0
    assert torch.equal(slope, torch.zeros_like(slope))


def test_adc_tells_real_from_generated_within_a_class_only():
    """The difference of two logits: those of the other classes do not matter."""
    adc, fake = gl.AuxiliaryDiscriminativeClassifier(), draw(4, 6)
    changed = fake.clone()
    changed[0, 1] += 5  # the first sample is of class 0: logits 0 and 3
    expected = adc.generator(fake=fake, fake_labels=LABELS)
    torch.testing.assert_close(adc.generator(fake=changed, fake_labels=LABELS), expected)
    changed[0, 3] += 4
    found = adc.generator(fake=changed, fake_labels=LABELS)
    torch.testing.assert_close(found, expected + 1)


@pytest.mark.parametrize(
    ("term", "options", "error", "words"),
    [
        (gl.AuxiliaryClassifier(), {"fake_labels": LABELS.float()}, TypeError, r"argmax\(1\)"),
        (gl.AuxiliaryClassifier(), {"fake_labels": LABELS[:1]}, ValueError, "one class per sample"),
        (gl.AuxiliaryClassifier(), {"fake_labels": LABELS[:, None]}, ValueError, "one class per"),
        (gl.AuxiliaryClassifier(), {"fake": draw(4)}, ValueError, "with K classes"),
        (gl.AuxiliaryDiscriminativeClassifier(), {"fake": draw(4, 5)}, ValueError, r"\(N, 2K\)"),
    ],
)
def test_misuse_of_classifiers_raises(term, options: dict, error: type, words: str):
    with pytest.raises(error, match=words):
        term.generator(**{"fake": draw(4, 4), "fake_labels": LABELS, **options})


ZEROS = torch.zeros(4, 4)
AC, TAC = gl.AuxiliaryClassifier(), gl.TwinAuxiliaryClassifier()
ADC, HINGE = gl.AuxiliaryDiscriminativeClassifier(), gl.MultiHinge()
TWO_C, D2D = gl.ConditionalContrastive(), gl.DataToDataCrossEntropy()
#: What takes labels, with the first one that is no class and the word for those that are.
LABELLED = {
    "ac of real": (lambda y: AC.discriminator(real=ZEROS, real_labels=y, **OF_FAKE), 4, "0 to 3"),
    "ac of fake": (lambda y: AC.generator(fake=ZEROS, fake_labels=y), 4, "0 to 3"),
    "tac": (lambda y: TAC.generator(fake=ZEROS, fake_twin=ZEROS, fake_labels=y), 4, "0 to 3"),
    "adc of real": (lambda y: ADC.discriminator(real=ZEROS, real_labels=y, **OF_ADC), 2, "0 to 1"),
    "adc of fake": (lambda y: ADC.generator(fake=ZEROS, fake_labels=y), 2, "0 to 1"),
    "hinge": (lambda y: HINGE.generator(fake=ZEROS, fake_labels=y), 3, "0 to 2"),
    "2c": (lambda y: TWO_C(embeddings=ZEROS, proxies=ZEROS, labels=y), None, "from 0:"),
    "d2d-ce": (lambda y: D2D(embeddings=ZEROS, proxies=ZEROS, labels=y), None, "from 0:"),
    "infogan": (lambda y: gl.MutualInformation()(logits=ZEROS, categories=y), 4, "0 to 3"),
}
OF_FAKE = {"fake": ZEROS, "fake_labels": LABELS}
OF_ADC = {"fake": ZEROS, "fake_labels": LABELS.clamp(max=1)}


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_labels_that_are_no_class_are_refused(name: str, dtype: torch.dtype):
    """torch has an IndexError for some, ignores -100, and reads another logit for others."""
    loss, beyond, words = LABELLED[name]
    assert loss(torch.tensor([0, 1, 0, 1], dtype=dtype)).isfinite()
    wrong = [] if beyond is None else [beyond]
    wrong += [] if dtype == torch.uint8 else [-1, -100]
    for label in wrong:
        with pytest.raises(ValueError, match=rf"the class {label}; classes are counted .*{words}"):
            loss(torch.tensor([0, 1, label, 1], dtype=dtype))


@pytest.mark.parametrize("name", LABELLED)
def test_labels_that_are_no_integers_are_refused(name: str):
    loss = LABELLED[name][0]
    for labels in (torch.zeros(4), torch.zeros(4, dtype=torch.bool)):
        with pytest.raises(TypeError, match=r"has dtype torch\..*pass .*\.long\(\)"):
            loss(labels)
    # Of InfoGAN a list is one tensor for each code.
    with pytest.raises((TypeError, ValueError), match=r"of integers.*not list|of each for every"):
        loss([0, 1, 0, 1])
    with pytest.raises(ValueError, match="one class per sample"):
        loss(torch.zeros(3, dtype=torch.long))


def test_labels_inside_vmap_are_taken_as_they_are():
    labels = torch.tensor([[0, 1], [1, 0]])
    logits = draw(2, 2, 3)
    found = torch.func.vmap(lambda z, y: AC.generator(fake=z, fake_labels=y))(logits, labels)
    wanted = [AC.generator(fake=z, fake_labels=y) for z, y in zip(logits, labels, strict=True)]
    torch.testing.assert_close(found, torch.stack(wanted))


def test_real_and_fake_cannot_be_swapped_by_position():
    with pytest.raises(TypeError, match="by name, so that none can be swapped"):
        gl.AuxiliaryClassifier().generator(draw(4, 3), LABELS)


PULLS = [gl.ConditionalContrastive(), gl.DataToDataCrossEntropy()]


@pytest.mark.parametrize("pull", PULLS, ids=lambda term: type(term).__name__)
def test_a_step_draws_samples_to_their_proxies_and_classes_apart(pull):
    embeddings, proxies = draw(4, 3).requires_grad_(True), draw(4, 3, seed=1)
    before = pull(embeddings=embeddings, proxies=proxies, labels=LABELS)
    (slope,) = torch.autograd.grad(before, embeddings)
    after = pull(embeddings=embeddings - 1e-3 * slope, proxies=proxies, labels=LABELS)
    assert after < before
    cosines = torch.nn.functional.cosine_similarity
    apart = embeddings.detach() - 0.1 * slope
    assert cosines(apart, proxies).mean() > cosines(embeddings, proxies).mean()


@pytest.mark.parametrize("pull", PULLS, ids=lambda term: type(term).__name__)
def test_only_directions_count_and_small_temperatures_do_not_overflow(pull):
    embeddings, proxies = draw(4, 3).float(), draw(4, 3, seed=1).float()
    expected = pull(embeddings=embeddings, proxies=proxies, labels=LABELS)
    found = pull(embeddings=1e15 * embeddings, proxies=1e-15 * proxies, labels=LABELS)
    torch.testing.assert_close(found, expected)
    cold = type(pull)(temperature=1e-3)  # exp(1000) is not a number of fp32
    assert torch.isfinite(cold(embeddings=embeddings, proxies=proxies, labels=LABELS))


def test_easy_samples_feel_no_force_in_d2d_ce():
    """At its proxy and with strangers far away the gradient is exactly 0."""
    embeddings = torch.tensor([[1.0, 0.0], [-1.0, 0.1]], requires_grad=True)
    proxies = torch.tensor([[1.0, 0.05], [-1.0, 0.1]])
    pull = gl.DataToDataCrossEntropy()
    loss = pull(embeddings=embeddings, proxies=proxies, labels=torch.tensor([0, 1]))
    loss.backward()
    assert torch.equal(embeddings.grad, torch.zeros(2, 2))
    assert loss.item() == pytest.approx(math.log(2))


def test_the_proxies_of_all_classes_are_not_those_of_the_samples():
    with pytest.raises(ValueError, match="nothing is broadcast"):
        gl.ConditionalContrastive()(embeddings=draw(4, 3), proxies=draw(10, 3), labels=LABELS)


def test_infogan_has_a_gradient():
    """torchgan's is built from numbers and cannot be differentiated."""
    logits, mean = draw(4, 3).requires_grad_(True), draw(4, 2).requires_grad_(True)
    codes, zeros = draw(4, 2, seed=1), torch.zeros(4, 2, dtype=torch.float64)
    loss = gl.MutualInformation()(
        logits=logits, categories=LABELS, codes=codes, mean=mean, log_variance=zeros
    )
    loss.backward()
    torch.testing.assert_close(mean.grad, (mean.detach() - codes) / 4)
    one_hot = torch.nn.functional.one_hot(LABELS, 3)
    torch.testing.assert_close(logits.grad, (logits.detach().softmax(1) - one_hot) / 4)


def test_several_categorical_codes_are_summed():
    logits = [torch.zeros(4, 3), torch.zeros(4, 5)]
    found = gl.MutualInformation()(logits=logits, categories=[LABELS, LABELS])
    assert found.item() == pytest.approx(math.log(3) + math.log(5))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ValueError, "there are no codes"),
        ({"logits": draw(4, 3)}, ValueError, "1 tensors of logits and 0 of categories"),
        ({"codes": draw(4, 2)}, TypeError, "mean must be a tensor"),
        ({"codes": draw(4, 2), "mean": draw(4, 2)}, TypeError, "log_variance must be a tensor"),
        (
            {"codes": draw(4, 2), "mean": draw(4, 1), "log_variance": draw(4, 2)},
            ValueError,
            "nothing is broadcast",
        ),
    ],
)
def test_codes_with_missing_parts_are_refused(options: dict, error: type, words: str):
    with pytest.raises(error, match=words):
        gl.MutualInformation()(**options)


class Declared:
    """An honest 2C loss; what it declares about itself is not."""

    batch_statistic = True
    compares_samples = False

    def __call__(self, *, embeddings: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
        return gl.ConditionalContrastive()(embeddings=embeddings, proxies=proxies, labels=labels)


class PerSample(Declared):
    compares_samples = True

    def __call__(self, *, embeddings: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
        return (embeddings * proxies).sum(1).mean()


@pytest.mark.parametrize(
    ("term", "sentence"),
    [
        (Declared(), "A batch written twice has the same loss"),
        (PerSample(), "A batch written twice has the same loss"),
        (PerSample(), "The loss of a batch is the mean over its samples"),
    ],
)
def test_declarations_that_are_not_true_are_found(term, sentence: str):
    assert any(finding.check.startswith(sentence) for finding in check(term).failed)


class Focused(gl.Term):
    """A loss with an ordinary gradient that claims to have constant weights."""

    constant_weights = True

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        return (input - target).square()


class Unannounced(gl.Term):
    """A loss with a constant factor that does not say so."""

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        return (input - target).square() * (input - target).detach().abs()


@pytest.mark.parametrize("term", [Focused(), Unannounced()])
def test_constant_weights_are_declared_truly(term: gl.Term):
    assert "Gradients equal finite differences" in [f.check for f in check(term).failed]


def test_other_codes_are_torchs_distributions():
    """Added up like the rest: a coin of even chances, and a normal code in two dimensions."""
    z = torch.zeros(4, 2, dtype=torch.float64)
    coin, bell = torch.distributions.Bernoulli(logits=z[:, 0]), torch.distributions.Normal(z, 1.0)
    found = gl.MutualInformation()(distributions=[coin, bell], values=[1 + z[:, 0], z + 1])
    wanted = math.log(2) + math.log(2 * math.pi) + 1
    assert found.item() == pytest.approx(wanted, rel=1e-12)
    same = gl.MutualInformation()(codes=z + 1, mean=z, log_variance=z)
    again = gl.MutualInformation()(distributions=bell, values=z + 1)
    torch.testing.assert_close(same, again)


def test_distributions_without_their_values_are_refused():
    with pytest.raises(ValueError, match="1 distributions and 0 tensors of values"):
        gl.MutualInformation()(distributions=torch.distributions.Normal(0.0, 1.0))


def test_values_that_torch_would_broadcast_over_a_distribution_are_refused() -> None:
    """(4,) values of (4, 1) codes are 16 log probabilities in torch."""
    bell = torch.distributions.Normal(torch.zeros(4, 1), 1.0)
    assert bell.log_prob(torch.zeros(4)).shape == (4, 4)
    mixed: list[Any] = [torch.zeros(4, 1), 0.5]
    with pytest.raises(ValueError, match=r"values\[0\] \(4,\) and distributions\[0\] \(4, 1\)"):
        gl.MutualInformation()(distributions=bell, values=torch.zeros(4))
    with pytest.raises(TypeError, match=r"values\[1\] must be a tensor, not float"):
        gl.MutualInformation()(distributions=[bell, bell], values=mixed)


def test_a_distribution_of_vectors_has_one_number_for_each_sample() -> None:
    """Independent normal codes at their means: d/2 log(2 pi) for d = 3."""
    bell = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(4, 3), 1.0), 1)
    found = gl.MutualInformation()(distributions=bell, values=torch.zeros(4, 3))
    assert found.item() == pytest.approx(1.5 * math.log(2 * math.pi))
