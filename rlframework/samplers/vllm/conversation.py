"""Conversation with vLLM servers: a request for each row and turn, whose prompt is all ids so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from rlframework.prompt import Prompt
from rlframework.samplers.conversation import Conversation, Reply
from rlframework.samplers.vllm.fleet import Fleet
from rlframework.utilities.daemon_threads import DaemonExecutor

Request = Callable[[Prompt, int], dict[str, Any]]


class ServedConversation(Conversation):
    """Asks a server for each turn of a row; rows go on apart, and from several threads.

    A server reads only what is new in a turn, as far as its prefix cache reaches: all rows and turns of a prompt go to
    the same server while it answers. The first turns are the plain sampler's completions.

    Args:
        fleet: The servers.
        version: Of the weights that all turns are sampled from.
        rows: The prompt of each of ``B`` rows.
        group_size: Rows of a prompt, ``G``.
        request: Makes the request for a group of a prompt in one of its turns, counted from 0; a row is asked for by
            itself, with a seed of its own.
        greedy: Whether the most likely tokens are sampled.
        at_once: Most rows to be asked for at the same time.
    """

    apart = True

    def __init__(
        self,
        fleet: Fleet,
        version: str,
        rows: Sequence[Prompt],
        group_size: int,
        request: Request,
        greedy: bool,
        at_once: int,
    ) -> None:
        self.at_once = at_once
        self._fleet = fleet
        self._version = version
        self._rows = rows
        self._group_size = group_size
        self._request = request
        self._greedy = greedy
        self._seen = [list(prompt.ids) for prompt in rows]
        self._turns = [0] * len(rows)
        self._halt = threading.Event()

    def reply(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
        """Sample the next turn of some rows, each by a request of its own.

        Args:
            budgets: The most tokens of this turn, by row.
            given: Ids that follow a row's last turn and are read before this one, by row.

        Raises:
            ServerError: As of `VLLMSampler.sample`; also if the servers were given other weights meanwhile.
        """

        def ask(row: int) -> Reply:
            return self._next(row, budgets[row], given.get(row, ()))

        if len(budgets) == 1:
            return {row: ask(row) for row in budgets}  # Whoever asks for one row has a thread for it.
        replies = DaemonExecutor(self.at_once).gather(ask, budgets)
        return dict(zip(budgets, replies, strict=True))

    def _next(self, row: int, budget: int, given: Sequence[int]) -> Reply:
        seen, (group, place) = self._seen[row], divmod(row, self._group_size)
        seen += given
        request = self._request(self._rows[row], self._turns[row])
        request |= {"prompt": list(seen), "n": 1, "max_tokens": budget, "seed": request["seed"] + place}
        (answered,) = self._fleet.complete(group, request, self._halt, self._version)
        seen += answered.ids
        self._turns[row] += 1
        # Under the point mass of temperature 0, as in process.
        logprobs = [0.0] * len(answered.ids) if self._greedy else answered.logprobs
        return Reply(answered.ids, logprobs, cast(Any, answered.reason))

    def close(self) -> None:
        """Give up replies that are waited for."""
        self._halt.set()
