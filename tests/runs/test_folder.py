"""The folder of a run after a kill at the worst moment."""

from pathlib import Path

import pytest

from ganloss.engine.checkpoint import write_atomically
from ganloss.runs.folder import RunFolder


def test_what_a_killed_process_was_writing_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    run.append({"step": 1})
    write_atomically(run.sample(1), lambda stream: stream.write(b"whole"))
    with monkeypatch.context() as killed:
        # SIGKILL runs no clean-up: neither does this.
        killed.setattr(Path, "unlink", lambda *_, **__: None)
        killed.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(Exception, match="killed"):
            write_atomically(run.sample(2), lambda stream: stream.write(b"half"))
    assert len(list(run.samples.iterdir())) == 2
    run.cut_back_to(1)
    assert [p.name for p in run.samples.iterdir()] == ["000001.png"]
