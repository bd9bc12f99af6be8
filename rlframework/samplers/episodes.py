"""Episodes: a sampler around a sampler, in which the policy and an environment take turns."""

from __future__ import annotations

import copy
import math
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast

import numpy as np
from transformers import PreTrainedTokenizerBase

from rlframework.completions import Completion, Completions, StopReason
from rlframework.environments.base import Environment, Episode, Observation
from rlframework.environments.calls import CallFormat
from rlframework.environments.glue import Glue, encoded
from rlframework.environments.template_glue import TemplateGlue
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.conversation import Conversation, Reply
from rlframework.samplers.wrapper import SamplerWrapper
from rlframework.turns import Turn
from rlframework.utilities.arguments import at_least
from rlframework.utilities.daemon_threads import DaemonExecutor
from rlframework.utilities.distributed import any_rank, is_sharded
from rlframework.utilities.random_fence import RandomFence
from rlframework.utilities.thinking_tags import opened_working

# Makes the key of an episode's luck another than those of its rows' tokens: no row has this number.
_LUCK = 2**32
# Tokens that a tag which opens a thought can have, where each of its letters is one.
_LONGEST_TAG = 64
# A fast tokenizer keeps the settings of a call, such as whether special tokens are split, for the next one.
_TOKENIZING = threading.Lock()
# What an environment can raise by its own fault. A cancelled coroutine is none of Python's usual exceptions.
_FAULTS = (Exception, CancelledError)

T = TypeVar("T")


