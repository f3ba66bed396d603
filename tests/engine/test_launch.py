"""What torchrun and SLURM say of a process, in the forms they really write."""

import pytest

from ganloss._errors import UsageError
from ganloss.engine.hardware import connect
from ganloss.engine.launch import Launch, as_torchrun, find_launch, per_node

#: What `srun` sets for the third task of five, on the second of two machines.
STEP = {
    "SLURM_JOB_ID": "123456", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "5", "SLURM_NNODES": "2",
    "SLURM_STEP_NUM_TASKS": "5", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0", "SLURM_NODEID": "1", "SLURM_STEP_TASKS_PER_NODE": "2,3",
    "SLURM_TASKS_PER_NODE": "2,3", "SLURM_STEP_NODELIST": "node[03,07]",
    "SLURM_NODELIST": "node[03,07]", "SLURM_JOB_NAME": "train",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("4", [4]), ("4(x2)", [4, 4]), ("2,3", [2, 3]), ("4(x2),3,1(x3)", [4, 4, 3, 1, 1, 1])],
)
def test_tasks_per_node(text: str, numbers: list[int]) -> None:
    assert per_node(text) == numbers


def test_a_step_of_unequal_machines() -> None:
    assert find_launch(STEP) == Launch("slurm", 5, 3, "slurm 123456", 0)


def test_a_step_without_ntasks_per_node() -> None:
    """`--ntasks 2` sets no SLURM_NTASKS_PER_NODE, and a step may be smaller than its job."""
    step = STEP | {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "2",
                   "SLURM_NODEID": "0"}  # fmt: skip
    assert (find_launch(step).processes, find_launch(step).here) == (2, 2)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        # `salloc -n 4`: a shell, and nobody else.
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4",
         "SLURM_TASKS_PER_NODE": "4"},
        # A batch script without srun.
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2",
         "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"},
        # `srun --pty bash` in an allocation of four tasks.
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1",
         "SLURM_STEP_ID": "4294967290", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},
    ],
    ids=["none", "salloc", "batch", "pty"],
)  # fmt: skip
def test_a_command_without_srun_stands_alone(environment: dict[str, str]) -> None:
    found = find_launch(environment)
    assert (found.by, found.processes, found.here) == ("", 1, 1)
    assert not found.may_continue


def test_torchrun_inside_of_a_step_comes_first() -> None:
    torchrun = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none",
                "TORCHELASTIC_RESTART_COUNT": "1"}  # fmt: skip
    assert find_launch(STEP | torchrun) == Launch("torchrun", 4, 2, "slurm 123456", 1)
    named = find_launch(STEP | torchrun | {"TORCHELASTIC_RUN_ID": "job"})
    assert named.id == "torchrun job"


def test_the_processes_fabric_starts_are_not_taken_for_torchruns() -> None:
    """They have WORLD_SIZE, and no LOCAL_WORLD_SIZE."""
    assert find_launch({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}).processes == 1


def test_a_requeued_job_and_a_restarted_launch_continue() -> None:
    assert find_launch({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}).may_continue
    torchrun = {"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "none"}
    assert not find_launch(torchrun).may_continue
    assert find_launch(torchrun | {"TORCHELASTIC_RESTART_COUNT": "2"}).may_continue
    # Another number of machines is no restart to torchrun, so a name will do.
    assert find_launch(torchrun | {"TORCHELASTIC_RUN_ID": "job"}).may_continue


def test_a_step_is_told_as_torchrun_would() -> None:
    found = as_torchrun(STEP)
    assert (found["RANK"], found["WORLD_SIZE"], found["LOCAL_RANK"]) == ("2", "5", "0")
    assert found["MASTER_ADDR"] == "node03"
    assert 20_000 <= int(found["MASTER_PORT"]) < 30_000
    assert as_torchrun(STEP | {"MASTER_PORT": "29500"})["MASTER_PORT"] == "29500"
    other = as_torchrun(STEP | {"SLURM_STEP_ID": "1"})
    assert other["MASTER_PORT"] != found["MASTER_PORT"]


def test_machines_that_cannot_meet_are_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="needs NODE_RANK and MASTER_ADDR and MASTER_PORT in"):
        connect("cpu", nodes=2)
