"""Figures and numbers of the explanations, worked out when the pages are built."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from drawing import BLUE, GREEN, INK, ORANGE, PALETTE, PINK, figure, inline, row
from make_curves import RUNS
from torch import nn

from ganloss import GradientPenalty, Wasserstein
from ganloss.data.demo import digits
from ganloss.engine.health import verdicts
from ganloss.lab.statistics import seeds_needed, smallest_p
from ganloss.metrics.degrade import blurred
from ganloss.metrics.distances import frechet_distance, kernel_distance
from ganloss.metrics.features import digits_features
from ganloss.metrics.selftest import self_test

HERE = Path(__file__).parent / "explanation"
SIZES = (32, 64, 128, 256, 512, 897)
DRAWS = 12


def values() -> dict[str, str]:
    """What the pages put into their text by name."""
    found: dict[str, str] = {}
    for part in (_curves, _small_sets, _comparison, _traps):
        found |= part()
    return found


# Curves --------------------------------------------------------------------------------------


@cache
def _runs() -> dict[str, dict[str, Any]]:
    return json.loads((HERE / "curves.json").read_text(encoding="utf-8"))


def _rows(name: str) -> list[dict[str, Any]]:
    return _runs()[name]["rows"]


def _curves() -> dict[str, str]:
    found = {"healthy": row(*((_run(n), _said(n)) for n in ("ns", "hinge", "wgan-gp", "r3gan")))}
    for name in ("overpowered", "dead", "collapse", "penalty", "unstable"):
        found[f"curve_{name}"] = row((_run(name, wide=True), _said(name)))
    found["ended_nan"] = _runs()["nan"]["ended"]
    for name, command in RUNS.items():
        found[f"command_{name.replace('-', '_')}"] = f"`ganloss {command}`"
    return found


def _run(name: str, *, wide: bool = False) -> str:
    """Losses, gradients and score of a run, one below the other or side by side."""
    rows = _rows(name)
    shape = (1, 3) if wide else (3, 1)
    width, height = (9.0, 2.6) if wide else (4.4, 5.6)
    drawn, panels = figure(*shape, width=width, height=height)
    losses, gradients, score = panels
    for player, colour in (("d", BLUE), ("g", GREEN)):
        losses.plot(*_series(rows, player, "total"), color=colour, label=player.upper())
        gradients.plot(*_series(rows, "gradient", player), color=colour)
    losses.set_title(f"{name}: losses" if not wide else "losses")
    losses.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.98), borderpad=0)
    gradients.set_title("norms of the gradients")
    gradients.set_yscale("log")
    steps = [r["step"] for r in rows if _finite(r.get("fd"))]
    score.plot(steps, [r["fd"] for r in rows if _finite(r.get("fd"))], color=PINK)
    score.axhline(_real(), color=INK, linewidth=0.7, linestyle="dotted")
    score.set_yscale("log")
    score.set_title("score; dotted: real digits")
    for panel in panels if wide else panels[-1:]:
        panel.set_xlabel("step")
    return inline(drawn, f"Curves of the run {name}", wide=wide)


@cache
def _real() -> float:
    """The score of training digits, which is as good as it gets."""
    split, net = digits(), digits_features()
    held_out = net(split.held_out_images)
    return frechet_distance(held_out, net(split.train_images[: len(held_out)]))


def _series(rows: list[dict[str, Any]], group: str, name: str) -> tuple[list[int], list[float]]:
    found = [(r["step"], r[group][name]) for r in rows if _finite((r.get(group) or {}).get(name))]
    return [step for step, _ in found], [value for _, value in found]


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value))


def _said(name: str) -> str:
    """What the run's page says about it."""
    lines = "<br>".join(f"<b>{v.level}:</b> {v.sentence}" for v in verdicts(_rows(name)))
    return f"{lines}"


# Small sets ----------------------------------------------------------------------------------


