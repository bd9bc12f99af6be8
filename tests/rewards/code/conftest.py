import os

import pytest

from rlframework.rewards.code import BubblewrapSandbox, Limits, PlainSandbox, SandboxUnavailableError


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
