"""Names of files, from names of variants and data."""

import re
from collections import Counter
from collections.abc import Sequence


def file_name(name: str) -> str:
    """A name that every file system takes.

    >>> file_name("r3gan lr=1e-4")
    'r3gan-lr=1e-4'
    """
    return re.sub(r"[^\w.=+-]+", "-", name).strip("-.")[:80] or "x"


def file_names(names: Sequence[str]) -> dict[str, str]:
    """A name of a file for each name; where two would be alike, with the number of the name.

    >>> file_names(["ns", "a/b", "a-b"])
    {'ns': 'ns', 'a/b': 'a-b-2', 'a-b': 'a-b-3'}
    """
    found = {name: file_name(name) for name in names}
    times = Counter(stem.casefold() for stem in found.values())  # not every disk tells capitals
    return {
        name: stem if times[stem.casefold()] == 1 else f"{stem}-{number}"
        for number, (name, stem) in enumerate(found.items(), 1)
    }
