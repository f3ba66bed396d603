"""The battery: properties every loss should have, for ours and for yours.

``check(MyLoss())`` tries them and says what it tried; ``check(my_psnr, like="psnr")`` compares the
values with ours as well. ``ganloss check losses.py:MyLoss`` is the same from the command line.
"""

import warnings
from typing import Any, cast

from ganloss._errors import UsageError
from ganloss.check._report import Finding as Finding
from ganloss.check._report import Report as Report
from ganloss.check.load import made
from ganloss.check.ours import Kind, find
from ganloss.check.ours import example as example
from ganloss.penalties import Penalty
from ganloss.terms import TERMS

__all__ = ["Finding", "Report", "check"]


def check(thing: Any, like: str | None = None) -> Report:
    """Check a pair, a penalty or a term.

    Args:
        thing: an object with ``discriminator(real=, fake=)`` and ``generator(fake=)``, a penalty
            ``(critic, real=, fake=)``, or a term ``(input, target)``; functions will do, and a
            class is made with its defaults.
        like: name of ours that it should agree with, e.g. ``"psnr"``, ``"gp"``,
            ``"least-squares"``, ``"LeastSquares(-1, 1, 0)"``; of a game such as ``"wgan-gp"`` or
            ``"vanilla"`` its pair or its penalty; for one side of a pair written as a function
            ``"hinge.discriminator"`` or ``"hinge.generator"``.

    Raises:
        UsageError: an unknown name, one of another kind of loss, or what is no loss at all.

    >>> from ganloss import Hinge
    >>> check(Hinge()).ok
    True
    >>> print(check(lambda x, y: (x - y).abs().sum()).failed[0].check)
    A batch written twice has the same loss, unless its size is declared to matter
    """
    with warnings.catch_warnings():
        # Inputs are odd on purpose, and whether a loss takes them is told by the findings.
        warnings.simplefilter("ignore")
        return _check(thing, like)


def _check(thing: Any, like: str | None) -> Report:
    from ganloss.check import pairs, penalties, terms

    thing = made(thing)
    name = _name(thing)
    kind = _kind(thing, name)
    ours = None if like is None else find(like, kind)
    reference, against = None, ""
    if ours is not None:
        reference = ours.thing
        against = f", compared with {like}" + ("" if like == ours.entry else f", {reference!r}")
    shape = terms.shape_of(thing if ours is None or ours.entry not in TERMS else reference)
    if ours is not None and ours.side is not None:
        findings = pairs.check_side(thing, reference, cast("pairs.Player", ours.side))
        return Report(f"{name} as a {ours.side}'s loss{against}", findings)
    if shape is None and kind == "pair":
        return Report(f"{name} as a pair{against}", pairs.check_pair(thing, reference))
    if kind == "penalty" or isinstance(reference, Penalty):
        return Report(f"{name} as a penalty{against}", penalties.check_penalty(thing, reference))
    if reference is None and terms.looks_like_a_side(thing):
        raise UsageError(
            f"{name} takes scores or samples called real and fake, which may be several things; "
            "say which of ours it is like: for one side of a pair "
            "--as non-saturating.discriminator or --as wasserstein.generator, for maps of "
            'features --as feature-matching, for images --as l1 (in Python like="...")'
        )
    findings = terms.check_term(thing, reference, shape)
    return Report(f"{name} as a term{against}", findings)


def _name(thing: Any) -> str:
    """As it is written: a function's name, or the repr of a value."""
    plain = type(thing).__repr__ is object.__repr__ or "\n" in repr(thing)
    default = type(thing).__name__ if plain else repr(thing)
    return str(getattr(thing, "__name__", default))


def _kind(thing: Any, name: str) -> Kind:
    if hasattr(thing, "discriminator") and hasattr(thing, "generator"):
        return "pair"
    if not callable(thing):
        raise UsageError(
            f"{name} is of type {type(thing).__name__} and no loss: it cannot be called, and has "
            "not both .discriminator(real=, fake=) and .generator(fake=)"
        )
    return "penalty" if isinstance(thing, Penalty) or _takes_a_critic(thing) else "function"


def _takes_a_critic(thing: Any) -> bool:
    from ganloss.check._subject import parameters

    first = next(iter(parameters(thing)), "").lower()
    words = ("critic", "disc", "crit", "netd", "net_d")
    return any(word in first for word in words) or first == "d"
