"""One warm process and one ledger for all tests of a worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.commands import Commands
from faults.homes import furnish
from faults.ledger import Ledger, open_ledger


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    warm = Commands(tmp_path_factory.mktemp("warm"))
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return open_ledger()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder that other users may enter as well."""
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    return tmp_path


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Path:
    home = tmp_path_factory.mktemp("template")
    furnish(home, commands)
    return home
