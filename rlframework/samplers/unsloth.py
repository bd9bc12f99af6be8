"""Sampling through Unsloth's generation, with the current adapter."""

from __future__ import annotations

from torch import Tensor

from rlframework.policies.base import eval_mode
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.unsloth_backend import fast_language_model, gradient_checkpointing
from rlframework.samplers.generate import DrawProcessor, GenerateSampler


class UnslothSampler(GenerateSampler):
    """`GenerateSampler` for an `UnslothPolicy`: switches the model to Unsloth's inference mode and back.

    The way back is the caller's too: it gives every module its own training mode again, and the layers the gradient
    checkpointing that they had. Unsloth's kernels for decoding round differently from those for training, so on a GPU
    expect log-probabilities that differ from the policy's by the rounding of bfloat16; the framework notices that and
    lets the policy score its rollouts.
    """

    def generate(self, policy: CausalLMPolicy, ids: Tensor, mask: Tensor, processor: DrawProcessor) -> None:
        """Run the model in Unsloth's inference mode.

        Args:
            policy: An `UnslothPolicy` in eval mode.
            ids: ``(B, P)`` prompts, one for each row, left-padded.
            mask: ``(B, P)`` bool.
            processor: Draws the tokens.

        Raises:
            ValueError: The model has a vLLM engine.
        """
        model = policy.model
        if hasattr(model, "vllm_engine"):
            raise ValueError(
                "fast_inference=True loaded a vLLM engine that UnslothSampler does not use; sample with "
                "UnslothEngineSampler, or load without it"
            )
        unsloth, checkpointing = fast_language_model(), gradient_checkpointing(model)
        with eval_mode(model):
            unsloth.for_inference(model)
            try:
                super().generate(policy, ids, mask, processor)
            finally:
                unsloth.for_training(model, use_gradient_checkpointing=checkpointing)
