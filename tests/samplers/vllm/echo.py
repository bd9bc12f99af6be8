"""An environment that answers each turn with its last letter and its number; turns are a few letters long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlframework.environments import CallFormat, Environment, Episode, Observation, PlainGlue
from rlframework.samplers import EpisodeSampler, GroupSampler
from rlframework.testing import letter_tokenizer
from rlframework.turns import Call, Turn

TURNS = 3
# Without these a model that knows nothing talks until its budget ends.
STOPS = frozenset(letter_tokenizer()("abcdefgh")["input_ids"])


class Letters(CallFormat):
    stop_ids = STOPS

    def calls(self, text: str) -> list[Call]:
        return []


class Echo(Environment):
    calls = Letters()

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Echoing:
        return Echoing()


class Echoing(Episode):
    def __init__(self) -> None:
        self.steps = self.closed = 0

    def step(self, turn: Turn) -> Observation:
        self.steps += 1
        return Observation(f"{turn.text[-1:]}{self.steps}", reward=float(self.steps))

    def close(self) -> None:
        self.closed += 1


def episodes(sampler: GroupSampler, environment: Environment | None = None) -> EpisodeSampler:
    """Episodes of three turns by a sampler inside."""
    glue = PlainGlue(letter_tokenizer(), before="x", after="y")
    return EpisodeSampler(sampler, environment or Echo(), max_turns=TURNS, glue=glue)
