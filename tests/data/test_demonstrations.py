"""Demonstrations: tokenised as they would be sampled, and within their budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from rlframework.algorithms.sft import rollout_of
from rlframework.completions import Completions
from rlframework.data import DemonstrationDataModule, PromptDataModule
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.policies.base import Policy
from rlframework.prompt import Demonstration, Prompt
from rlframework.samplers import Conversation, EpisodeSampler, GroupSampler, Reply
from rlframework.testing import letter_tokenizer, tiny_policy
from rlframework.turns import Call, Turn

ROWS = [{"prompt": "ab", "completion": "cde"}, {"prompt": "a", "completion": "c"}]


class Spoken(GroupSampler, Conversation):
    """Says turns that somebody wrote, one after another."""

    def __init__(self, turns: Sequence[list[int]]) -> None:
        super().__init__(group_size=1, max_tokens=50)
        self.turns = list(turns)

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        raise AssertionError("an episode is sampled turn by turn")

    def converse(self, policy: Policy, prompts: Sequence[Prompt], **options: Any) -> Conversation:
        return self

    def reply(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
        return {0: Reply(self.turns.pop(0), [], "stop")}


class Told(Environment, Episode):
    """Tells what somebody wrote, turn by turn."""

    def __init__(self, told: Sequence[list[str]]) -> None:
        self.told = list(told)

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        return self

    def step(self, turn: Turn) -> Observation | None:
        if not self.told:
            return None
        turn.calls = [Call()] * len(self.told[0])
        return Observation(self.told.pop(0))


def test_prompts_are_those_of_reinforcement() -> None:
    tokenizer = letter_tokenizer()
    shown = DemonstrationDataModule(ROWS, max_tokens=6).tokenize("train", tokenizer)
    asked = PromptDataModule(ROWS).tokenize("train", tokenizer)
    assert [(one.ids, one.text, one.row, one.index) for one in shown] == [
        (one.ids, one.text, one.row, one.index) for one in asked
    ]
    assert [one.completion_ids for one in shown] == [[5, 6, 7, 1], [5, 1]]
    assert [one.completion for one in shown] == ["cde", "c"]


def test_long_demonstrations_are_refused_or_dropped_with_the_numbers() -> None:
    with pytest.raises(
        ValueError, match=r"1 of 2 train demonstrations are longer than max_tokens=5 \(the longest has 6"
    ):
        DemonstrationDataModule(ROWS, max_tokens=5).tokenize("train", letter_tokenizer())
    lenient = DemonstrationDataModule(ROWS, max_tokens=5, too_long="drop")
    with pytest.warns(UserWarning, match="1 of 2 train demonstrations are longer than max_tokens=5 and were dropped"):
        assert [one.completion for one in lenient.tokenize("train", letter_tokenizer())] == ["c"]
    with pytest.raises(ValueError, match="2 of 2"):
        DemonstrationDataModule(ROWS, max_tokens=2, too_long="drop").tokenize("train", letter_tokenizer())


def test_a_row_without_a_completion_is_an_error() -> None:
    tokenizer = letter_tokenizer()
    with pytest.raises(KeyError, match="prompt 0 has no column 'solution'; its columns are: completion, prompt"):
        DemonstrationDataModule(ROWS, completion_column="solution").tokenize("train", tokenizer)
    with pytest.raises(ValueError, match="row 0 has ' ' in 'completion'; expected a completion"):
        DemonstrationDataModule([{"prompt": "a", "completion": " "}]).tokenize("train", tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end token"):
        DemonstrationDataModule(ROWS).tokenize("train", tokenizer)


def test_the_rollout_of_demonstrations_is_their_tokens() -> None:
    rollout = rollout_of([Demonstration([3, 4], "ab", completion_ids=[5, 1]), Demonstration([3], "a", {}, 1, [1])], 0)
    assert rollout.prompt_ids.tolist() == [[3, 4], [0, 3]]
    assert rollout.completion_ids.tolist() == [[5, 1], [1, 0]]
    assert rollout.completion_mask.tolist() == [[True, True], [True, False]]
    assert rollout.group_size == 1
    with pytest.raises(TypeError, match="prompt 7 comes without a completion to learn from"):
        rollout_of([Prompt([3], "a", index=7)], 0)


CONVERSATION = [
    {"role": "assistant", "content": "fa"},
    {"role": "tool", "content": "7"},
    {"role": "assistant", "content": "b"},
    {"role": "tool", "content": "8"},
    {"role": "tool", "content": "9"},
    {"role": "assistant", "content": "c"},
]


def test_a_conversation_has_the_ids_of_an_episode() -> None:
    policy = tiny_policy()
    glue = PlainGlue(policy.tokenizer, before="x", after="y")
    rows = [{"prompt": "ab", "completion": CONVERSATION}, *ROWS]
    shown = DemonstrationDataModule(rows, glue=glue).tokenize("train", policy.tokenizer)
    assert policy.tokenizer.decode(shown[0].completion_ids) == "fa<eos>x7yb<eos>x8x9yc<eos>"
    assert [(turn.by, turn.text, turn.start, turn.end) for turn in shown[0].turns] == [
        ("policy", "fa", 0, 3),
        ("environment", "7", 3, 6),
        ("policy", "b", 6, 8),
        ("environment", "8\n9", 8, 13),
        ("policy", "c", 13, 15),
    ]
    assert shown[0].completion == "c"
    assert [one.completion_ids for one in shown[1:]] == [[5, 6, 7, 1], [5, 1]]
    # The sampler's own: a policy that says what was said, and an environment that tells what was told.
    spoken = [[*policy.tokenizer.encode(text), policy.tokenizer.eos_token_id] for text in ("fa", "b", "c")]
    episode = EpisodeSampler(Spoken(spoken), Told([["7"], ["8", "9"]]), glue=glue).sample(policy, shown[:1])[0]
    assert episode.ids == shown[0].completion_ids
    assert [(t.by, t.start, t.end, t.text) for t in episode.turns] == [
        (t.by, t.start, t.end, t.text) for t in shown[0].turns
    ]


def test_a_conversation_is_read_whole_and_only_its_policy_is_learned_from() -> None:
    tokenizer = letter_tokenizer()
    rows = [{"prompt": "ab", "completion": CONVERSATION[:3]}, ROWS[1]]
    data = DemonstrationDataModule(rows, glue=PlainGlue(tokenizer, before="x", after="y"))
    rollout = rollout_of(data.tokenize("train", tokenizer), pad_id=0)
    assert rollout.completion_mask.sum(1).tolist() == [8, 2]
    assert rollout.loss_mask.int().tolist() == [[1, 1, 1, 0, 0, 0, 1, 1], [1, 1, 0, 0, 0, 0, 0, 0]]


def test_what_was_told_last_is_recorded_and_not_read() -> None:
    tokenizer = letter_tokenizer()
    [shown] = DemonstrationDataModule(
        [{"prompt": "ab", "completion": CONVERSATION[:2]}], glue=PlainGlue(tokenizer, before="x", after="y")
    ).tokenize("train", tokenizer)
    assert tokenizer.decode(shown.completion_ids) == "fa<eos>"
    assert (shown.turns[-1].text, shown.turns[-1].start, shown.turns[-1].end) == ("7", 3, 3)


@pytest.mark.parametrize(
    ("completion", "error", "says"),
    [
        (CONVERSATION[1:], ValueError, "row 0: 'completion' begins with a message of the tool; the first turn is the"),
        ([CONVERSATION[0]] * 2, ValueError, "two turns of the assistant, 1 and 2, and nothing told between"),
        ([{**CONVERSATION[0], "tool_calls": [{}]}], ValueError, "give the whole chat in messages_column"),
        ([{"role": "assistant", "content": 7}], TypeError, r"has \{'role': 'assistant', 'content': 7\} \(dict\)"),
        (["fa", "7"], TypeError, r"row 0: 'completion' has 'fa' \(str\) for a message"),
        (7, TypeError, r"has 7 \(int\) for a message"),
        ([], ValueError, r"row 0 has \[\] in 'completion'; expected a completion"),
    ],
)
def test_what_is_no_conversation_is_refused(completion: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        DemonstrationDataModule([{"prompt": "ab", "completion": completion}]).tokenize("train", letter_tokenizer())
