"""Who started this process, with how many others, and for the how-manieth time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Launcher = Literal["", "torchrun", "slurm"]


@dataclass(frozen=True)
class Launch:
    """What this process is told by what started it.

    Args:
        by: ``"torchrun"``, ``"slurm"``, or empty for a command that stands alone.
        processes: how many were started, on all machines.
        here: how many of them on this machine.
        id: the same for every process and every attempt; empty where there is none.
        restarts: how often all of them were started again.

    >>> Launch().may_continue, Launch("torchrun", processes=2, here=2, id="a").may_continue
    (False, False)
    """

    by: Launcher = ""
    processes: int = 1
    here: int = 1
    id: str = ""
    restarts: int = 0

    @property
    def may_continue(self) -> bool:
        """Whether an earlier attempt of the same launch may have left a run.

        torchrun does not count a restart for want, or for more, of machines; its id tells.
        """
        return self.restarts > 0 or self.id.startswith("torchrun ")


def find_launch(environment: Mapping[str, str]) -> Launch:
    """Read what torchrun or SLURM says.

    Only what ``srun`` starts are processes of one run: in a batch script or an interactive
    allocation without it, ``SLURM_NTASKS`` says what was asked for, and nobody would come.

    >>> find_launch({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}).processes
    1
    >>> find_launch({"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "none"})
    Launch(by='torchrun', processes=8, here=4, id='', restarts=0)
    """
    job = environment.get("SLURM_JOB_ID", "")
    id = f"slurm {job}" if job else ""
    restarts = int(environment.get("SLURM_RESTART_COUNT", 0))
    if {"WORLD_SIZE", "LOCAL_WORLD_SIZE"} <= environment.keys():
        name = environment.get("TORCHELASTIC_RUN_ID", "none")
        id = id if name == "none" else f"torchrun {name}"  # "none" is what it calls no id
        restarts += int(environment.get("TORCHELASTIC_RESTART_COUNT", 0))
        world, here = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", world, here, id, restarts)
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks > 1 and {"SLURM_PROCID", "SLURM_LOCALID"} <= environment.keys():
        return Launch("slurm", tasks, _tasks_here(environment, tasks), id, restarts)
    return Launch(id=id, restarts=restarts)


def _tasks_here(environment: Mapping[str, str], tasks: int) -> int:
    """Tasks of this step on this machine."""
    each = environment.get("SLURM_STEP_TASKS_PER_NODE")
    return tasks if each is None else per_node(each)[int(environment.get("SLURM_NODEID", 0))]


def per_node(text: str) -> list[int]:
    """Expand SLURM's short form of a number for each machine.

    >>> per_node("4(x2),3")
    [4, 4, 3]
    """
    numbers: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        numbers += [int(count)] * int(times or 1)
    return numbers


def as_torchrun(environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables torchrun would set for this task of SLURM.

    Each task counts as a machine of its own, so that machines may have different numbers of them,
    and tasks may see one GPU each or all.

    >>> step = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3",
    ...         "SLURM_STEP_NODELIST": "gpu[05-06,9]"}
    >>> found = as_torchrun(step)
    >>> found["RANK"], found["WORLD_SIZE"], found["MASTER_ADDR"], found["MASTER_PORT"]
    ('2', '3', 'gpu05', '20070')
    """
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_NODELIST", "127.0.0.1")
    # Steps of one job, and jobs on one machine, meet at different ports.
    job, step = (int(environment.get(name, 0)) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    defaults = {
        "MASTER_ADDR": SLURMEnvironment.resolve_root_node_address(nodes),
        "MASTER_PORT": str(20_000 + (10 * job + step % 10) % 10_000),
    }
    return {name: environment.get(name, value) for name, value in defaults.items()} | {
        "RANK": environment["SLURM_PROCID"],
        "GROUP_RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": environment["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": "0",
    }
