"""Top-k, the image pool and the adaptive weight."""

import copy

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from ganloss._random import Draws


def test_top_k_keeps_whole_samples_by_their_mean_over_places_and_scales():
    """Means by hand: 1 + 0, 0 + 5, 2 + 0: the second, then the third."""
    coarse = torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]], [[-1.0, 5.0]]])
    fine = torch.tensor([0.0, 5.0, 0.0])
    kept = gl.top_k([coarse, fine], 2)
    assert torch.equal(kept[0], coarse[[1, 2]])
    assert torch.equal(kept[1], fine[[1, 2]])


def test_only_the_kept_samples_get_a_gradient():
    scores = torch.tensor([3.0, -1.0, 5.0, 0.0], requires_grad=True)
    gl.Wasserstein().generator(fake=gl.top_k(scores, 2)).backward()
    assert scores.grad.tolist() == [-0.5, 0.0, -0.5, 0.0]


def test_all_samples_are_kept_if_there_are_no_more():
    scores = torch.tensor([1.0, 2.0])
    assert gl.top_k(scores, 5).sort().values.tolist() == [1.0, 2.0]


def test_top_k_refuses_what_cannot_be_ranked():
    with pytest.raises(ValueError, match="at least one"):
        gl.top_k(torch.ones(3), 0)
    with pytest.raises(ValueError, match="equal batches"):
        gl.top_k([torch.ones(3), torch.ones(2)], 1)


def test_the_weighted_adversarial_gradient_is_as_long_as_the_main_one():
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 3).double(), torch.randn(5, 4).double()
    out = layer(x)
    main, adversarial = (out - 1).square().mean(), -1e-3 * out.mean()
    weight = gl.adaptive_weight(main, adversarial, at=layer.weight, delta=0.0)
    assert not weight.requires_grad
    norms = [
        torch.autograd.grad(loss, layer.weight, retain_graph=True)[0].norm()
        for loss in (main, weight * adversarial)
    ]
    torch.testing.assert_close(norms[0], norms[1])
    (main + weight * adversarial).backward()  # the graph is still there


def test_a_dead_adversarial_loss_gives_the_largest_weight_and_no_nan():
    w = torch.ones(2, requires_grad=True)
    assert gl.adaptive_weight(w.sum(), 0 * w.sum(), at=w).item() == 1e4
    assert gl.adaptive_weight(0 * w.sum(), 0 * w.sum(), at=w).item() == 0
    with pytest.raises(ValueError, match="a single number"):
        gl.adaptive_weight(w, w.sum(), at=w)
    with pytest.raises(TypeError, match="main must be a loss, a 0-d tensor, not float"):
        gl.adaptive_weight(1.0, w.sum(), at=w)
    with pytest.raises(ValueError, match="adversarial depends on nothing that is trained"):
        gl.adaptive_weight(w.sum(), w.sum().detach(), at=w)
    for at in (torch.ones(2), []):
        with pytest.raises(ValueError, match="weight of the generator's last layer"):
            gl.adaptive_weight(w.sum(), w.sum(), at=at)


def test_all_weights_of_a_last_layer_are_one_vector() -> None:
    """Slopes (3, 4) of length 5 against (0, 2): 2.5, and 5 / (2 + 0.5) with delta."""
    a, b = (torch.ones((), requires_grad=True) for _ in range(2))
    main, adversarial = 3 * a + 4 * b, 2 * b
    assert gl.adaptive_weight(main, adversarial, at=[a, b], delta=0.0).item() == 2.5
    assert gl.adaptive_weight(main, adversarial, at=[a, b], delta=0.5).item() == 2.0
    assert gl.adaptive_weight(main, adversarial, at=[a, b], largest=1.5).item() == 1.5


def test_gradients_of_half_precision_may_be_longer_than_its_largest_number() -> None:
    """Nine slopes of 40,000 have length 120,000, beyond fp16's 65,504; against 60,000 it is 2."""
    w = torch.ones(9, dtype=torch.float16, requires_grad=True)
    main, adversarial = (w.float() * 40_000).sum(), (w.float() * 20_000).sum()
    assert gl.adaptive_weight(main, adversarial, at=w).item() == pytest.approx(2.0)


def numbered(start: int, count: int) -> Tensor:
    return torch.arange(start, start + count, dtype=torch.float32)[:, None, None, None]


