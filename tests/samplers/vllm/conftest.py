"""A replaying server, and samplers and policies that go with what it recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rlframework import CausalLMPolicy, VLLMSampler
from tests.samplers.vllm import recording, tiny_qwen
from tests.samplers.vllm.replay import Replay


@pytest.fixture
def replay() -> Iterator[Replay]:
    with Replay() as server:
        yield server


@pytest.fixture
def second() -> Iterator[Replay]:
    with Replay() as server:
        yield server


@pytest.fixture
def adapted() -> CausalLMPolicy:
    return tiny_qwen.policy(lora=True)


@pytest.fixture
def whole() -> CausalLMPolicy:
    return tiny_qwen.policy()


@pytest.fixture
def sampler(replay: Replay) -> Callable[..., VLLMSampler]:
    """Return a maker of samplers with the settings that were recorded."""

    def make(*servers: str, **options: Any) -> VLLMSampler:
        defaults = {**recording.SETTINGS, "patience": 5.0, "timeout": 20.0}
        return VLLMSampler(list(servers) or replay.url, **{**defaults, **options})

    return make
