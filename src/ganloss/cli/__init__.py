"""The command line: one file per verb; torch is imported inside commands only."""

import difflib
import errno
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from ganloss._errors import GanlossError
from ganloss._version import __version__

#: Verbs, the module of each, and what it does.
VERBS = {
    "demo": ("ganloss.cli.demo", "train a GAN on real data that ship with the dependencies"),
    "train": ("ganloss.cli.train", "train a GAN on your images: generate, paired or unpaired"),
    "compare": ("ganloss.cli.compare", "which loss is best on your data: runs, report, verdict"),
    "report": ("ganloss.cli.report", "write a comparison's report anew"),
    "sample": ("ganloss.cli.sample", "make new pictures with a finished run"),
    "translate": ("ganloss.cli.translate", "translate images with a paired or unpaired run"),
    "data": ("ganloss.cli.data", "check a folder of images before training on it"),
    "evaluate": ("ganloss.cli.evaluate", "compare generated images with real ones"),
    "weights": ("ganloss.cli.weights", "list or download pretrained weights"),
    "losses": ("ganloss.cli.losses", "list every loss, or show the card of one"),
    "check": ("ganloss.cli.check", "try every loss's properties on your own loss"),
    "doctor": ("ganloss.cli.doctor", "show versions, devices and what is missing"),
}

#: Verbs that go on where they were interrupted.
_RESUMABLE = ("demo", "train", "compare")

#: What a full, limited or foreign disk answers.
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)

_EXAMPLES = """
examples
  ganloss demo digits
  ganloss train generate --data ./my_photos --loss r3gan --image-size 32 --minutes 10
  ganloss compare --data ./my_photos --losses ns,hinge,r3gan --seeds 0-4 --minutes 2
  ganloss data check ./my_photos
  ganloss sample runs/00000-wgan-gp-digits-s0 --seeds 0-63
  ganloss train paired --data ./photo2sketch --preset pix2pix --minutes 10
  ganloss translate runs/00002-ns-photo2sketch-s0 ./new_photos
  ganloss evaluate ./my_photos runs/00001-r3gan-my_photos-s0
  ganloss train generate --resume auto --data ./my_photos --loss r3gan --image-size 32
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 ok, 1 internal, 2 usage, 3 data, 4 weights, 5 diverged, 6 disk, permission, lock or memory,
    7 checkpoint, 130 interrupted.

    >>> main(["--version"]) == main(["help"])  # doctest: +ELLIPSIS
    ganloss ...
    True
    """
    _use_utf8()
    _be_quiet()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        _say(_overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version", "version"):
        _say(f"ganloss {__version__}")
        return 0
    return _run(words[0], words[1:])


def _run(verb: str, rest: list[str]) -> int:
    if verb not in VERBS:
        nearest = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"; did you mean `ganloss {nearest[0]}`?" if nearest else "; see `ganloss --help`"
        return _fail(f"no command {verb!r}{hint}", 2)
    try:
        return importlib.import_module(VERBS[verb][0]).run(rest)
    except GanlossError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        mend = "continue with --resume" if verb in _RESUMABLE else "the same command begins anew"
        return _fail(f"interrupted; what was saved before is kept, {mend}", 130)
    except SystemExit as ended:  # --help and --print-config end here
        return int(ended.code or 0)
    except BrokenPipeError:
        # The reader of our output has gone; writing more would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _no_room(error) if error.errno in _NO_ROOM else _internal_error()
    except Exception:
        return _internal_error()


def _no_room(error: OSError) -> int:
    place = error.filename or "what is printed"
    return _fail(
        f"{place} could not be written ({error.strerror}); free some space, or choose a place "
        "where you may write",
        6,
    )


def _internal_error() -> int:
    import traceback

    sys.stderr.write(traceback.format_exc())
    from ganloss.cli.doctor import report

    sys.stderr.write("\nThis is a fault in ganloss. Please report it with the lines above and:\n")
    sys.stderr.write(report() + "\n")
    return 1


def _fail(message: str, code: int) -> int:
    with suppress(OSError):  # where even this cannot be written, the code says it
        sys.stderr.write(f"ganloss: {' '.join(message.split())}\n")  # parsers quote whole lines
    return code


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


def _overview() -> str:
    verbs = "\n".join(f"  {verb:<11}{help}" for verb, (_, help) in VERBS.items())
    return (
        f"ganloss {__version__}: GAN losses that are right, and tools to train and compare\n\n"
        f"usage: ganloss COMMAND [options]      (each command has --help)\n\n"
        f"commands\n{verbs}\n{_EXAMPLES}"
    )


def _be_quiet() -> None:
    """Keep Pillow's warnings back: what is odd about a file is said in our own words."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _use_utf8() -> None:
    """Print any file name on any terminal, also under LC_ALL=C."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")
