"""A run ahead that is killed with requests in flight goes on with another server, to the very bits."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from tests import forked

PROGRAM = Path(__file__).with_name("killed_ahead_runs.py")


def run(folder: Path, at: int = -1, seconds: float = 0.0) -> str:
    """Run with a server of its own until the end, or until it is killed; return the server's port."""
    (folder / "port").unlink(missing_ok=True)
    roles = [{"ROLE": "server"}, {"ROLE": "trainer"}]
    server, trainer = forked.run_together([PROGRAM, folder, at, seconds], roles, seconds=120)
    assert trainer.returncode == (0 if at < 0 else -9), server.stderr[-2000:] + trainer.stderr[-3000:]
    return (folder / "port").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return torch.load(folder / "end.pt")


@pytest.mark.parametrize("moment", [pytest.param(n, marks=pytest.mark.slow) if n else n for n in range(10)])
def test_a_killed_run_ahead_goes_on_with_another_server(whole: torch.Tensor, tmp_path: Path, moment: int) -> None:
    random = Random(moment)
    first = run(tmp_path, random.randint(1, 7), random.uniform(0, 0.2))
    assert list(tmp_path.glob("*.ckpt"))
    assert run(tmp_path) != first
    assert torch.equal(torch.load(tmp_path / "end.pt"), whole)
