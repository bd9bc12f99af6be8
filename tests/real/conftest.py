"""The real model, fetched once; these tests run in `make test-real`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlframework.tasks.smollm2 import create_smollm2


@pytest.fixture(scope="session")
def smollm2() -> Path:
    return create_smollm2()
