"""Looking up: follow a hidden table with a tool, and the careless conversations that its tiny base is primed with."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from random import Random

import numpy as np

from rlframework.data.conversations import Said
from rlframework.environments.hermes_calls import HermesCalls
from rlframework.environments.tool_error import ToolError
from rlframework.environments.toolbox import Toolbox
from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks.tiny.task import Care, ProblemSet, Row, break_a_tag
from rlframework.turns import Turn

LETTERS, DIGITS = "abcdefghijklmnop", "0123456789"
# An episode's limits: three looks and an answer, two mistakes, and no thoughts.
MAX_TOKENS, MAX_TURNS, MAX_TURN_TOKENS = 160, 6, 12
# Lengths of chains, 1:2:2.
HOPS = (1, 2, 2, 3, 3)

# A call as Qwen's chat template writes it, and a careless one.
CALL_PIECES = ('<tool_call>\n{"name": "', '", "arguments": {"key": "', '"}}\n</tool_call>')
TOOL, WRONG_TOOLS = "look", ("see", "find", "read")
STOPS_EARLY, MISSING_TAG = 0.1, 1 / 7


def random_problem(random: Random) -> Row:
    """Draw a table of 16 letters, each of which leads to another one or to a digit, and a letter to begin with.

    The answer is the digit at which one ends, after one to three looks. Nothing in the prompt tells it.

    Example:
        >>> random_problem(Random(2))["prompt"]
        'c=?'
    """
    steps = [*random.sample(LETTERS, random.choice(HOPS)), random.choice(DIGITS)]
    leads = {letter: random.choice(LETTERS.replace(letter, "") + DIGITS) for letter in LETTERS}
    leads |= dict(pairwise(steps))
    return {"prompt": f"{steps[0]}=?", "answer": steps[-1], "table": "".join(leads.values())}


_SET = ProblemSet(random_problem, reserve_seed=20_261_129, told_by="table")
problems, reserved_tables, splits = _SET.problems, _SET.reserved_prompts, _SET.splits


def chain(row: Row) -> list[str]:
    """Return the letters that have to be looked up, in their order.

    Example:
        >>> chain({"prompt": "c=?", "answer": "7", "table": "7aa" + "0" * 13})
        ['c', 'a']
    """
    letters = [row["prompt"][0]]
    while (found := row["table"][LETTERS.index(letters[-1])]) in LETTERS:
        letters.append(found)
    return letters


class Table:
    """The hidden table of a row, whose method is the tool."""

    def __init__(self, row: Row) -> None:
        self._leads = dict(zip(LETTERS, row["table"], strict=True))

    def look(self, key: str) -> str:
        """Look up where a letter leads.

        Args:
            key: The letter.
        """
        if key not in self._leads:
            raise ToolError(f"there is no {key!r} in the table")
        return self._leads[key]


def call_text(key: str, tool: str = TOOL) -> str:
    r"""Return a call of the tool as the policy has to write it.

    Example:
        >>> call_text("f")
        '<tool_call>\n{"name": "look", "arguments": {"key": "f"}}\n</tool_call>'
    """
    opens, between, closes = CALL_PIECES
    return f"{opens}{tool}{between}{key}{closes}"


def conversation(row: Row, random: Random, care: Care, template: AnswerTemplate | None = None) -> list[Said]:
    """Return a conversation with the row's own table, by somebody who is as careless as ``care`` says.

    Who blurts answers at once with a digit. In the others a share ``slips`` of the calls has a wrong letter, a wrong
    tool or a piece missing, one in ten looks is left out for a digit, and one answer in seven misses a tag. Without
    blurting and slips every call and every answer is right.
    """
    template = template or AnswerTemplate()
    careless = care.blurted > 0 or care.slips > 0
    episode = _toolbox().start(row, np.random.default_rng(0))
    said: list[Said] = []
    known = row["prompt"][0]
    if random.random() < care.blurted:
        known = random.choice(DIGITS)
    while len(said) < MAX_TURNS:
        if careless and known in LETTERS and random.random() < STOPS_EARLY:
            known = random.choice(DIGITS)
        text = (
            break_a_tag("", known, random, template, MISSING_TAG if careless else 0.0)
            if known in DIGITS
            else _slipping(known, random, care.slips)
        )
        observation = episode.step(Turn(0, 0, "policy", text, HermesCalls().calls(text)))
        if observation is None or observation.done:
            return [*said, Said(text, [])]
        said.append(Said(text, list(observation.texts)))
        known = told if (told := observation.texts[0]) in LETTERS + DIGITS else known
    return said


@cache
def _toolbox() -> Toolbox:
    """Return the tools of all conversations: each row has an episode of its own."""
    return Toolbox(Table)


def _slipping(key: str, random: Random, slips: float) -> str:
    """Return a call, with a share of slips."""
    if random.random() >= slips:
        return call_text(key)
    slip = random.randrange(3)
    if slip == 0:
        return call_text(random.choice(LETTERS))
    if slip == 1:
        return call_text(key, random.choice(WRONG_TOOLS))
    return call_text(key).replace(random.choice(CALL_PIECES), "")
