"""Configurations, rows and checkpoints that no program wrote, made from a number."""

import io
import json
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from faults.bad_images import SPOILERS

#: What a value may be instead of what it should be.
VALUES: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 1.5, -0.0, 1e308, float("nan"),
    float("inf"), "", " ", "0", "none", "<script>alert(1)</script>", "../../outside",
    "/dev/zero", "a\nb", "x" * 10_000, "ä\u202e😀", [], [[]], {}, {"a": {"b": None}},
    [None, 1, "x"],
    {"__class__": "os.system"}, [1e308] * 50, "os:system", "evil.py:Net", "\x00",
)  # fmt: skip

#: Text that a reader of YAML or JSON may take for more than text.
TEXTS = (
    "!!python/object/apply:os.system ['touch ran']", "!!python/name:os.system", "&a [*a, *a]",
    "a: &x [1]\nb: [*x, *x]\n<<: {c: 1}", "[" * 3000, "{" * 3000, '{"a":' * 3000, "- " * 3000,
    "---\n---\n", "\t- x", "a: b: c", "%YAML 9.9\n---\n", "\ufeffa: 1", "!!binary aGk=", "null",
    "1", '""',
    "[]", "{}", "a: 1\na: 2\n", "!!set {a, b}", "2001-01-01", "0x10", "1e999", "~", ".nan",
    '{"__proto__": 1}',
)  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in nested dicts and lists: the container and the key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from places(item)


def _changed(value: Any, rng: random.Random) -> Any:
    """Some values are others, some are missing, some are new."""
    for _ in range(rng.randint(1, 3)):
        found = list(places(value)) if isinstance(value, (dict, list)) else []
        if not found:
            return rng.choice(VALUES)
        container, key = rng.choice(found)
        action = rng.random()
        if action < 0.7:
            container[key] = rng.choice(VALUES)
        elif action < 0.9 or not isinstance(container, dict):
            del container[key]
        else:
            container[rng.choice(("", "new", 5, "<b>", "generator", "class"))] = rng.choice(VALUES)
    return value


def bad_yaml(text: str, rng: random.Random) -> str:
    if rng.random() < 0.3:
        return _bad_text(text, rng)
    changed = _changed(yaml.safe_load(text), rng)
    return yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)


def bad_json(text: str, rng: random.Random) -> str:
    if rng.random() < 0.3:
        return _bad_text(text, rng)
    return json.dumps(_changed(json.loads(text), rng))


def bad_lines(text: str, rng: random.Random) -> str:
    """JSON lines of which some are bad."""
    whole = text.splitlines()
    lines = list(whole)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        lines[at] = bad_json(whole[at], rng) if whole[at].startswith("{") else rng.choice(TEXTS)
    return "\n".join(lines) + "\n" * (rng.random() < 0.8)


def _bad_text(text: str, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(TEXTS)
    data = rng.choice(SPOILERS)(text.encode("utf-8"), rng)
    return data.decode("utf-8", "surrogateescape")


class Touch:
    """Runs a command when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({self.path!r}, 'w').close()",)


def bad_checkpoint(data: bytes, rng: random.Random) -> bytes:
    """A checkpoint that is spoilt, holds something else, or code."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(SPOILERS)(data, rng)
    if kind < 0.55:
        payload = rng.choice((Touch("ran"), {"schema": 1, "digest": "", "state": Touch("ran")}))
        return pickle.dumps(payload) if rng.random() < 0.5 else saved(payload)
    payload = torch.load(io.BytesIO(data), weights_only=True)
    if kind < 0.65:
        payload = rng.choice((payload["state"], [], {}, torch.zeros(3), {"schema": 99}, "x", None))
        return saved(payload)
    payload["state"] = _changed(payload["state"], rng)
    from ganloss.engine.checkpoint import digest

    payload["digest"] = digest(payload["state"])  # its checksum fits: it was made on purpose
    return saved(payload)


def saved(payload: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(payload, stream)
    return stream.getvalue()


def spoil_text(path: Path, how: Callable[[str, random.Random], str], rng: random.Random) -> None:
    bad = how(path.read_text("utf-8"), rng)
    path.write_bytes(bad.encode("utf-8", "surrogateescape"))
