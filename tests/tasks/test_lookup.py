"""Looking up: hidden tables, a tool that is needed, careless conversations, and the recipe."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from rlframework.environments import HermesCalls, Toolbox
from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import lookup
from rlframework.tasks.tiny.task import CARELESS, Care
from rlframework.turns import Turn

CAREFUL = Care(blurted=0.0, slips=0.0)


def test_tables_are_distinct_deterministic_and_extend_one_another() -> None:
    rows = lookup.problems(300, seed=3)
    assert len({row["table"] for row in rows}) == 300
    assert rows == lookup.problems(300, seed=3)
    assert rows[:40] == lookup.problems(40, seed=3)
    assert rows != lookup.problems(300, seed=4)


def test_one_to_three_looks_lead_to_the_answer_and_no_letter_to_itself() -> None:
    rows = lookup.problems(2000, seed=0)
    hops = Counter(len(lookup.chain(row)) for row in rows)
    assert {n: count / len(rows) for n, count in hops.items()} == pytest.approx({1: 0.2, 2: 0.4, 3: 0.4}, abs=0.04)
    for row in rows:
        assert row["answer"] == row["table"][lookup.LETTERS.index(lookup.chain(row)[-1])]
        assert all(letter != leads for letter, leads in zip(lookup.LETTERS, row["table"], strict=True))


def test_nothing_but_the_table_tells_the_answer() -> None:
    heldout = lookup.splits(0).heldout
    assert max(Counter(row["answer"] for row in heldout).values()) / len(heldout) <= 0.15
    by_prompt = Counter((row["prompt"], row["answer"]) for row in lookup.problems(3000, seed=1))
    asked = Counter(row["prompt"] for row in lookup.problems(3000, seed=1))
    guesses = {prompt: max(by_prompt[prompt, digit] for digit in lookup.DIGITS) for prompt in asked}
    assert sum(guesses.values()) / 3000 <= 0.17


def test_heldout_tables_are_the_same_for_every_seed_and_never_in_a_pool() -> None:
    pools = [lookup.splits(seed) for seed in range(3)]
    assert all(pool.heldout == pools[0].heldout for pool in pools)
    reserve = set(lookup.reserved_tables())
    assert {row["table"] for row in pools[0].heldout} <= reserve
    assert not reserve & {row["table"] for pool in pools for row in pool.train}
    assert pools[0].train != pools[1].train


def test_the_tool_reads_its_own_rows_table_and_tells_of_a_key_that_is_not_there() -> None:
    row = lookup.problems(1, seed=0)[0]
    episode = Toolbox(lookup.Table).start(row, np.random.default_rng(0))
    text = "\n".join(map(lookup.call_text, ("a", "z")))
    turn = Turn(0, 1, "policy", text, HermesCalls().calls(text))
    observation = episode.step(turn)
    assert observation is not None
    assert observation.texts == (row["table"][0], "Error: there is no 'z' in the table")
    assert [call.fault for call in turn.calls] == [None, "told"]


def test_a_careful_conversation_looks_up_the_chain_and_answers() -> None:
    template, random = AnswerTemplate(), Random(0)
    for row in lookup.problems(200, seed=5):
        *looks, answer = lookup.conversation(row, random, CAREFUL)
        chain = lookup.chain(row)
        assert [said.text for said in looks] == [lookup.call_text(key) for key in chain]
        assert [said.told for said in looks] == [[found] for found in [*chain[1:], row["answer"]]]
        assert template.parse(answer.text) == row["answer"]


def test_careless_conversations_have_the_shares_that_are_documented() -> None:
    random, template = Random(0), AnswerTemplate()
    said = [lookup.conversation(row, random, CARELESS) for row in lookup.problems(3000, seed=6)]
    answers = [one[-1].text for one in said if not HermesCalls().calls(one[-1].text)]
    broken = sum(template.parse(text) is None for text in answers) / len(answers)
    assert broken == pytest.approx(1 / 7, abs=0.03)
    looks = [turn.text for one in said for turn in one if HermesCalls().calls(turn.text)]
    # 70 % blurt; of the others one in ten stops before the first look.
    assert sum(len(one) == 1 for one in said) / len(said) == pytest.approx(0.73, abs=0.03)
    right = sum(text in {lookup.call_text(letter) for letter in lookup.LETTERS} for text in looks) / len(looks)
    # Two thirds of the slips show in the text; a wrong letter does not.
    assert 1 - right == pytest.approx(0.05 * 2 / 3, abs=0.015)
    assert max(len(one) for one in said) <= lookup.MAX_TURNS


def test_conversations_depend_on_the_generator_alone() -> None:
    rows = lookup.problems(50, seed=7)
    first, second = ([lookup.conversation(row, random, CARELESS) for row in rows] for random in (Random(1), Random(1)))
    assert first == second
