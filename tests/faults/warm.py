"""A warm process that forks: a command starts at once and may be killed anywhere.

Started as ``python warm.py``, it reads requests as lines of JSON and answers each with a line. A
child runs the command line's own ``main``, as ``python -m ganloss`` does, in a session of its own.
"""

import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

#: What Python tells its audit hooks before it changes something on disk.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link",
           "os.symlink", "os.chmod", "shutil.rmtree", "shutil.move"}  # fmt: skip
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def warm_up() -> None:
    """Import what commands import, so that children need not."""
    import importlib

    import torch

    torch.set_num_threads(1)
    for name in (
        *("ganloss.cli." + verb for verb in ("train", "demo", "compare", "sample", "translate")),
        *("ganloss.cli." + verb for verb in ("evaluate", "data", "weights", "report", "check")),
        *("ganloss.runs.training", "ganloss.runs.tasks", "ganloss.runs.scoring"),
        *("ganloss.runs.translating", "ganloss.runs.restoration", "ganloss.lab.report"),
        *("ganloss.cli._progress", "ganloss.cli._comparing", "ganloss.lab.comparison"),
        *("ganloss.data.demo", "ganloss.data.demo_pairs", "ganloss.data.survey", "ganloss.cards"),
        *("plotly.offline", "sklearn.datasets", "scipy.linalg", "filelock", "safetensors.torch"),
        *("PIL.ImageOps", "PIL.ImageFont", "torchvision.models", "yaml", "lightning_fabric"),
    ):
        importlib.import_module(name)
    from PIL import Image

    Image.init()


class Audit:
    """Counts what is written, notes where, and may end the process at the n-th time."""

    def __init__(self, allowed: list[str], kill_at: int | None) -> None:
        self.count = 0
        self.outside: list[str] = []
        self.started: list[str] = []
        self._allowed = tuple(allowed)
        self._kill_at = kill_at
        self.active = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in STARTS:
            told = [str(argument) for argument in arguments[:2]]
            if "uname" not in told[0]:  # Python asks it for the processor
                self.started.append(f"{event} {' '.join(told)}")
        elif event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            mode, flags = arguments[1], arguments[2]
            if (isinstance(mode, str) and set(mode) & set("wax+")) or flags & _WRITING:
                self._changed(arguments[0])
        elif event in CHANGES:
            self._changed(arguments[0])

    def _changed(self, path: Any) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        where = os.path.realpath(os.fsdecode(path)) if not isinstance(path, int) else ""
        if where and not where.startswith(self._allowed):
            self.outside.append(where)


def give_up_power() -> None:
    """Keep to the permissions of files, also as root: drop two capabilities (capset(2))."""
    override, owner = 1, 3
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        for which in (0, 1, 2):  # effective, permitted, inheritable
            sets[which] &= ~(1 << override | 1 << owner)
        libc.capset(header, sets)


def child(request: dict[str, Any], answer: int) -> None:
    """Run one command and end the process."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(request["cwd"])
    os.environ.update(request.get("env", {}))
    tempfile.tempdir = request["temporary"]
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, number)
        os.close(handle)
    faulthandler.register(signal.SIGUSR1, file=2)
    sys.argv = ["ganloss", *request["words"]]
    exec(request.get("before", ""), {})
    limit = request.get("bytes")
    if limit is not None:
        deadly = request.get("deadly", False)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if deadly else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if request.get("powerless"):
        give_up_power()
    audit = Audit([*request["allowed"], "/dev/null"], request.get("event"))
    sys.addaudithook(audit)
    from ganloss.cli import main

    code = main(request["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    audit.active = False
    told = {"changes": audit.count, "outside": audit.outside, "started": audit.started}
    os.write(answer, json.dumps(told).encode())
    os._exit(code)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait or kill, and say how it ended."""
    reading, writing = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            child(request, writing)
        finally:  # whatever main() lets through ends in the code of an uncaught exception
            import traceback

            traceback.print_exc()
            os._exit(70)
    os.close(writing)
    kill_at = began + request.get("after", request.get("limit", 120))
    status, late = _wait(pid, kill_at)
    if late and "after" not in request:
        os.kill(pid, signal.SIGUSR1)  # says where it hangs
        time.sleep(0.3)
    if late:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no session of its own yet
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    values = json.loads(told) if told else {}
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -killed
    hung = late and "after" not in request
    return {"code": code, "hung": hung, "seconds": time.monotonic() - began, **values}


def _wait(pid: int, until: float) -> tuple[int, bool]:
    """Wait for a child; True if it is still there at that time."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status, False
        left = until - time.monotonic()
        if left <= 0:
            return 0, True
        time.sleep(min(0.005, left))


def serve() -> None:
    """Answer requests until the other side goes away."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warm_up()
    import ganloss

    answers.write(json.dumps({"ready": str(Path(ganloss.__file__).parent)}) + "\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
