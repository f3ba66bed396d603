"""Penalties of weights: singular values and histories."""

import pytest
import torch
from torch import nn

import ganloss as gl


def test_the_spectral_penalty_pulls_the_largest_singular_value_only():
    """d(sigma^2 / 2) / dW = sigma u v^T."""
    layer = nn.Linear(3, 2, bias=False).double()
    gl.Spectral()(layer).backward()
    u, s, v = torch.linalg.svd(layer.weight.detach())
    torch.testing.assert_close(layer.weight.grad, s[0] * torch.outer(u[:, 0], v[0]))


def test_history_is_the_plain_mean_and_is_saved():
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).double()
    history, seen = gl.HistoricalAverages(layer), []
    assert history(layer).item() == 0
    for _ in range(5):
        with torch.no_grad():
            for p in layer.parameters():
                p.normal_()
        history.update(layer)
        seen.append([p.detach().clone() for p in layer.parameters()])
    means = [sum(part) / 5 for part in zip(*seen, strict=True)]
    expected = sum(((p - m) ** 2).sum() for p, m in zip(layer.parameters(), means, strict=True))
    assert history(layer).item() == pytest.approx(expected.item(), rel=1e-6)
    other = gl.HistoricalAverages(layer)
    other.load_state_dict(history.state_dict())
    assert torch.equal(other(layer), history(layer))


def test_the_gradient_of_history_goes_to_the_parameters_alone():
    layer = nn.Linear(1, 1, bias=False)
    history = gl.HistoricalAverages(layer)
    history.update(layer)
    layer.weight.data += 2.0
    history(layer).backward()
    assert layer.weight.grad.item() == pytest.approx(4.0)
    assert not [b for b in history.buffers() if b.requires_grad]


def test_a_network_without_matrices_is_refused():
    with pytest.raises(TypeError, match="no weight of two dimensions"):
        gl.Spectral()(nn.LayerNorm(3))


def test_an_orthogonal_weight_costs_nothing_and_never_less() -> None:
    layer = nn.Linear(256, 256, bias=False)
    nn.init.orthogonal_(layer.weight)
    assert 0 <= gl.Orthogonal()(layer).item() < 1e-8
