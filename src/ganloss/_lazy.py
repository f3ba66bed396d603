"""Names that are imported when they are first used, and optional dependencies with a mend."""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

T = TypeVar("T")


def lazy_attributes(module: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Build a module-level ``__getattr__`` (PEP 562) that imports each name from its home.

    Args:
        module: ``__name__`` of the module that offers the names.
        homes: public name to the full name of the module that defines it.
    """

    def load(name: str) -> object:
        try:
            home = homes[name]
        except KeyError:
            hint = suggest(name, homes)
            raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}") from None
        value = getattr(importlib.import_module(home), name)
        # Kept, so that the next access does not come through here again.
        vars(importlib.import_module(module))[name] = value
        return value

    return load


def suggest(name: str, known: Iterable[str]) -> str:
    """Give ``"; did you mean 'x'?"`` for the nearest known name, or nothing.

    >>> suggest("hingee", ["hinge", "wgan"])
    "; did you mean 'hinge'?"
    """
    import difflib  # only needed for a mistake; a millisecond saved for everybody else

    originals = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), originals)
    if not near:
        return ""
    # Two letters that changed places are the commonest slip, and no other letters fit as well.
    nearest = min(near, key=lambda k: sorted(k) != sorted(name.lower()))
    return f"; did you mean {originals[nearest]!r}?"


def suggest_beside(path: Path) -> str:
    """As :func:`suggest`, of what lies where a path leads to nothing: run folders have numbers.

    >>> suggest_beside(Path("no-such-folder") / "run")
    ''
    """
    try:
        beside = [] if path.exists() else [other.name for other in path.parent.iterdir()]
    except OSError:  # no such folder, or none that may be listed
        return ""
    return suggest(path.name, beside)


class Registry(Mapping[str, T], Generic[T]):
    """A literal dict of names whose classes are imported when they are looked up.

    >>> from ganloss import LOSSES
    >>> LOSSES["hinge"]()
    Hinge(margin=1.0, fake_margin=None)
    >>> LOSSES["hinje"]
    Traceback (most recent call last):
    KeyError: "no loss 'hinje'; did you mean 'hinge'?"
    """

    def __init__(self, kind: str, homes: Mapping[str, str]) -> None:
        """Args: ``kind``, the word for an entry; ``homes``, name to ``"module:Class"``."""
        self._kind = kind
        self._homes = dict(homes)

    def __getitem__(self, name: str) -> T:
        if name not in self._homes:
            raise KeyError(f"no {self._kind} {name!r}{suggest(name, self._homes)}")
        module, attribute = self._homes[name].split(":")
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def __repr__(self) -> str:
        return f"<{len(self)} entries: {', '.join(self)}>"

    def public_names_by_entry(self) -> dict[str, str]:
        """Entry to the name of its class, without importing it."""
        return {name: home.split(":")[1] for name, home in self._homes.items()}

    def public_names(self) -> dict[str, str]:
        """Class name to the module that defines it, for lazy attributes."""
        pairs = (home.split(":") for home in self._homes.values())
        return {attribute: module for module, attribute in pairs}


def require(name: str, install: str, why: str) -> ModuleType:
    """Import an optional dependency, or say in one sentence how to get it.

    A broken build raises RuntimeError or OSError rather than ImportError (torchvision beside a
    torch it was not made for), so those are caught as well.

    Raises:
        ModuleNotFoundError: with the reason and the pip line.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        raise ModuleNotFoundError(
            f"{why} needs {name}, which could not be imported ({error}); {install}", name=name
        ) from error