def test_a_pool_that_is_not_full_returns_what_came():
    pool = gl.ImagePool(size=5)
    assert torch.equal(pool(numbered(0, 3)), numbered(0, 3))
    assert len(pool) == 3


def test_nothing_is_lost_and_half_of_the_images_are_old():
    """Every image that came is shown or stored, once: a swap loses nothing."""
    pool, shown = gl.ImagePool(size=50), []
    for turn in range(200):
        draws = Draws(seed=0, step=turn, rows=10)
        shown += pool(numbered(10 * turn, 10), random=draws).flatten().tolist()
    every = [*shown, *pool.images.flatten().tolist()]
    # The first 50 were shown as they came, and stored as well.
    assert sorted(every)[100:] == list(range(50, 2000))
    old = sum(value < 10 * (i // 10) for i, value in enumerate(shown)) / len(shown)
    # 1/2 of 1950 with a standard deviation of .011, less 1/10 of swaps within a batch of 10.
    assert 0.4 < old < 0.5


def shown_by_rule(stored: list[float], came: list[float], size: int, draws: Draws) -> list[float]:
    """Shrivastava et al. 2017, with the numbers of each image at its address: a coin, a place."""
    shown, numbers = [], draws.uniform("pool", len(came), 2).tolist()
    for image, (coin, place) in zip(came, numbers, strict=True):
        if len(stored) < size:
            stored.append(image)
        elif coin < 0.5:
            place = int(place * size)
            image, stored[place] = stored[place], image
        shown.append(image)
    return shown


def test_a_pool_follows_its_rule_from_the_batch_that_fills_it_on() -> None:
    """Batches of 7 into a pool of 10: the second fills it, and changes places with it at once."""
    pool, stored = gl.ImagePool(size=10), list[float]()
    for step in range(12):
        came, draws = numbered(7 * step, 7), Draws(seed=3, step=step, rows=7)
        found = pool(came, random=draws).flatten().tolist()
        assert found == shown_by_rule(stored, came.flatten().tolist(), 10, draws)
        assert pool.images.flatten().tolist() == stored


def test_a_resumed_pool_shows_the_same_images():
    def turn(pool: gl.ImagePool, step: int) -> Tensor:
        return pool(numbered(8 * step, 8), random=Draws(seed=1, step=step, rows=8))

    pool = gl.ImagePool(size=20)
    for step in range(5):
        turn(pool, step)
    saved = copy.deepcopy(pool.state_dict())
    expected = [turn(pool, step) for step in range(5, 9)]
    resumed = gl.ImagePool(size=20)
    resumed.load_state_dict(saved)
    found = [turn(resumed, step) for step in range(5, 9)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(pool.images, resumed.images)


def test_a_pool_does_not_take_over_more_images_than_it_has_room_for() -> None:
    """Three of three fit; into two they do not, and nothing of them is taken."""
    full = gl.ImagePool(size=3)
    full(numbered(0, 3))
    same, smaller = gl.ImagePool(size=3), gl.ImagePool(size=2)
    same.load_state_dict(full.state_dict())
    assert torch.equal(same.images, numbered(0, 3))
    with pytest.raises(ValueError, match="holds 3 images and this one has room for 2"):
        smaller.load_state_dict(full.state_dict())
    smaller(numbered(3, 6))
    assert len(smaller) == 2


def test_pools_keep_no_graph_and_do_not_touch_what_came():
    pool = gl.ImagePool(size=1)
    pool(numbered(0, 1))
    images = numbered(1, 6).requires_grad_(True)
    before = images.detach().clone()
    shown = pool(images, random=torch.Generator().manual_seed(0))
    assert not shown.requires_grad
    assert torch.equal(images.detach(), before)
    assert not torch.equal(shown, before)


def test_a_pool_of_size_0_is_none():
    images = numbered(0, 4)
    assert torch.equal(gl.ImagePool(size=0)(images), images)


def test_images_of_another_size_are_refused():
    pool = gl.ImagePool()
    pool(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match="a pool for each size"):
        pool(torch.zeros(2, 3, 16, 16))


def scored(z: Tensor) -> Tensor:
    return (z * z * torch.arange(1.0, 4.0, dtype=z.dtype)).sum(1)


@pytest.mark.parametrize("damping", [None, 5.0])
def test_a_latent_step_equals_the_papers_formula(damping: float | None):
    """Wu et al. 2019, eqs. 5 and 8, with the gradient by hand."""
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()
    slope = 2 * z.numpy() * [1.0, 2.0, 3.0]
    divisor = 1.0 if damping is None else (slope**2).sum(1, keepdims=True) + damping
    expected = z.numpy() + 0.9 * slope / divisor
    found = gl.latent_step(z, scored, damping=damping, share=1.0)
    torch.testing.assert_close(found.detach(), torch.from_numpy(expected))


def test_a_latent_step_is_each_samples_own_and_is_differentiated():
    z = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)

    def step(z: Tensor) -> Tensor:
        return gl.latent_step(z, lambda z: (z * z) @ weight, share=1.0)

    torch.testing.assert_close(step(z)[1:2], step(z[1:2]))
    assert torch.autograd.gradcheck(step, (z,))
    step(z).sum().backward()
    assert weight.grad.abs().sum() > 0  # through the step into the discriminator


def test_part_of_a_latent_moves_and_stays_in_bounds():
    z = torch.full((200, 10), 0.9)
    moved = gl.latent_step(z, lambda z: z.sum(1), damping=None, share=0.8, bound=1.0)
    assert moved.max() == 1.0
    assert (moved > z).double().mean().item() == pytest.approx(0.8, abs=0.03)
    draws = Draws(seed=0, step=0, rows=4)
    first, second = (gl.latent_step(z[:4], lambda z: z.sum(1), random=draws) for _ in range(2))
    assert torch.equal(first, second)


def test_latent_steps_refuse_nonsense():
    z = torch.ones(2, 3)
    with pytest.raises(ValueError, match="share is 2"):
        gl.latent_step(z, scored, share=2.0)
    with pytest.raises(ValueError, match=r"damping is -1\.0; it must be positive"):
        gl.latent_step(z, scored, damping=-1.0)
    with pytest.raises(ValueError, match="1 scores of 2 latents"):
        gl.latent_step(z, lambda z: z.sum()[None])
    with pytest.raises(ValueError, match="scores do not depend on the latents"):
        gl.latent_step(z, lambda z: torch.zeros(2))
    with torch.no_grad(), pytest.raises(ValueError, match="leave it out when evaluating"):
        gl.latent_step(z, scored)


def test_the_most_real_energies_are_the_lowest() -> None:
    energies = torch.tensor([3.0, -1.0, 5.0])
    assert gl.top_k(energies, 2, real_is_low=True).tolist() == [-1.0, 3.0]


def test_a_latent_step_under_autocast_is_that_of_fp32() -> None:
    """Gradients of 1e-9 are 0 in fp16."""
    z, weight = torch.ones(2, 4), torch.full((4, 1), 1e-9)

    def score(latents: torch.Tensor) -> torch.Tensor:
        return latents @ weight

    plain = gl.latent_step(z, score, rate=1e9, damping=None, share=1.0, bound=None)
    with torch.autocast("cpu", torch.float16):
        halved = gl.latent_step(z, score, rate=1e9, damping=None, share=1.0, bound=None)
    assert halved.tolist() == plain.tolist() == [[2.0] * 4] * 2


def test_a_weight_of_another_generator_is_named() -> None:
    g, other, d = nn.Linear(2, 4), nn.Linear(2, 4), nn.Linear(4, 1)
    made = g(torch.ones(3, 2))
    main, adversarial = gl.L1()(made, torch.zeros(3, 4)), -d(made).mean()
    assert gl.adaptive_weight(main, adversarial, at=g.weight) > 0
    with pytest.raises(ValueError, match="main does not depend on at"):
        gl.adaptive_weight(main, adversarial, at=other.weight)
    with pytest.raises(ValueError, match=r"adversarial does not depend on at.*Critic"):
        gl.adaptive_weight(main, -gl.Critic(d)(made).mean(), at=g.weight)


def test_latents_of_half_precision_networks_stay_so() -> None:
    d = nn.Linear(4, 1).bfloat16()
    moved = gl.latent_step(torch.randn(3, 4).bfloat16(), d)
    assert moved.dtype == torch.bfloat16


def test_latents_may_be_numbers() -> None:
    moved = gl.latent_step(torch.zeros(3), lambda z: 2 * z, rate=1.0, damping=None, share=1.0)
    assert moved.tolist() == [2.0, 2.0, 2.0]
