"""Finding ours by what people type: entries, classes, calls of them, and published games."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss.check.load import build
from ganloss.games import GAMES, Game, canonical_name
from ganloss.losses import LOSSES, GANLoss
from ganloss.penalties import GENERATOR_PENALTIES, PENALTIES, Penalty
from ganloss.terms import TERMS

#: What is checked. A function that takes no critic may be a term, or one side of a pair.
Kind = Literal["pair", "penalty", "function"]

_SIDES = ("discriminator", "generator")

#: Entries that cannot be made without arguments, with the usual ones.
_EXAMPLES = {
    "relativistic": "Relativistic(NonSaturating())",
    "relativistic-average": "RelativisticAverage(NonSaturating())",
    "mmd": 'MaximumMeanDiscrepancy("rational-quadratic")',
    "boundary-equilibrium": "BoundaryEquilibrium(k=0.5)",
    "f-divergence": 'FDivergence("kl")',
    "lecam": "LeCam(real_average=1.0, fake_average=-1.0)",
    "consistency": "Consistency(DiffAugment())",
    "cosine": "Cosine(dim=1)",
    "perceptual": 'Perceptual(pretrained="random", value_range=(0, 1))',
    "style": 'Style(pretrained="random", value_range=(0, 1))',
    "lpips": 'LPIPS(pretrained="random", value_range=(0, 1))',
    "mel": "MelSpectrogram(sample_rate=22050)",
}


@dataclass(frozen=True)
class Ours:
    """What was meant by a name.

    Args:
        thing: a pair, a penalty or a term.
        entry: its name in its registry.
        side: the side of a pair that was asked for, or None.
    """

    thing: Any
    entry: str
    side: str | None = None


def example(name: str) -> Any:
    """Make an entry of a registry by its name, with the usual arguments where it needs any.

    >>> example("boundary-equilibrium").k
    0.5
    >>> example("MaximumMeanDiscrepancy").kernel
    'rational-quadratic'
    """
    entries = _entries()
    named = {cls.__name__: entry for entry, cls in entries.items()}
    entry = named.get(name, name)
    default = entries[entry].__name__ if entry in entries else name
    return build(_EXAMPLES.get(entry, default), _classes(entries), "ganloss")


def find(like: str, kind: Kind) -> Ours:
    """Find what a name of ours means for a pair, a penalty or a function.

    Raises:
        UsageError: the name is unknown, or means nothing that could be compared.

    >>> find("vanilla", "pair").thing == find("non-saturating", "pair").thing
    True
    >>> find("wgan-gp", "penalty").entry, find("wgan-gp.generator", "function").side
    ('gp', 'generator')
    >>> find("mse", "function").thing, find("mse", "pair").entry
    (MSE(), 'least-squares')
    """
    name, side = _split(like)
    found, game = _entry(name), _game(name)
    if found is None and game is None:
        if name in GENERATOR_PENALTIES:
            raise UsageError(f"{name} is a penalty of the generator, which is not compared here")
        known = [*_classes(_entries()), *GAMES, *_entries()]
        raise UsageError(
            f"there is no loss {like!r}{suggest(name, known)}; see `ganloss losses list`"
        )
    wanted = "pair" if side else kind
    if found is None or not _suits(found, wanted):
        found = _of_game(game, name, wanted) if game else found
    if found is None or not _suits(found, wanted):
        raise UsageError(_mismatch(like, name, kind, found or _entry(name)))
    return Ours(found, _entry_of(found, like), side)


def _split(like: str) -> tuple[str, str | None]:
    """A name, and the side of a pair behind its last dot."""
    name, dot, side = like.rpartition(".")
    if dot and side in _SIDES:
        return name, side
    if dot and "(" not in like:
        raise UsageError(f"a pair has no side {side!r}; use .discriminator or .generator")
    return like, None


def _entry(name: str) -> Any:
    """What an entry, a class or a call of a class gives, or None."""
    entries = _entries()
    if "(" in name or name in entries or name in _classes(entries):
        return example(name)
    return None


def _game(name: str) -> Game | None:
    try:
        return GAMES[canonical_name(name)]
    except KeyError:
        return None


def _entry_of(thing: Any, typed: str) -> str:
    entry = next((key for key, cls in _entries().items() if isinstance(thing, cls)), None)
    if entry is None:
        raise UsageError(f"{typed!r} is no loss, penalty or term; see `ganloss losses list`")
    return entry


def _suits(thing: Any, kind: Kind) -> bool:
    """Whether something of ours can be compared with such a thing."""
    if kind == "pair":
        return all(hasattr(thing, side) for side in _SIDES)
    if kind == "penalty":
        return isinstance(thing, Penalty)
    return not isinstance(thing, GANLoss)  # of a function's two tensors we know nothing


def _of_game(game: Game, name: str, kind: Kind) -> Any:
    if kind == "pair":
        return game.pair
    found = {n: w.penalty for n, w in game.penalties.items() if isinstance(w.penalty, Penalty)}
    if kind == "penalty" and len(found) > 1:
        raise UsageError(f"{name} has the penalties {' and '.join(found)}; type one of them")
    return next(iter(found.values()), None) if kind == "penalty" else None


def _mismatch(like: str, name: str, kind: Kind, found: Any) -> str:
    """What to type in place of a name of another kind."""
    if like != name:
        return f"{name} is no pair, and has no sides; choose among {' '.join(LOSSES)}"
    if kind == "function" and (found is None or isinstance(found, GANLoss)):
        return (
            f"{like} is a pair of two losses, and what is checked is one function: type "
            f"{name}.discriminator or {name}.generator"
        )
    if found is None:
        return f"the game {like} has no penalty of the discriminator to compare with"
    what = {"pair": "a pair", "penalty": "a penalty", "function": "a function"}[kind]
    choice = " ".join({"pair": LOSSES, "penalty": PENALTIES, "function": TERMS}[kind])
    return f"{like} cannot be compared with {what}; choose among {choice}"


def _entries() -> dict[str, type]:
    return {name: cls for registry in (LOSSES, PENALTIES, TERMS) for name, cls in registry.items()}


def _classes(entries: Mapping[str, type]) -> dict[str, type]:
    """Classes by name, with those that are given to them."""
    from ganloss.augment import DiffAugment

    return {cls.__name__: cls for cls in (*entries.values(), DiffAugment)}
