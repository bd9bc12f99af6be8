"""The real model, fetched once; these tests run in `make test-real`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlframework.policies.precision import bfloat16_speed
from rlframework.tasks.smollm2 import create_smollm2

# Below it the tests in half precision take an hour instead of minutes.
LEAST_SPEED = 0.2
HALF_PRECISION = ("test_road.py", "test_self_checks.py", "test_alarms.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is in half precision on a CPU that can hardly multiply in it."""
    halves = [item for item in items if item.path.parent == Path(__file__).parent and _in_half_precision(item)]
    if not halves or (speed := bfloat16_speed()) >= LEAST_SPEED:
        return
    reason = f"products of bfloat16 are {speed:.2g} times as fast as float32's here; {LEAST_SPEED} are needed"
    for item in halves:
        item.add_marker(pytest.mark.skip(reason=reason))


def _in_half_precision(item: pytest.Item) -> bool:
    return "bfloat16" in item.name or (item.path.name in HALF_PRECISION and "float32" not in item.name)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    return create_smollm2()
