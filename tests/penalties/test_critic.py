"""The Critic: nothing leaks into the generator, nothing is scored twice."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl


class Counting(nn.Module):
    """A discriminator that counts its forward passes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.calls = 0

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        self.calls += 1
        return self.layers(x) + sum(conditions)


def test_the_generator_gets_no_gradient_from_the_discriminators_loss():
    d, g = Counting(), nn.Linear(2, 3)
    real, fake = torch.randn(4, 3), g(torch.randn(4, 2))
    critic = gl.Critic(d)
    loss = gl.NonSaturating().discriminator(real=critic(real), fake=critic(fake))
    loss = loss + gl.R2()(critic, fake=fake) + gl.GradientPenalty()(critic, real=real, fake=fake)
    loss.backward()
    assert all(p.grad is None for p in g.parameters())
    assert all(p.grad is not None for p in d.parameters())


def test_control_without_a_critic_the_generator_does_get_one():
    d, g = Counting(), nn.Linear(2, 3)
    fake = g(torch.randn(4, 2))
    gl.NonSaturating().discriminator(real=d(torch.randn(4, 3)), fake=d(fake)).backward()
    assert all(p.grad is not None for p in g.parameters())


def test_r1_and_r2_reuse_the_forward_passes_of_the_loss():
    d = Counting()
    real, fake, critic = torch.randn(4, 3), torch.randn(4, 3), gl.Critic(d)
    gl.Hinge().discriminator(real=critic(real), fake=critic(fake))
    gl.R1()(critic, real=real)
    gl.R2()(critic, fake=fake)
    assert d.calls == 2


def test_other_conditions_are_another_forward_pass():
    d = Counting()
    x, label, critic = torch.randn(4, 3), torch.ones(4, 1), gl.Critic(d)
    assert critic(x, label) is critic(x, label)
    assert critic(x) is not critic(x, label)
    assert d.calls == 2


def test_a_tensor_that_was_freed_is_not_taken_for_a_new_one():
    """Python reuses the id of a freed object; the critic keeps what it scored alive."""
    d = Counting()
    critic = gl.Critic(d)
    for _ in range(20):
        critic(torch.randn(4, 3))
    assert d.calls == 20


def test_no_graph_is_made_under_no_grad():
    d, x = Counting(), torch.randn(4, 3)
    with torch.no_grad():
        assert not gl.Critic(d)(x).requires_grad


def test_a_penalty_under_no_grad_says_what_to_do():
    x = torch.randn(4, 3)
    with torch.no_grad(), pytest.raises(ValueError, match="leave the penalty out when evalu"):
        gl.R1()(gl.Critic(Counting()), real=x)


@pytest.mark.parametrize("penalty", [gl.R1(), gl.GradientPenalty(), gl.DRAGAN()], ids=repr)
def test_a_penalty_in_inference_mode_says_what_to_do(penalty: gl.Penalty):
    x = torch.randn(4, 3)
    with torch.inference_mode(), pytest.raises(ValueError, match="leave the penalty out when"):
        penalty(nn.Linear(3, 1), real=x, fake=x)


def test_samples_made_in_inference_mode_are_named():
    with torch.inference_mode():
        x = torch.randn(4, 3)
    with pytest.raises(ValueError, match=r"real was made in .*pass real\.clone\(\)"):
        gl.R1()(nn.Linear(3, 1), real=x)
    assert gl.R1()(nn.Linear(3, 1), real=x.clone()).isfinite()


def test_a_critic_over_a_critic_raises():
    with pytest.raises(TypeError, match="pass the discriminator itself"):
        gl.Critic(gl.Critic(Counting()))


def test_a_stale_critic_raises_instead_of_using_an_old_graph():
    d, x = Counting(), torch.randn(4, 3)
    critic = gl.Critic(d)
    gl.R1()(critic, real=x).backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        gl.R1()(critic, real=x).backward()


def test_a_discriminator_cut_from_its_input_is_named():
    with pytest.raises(ValueError, match="cuts the graph"):
        gl.R1()(lambda x: torch.zeros(len(x)), real=torch.randn(4, 3))


def test_scores_that_lost_the_batch_are_named():
    with pytest.raises(ValueError, match="must keep the batch in front"):
        gl.R1()(lambda x: x.sum().reshape(1), real=torch.randn(4, 3))


def test_a_discriminator_that_returns_scores_and_features_must_be_unpacked():
    with pytest.raises(TypeError, match="unpack them first"):
        gl.R1()(lambda x: (x.sum(1), x), real=torch.randn(4, 3))


def test_batch_statistics_see_the_same_batch_in_the_loss_and_in_the_penalty():
    """A penalty that runs D again would move the running statistics twice."""
    d = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    x, critic = torch.randn(8, 3), gl.Critic(d)
    critic(x)
    gl.R1()(critic, real=x)
    assert d[1].num_batches_tracked.item() == 1


def test_a_critic_that_is_called_in_a_function_says_how_to_pass_conditions() -> None:
    """A Critic detaches what it is given, so the function around it depends on nothing."""
    network = torch.nn.Linear(3, 1)
    critic, y = gl.Critic(lambda x, y: network(torch.cat([x, y], 1))), torch.ones(2, 1)
    with pytest.raises(ValueError, match=r"with conditions pass lambda x: D\(x, y\)"):
        gl.R1()(lambda x: critic(x, y), real=torch.ones(2, 2))


@pytest.mark.parametrize("wrong", [3, None, "D", nn.Linear])
def test_what_is_no_discriminator_is_refused_at_once(wrong: Any):
    with pytest.raises(TypeError, match=r"pass a network, e\.g\. Critic\(D\)"):
        gl.Critic(wrong)


def test_a_pass_without_a_graph_does_not_serve_one_that_needs_it() -> None:
    d, x = nn.Linear(2, 1), torch.ones(3, 2)
    critic = gl.Critic(d)
    with torch.no_grad():
        assert not critic(x).requires_grad
    assert critic(x).requires_grad
    assert gl.R1()(critic, real=x).requires_grad


def test_the_generators_loss_refuses_scores_of_a_critic() -> None:
    g, d = nn.Linear(2, 4), nn.Linear(4, 1)
    critic, fake = gl.Critic(d), g(torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"scores of a Critic, .*: generator\(fake=D"):
        gl.NonSaturating().generator(fake=critic(fake))
    listed = gl.Critic(lambda x: [d(x), d(x)])
    with pytest.raises(ValueError, match="scores of a Critic"):
        gl.Hinge().generator(fake=listed(fake))
    gl.NonSaturating().discriminator(real=critic(torch.ones(3, 4)), fake=critic(fake))
    gl.NonSaturating().generator(fake=d(fake), real=critic(fake))  # real samples need no graph
    with torch.no_grad():  # only looked at
        gl.NonSaturating().generator(fake=gl.Critic(d)(fake))


@pytest.mark.parametrize(
    "penalty",
    [gl.R1(), gl.R2(), gl.GradientPenalty(), gl.DRAGAN(), gl.MaxGradientPenalty(), gl.WGANDiv()],
    ids=lambda p: type(p).__name__,
)
def test_every_weight_takes_part_in_a_penalty_by_itself(penalty: gl.Penalty) -> None:
    """DistributedDataParallel waits for the gradients of all of them."""
    d = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    penalty(d, real=torch.randn(5, 4), fake=torch.randn(5, 4)).backward()
    assert all(p.grad is not None for p in d.parameters())
    assert d[-1].bias.grad == 0
