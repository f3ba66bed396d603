"""Checkpoints: atomic, versioned, with a checksum, and readable without running code."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganloss._errors import CheckpointError, StorageError

SCHEMA = 1
#: Ending of files that are not whole yet; a killed process leaves them behind.
PART = ".part"


def digest(value: object) -> str:
    """Checksum of nested dicts, lists, numbers, text and tensors, down to the bit.

    >>> digest({"a": torch.zeros(2)}) == digest({"a": torch.zeros(2)})
    True
    >>> digest({"a": torch.zeros(2)}) == digest({"a": torch.zeros(3)})
    False
    """
    hasher = hashlib.sha256()
    _feed(hasher, value)
    return hasher.hexdigest()


def _feed(hasher: "hashlib._Hash", value: object) -> None:
    if isinstance(value, Tensor):
        hasher.update(f"tensor {value.dtype} {tuple(value.shape)}".encode())
        hasher.update(
            value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    elif isinstance(value, Mapping):
        hasher.update(f"dict {len(value)}".encode())
        for key, item in value.items():
            hasher.update(repr(key).encode())
            _feed(hasher, item)
    elif isinstance(value, (list, tuple)):
        hasher.update(f"list {len(value)}".encode())
        for item in value:
            _feed(hasher, item)
    else:
        hasher.update(repr(value).encode())


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint: either the whole new file is there afterwards, or the old one.

    Raises:
        StorageError: the disk is full or the folder is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "checkpoint.pt"
    ...     save({"step": 3, "weights": torch.ones(2)}, path)
    ...     state = load(path)
    >>> state["step"], state["weights"]
    (3, tensor([1., 1.]))
    """
    payload = {"schema": SCHEMA, "digest": digest(state), "state": dict(state)}
    write_atomically(path, lambda stream: torch.save(payload, stream))


def write_atomically(path: Path, write: Any) -> None:
    """Call ``write(stream)`` on a temporary file beside ``path``, then move it there.

    Raises:
        StorageError: with what stood in the way and how to mend it.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "a", lambda stream: stream.write(b"whole"))
    ...     print([(path.name, path.read_bytes()) for path in Path(folder).iterdir()])
    [('a', b'whole')]
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(PART, f".{path.name}-", path.parent)
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f"{path} could not be written ({error}); free some space or choose another --out. "
            "What was there before is untouched"
        ) from error
    finally:  # of an interrupted one too
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    """The permissions new files are made without; temporary files are private."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint written by :func:`save`, on the CPU, without running code in it.

    Raises:
        CheckpointError: missing, truncated, altered, or of another version.

    >>> load(Path("no-such-file.pt"))
    Traceback (most recent call last):
    ganloss._errors.CheckpointError: there is no checkpoint no-such-file.pt; ...
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; start without --resume")
    try:
        payload = dict(torch.load(path, map_location="cpu", weights_only=True))
        schema, checksum, state = payload["schema"], payload["digest"], payload["state"]
    except Exception as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({type(error).__name__}); it may be truncated or "
            f"not one of ours. {_instead_of(path)}"
        ) from error
    if schema != SCHEMA:
        raise CheckpointError(
            f"{path} has checkpoint format {schema} and this version reads {SCHEMA}; "
            "resume with the version of ganloss named in env.json beside it"
        )
    if digest(state) != checksum:
        raise CheckpointError(
            f"{path} is damaged: its checksum does not match. {_instead_of(path)}"
        )
    return state


def _instead_of(path: Path) -> str:
    """Say what can be done without a checkpoint."""
    others = sorted(other for other in path.parent.glob("*.pt") if other != path)
    again = "" if not others else f"go on from another one with --resume {others[0]}, or "
    return f"{again}start without --resume".capitalize()
