import os
import tempfile
from pathlib import Path

import pytest

from rlframework.rewards.code import BubblewrapSandbox, Limits, PlainSandbox, SandboxUnavailableError
from tests.rewards.code.world import World


@pytest.fixture(scope="session")
def jail():
    """The real jail, small; without bubblewrap there is nothing to test, unless it has to be there."""
    sandbox = BubblewrapSandbox(Limits(case_s=4.0, memory_mb=128, output_kb=64))
    try:
        sandbox.probe()
    except SandboxUnavailableError as error:
        # A machine may have none; one that runs programs and lacks a wall is a fault.
        if os.environ.get("RLFRAMEWORK_REQUIRE_SANDBOX") == "1" or "does not hold" in str(error):
            raise
        pytest.skip(str(error))
    return sandbox


@pytest.fixture(scope="session")
def plain():
    """No jail: what shows that an attack would work."""
    return PlainSandbox(Limits(case_s=4.0, memory_mb=8192, output_kb=64))


@pytest.fixture(scope="module")
def world():
    # Not below pytest's own folder, which only this user can enter: the secret has to be one for others too.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        world = World(Path(folder))
        yield world
        world.close()
