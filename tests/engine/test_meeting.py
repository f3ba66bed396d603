"""Processes of a second attempt meet in a store that the first one has left full."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from ganloss.engine import meeting
from ganloss.engine.meeting import fresh_store


def attempt(path: Path, processes: int) -> list[torch.distributed.Store]:
    with ThreadPoolExecutor(processes) as pool:
        stores = [torch.distributed.FileStore(str(path)) for _ in range(processes)]
        return list(pool.map(fresh_store, stores, range(processes), [processes] * processes))


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_all_of_an_attempt_share_a_part_that_is_new(processes: int, tmp_path: Path) -> None:
    first = attempt(tmp_path / "store", processes)
    first[0].set("address", "of a process that is lost")
    again = attempt(tmp_path / "store", 3)
    assert not again[0].check(["address"])
    again[0].set("address", "here")
    assert [store.get("address") for store in again] == [b"here"] * 3


def test_one_who_asked_and_was_lost_keeps_nobody(tmp_path: Path) -> None:
    left = torch.distributed.FileStore(str(tmp_path / "store"))
    left.set("ganloss/question/1", "of a lost process")
    left.set("ganloss/question/2", "of a process that is not wanted any more")
    stores = attempt(tmp_path / "store", 2)
    stores[0].set("word", "1")
    assert stores[1].get("word") == b"1"


def test_those_who_never_come_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "PATIENCE", 0.1)
    with pytest.raises(torch.distributed.DistStoreError, match=r"\[1, 2\] did not come"):
        fresh_store(torch.distributed.FileStore(str(tmp_path / "store")), 0, 3)
