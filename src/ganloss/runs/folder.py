"""The folder of a run: numbered, never overwritten, and cut back to its checkpoint on resume."""

import json
import os
import platform
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ganloss._errors import CheckpointError, StorageError, UsageError
from ganloss._lazy import suggest_beside
from ganloss._version import __version__
from ganloss.engine.checkpoint import PART, write_atomically
from ganloss.engine.launch import Launch, find_launch
from ganloss.runs.settings import RunSettings, settings_from_file

_NUMBERED = re.compile(r"^(\d{5,})-")


class RunFolder:
    """Paths and files of one run.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     run = RunFolder(Path(folder))
    ...     run.append({"step": 1})
    ...     run.append({"step": 2})
    ...     run.cut_back_to(1)
    ...     run.note("went on")
    ...     run.write_status({"state": "finished"})
    ...     with run.locked():
    ...         print(run.rows(), run.state, run.launch == "", run.sample(35).name)
    [{'step': 1}] finished True 000035.png
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.log = path / "log.txt"
        self.samples = path / "samples"
        self.page = path / "index.html"
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self.export = path / "export"
        self.diverged = path / "diverged.pt"

    def sample(self, step: int) -> Path:
        """Path of the samples after ``step`` steps."""
        return self.samples / f"{step:06d}.png"

    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``metrics.jsonl``; what is half-written, or no row, is left out."""
        if not self.metrics.exists():
            return []
        rows: list[dict[str, Any]] = []
        for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict) and type(row.get("step")) is int:
                rows.append(row)
        return rows

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row to ``metrics.jsonl``."""
        with storage(self.metrics), self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def note(self, line: str) -> None:
        """Add a line to ``log.txt``, with the time of day."""
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        with storage(self.log), self.log.open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(f"{now}  {line}\n")

    def cut_back_to(self, step: int) -> None:
        """Forget everything after ``step``: it will be computed again, the same."""
        rows = [row for row in self.rows() if row["step"] <= step]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_text(self.metrics, text)
        for picture in self.samples.glob("*.png"):
            if picture.stem.isdigit() and int(picture.stem) > step:
                picture.unlink()
        for unfinished in self.path.rglob(f".*{PART}"):
            unfinished.unlink()

    @property
    def state(self) -> str:
        """The state in ``status.json``; empty while there is none."""
        return self._entry("status.json", "state")

    @property
    def launch(self) -> str:
        """The launch that made the run, as in ``env.json``; empty for none."""
        return self._entry("env.json", "launch")

    def _entry(self, file: str, key: str) -> str:
        """An entry of a JSON file; empty where the file is missing, damaged or not ours."""
        try:
            return str(json.loads((self.path / file).read_text(encoding="utf-8"))[key])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return ""

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace ``status.json``."""
        write_text(self.path / "status.json", json.dumps(status, indent=1, ensure_ascii=False))

    @contextmanager
    def locked(self) -> Generator[None]:
        """Hold the folder's lock, which the system releases even when the process is killed.

        Raises:
            StorageError: another process trains in this folder.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageError(
                f"another process is training in {self.path}; wait for it, or stop it first"
            ) from error
        try:
            yield
        finally:
            lock.release()


@contextmanager
def storage(path: Path) -> Generator[None]:
    """Turn the system's errors about a file into a sentence.

    >>> with storage(Path("out")):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    ganloss._errors.StorageError: out could not be written (No space left on device); ...
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(
            f"{path} cannot be a folder, since a file is in its place; choose another --out"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{path} could not be written ({error.strerror or error}); "
            "free some space or choose another --out"
        ) from error


def write_text(path: Path, text: str) -> None:
    r"""Write a text file atomically, in UTF-8; bytes of a name that are none are escaped.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_text(Path(folder) / "a", "é")
    ...     (Path(folder) / "a").read_bytes()
    b'\xc3\xa9'
    """
    encoded = text.encode("utf-8", "backslashreplace")
    write_atomically(path, lambda stream: stream.write(encoded))


def create(settings: RunSettings, data_name: str) -> RunFolder:
    """Make the next numbered folder; it appears whole, with its configuration inside.

    Raises:
        StorageError: ``--out`` is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.runs.settings import GenerateSettings
    >>> with TemporaryDirectory() as out:
    ...     create(GenerateSettings(data="demo:digits", out=out), "digits").path.name
    '00000-wgan-gp-digits-s0'
    """

    def name(taken: Sequence[str]) -> str:
        return f"{_next_number(taken):05d}-{_label(settings, data_name)}"

    return RunFolder(make_next(Path(settings.out), name, lambda folder: _fill(folder, settings)))


def make_next(
    out: Path, name: Callable[[Sequence[str]], str], fill: Callable[[Path], None]
) -> Path:
    """Make a folder with the next free number; it appears whole, with what ``fill`` puts in.

    Args:
        out: where; made if it is not there.
        name: gives the name, knowing those that are taken.
        fill: called with the folder before it has its name.

    Raises:
        StorageError: ``out`` is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as out:
    ...     for _ in range(2):
    ...         make_next(Path(out), lambda taken: f"run-{len(taken)}", lambda folder: None).name
    'run-0'
    'run-1'
    """
    with storage(out):
        out.mkdir(parents=True, exist_ok=True)
        while True:  # another process may take the number first
            target = out / name([entry.name for entry in out.iterdir()])
            if _appear(target, fill):
                return target


