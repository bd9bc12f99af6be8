"""Rollouts from vLLM servers: ids in, ids and log-probabilities out, from proven weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.policies.fingerprint import fingerprint
from rlframework.prompt import Prompt
from rlframework.samplers.conversation import Conversation
from rlframework.samplers.remote import RemoteSampler, Version
from rlframework.samplers.vllm.answer import ServerCompletion
from rlframework.samplers.vllm.canary import Canary, Gap
from rlframework.samplers.vllm.client import Server
from rlframework.samplers.vllm.conversation import ServedConversation
from rlframework.samplers.vllm.fleet import Fleet
from rlframework.samplers.vllm.listed import ListedServers
from rlframework.samplers.vllm.sync import WeightSync, sync_for
from rlframework.serving.server_list import is_list
from rlframework.terms.sampler_correction import BOUNDED, SamplerCorrection
from rlframework.utilities.daemon_threads import DaemonExecutor

_CANARY_TOKENS, _CANARY_HEAT = 16, 2.0
# Of vLLM: above 2 it refuses, below 0.01 it takes 0.01; weights in disguise need a quarter of what is asked for.
_HOTTEST, _COLDEST = 2.0, 0.04
# Each is a thread and a connection here, and many systems let a process open 1,024 files.
_MOST_ROWS = 512
# Seconds; a socket takes no more than 24 days.
_LONGEST = 1e6


class VLLMSampler(RemoteSampler):
    """Samples from vLLM servers, one request for each prompt, over their OpenAI-compatible interface.

    Before anything is sampled, the policy's weights are compared with those that the servers were given; if they
    changed, for any reason, they are brought over, and a few tokens show that they arrived. Every answer has to prove
    that it comes from them. A server that is restarted gets them again; prompts of one that is gone go to the others.

    The samples are those of the policy up to rounding, which the ``correction`` makes up for. They are a function of
    (seed, step, prompt, row), and of the version of vLLM and its options.

    Args:
        servers: Address of one server, or several: ``"http://127.0.0.1:8000"``. How to start one is in docs/vllm.md.
            Or a list of addresses that changes: a file or a URL that ends in ``.txt``, with an address in each line.
            It is read again whenever weights are brought over: servers come and go between rollouts (docs/serve.md).
        group_size: Completions per prompt, ``G``.
        max_tokens: Token budget of a completion, the stop token included.
        temperature: Divides the logits; 0 takes the most likely token each time.
        seed: Part of every request's own seed.
        top_k: As in `GroupSampler`.
        top_p: As in `GroupSampler`.
        min_p: As in `GroupSampler`, but vLLM leaves out by ``min_p`` first and by ``top_p`` after it; with both of them
            other tokens may stay than in process.
        model: Name of the base model on the servers; None asks them.
        sync: How weights are brought over; None is `LoRASync` for a policy with an adapter and `DiskSync` for others.
        sync_folder: Where they are written. The servers must be able to read it; by default it is a temporary folder of
            this machine, which servers of the same user on the same machine can.
        concurrency: Prompts in flight, over all servers; of episodes ``group_size`` times as many rows, 512 at most.
        timeout: Seconds that one answer may take as a whole, from connecting to its last byte.
        patience: Seconds to wait for a server to come back when none answers.
        tolerance: What the log-probabilities of a server may be off by, in nats per token on average over a few tokens,
            before it is refused. None follows the precision: 20 times what they are off with the weights that the
            server was started with if both sides compute in float32, else 1.5 times that over many tokens.
        correction: Makes up for the rounding, unless the algorithm has a ``sampler_correction`` of its own; None does
            not.

    Raises:
        ValueError: No server, an address without ``http://``, or a number out of range.

    Example:
        >>> sampler = VLLMSampler("http://127.0.0.1:8000", group_size=8, max_tokens=512)
        >>> sampler.correction.high, sampler.for_evaluation().temperature
        (3.0, 0.0)
    """

    samples_policy_itself = False

    def __init__(
        self,
        servers: str | Path | Sequence[str],
        group_size: int,
        max_tokens: int,
        temperature: float = 1.0,
        seed: int = 0,
        top_k: int | None = None,
        top_p: float = 1.0,
        min_p: float = 0.0,
        *,
        model: str | None = None,
        sync: WeightSync | None = None,
        sync_folder: str | Path | None = None,
        concurrency: int = 64,
        timeout: float = 600.0,
        patience: float = 600.0,
        tolerance: float | None = None,
        correction: SamplerCorrection | None = BOUNDED,
    ) -> None:
        listed = None
        if isinstance(servers, str | Path):
            listed = ListedServers(str(servers), timeout, model) if is_list(str(servers)) else None
            servers = [] if listed else [str(servers)]
        urls = list(servers)
        if (
            not (urls or listed)
            or not 0 < timeout <= _LONGEST
            or not patience >= 0
            or (tolerance is not None and tolerance <= 0)
        ):
            raise ValueError(
                f"expected at least one server, a timeout above 0 and at most {_LONGEST:g} s, a tolerance above 0 and "
                f"a patience that is not negative, got {len(urls)} servers, timeout={timeout}, tolerance={tolerance} "
                f"and patience={patience}"
            )
        self.concurrency = concurrency
        self.correction = correction
        # Shared by all copies: what one of them has brought over, the others need not.
        made = [Server(url, timeout, model) for url in urls]
        self._fleet = Fleet(made, sync, sync_folder, patience, tolerance, listed)
        super().__init__(group_size, max_tokens, temperature, seed, top_k, top_p, min_p)

    def _check(self) -> None:
        super()._check()
        if self.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {self.concurrency}")
        if self.temperature and not _COLDEST <= self.temperature <= _HOTTEST:
            raise ValueError(
                f"vLLM samples at temperatures of {_COLDEST} to {_HOTTEST:g}, or greedily at 0; got {self.temperature}"
            )

    @property
    def version(self) -> str | None:
        """Version of the weights that the servers are on, a `fingerprint`; None before the first rollout."""
        return self._fleet.version

    @property
    def gap(self) -> Gap | None:
        """Gap of the servers when they were given these weights; None before the first rollout."""
        return self._fleet.gap

    @torch.no_grad()
    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        """Bring the policy's present weights to the servers, and see that they arrived; all ranks call it together.

        Args:
            policy: With the weights it has now.
            prompts: Of the data; the first of the first call shows each time that the weights arrived.

        Raises:
            ServerError: No server answers within ``patience``, one refuses the weights, or its log-probabilities are
                not the policy's.
            TypeError: The weights of this kind of policy cannot be brought over.
            ValueError: A prompt and the token budget together exceed what the model can read, or a prompt is empty.
        """
        self._check_room(policy, prompts)
        name = fingerprint(policy)
        if name != self._fleet.version:
            self._fleet.load_weights(policy, name, self._canary(prompts[0], sorted(policy.eos_ids)))
        self._fleet.hold(name)
        return Version(name, policy, None if self.gap is None else self.gap.mean)

    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        """Sample ``group_size`` completions of at most ``max_tokens`` for each prompt, from a version.

        Args:
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.
            version: Of the weights.

        Raises:
            ServerError: No server answers within ``patience``, one refuses, answers wrongly, or answers from other
                weights.
            ValueError: A prompt and the token budget together exceed what the model can read, or a prompt is empty.
        """
        self._check_room(version, prompts)
        stops = sorted(version.eos_ids)
        groups = self._fetch([self._request(prompt, stops, step) for prompt in prompts], version.name)
        copies = self.group_size if self.temperature == 0 else 1
        rows = [
            self._completion(version, prompt, row)
            for prompt, group in zip(prompts, groups, strict=True)
            for row in group * copies
        ]
        return Completions(rows, self.group_size)

    def release(self, version: Version) -> None:
        """Let go of a version; the servers are told when the next weights come."""
        self._fleet.release(version.name)

    def side_by_side(self, policy: Policy) -> bool:
        """Return whether the servers answer from several versions at once: of adapters, with `LoRASync`."""
        return (self._fleet.sync or sync_for(policy)).side_by_side

    def check_versions(self, policy: Policy, count: int) -> None:
        """Refuse servers that answer from fewer adapters at once; one that does not tell is believed.

        Raises:
            ValueError: With the server's number.
        """
        sync = self._fleet.sync or sync_for(policy)
        self._fleet.find()
        for server in self._fleet.servers if sync.side_by_side else []:
            room = sync.room(server)
            if room is not None and room < count:
                raise ValueError(
                    f"{server.url} answers from {room} adapters at once, and {count} are held at a time: requests of "
                    f"the newest would wait for those of the oldest. Start it with --max-loras {count}, or lower "
                    "rollouts_ahead"
                )

    def close(self) -> None:
        """Give up what was asked for."""
        self._fleet.close()

    @torch.no_grad()
    def converse(
        self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0, stops: frozenset[int] = frozenset()
    ) -> Conversation:
        """Begin a conversation, as `GroupSampler.converse`: a request for each row and turn, all on the same weights.

        Raises:
            ServerError: As of `publish` and `ask`.
            TypeError: The weights of this kind of policy cannot be brought over.
            ValueError: A prompt and the token budget together exceed what the model can read, or a prompt is empty.
        """
        version = policy
        if not isinstance(version, Version):
            version = self.publish(policy, prompts)
            self.release(version)
        self._check_room(version, prompts)
        self._fleet.expect_all()
        ends = sorted(version.eos_ids | stops)
        return ServedConversation(
            self._fleet,
            version.name,
            [prompt for prompt in prompts for _ in range(self.group_size)],
            self.group_size,
            lambda prompt, turn: self._request(prompt, ends, step, turn),
            self.temperature == 0,
            min(self.concurrency * self.group_size, _MOST_ROWS),
        )

    def _canary(self, prompt: Prompt, stops: list[int]) -> Canary:
        # Greedy samples have no temperature to score them at, and truncated ones are not the policy's.
        temperature = min(_CANARY_HEAT * (self.temperature or 1.0), _HOTTEST)
        budget = min(self.max_tokens, _CANARY_TOKENS)
        plain = self.replace(max_tokens=budget, temperature=temperature, **_UNTRUNCATED)
        usual, altered = (plain._request(prompt, stops, step) for step in range(2))
        return Canary(prompt, usual, (usual["seed"], altered["seed"]), temperature, budget)

    def _request(self, prompt: Prompt, stops: list[int], step: int, turn: int = 0) -> dict[str, Any]:
        """Return what is asked for one prompt; all that a server has defaults for is said."""
        # vLLM gives row i of a request the seed + i; far apart, two prompts never share one, nor two turns.
        seed = np.random.default_rng((self.seed, step, prompt.index, turn)).integers(2**62)
        return {
            "prompt": list(prompt.ids),
            "n": self.group_size if self.temperature > 0 else 1,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_k": self.top_k or 0,
            "top_p": self.top_p,
            "min_p": self.min_p,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": int(seed),
            # What ends a completion is the policy's to say, not the generation settings that the server found.
            "ignore_eos": True,
            "stop_token_ids": stops,
            "logprobs": 0,
            "return_token_ids": True,
        }

    def _fetch(self, requests: list[dict[str, Any]], version: str) -> list[list[ServerCompletion]]:
        """Return a group for each request, in their order, not in that in which they arrive."""
        longest, unfinished = 0, len(requests) * self.group_size

        def told(group: list[ServerCompletion]) -> None:
            nonlocal longest, unfinished
            longest = max(longest, *(len(row.ids) for row in group))
            unfinished -= self.group_size
            if self.progress is not None:
                self.progress(longest, unfinished)

        self._fleet.expect_all()
        with self._fleet.halting() as halt:  # After a failure nobody waits for the rest.
            return DaemonExecutor(self.concurrency).gather(
                lambda turn: self._fleet.complete(turn, requests[turn], halt, version), range(len(requests)), told
            )

    def _completion(self, policy: Policy, prompt: Prompt, row: ServerCompletion) -> Completion:
        text = policy.decode(row.ids[:-1] if row.reason == "stop" else row.ids)
        # Under the point mass of temperature 0, as in process.
        logprobs = row.logprobs if self.temperature > 0 else [0.0] * len(row.ids)
        return Completion(prompt, row.ids, text, row.reason, logprobs)


_UNTRUNCATED: dict[str, Any] = {"top_k": None, "top_p": 1.0, "min_p": 0.0}
