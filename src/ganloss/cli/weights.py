"""``ganloss weights``: pretrained weights, which are here and where they belong."""

import sys

from ganloss import _weights
from ganloss._errors import UsageError, WeightsError

_HELP = """\
usage: ganloss weights [list | fetch NAME | path NAME]

Pretrained weights: which are here, and where they belong.

  ganloss weights list               every file, and whether it is here
  ganloss weights fetch inception    download one
  ganloss weights path inception     where it is, for scripts

Files are looked for in the folder that the variable GANLOSS_WEIGHTS names, then in torch's cache.
On a machine without a network, put a file that was downloaded elsewhere into either.
"""


def run(arguments: list[str]) -> int:
    """Run ``ganloss weights [list | fetch NAME | path NAME]``.

    >>> run(["find"])
    Traceback (most recent call last):
    ganloss._errors.UsageError: weights takes list, fetch NAME or path NAME, ...
    """
    if arguments and arguments[0] in ("-h", "--help"):
        _say(_HELP.rstrip())
        return 0
    match arguments:
        case [] | ["list"]:
            _list()
        case ["fetch", name]:
            _fetch(name)
        case ["path", name]:
            _say(str(_found(name)))
        case _:
            raise UsageError(
                f"weights takes list, fetch NAME or path NAME, and was given "
                f"{' '.join(arguments)!r}; see `ganloss weights --help`"
            )
    return 0


def _list() -> None:
    for weights in _weights.WEIGHTS.values():
        path = _weights.find(weights)
        here = "not here" if path is None else f"{path.stat().st_size / 1e6:,.0f} MB, {path}"
        _say(f"{weights.name:<15}{here}")
        _say(f"{'':<15}for {weights.use}; {weights.licence}; {weights.megabytes} MiB")
        _say(f"{'':<15}{weights.url}")
    _say(f"\nlooked in   {', '.join(str(folder) for folder in _weights.folders())}")


def _fetch(name: str) -> None:
    weights = _weights.known_weights(name)
    if _weights.find(weights) is None:
        _say(f"downloading {weights.url}, {weights.megabytes} MiB")
    without = "--features random-vgg for evaluate, pretrained='random' for terms"
    _say(str(_weights.fetch(weights, by_hand="its path where it is used", without=without)))


def _found(name: str) -> object:
    weights = _weights.known_weights(name)
    path = _weights.find(weights)
    if path is None:
        looked = ", ".join(str(folder / weights.file) for folder in _weights.folders())
        raise WeightsError(
            f"the weights of {name} are not here; looked for {looked}. Run `ganloss weights fetch "
            f"{name}`, or download {weights.url} elsewhere and put it there"
        )
    return path


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
