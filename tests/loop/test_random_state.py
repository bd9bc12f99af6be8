"""The generators of a process go on where they were, also from a file."""

from __future__ import annotations

import io
import random

import numpy as np
import torch

from rlframework.loop.random_state import random_state, restore_random_state


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_all_generators_go_on_where_they_were() -> None:
    outside = random_state()
    file = io.BytesIO()
    torch.save(random_state(), file)
    first = [draw() for _ in range(3)]
    file.seek(0)
    restore_random_state(torch.load(file, weights_only=True))
    assert [draw() for _ in range(3)] == first
    restore_random_state(outside)
