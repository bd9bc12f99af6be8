"""Sampling through the vLLM engine that Unsloth keeps next to the model, with the current adapter."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.base import GroupSampler
from rlframework.terms.sampler_correction import SamplerCorrection, TokenTruncation
from rlframework.utilities.imports import require


class UnslothEngineSampler(GroupSampler):
    """Samples from an `UnslothPolicy` with ``fast_inference=True`` through its vLLM engine.

    Each call hands the adapter over again, so samples come from the weights of that moment. The engine has its
    own kernels: its log-probabilities differ a little from the policy's, and `TokenTruncation` makes up for it unless
    an algorithm is given another ``sampler_correction``. A prompt's rows depend on (seed, step, prompt), and on the
    engine's rounding.
    """

    correction: SamplerCorrection | None = TokenTruncation()

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample ``group_size`` completions of at most ``max_tokens`` for each prompt.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.

        Raises:
            RuntimeError: The engine ended a completion for another reason than a stop token or the budget.
            TypeError: The policy's model has no engine.
            ValueError: A prompt and the token budget together exceed what the model can read, a prompt is empty, or
                the engine cannot tell the log-probabilities of what it samples.
        """
        self._check_room(policy, prompts)
        model: Any = _with_engine(policy)
        self._check_logprobs(model.vllm_engine)
        settings = [self._settings(policy, prompt, step) for prompt in prompts]
        # What is handed over are tensors; Unsloth writes no more than the adapter's configuration into the folder.
        with TemporaryDirectory() as folder:
            answers = model.fast_generate(
                [{"prompt_token_ids": prompt.ids} for prompt in prompts],
                settings,
                use_tqdm=False,
                lora_request=model.load_lora(folder, load_tensors=True),
            )
        pairs = zip(prompts, answers, strict=True)
        rows = [self._completion(policy, prompt, row) for prompt, answer in pairs for row in answer.outputs]
        return Completions(rows, self.group_size)

    def _settings(self, policy: Policy, prompt: Prompt, step: int) -> Any:
        """Return vLLM's settings for a prompt; its rows count up from the seed."""
        seed = int(np.random.default_rng((self.seed, step, prompt.index)).integers(2**31))
        return require("vllm", "vllm").SamplingParams(
            n=self.group_size,
            temperature=self.temperature,
            top_k=self.top_k or 0,
            top_p=self.top_p,
            min_p=self.min_p,
            max_tokens=self.max_tokens,
            seed=seed,
            stop_token_ids=sorted(policy.eos_ids),
            logprobs=0,
            detokenize=False,
        )

    def _completion(self, policy: Policy, prompt: Prompt, row: Any) -> Completion:
        ids, stops = list(row.token_ids), policy.eos_ids
        ended = ids[-1] in stops
        if row.finish_reason not in ("stop", "length") or ended != (row.finish_reason == "stop"):
            raise RuntimeError(
                f"the engine ended a completion of prompt {prompt.index} after {len(ids)} tokens with "
                f"{row.finish_reason!r} and token {ids[-1]}; the policy ends them with {sorted(stops)} or at "
                f"max_tokens={self.max_tokens}"
            )
        # As everywhere, greedy decoding is a distribution with all its mass on one token; vLLM's is not tempered.
        tempered = self.temperature > 0
        logprobs = [float(row.logprobs[t][token].logprob) if tempered else 0.0 for t, token in enumerate(ids)]
        text = policy.decode(ids[:-1] if ended else ids)
        return Completion(prompt, ids, text, "stop" if ended else "length", logprobs)

    def _check_logprobs(self, engine: Any) -> None:
        mode = engine.llm_engine.vllm_config.model_config.logprobs_mode
        as_sampled = self.temperature in (0, 1) and not self.truncates
        if mode != "processed_logprobs" and not (mode == "raw_logprobs" and as_sampled):
            raise ValueError(
                f"the engine was built with logprobs_mode={mode!r}: these are not the log-probabilities of what it "
                f"samples at temperature={self.temperature}, top_k={self.top_k}, top_p={self.top_p}, "
                f"min_p={self.min_p}. Build it with 'processed_logprobs', or sample at temperature 1 from all tokens"
            )


def _with_engine(policy: Policy) -> Any:
    """Return the model, if it has what Unsloth gives to one with an engine and an adapter."""
    model = getattr(policy, "model", None)
    if missing := [name for name in ("vllm_engine", "fast_generate", "load_lora") if not hasattr(model, name)]:
        raise TypeError(
            f"the policy's model has no {', '.join(missing)}; UnslothEngineSampler needs UnslothPolicy(..., "
            "lora=..., fast_inference=True) on a GPU with vLLM, and UnslothSampler does without"
        )
    return model
