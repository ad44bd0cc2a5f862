from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.simulator import Simulator
from tests.cli.desk import Desk
from tests.kit.rules import FEW_HOURS


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty folder and a small project."""
    (tmp_path / "tmp").mkdir()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        yield Desk(tmp_path, simulator)
