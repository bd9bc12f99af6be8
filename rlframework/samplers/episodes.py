"""Episodes: a sampler around a sampler, in which the policy and an environment take turns."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self, cast

import numpy as np
from transformers import PreTrainedTokenizerBase

from rlframework.completions import Completion, Completions, StopReason
from rlframework.data.tokenize import opened_working
from rlframework.environments.base import Environment, Episode, Observation
from rlframework.environments.calls import CallFormat
from rlframework.environments.glue import Glue, encoded
from rlframework.environments.template_glue import TemplateGlue
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.samplers.base import GroupSampler, Progress
from rlframework.samplers.conversation import Reply
from rlframework.turns import Turn
from rlframework.utilities.arguments import at_least
from rlframework.utilities.distributed import is_sharded, on_any_rank
from rlframework.utilities.random_fence import RandomFence

# Makes the key of an episode's luck another than those of its rows' tokens: no row has this number.
_LUCK = 2**32
# Tokens that a tag which opens a thought can have, where each of its letters is one.
_LONGEST_TAG = 64


class EpisodeSampler(GroupSampler):
    """Samples episodes: the policy's turns by the sampler inside, and between them what an environment says.

    An episode is one completion. Its ids hold all turns, and what the environment gave is read but not learned from.
    Ids are appended, never rendered again. Everything else is as with a plain sampler: any algorithm, filters around
    it, validation, evaluation and resume.

    An environment that raises has failed: the row has no reward, is counted, and too many of them stop the run.

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
    ) -> None:
        settings = ("group_size", "max_tokens", "temperature", "seed", "top_k", "top_p", "min_p")
        super().__init__(**{name: getattr(sampler, name) for name in settings})
        self.samples_policy_itself = sampler.samples_policy_itself  # type: ignore[misc]
        self.correction = sampler.correction
        self.sampler = sampler
        self.environment = environment
        at_least(self, 1, max_turns=max_turns, max_turn_tokens=max_turn_tokens)
        at_least(self, 8, max_observation_tokens=max_observation_tokens)
        self.max_turns = max_turns
        self.max_turn_tokens = max_turn_tokens
        self.max_observation_tokens = max_observation_tokens
        self.glue = glue
        self.role: Literal["tool", "user"] = role
        self._found: tuple[Any, Glue] | None = None
        self._fence = RandomFence(type(environment).__name__)

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample ``group_size`` episodes for each prompt, all of them turn by turn together.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.

        Raises:
            RuntimeError: The policy's logits are not numbers.
            TypeError: The sampler inside cannot go on from what it sampled.
            ValueError: A prompt and the token budget together exceed what the model can read, a prompt is empty, or
                the tokenizer has no chat template that serves, and no ``glue`` is given.
        """
        glue = self._glue_for(policy.tokenizer)
        calls = self.environment.calls and self.environment.calls.fitted(policy.tokenizer, self.environment.tools)
        stops = (glue.end_of_turn or frozenset()) | (calls.stop_ids if calls else frozenset())
        conversation = self.sampler.converse(policy, prompts, step=step, stops=stops)
        sharded = is_sharded(policy)
        rows: list[_Row] = []
        try:
            with self._fence:
                for prompt in prompts:
                    luck = (self.seed, step, prompt.index, _LUCK)
                    rows += [_Row(self, policy, glue, calls, prompt, luck) for _ in range(self.group_size)]
            while on_any_rank(any(row.goes_on for row in rows), policy, sharded):
                budgets = {number: row.budget for number, row in enumerate(rows) if row.goes_on}
                replies = conversation.reply(budgets, {number: rows[number].given for number in budgets})
                with self._fence:
                    for number, reply in replies.items():
                        rows[number].hear(reply)
        finally:
            with self._fence:
                for row in rows:
                    row.close()
        return Completions([row.completion() for row in rows], self.group_size)

    def _glue_for(self, tokenizer: PreTrainedTokenizerBase) -> Glue:
        """Return the glue that was given, or that of the tokenizer's chat template, found once."""
        if self.glue is not None:
            return self.glue
        made_of = (tokenizer, tokenizer.chat_template, self.role)
        if self._found is None or self._found[0] != made_of:
            self._found = made_of, TemplateGlue(tokenizer, self.role)
        return self._found[1]

    def groups_from(self, prompts: int) -> int:
        """Return how many groups come back for this many prompts: as the sampler inside has it."""
        return self.sampler.groups_from(prompts)

    @contextmanager
    def reporting(self, progress: Progress) -> Iterator[None]:
        """Enter a context in which the sampler inside reports the progress of each turn."""
        with self.sampler.reporting(progress):
            yield

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Refuse prompts that do not show the environment's tools to the policy.

        Raises:
            ValueError: A tool that the prompts have to show is not in one.
        """
        self.sampler.check_prompts(prompts)
        names = [tool.__name__ for tool in self.environment.tools] if self.environment.tools_are_shown else []
        hidden = [prompt for prompt in prompts if not all(name in prompt.text for name in names)]
        if hidden:
            raise ValueError(
                f"{len(hidden)} of {len(prompts)} prompts do not name the tools {', '.join(names)} (the first is row "
                f"{hidden[0].index}), so that the policy knows of none. Pass PromptDataModule(tools=...) the same "
                "tools, which shows them by the chat template; or say Toolbox(..., tools_are_shown=False) for a policy "
                "that has learned what it can call"
            )

    def judges(self) -> list[RewardModel]:
        """Return the rewards of filters inside."""
        return self.sampler.judges()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other settings, of the episodes or of the sampler inside."""
        names = ("environment", "max_turns", "max_turn_tokens", "max_observation_tokens", "glue", "role")
        own = {name: changes.pop(name) for name in names if name in changes}
        other = super().replace(**own, **changes)
        other.sampler = self.sampler.replace(**changes)
        return other