def open_or_create(path: Path, settings: RunSettings) -> RunFolder:
    """Open the run folder at this very path, or make it.

    Raises:
        StorageError: its parent is not writable.
        UsageError: the run there has other settings.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.runs.settings import GenerateSettings
    >>> with TemporaryDirectory() as out:
    ...     path = Path(out) / "mine"
    ...     first = open_or_create(path, GenerateSettings(data="demo:ring", steps=5))
    ...     open_or_create(path, GenerateSettings(data="demo:ring", steps=5)).path == first.path
    True
    """
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _appear(path, lambda folder: _fill(folder, settings))
    run = RunFolder(path)
    different = settings_from_file(run.config).differs_from(settings)
    if different:
        raise UsageError(f"the run in {path} has other settings: {', '.join(different)}")
    return run


def _appear(target: Path, fill: Callable[[Path], None]) -> bool:
    """Make a folder that is there whole or not at all; False if another was there first."""
    staging = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        fill(staging)
        staging.chmod(0o755)
        staging.rename(target)
    except OSError:
        if not target.exists():
            raise
        return False
    finally:  # of what has its name by now there is nothing left to remove
        shutil.rmtree(staging, ignore_errors=True)
    return True


def _fill(folder: Path, settings: RunSettings) -> None:
    (folder / "samples").mkdir()
    (folder / "checkpoints").mkdir()
    write_text(folder / "config.yaml", settings.to_yaml())
    write_text(folder / "command.txt", command_line() + "\n")
    write_text(folder / "env.json", json.dumps(environment(), indent=1))


def _next_number(taken: Sequence[str]) -> int:
    matches = (_NUMBERED.match(name) for name in taken)
    return max((int(match[1]) for match in matches if match), default=-1) + 1


def _label(settings: RunSettings, data_name: str) -> str:
    words = [settings.loss, data_name, f"s{settings.seed}", settings.name]
    return "-".join(_portable_name(word) for word in words if word)


def _portable_name(word: str) -> str:
    """Keep letters and digits of any script; everything else may upset some file system."""
    return re.sub(r"[^\w.]+", "-", word).strip("-.")[:40] or "x"


def command_line() -> str:
    """The command this process was started with, ready to paste.

    >>> command_line().split()[0]
    'ganloss'
    """
    return shlex.join(["ganloss", *sys.argv[1:]])


def environment() -> dict[str, Any]:
    """Versions, machine and launch, for ``env.json``.

    >>> sorted(environment())
    ['cores', 'ganloss', 'launch', 'packages', 'platform', 'python']
    """
    names = ("torch", "torchvision", "numpy", "lightning-fabric", "pillow")
    return {
        "ganloss": __version__,
        "launch": find_launch(os.environ).id,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in names},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def find_resumable(settings: RunSettings) -> RunFolder | None:
    """Give the newest run below ``--out`` that these settings continue, if there is one.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.runs.settings import GenerateSettings
    >>> with TemporaryDirectory() as out:
    ...     settings = GenerateSettings(data="demo:ring", steps=5, out=out)
    ...     find_resumable(settings), find_launched(settings, Launch())
    (None, None)
    """
    return next(_fitting(settings), None)


def find_launched(settings: RunSettings, launch: Launch) -> RunFolder | None:
    """Give the run that an earlier attempt of this launch left, if there is one.

    It has the same settings, and names the launch. One that has ended is another run's, unless
    this is a restart.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> find_launched(GenerateSettings(data="demo:ring"), Launch())
    """
    if not launch.may_continue:
        return None
    for run in _fitting(settings):
        if run.launch == launch.id:
            ended = run.state == "finished" and launch.restarts == 0
            return None if ended else run
    return None


def _fitting(settings: RunSettings) -> Generator[RunFolder]:
    """Runs below ``--out`` that these settings continue, the newest first."""
    out = Path(settings.out)
    folders = [p for p in out.iterdir() if _NUMBERED.match(p.name)] if out.is_dir() else []
    for folder in sorted(folders, key=lambda p: int(p.name.split("-")[0]), reverse=True):
        run = RunFolder(folder)
        if not run.config.exists():
            continue
        with suppress(CheckpointError):  # damaged, or of another version: it is not this one
            if not settings_from_file(run.config).differs_from(settings):
                yield run


def newest_run(settings: RunSettings) -> RunFolder:
    """Open the newest run below ``--out``.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.runs.settings import GenerateSettings
    >>> with TemporaryDirectory() as out:
    ...     settings = GenerateSettings(data="demo:ring", out=out)
    ...     made = create(settings, "ring"), create(settings, "ring")
    ...     newest_run(settings).path == made[1].path
    True
    """
    folders = [p for p in Path(settings.out).iterdir() if _NUMBERED.match(p.name)]
    return RunFolder(max(folders, key=lambda p: int(p.name.split("-")[0])))


def open_run(path: str) -> RunFolder:
    """Open a run folder, or the folder of one of its files.

    Raises:
        UsageError: it is not one.

    >>> open_run("no-such-run")
    Traceback (most recent call last):
    ganloss._errors.UsageError: no-such-run is not a run folder: it has no config.yaml...
    """
    for folder in (Path(path), Path(path).parent, Path(path).parent.parent):
        if (folder / "config.yaml").exists():
            return RunFolder(folder)
    raise UsageError(
        f"{path} is not a run folder: it has no config.yaml{suggest_beside(Path(path)) or '.'} "
        "Give the folder itself, e.g. runs/00003-wgan-gp-digits-s0"
    )


def checkpoint_of(run: RunFolder, resume: str | None) -> Path:
    """Give the checkpoint a run goes on from: the last one, unless another is named.

    Raises:
        CheckpointError: the one that is named is not there.

    >>> checkpoint_of(RunFolder(Path("run")), "run").as_posix()
    'run/checkpoints/last.pt'
    """
    named = Path(resume or "")
    if named.suffix != run.last.suffix or named.parent.name != run.last.parent.name:
        return run.last
    if not named.is_file():
        raise CheckpointError(f"there is no checkpoint {named}; --resume {run.path} takes the last")
    return named