@cache
def _distances() -> dict[str, dict[int, list[float]]]:
    """Distances of real digits from other real digits, drawn again and again without overlap."""
    split, net = digits(), digits_features()
    everything = torch.cat([split.train_images, split.held_out_images])
    features = net(everything)
    found: dict[str, dict[int, list[float]]] = {"fd": {}, "kid": {}}
    for size in SIZES:
        for draw in range(DRAWS):
            generator = torch.Generator().manual_seed(draw)
            order = torch.randperm(len(features), generator=generator)
            a, b = features[order[:size]], features[order[size : 2 * size]]
            found["fd"].setdefault(size, []).append(frechet_distance(a, b))
            found["kid"].setdefault(size, []).append(kernel_distance(a, b))
    return found


def _small_sets() -> dict[str, str]:
    found, means = _distances(), {}
    drawn, panels = figure(1, 2, width=9.0, height=3.2)
    for panel, (name, colour) in zip(panels, (("fd", ORANGE), ("kid", BLUE)), strict=True):
        columns = np.array([found[name][size] for size in SIZES])
        means[name] = columns.mean(1)
        panel.plot(SIZES, columns, ".", color=colour, alpha=0.5)
        panel.plot(SIZES, columns.mean(1), color=colour)
        panel.axhline(0, color=INK, linewidth=0.6)
        panel.set_xscale("log")
        panel.set_xticks(SIZES, [str(size) for size in SIZES])
        panel.minorticks_off()
        panel.set_xlabel("images on each side, n")
    panels[0].set_title("Fréchet distance, fd-digits@n")
    panels[1].set_title("kernel distance, kid-digits@n")
    table = ["| n | fd-digits@n | kid-digits@n |", "|---|---|---|"]
    table += [
        f"| {size} | {means['fd'][i]:.3g} ± {np.std(found['fd'][size]):.2g} | "
        f"{means['kid'][i]:+.2g} ± {np.std(found['kid'][size]):.2g} |"
        for i, size in enumerate(SIZES)
    ]
    blur = _blurred()
    tested = self_test(digits().held_out_images, digits_features())
    few = self_test(digits().held_out_images[:64], digits_features())
    return {
        "small_sets": row((inline(drawn, "Distances of real from real digits", wide=True), (
            f"Real digits against other real digits, {DRAWS} draws of each size. The truth is 0."
        ))),
        "small_sets_table": "\n".join(table),
        "fd_smallest": f"{means['fd'][0]:.2f}", "fd_largest": f"{means['fd'][-1]:.2f}",
        "fd_ratio": f"{means['fd'][0] / means['fd'][-1]:.0f}",
        "fd_blurred": f"{blur:.2f}", "self_test": tested.sentence, "self_test_few": few.sentence,
    }  # fmt: skip


def _blurred() -> float:
    """A generator that blurs, with all the images there are."""
    split, net = digits(), digits_features()
    worse = blurred(split.train_images[:897], 0.4)
    return frechet_distance(net(split.held_out_images), net(worse))


# Comparisons ---------------------------------------------------------------------------------


def _comparison() -> dict[str, str]:
    kept = json.loads((HERE / "comparison.json").read_text(encoding="utf-8"))
    table = ["| losses | 3 seeds | 5 seeds | 10 seeds | seeds that can tell |"]
    table.append("|---|---|---|---|---|")
    for losses in (2, 3, 5):
        ps = " | ".join(f"{smallest_p(losses, seeds):.2g}" for seeds in (3, 5, 10))
        table.append(f"| {losses} | {ps} | {seeds_needed(losses)} |")
    runs = "Each dot is a run; lines join runs of one seed, which began with the same weights."
    simulated = f"{kept['simulations']} simulated comparisons of two losses for each dot."
    return {
        "comparison_figure": row((_scores(kept["scores"]), runs)),
        "comparison_sentence": kept["sentence"],
        "comparison_command": f"`{kept['command']}`",
        "power_figure": row((_power(kept["power"]), simulated)),
        "smallest_p_table": "\n".join(table),
    }