class EpisodeSampler(SamplerWrapper):
    """Samples episodes: the policy's turns by the sampler inside, and between them what an environment says.

    An episode is one completion. Its ids hold all turns, and what the environment gave is read but not learned from.
    Ids are appended, never rendered again. Everything else is as with a plain sampler: any algorithm, filters around
    it, validation, evaluation and resume.

    An environment that raises has failed: the row has no reward, is counted, and too many of them stop the run.

    All rows are sampled together: one that has ended its turn waits for others until waiting has cost what going on
    costs, so that the batch stays large. Where the sampler inside can go on with each row by itself (`VLLMSampler`),
    every episode has a thread instead and waits for nobody else; what is sampled is the same. There and with
    ``threads``, the environment's ``start`` is called from several threads at the same time, and so are the episodes'
    methods, though never two of one episode.

    Args:
        sampler: The sampler of the turns; its ``max_tokens`` is the budget of the whole episode, given tokens included.
        environment: Makes an episode for each row.
        max_turns: Most turns of the policy. The environment still answers the last one; if the episode would go on, it
            is truncated, with ``stop_reason="turns"``.
        max_turn_tokens: Most tokens of one turn of the policy; by default what is left of the budget. A turn that is
            cut is not read for calls, and ends the episode with ``stop_reason="length"``.
        max_observation_tokens: Most tokens of one text of the environment; a longer one loses its middle, and says so.
        glue: What stands between turns; by default as the tokenizer's chat template has it, by `TemplateGlue`.
        role: Whose message an observation is in the chat template. ``"user"`` is for templates that know no tools;
            those of thinking models leave earlier thoughts out at each message of a user, and an episode does not.
        threads: Most environments that are at work at the same time, for tools that wait, such as for a network. 0 has
            them answer one after the other in this thread, or where every episode has a thread as many as there are.
            By default steps have as many as the environment asks for, by ``Environment.at_once``, and that is 0 unless
            its tools are made for it.

    Raises:
        ValueError: A limit below 1.

    Example:
        >>> from rlframework.environments import Environment, Episode, Observation, PlainGlue
        >>> from rlframework.samplers import BatchedSampler
        >>> from rlframework.testing import letter_prompts, tiny_policy
        >>> class Echo(Environment):
        ...     def start(self, row, luck):
        ...         return Echoing()
        >>> class Echoing(Episode):
        ...     def step(self, turn):
        ...         return Observation(turn.text[:1])
        >>> policy = tiny_policy()
        >>> glue = PlainGlue(policy.tokenizer, before="x", after="y")
        >>> sampler = EpisodeSampler(BatchedSampler(group_size=2, max_tokens=24), Echo(), max_turns=2, glue=glue)
        >>> episode = sampler.sample(policy, letter_prompts(1))[0]
        >>> [turn.by for turn in episode.turns], episode.stop_reason
        (['policy', 'environment', 'policy', 'environment'], 'turns')
    """

    def __init__(
        self,
        sampler: GroupSampler,
        environment: Environment,
        max_turns: int = 8,
        max_turn_tokens: int | None = None,
        max_observation_tokens: int | None = None,
        glue: Glue | None = None,
        role: Literal["tool", "user"] = "tool",
        threads: int | None = None,
    ) -> None:
        super().__init__(sampler)
        self.environment = environment
        at_least(self, 1, max_turns=max_turns, max_turn_tokens=max_turn_tokens)
        at_least(self, 8, max_observation_tokens=max_observation_tokens)
        at_least(self, 0, threads=threads)
        self.max_turns = max_turns
        self.max_turn_tokens = max_turn_tokens
        self.max_observation_tokens = max_observation_tokens
        self.glue = glue
        self.role: Literal["tool", "user"] = role
        self._found: tuple[Any, Glue] | None = None
        self.threads = threads
        self._fence = RandomFence(type(environment).__name__)

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample ``group_size`` episodes for each prompt.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.

        Raises:
            RuntimeError: The policy's logits are not numbers, or a server does not do its part.
            TypeError: The sampler inside cannot go on from what it sampled.
            ValueError: A prompt and the token budget together exceed what the model can read, a prompt is empty, or
                the tokenizer has no chat template that serves, and no ``glue`` is given.
        """
        glue = self._glue_for(policy.tokenizer)
        calls = self.environment.calls and self.environment.calls.fitted(policy.tokenizer, self.environment.tools)
        stops = (glue.end_of_turn or frozenset()) | (calls.stop_ids if calls else frozenset())
        conversation = self.sampler.converse(policy, prompts, step=step, stops=stops)
        rows = [
            _Row(self, policy, glue, calls, prompt, (self.seed, step, prompt.index, _LUCK))
            for prompt in prompts
            for _ in range(self.group_size)
        ]
        try:
            if conversation.apart:
                self._apart(conversation, rows)
            else:
                self._together(conversation, rows, policy)
        finally:
            conversation.close()
            with self._fence:
                self._each(_Row.close, rows, self.threads)
        return Completions([row.completion() for row in rows], self.group_size)

    def _glue_for(self, tokenizer: PreTrainedTokenizerBase) -> Glue:
        """Return the glue that was given, or that of the tokenizer's chat template, found once."""
        if self.glue is not None:
            return self.glue
        made_of = (tokenizer, tokenizer.chat_template, self.role)
        if self._found is None or self._found[0] != made_of:
            self._found = made_of, TemplateGlue(tokenizer, self.role)
        return self._found[1]

    def _together(self, conversation: Conversation, rows: list[_Row], policy: Policy) -> None:
        """Have the policy take turns in all rows, then the environments of those that have, and so on."""
        sharded = is_sharded(policy)
        with self._fence:
            self._each(_Row.start, rows, self.threads)
        heard: Collection[int] = range(len(rows))
        while any_rank(any(row.goes_on for row in rows), policy, sharded):
            budgets = {number: row.budget for number, row in enumerate(rows) if row.goes_on}
            # A row without a reply is in the middle of its turn, and has read what it was given.
            given = {number: rows[number].given for number in budgets if number in heard}
            replies = conversation.early_replies(budgets, given)
            heard = replies.keys()
            with self._fence:
                threads = self.environment.at_once if self.threads is None else self.threads
                self._each(lambda said: rows[said[0]].hear(said[1]), replies.items(), threads)

    def _each(self, function: Callable[[T], None], items: Iterable[T], threads: int | None) -> None:
        """Call a function with each item, in threads if there are to be any."""
        if threads:
            DaemonExecutor(threads).gather(function, items)
            return
        for item in items:
            function(item)

    def _apart(self, conversation: Conversation, rows: list[_Row]) -> None:
        """Have each row go on as soon as its own environment has answered."""
        longest, unfinished = 0, len(rows)

        def play(number: int) -> int:
            row = rows[number]
            row.start()
            while row.goes_on:
                row.hear(conversation.reply({number: row.budget}, {number: row.given})[number])
            row.close()
            return row.tokens

        def told(tokens: int) -> None:
            nonlocal longest, unfinished
            longest, unfinished = max(longest, tokens), unfinished - 1
            if self.progress is not None:
                self.progress(longest, unfinished)

        # One fence around all: this thread draws nothing while it waits.
        with self._fence:
            at_once = min(self.threads or len(rows), conversation.at_once)
            DaemonExecutor(at_once).gather(play, range(len(rows)), told)

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Refuse prompts that do not show the environment's tools to the policy.

        Raises:
            ValueError: A tool that the prompts have to show is not in one.
        """
        super().check_prompts(prompts)
        names = [tool.__name__ for tool in self.environment.tools] if self.environment.tools_are_shown else []
        hidden = [prompt for prompt in prompts if not all(name in prompt.text for name in names)]
        if hidden:
            raise ValueError(
                f"{len(hidden)} of {len(prompts)} prompts do not name the tools {', '.join(names)} (the first is row "
                f"{hidden[0].index}), so that the policy knows of none. Pass PromptDataModule(tools=...) the same "
                "tools, which shows them by the chat template; or say Toolbox(..., tools_are_shown=False) for a policy "
                "that has learned what it can call"
            )


class _Row:
    """One row while its episode goes on: its ids and turns, and what the policy reads next.

    It is begun, hears replies and is closed by one thread at a time; only `close` may be called while another thread is
    at it.

    Attributes:
        given: Ids that the policy reads before its next turn.
        goes_on: Whether the policy has a next turn.
    """

    def __init__(
        self,
        limits: EpisodeSampler,
        policy: Policy,
        glue: Glue,
        calls: CallFormat | None,
        prompt: Prompt,
        luck: Sequence[int],
    ) -> None:
        self._limits = limits
        self._policy = policy
        self._glue = glue
        self._calls = calls
        self._prompt = prompt
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._known = True
        self._turns: list[Turn] = []
        self._reason: StopReason | None = None
        self._failure: str | None = None
        self._luck = luck
        self._episode: Episode | None = None
        self._closed = False
        self._closing = False
        self._at_work = threading.Lock()
        self.given: list[int] = []

    def start(self) -> None:
        """Start the row's episode in the environment."""
        with self._working():
            self._episode = self._started()

    def _started(self) -> Episode | None:
        for last in (False, True):
            try:
                # Its own copy: what it changes must not be how the group and the next rollout begin.
                row = copy.deepcopy(self._prompt.row)
                episode = self._limits.environment.start(row, np.random.default_rng(self._luck))
                if not isinstance(episode, Episode):
                    raise TypeError(f"start() returned {episode!r:.80}; it has to return an Episode")
            except _FAULTS as error:
                # A second try forgets nothing: the policy has said nothing yet.
                if last:
                    self._fail(error)
            else:
                return episode
        return None

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Have the environment at work inside; if somebody wants the episode closed meanwhile, close it afterwards."""
        with self._at_work:
            yield
        if self._closing:
            self.close()

    @property
    def goes_on(self) -> bool:
        return self._reason is None and not self._closing

    @property
    def tokens(self) -> int:
        """Number of ids so far."""
        return len(self._ids)

    @property
    def budget(self) -> int:
        """The most tokens of the next turn."""
        left = self._limits.max_tokens - len(self._ids)
        return min(left, self._limits.max_turn_tokens or left)

    def hear(self, reply: Reply) -> None:
        """Take a turn of the policy, and let the environment answer it."""
        with _TOKENIZING:
            turn = self._said(reply)
        if reply.reason == "length":
            self._reason = "length"  # Half a call is none.
            return
        with self._working():
            try:
                self._answer(turn, reply.ids)
            except _FAULTS as error:
                self._fail(error)

    def _said(self, reply: Reply) -> Turn:
        said = reply.ids[:-1] if reply.reason == "stop" else reply.ids
        turn = Turn(len(self._ids), len(self._ids) + len(reply.ids), "policy", self._policy.decode(said))
        self._turns.append(turn)
        self._ids += reply.ids
        self._logprobs += reply.logprobs
        self._known &= len(reply.logprobs) == len(reply.ids)
        self.given = []
        return turn

    def _answer(self, turn: Turn, ids: list[int]) -> None:
        if self._closing:
            return
        if self._calls is not None:
            with _TOKENIZING:
                turn.calls = self._calls.calls(self._opened(turn) + self._text(ids[:-1]))
        started = time.perf_counter()
        observation = cast(Episode, self._episode).step(turn)
        turn.seconds = time.perf_counter() - started
        if observation is None:
            self._reason = "stop"
        else:
            with _TOKENIZING:
                self._observe(turn, observation, ids[-1])

    def _text(self, ids: list[int]) -> str:
        # Cleaned up, the arguments of a call lose spaces that the policy wrote.
        decode = self._policy.tokenizer.decode
        return str(decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _opened(self, turn: Turn) -> str:
        """Return the tag of the thought that what stands before a turn opens, if it does."""
        before = [*self._prompt.ids, *self._ids[: turn.start]][-_LONGEST_TAG:]
        return opened_working(self._text(before))

    def _observe(self, turn: Turn, observation: Observation, last: int) -> None:
        """Record what the environment said, and give it to the policy if there is a next turn."""
        turn.reward = _checked(observation, turn)
        texts = [encoded(self._policy.tokenizer, self._glue.written(text)) for text in observation.texts]
        most = self._limits.max_observation_tokens
        cut = [ids if most is None else _shortened(self._policy, ids, most) for ids in texts]
        left_out = sum(len(ids) for ids in texts) - sum(len(ids) for ids in cut)
        words = observation.texts if not left_out else [self._policy.decode(ids) for ids in cut]
        given = self._glue.between(cut)
        self._reason = self._ended(observation, last, len(given))
        end = len(self._ids) + (len(given) if self.goes_on else 0)
        self._turns.append(Turn(len(self._ids), end, "environment", "\n".join(words), shortened=max(left_out, 0)))
        if self.goes_on:
            self.given = given
            self._ids += given
            self._logprobs += [0.0] * len(given)

    def _ended(self, observation: Observation, last: int, given: int) -> StopReason | None:
        """Return why the policy has no next turn, or None if it has one."""
        if observation.done:
            return "environment"
        ends = self._glue.end_of_turn
        if ends is not None and last not in (ends | self._calls.stop_ids if self._calls else ends):
            return "stop"
        if sum(turn.by == "policy" for turn in self._turns) >= self._limits.max_turns:
            return "turns"
        return "length" if len(self._ids) + given >= self._limits.max_tokens else None

    def _fail(self, error: BaseException) -> None:
        self._reason = "failed"
        try:
            said = str(error)
        except Exception:
            said = "(its message cannot be read)"
        self._failure = self._failure or f"{type(error).__name__}: {said}"

    def close(self) -> None:
        """Close the episode once, whatever became of it; one whose environment is at work is closed by that thread."""
        self._closing = True
        if not self._at_work.acquire(blocking=False):
            return
        try:
            if self._episode is not None and not self._closed:
                self._closed = True
                self._episode.close()
        except _FAULTS as error:
            self._fail(error)
        finally:
            self._at_work.release()

    def completion(self) -> Completion:
        """Return the whole episode."""
        return Completion(
            self._prompt,
            self._ids,
            next((turn.text for turn in reversed(self._turns) if turn.by == "policy"), ""),
            self._reason or "stop",
            self._logprobs if self._known else [],
            self._turns,
            self._episode,
            self._failure,
        )


def _checked(observation: Observation, turn: Turn) -> float:
    """Return the reward of an observation that is one.

    Raises:
        TypeError: It is something else, or says no text.
        ValueError: It answers another number of calls than there are, or its reward is no number.
    """
    if not isinstance(observation, Observation):
        raise TypeError(f"step() returned {observation!r:.80}; it has to return an Observation, or None at the end")
    strange = next((text for text in observation.texts if not isinstance(text, str)), None)
    if strange is not None:
        raise TypeError(f"step() said {strange!r:.80} ({type(strange).__name__}); what the policy reads is text")
    if len(observation.texts) not in {1, len(turn.calls) or 1}:
        raise ValueError(f"step() gave {len(observation.texts)} texts for {len(turn.calls)} calls; give one for each")
    if not math.isfinite(observation.reward):
        raise ValueError(f"step() paid {observation.reward}; a reward is a finite number")
    return float(observation.reward)


def _shortened(policy: Policy, ids: list[int], most: int) -> list[int]:
    """Return the ids of a text without the middle of a long one, and in its place how much is missing."""
    if len(ids) <= most:
        return ids
    note = encoded(policy.tokenizer, f" [{len(ids) - most} tokens left out] ")[: most - 2]
    kept = most - len(note)
    return [*ids[: kept - kept // 2], *note, *ids[len(ids) - kept // 2 :]]