class _Row:
    """One row while its episode goes on: its ids and turns, and what the policy reads next.

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
        self._episode = self._started(luck)
        self.given: list[int] = []

    def _started(self, luck: Sequence[int]) -> Episode | None:
        for last in (False, True):
            try:
                episode = self._limits.environment.start(self._prompt.row, np.random.default_rng(luck))
                if not isinstance(episode, Episode):
                    raise TypeError(f"start() returned {episode!r:.80}; it has to return an Episode")
            except Exception as error:
                # A second try forgets nothing: the policy has said nothing yet.
                if last:
                    self._fail(error)
            else:
                return episode
        return None

    @property
    def goes_on(self) -> bool:
        return self._reason is None

    @property
    def budget(self) -> int:
        """The most tokens of the next turn."""
        left = self._limits.max_tokens - len(self._ids)
        return min(left, self._limits.max_turn_tokens or left)

    def hear(self, reply: Reply) -> None:
        """Take a turn of the policy, and let the environment answer it."""
        said = reply.ids[:-1] if reply.reason == "stop" else reply.ids
        turn = Turn(len(self._ids), len(self._ids) + len(reply.ids), "policy", self._policy.decode(said))
        self._turns.append(turn)
        self._ids += reply.ids
        self._logprobs += reply.logprobs
        self._known &= len(reply.logprobs) == len(reply.ids)
        self.given = []
        if reply.reason == "length":
            self._reason = "length"  # Half a call is none.
            return
        if self._calls is not None:
            turn.calls = self._calls.calls(self._opened(turn) + self._text(said))
        started = time.perf_counter()
        try:
            observation = cast(Episode, self._episode).step(turn)
            turn.seconds = time.perf_counter() - started
            if observation is None:
                self._reason = "stop"
            else:
                self._observe(turn, observation, reply.ids[-1])
        except Exception as error:
            self._fail(error)

    def _text(self, ids: list[int]) -> str:
        return str(self._policy.tokenizer.decode(ids, skip_special_tokens=False))

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

    def _fail(self, error: Exception) -> None:
        self._reason = "failed"
        self._failure = self._failure or f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Close the episode, whatever became of it."""
        if self._episode is not None:
            try:
                self._episode.close()
            except Exception as error:
                self._fail(error)

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