def _scores(scores: dict[str, list[float]]) -> str:
    drawn, (panel,) = figure(width=4.8, height=3.4)
    names = list(scores)
    for seed in range(len(scores[names[0]])):
        line = [scores[name][seed] for name in names]
        panel.plot(names, line, "o-", color=PALETTE[seed % 6], markersize=5, linewidth=0.8)
    panel.set_yscale("log")
    panel.set_title("fd-digits@897 at the end of each run")
    return inline(drawn, "Scores of all runs of a comparison")


def _power(power: dict[str, dict[str, float]]) -> str:
    drawn, (panel,) = figure(width=4.8, height=3.2)
    for i, (seeds, line) in enumerate(power.items()):
        sizes = [float(size) for size in line]
        panel.plot(sizes, list(line.values()), "o-", color=PALETTE[i], label=f"{seeds} seeds")
    panel.set_xlabel("true difference, in standard deviations between seeds")
    panel.set_title("share that end with a verdict")
    panel.set_ylim(-0.03, 1.03)
    panel.axhline(0.05, color=INK, linewidth=0.6, linestyle="dotted")
    panel.legend()
    return inline(drawn, "Power of the test against the size of the difference")


# Traps ---------------------------------------------------------------------------------------


def _traps() -> dict[str, str]:
    return {"trap_wasserstein": _free_critic(), "trap_ssim": _tiles()}


def _free_critic() -> str:
    drawn, (panel,) = figure(width=4.8, height=3.0)
    for weight, colour, words in ((0.0, ORANGE, "nothing"), (10.0, BLUE, "gradient penalty")):
        panel.plot(_estimates(weight), color=colour, label=words)
    panel.axhline(3, color=INK, linewidth=0.8, linestyle="dotted", label="the distance")
    panel.set_ylim(0, 16)
    panel.set_xlabel("steps of the critic")
    panel.set_title("estimated distance")
    panel.legend()
    return row((inline(drawn, "Estimate of a free and of a penalised critic"), "The same line."))


def _estimates(weight: float, steps: int = 500) -> list[float]:
    real, fake = torch.full((8, 1), 3.0), torch.zeros(8, 1)
    critic, found = nn.Linear(1, 1), []
    nn.init.zeros_(critic.weight)
    optimiser = torch.optim.Adam(critic.parameters(), lr=0.01)
    for _ in range(steps):
        scores = {"real": critic(real), "fake": critic(fake)}
        found.append(Wasserstein().distance(**scores).item())
        loss = Wasserstein().discriminator(**scores)
        if weight:
            loss = loss + weight * GradientPenalty()(critic, real=real, fake=fake)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return found


def _tiles() -> str:
    """Which pixels tiles of three with padding one ever look at, and how often a window does."""
    ones = torch.zeros(1, 1, 18, 18, requires_grad=True)
    looked = torch.nn.functional.avg_pool2d(ones, 3, padding=1).sum()
    (tiled,) = torch.autograd.grad(looked, ones)
    slid = torch.nn.functional.avg_pool2d(ones, 3, stride=1).sum()
    (window,) = torch.autograd.grad(slid, ones)
    drawn, panels = figure(1, 2, width=5.2, height=2.7)
    pictures = zip(panels, (tiled, window), ("tiles", "a window that slides"), strict=True)
    for panel, seen, title in pictures:
        panel.imshow((seen[0, 0] > 0).float(), cmap="cividis", vmin=0, vmax=1)
        panel.set_title(title)
        panel.set_xticks([])
        panel.set_yticks([])
        for edge in range(0, 19, 3) if title == "tiles" else ():
            panel.axhline(edge - 1.5, color=INK, linewidth=0.5)
            panel.axvline(edge - 1.5, color=INK, linewidth=0.5)
    words = "Yellow: pixels that are looked at. The dark row and column may hold anything."
    return row((inline(drawn, "Pixels seen by tiles and by a window"), words))
