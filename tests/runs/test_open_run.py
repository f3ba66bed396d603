"""A run that is not there: what it may have been called."""

from pathlib import Path

import pytest

from ganloss._errors import CheckpointError, UsageError
from ganloss.networks.load import read_description
from ganloss.runs.folder import open_run


@pytest.mark.parametrize(
    ("reader", "error"), [(open_run, UsageError), (read_description, CheckpointError)]
)
def test_a_run_of_another_number_is_suggested(reader, error, tmp_path: Path) -> None:
    (tmp_path / "00001-r3gan-photos-s0").mkdir()
    with pytest.raises(error, match="did you mean '00001-r3gan-photos-s0'"):
        reader(str(tmp_path / "00000-r3gan-photos-s0"))


@pytest.mark.parametrize(
    ("reader", "error"), [(open_run, UsageError), (read_description, CheckpointError)]
)
def test_control_nothing_is_suggested_where_nothing_is_near(reader, error, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    for path in ("00000-r3gan-photos-s0", "holiday"):
        with pytest.raises(error) as raised:
            reader(str(tmp_path / path))
        assert "did you mean" not in str(raised.value)
