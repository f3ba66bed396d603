"""Jobs on a Ray cluster: the same jobs, wherever there is room for them.

Where the comparison's folder is on a disk that all machines share, a job trains in it, and one
whose machine dies goes on from its last checkpoint on another. Elsewhere a job trains in a folder
of its own machine and comes back as an archive; one that dies starts again.
"""

import io
import logging
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganloss._errors import UsageError
from ganloss.lab.jobs import crashed, from_message, run_folder, run_job, to_message
from ganloss.lab.plan import Job
from ganloss.runs.reading import Row

#: How often Ray may start a job again whose machine died.
RETRIES = 3


def run_on_ray(jobs: Sequence[Job], comparison: Path, workers: int) -> Iterator[Row]:
    """Run jobs on the Ray cluster that is there, or on one of this machine; give rows as they end.

    Raises:
        UsageError: Ray is not installed.
        GanlossError: one that every job would meet, e.g. no data.
    """
    ray = _connected(workers)
    mark = (comparison / "plan.yaml").read_text(encoding="utf-8")
    waiting = {}
    for job in jobs:
        task = ray.remote(_remote_job).options(
            num_cpus=job.settings.threads or 1,
            num_gpus=1 if job.settings.device == "cuda" else 0,
            max_retries=RETRIES,
            name=job.name,
        )
        waiting[task.remote(to_message(job), str(comparison), mark)] = job
    try:
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(done)
            try:
                row, archive = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                yield crashed(job, f"{type(error).__name__}: its process died {RETRIES + 1} times")
                continue
            if archive:
                _unpack(archive, run_folder(comparison, job.name))
            yield row
    finally:  # interrupted, or given up: nothing goes on unseen, holding its run
        for task in waiting:
            ray.cancel(task)


def _connected(workers: int) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "--on ray needs Ray; install it with pip install 'ganloss[ray]', or leave --on out"
        ) from error
    if not ray.is_initialized():
        try:
            ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError:
            ray.init(
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    return ray


def _remote_job(message: dict[str, Any], comparison: str, mark: str) -> tuple[Row, bytes]:
    """Train on a machine of the cluster; the archive is empty where the folder is shared."""
    import torch

    job, folder = from_message(message), Path(comparison)
    torch.set_num_threads(job.settings.threads or 1)
    if _is_shared(folder, mark):
        return _finished(job, folder), b""
    with tempfile.TemporaryDirectory(prefix="ganloss-") as own:
        row = _finished(job, Path(own))
        return row, _packed(run_folder(Path(own), job.name))


def _finished(job: Job, folder: Path) -> Row:
    row = run_job(job, folder, lambda done: None)
    if row is None:
        raise KeyboardInterrupt
    return row


def _is_shared(folder: Path, mark: str) -> bool:
    try:
        return (folder / "plan.yaml").read_text(encoding="utf-8") == mark
    except OSError:
        return False


def _packed(folder: Path) -> bytes:
    """Everything a report and a reader want; checkpoints and scripts stay behind."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            wanted = path.suffix not in (".pt", ".js") and not path.name.startswith(".")
            if path.is_file() and wanted:
                archive.write(path, path.relative_to(folder).as_posix())
    return stream.getvalue()


def _unpack(archive: bytes, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(folder)
