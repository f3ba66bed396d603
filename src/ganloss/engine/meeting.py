"""Where the processes of a launch meet: a store that no earlier attempt has written to.

torchrun keeps one store for all attempts of a launch, and gloo and NCCL find in it what a lost
process left, and wait for that process (pytorch/pytorch issue 135712).
"""

import time
import uuid

import torch
from torch.distributed import PrefixStore, Store  # pyright: ignore[reportPrivateImportUsage]

#: Seconds to wait for the others.
PATIENCE = 600.0


def fresh_store(store: Store, rank: int, processes: int) -> Store:
    """Agree with the other processes of this attempt on a part of the store that is new.

    Names drawn by chance tell this attempt from earlier ones: a process asks under a new name,
    only the first process of its own attempt can answer that, and says the name of the part.

    Raises:
        DistStoreError: the others do not come.

    >>> from torch.distributed import HashStore
    >>> store = HashStore()
    >>> part = fresh_store(store, rank=0, processes=1)
    >>> part.set("port", "1")
    >>> part.get("port"), store.check(["port"])  # the store itself has no such name
    (b'1', False)
    """
    if rank == 0:
        return PrefixStore(_answer(store, processes), store)
    question = uuid.uuid4().hex
    store.set(f"ganloss/question/{rank}", question)
    part = store.get(f"ganloss/answer/{question}").decode()
    store.set(f"{part}/heard/{rank}", "")
    return PrefixStore(part, store)


def _answer(store: Store, processes: int) -> str:
    """Answer what is asked, old or new, until all have heard it."""
    part, missing = uuid.uuid4().hex, set(range(1, processes))
    until = time.monotonic() + PATIENCE
    while missing:
        if time.monotonic() > until:
            raise torch.distributed.DistStoreError(f"processes {sorted(missing)} did not come")
        for rank in missing:
            if store.check([f"ganloss/question/{rank}"]):
                question = store.get(f"ganloss/question/{rank}").decode()
                store.set(f"ganloss/answer/{question}", part)
        missing = {rank for rank in missing if not store.check([f"{part}/heard/{rank}"])}
        time.sleep(0.01)
    return part
