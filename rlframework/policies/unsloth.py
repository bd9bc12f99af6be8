"""Unsloth policy: a model that Unsloth loads, patches and adapts; the loss stays the framework's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftModel
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.scoring.base import Scoring
from rlframework.policies.scoring.right_padded import RightPadded
from rlframework.policies.scoring.shared_prefix import PrefixSharing
from rlframework.policies.unsloth_backend import check_loaded, fast_language_model, lora_arguments, torch_dtype
from rlframework.rollout import Rollout


class UnslothPolicy(CausalLMPolicy):
    """A causal language model through Unsloth's ``FastLanguageModel``; sample from it with `UnslothSampler`.

    ``import unsloth`` has to be the first line of the program. Rows are scored right-padded (`RightPadded`), which
    needs no attention mask: on a GPU Unsloth's forward drops it in training, or pays for it. Shared prompts, packed
    rows and fused decoding are off there: they work inside the attention of transformers, which Unsloth replaces. On a
    CPU Unsloth leaves that as it is, and each prompt is read once for its group while scoring.

    Args:
        model: A folder or a hub name, of a model or of an adapter that was saved before and is trained on.
        lora: The adapter: ``r``, ``lora_alpha``, ``target_modules``, ``lora_dropout``, ``bias`` and ``use_rslora``.
        max_seq_length: Most tokens of a row, prompt and completion together; Unsloth would cut a longer one.
        load_in_4bit: Load the model in 4 bits (QLoRA).
        dtype: Of the weights, such as ``"bfloat16"``; None leaves it to Unsloth.
        gradient_checkpointing: ``"unsloth"`` keeps what it saves in main memory.
        fast_inference: Load a vLLM engine beside the model, on a GPU; sample with `UnslothEngineSampler` then.
        gpu_memory_utilization: Share of the GPU's memory for that engine.
        full_finetuning: Train all weights, without an adapter.
        random_state: Seed of the adapter's first weights. Unsloth seeds the process with it.
        right_padded: False scores row by row: slow, and nothing is padded.
        shared_prefix: Read each prompt once for its whole group while scoring, on a CPU (`PrefixSharing`).

    Raises:
        ImportError: Unsloth is not installed, or was not imported first.
        RuntimeError: Unsloth loaded something else than what was asked for.
        ValueError: ``lora`` has a setting that Unsloth does not take, there is neither an adapter nor
            ``full_finetuning``, or both.

    Example:
        >>> policy = UnslothPolicy("unsloth/Qwen3-4B-Base", LoraConfig(r=32, lora_alpha=64))  # doctest: +SKIP
    """

    # Unsloth's forwards take no other `logits_to_keep` than a number of columns.
    keeps_columns = False

    def __init__(
        self,
        model: str | Path,
        lora: LoraConfig | None = None,
        max_seq_length: int = 2048,
        load_in_4bit: bool = False,
        dtype: str | None = None,
        gradient_checkpointing: bool | Literal["unsloth"] = "unsloth",
        fast_inference: bool = False,
        gpu_memory_utilization: float = 0.5,
        full_finetuning: bool = False,
        random_state: int = 3407,
        right_padded: bool = True,
        shared_prefix: bool = True,
    ) -> None:
        unsloth, wanted = fast_language_model(), torch_dtype(dtype)
        adapter = lora_arguments(lora) if lora is not None else {}
        options: dict[str, Any] = {
            "max_seq_length": max_seq_length,
            "load_in_4bit": load_in_4bit,
            "fast_inference": fast_inference,
            "gpu_memory_utilization": gpu_memory_utilization,
            "full_finetuning": full_finetuning,
            "random_state": random_state,
            "use_gradient_checkpointing": gradient_checkpointing,
            **({"max_lora_rank": lora.r} if lora is not None and fast_inference else {}),
        }
        loaded, tokenizer = unsloth.from_pretrained(str(model), dtype=wanted, **options)
        check_loaded(loaded, wanted, options)
        _check_adapter(model, loaded, lora, full_finetuning)
        if lora is not None:
            loaded = unsloth.get_peft_model(
                loaded, **adapter, random_state=random_state, use_gradient_checkpointing=gradient_checkpointing
            )
        super().__init__(loaded, tokenizer, shared_prefix=False, packed_rows=False, fused_decode=False)
        sharing = [PrefixSharing(self.model)] if shared_prefix and self.device.type == "cpu" else []
        self._scoring = Scoring([*sharing, RightPadded()] if right_padded else sharing)
        rank_zero_info(
            "Unsloth reads each prompt once for every answer when it "
            + ("samples" if sharing else "samples and when it scores")
            + "; CausalLMPolicy reads it once for all answers to it, which is less work where prompts are long"
        )
        self._max_seq_length = max_seq_length

    def padded_logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Score the rows one by one, ``(B, T)``: no row has anything in front of it that a model could look at."""
        rows = [batch.select(slice(row, row + 1)) for row in range(len(batch))]
        widths = [max(int(row.prompt_mask.sum()), 1) for row in rows]
        bare = [
            replace(row, prompt_ids=row.prompt_ids[:, -width:], prompt_mask=row.prompt_mask[:, -width:])
            for row, width in zip(rows, widths, strict=True)
        ]
        scored = [super(UnslothPolicy, self).padded_logprobs(row, entropy_gradient=entropy_gradient) for row in bare]
        return TokenLogProbs(*(torch.cat(parts) for parts in zip(*scored, strict=True)))

    def next_logits(self, ids: Tensor, mask: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """Run the tokens that the key-value cache lacks; return ``(B, V)`` logits and the cache.

        Raises:
            RuntimeError: The model is not on the CPU.
        """
        if self.device.type != "cpu":
            raise RuntimeError(
                "Unsloth's decoding on a GPU keeps keys and values inside the model, where no sampler can branch them; "
                "sample with UnslothSampler, or with UnslothEngineSampler where fast_inference=True"
            )
        return super().next_logits(ids, mask, cache)

    @property
    def max_positions(self) -> int | None:
        """``max_seq_length``, or what the model can read if that is less."""
        readable = super().max_positions
        return self._max_seq_length if readable is None else min(self._max_seq_length, readable)

    def save_adapter(self, folder: str | Path) -> None:
        """Save adapter and tokenizer; ``UnslothPolicy(folder)`` and PEFT load them.

        Raises:
            ValueError: All weights are trained: there is no adapter.
        """
        if not isinstance(self.model, PeftModel):
            raise ValueError("full_finetuning=True has no adapter to save; call save_pretrained or save_merged")
        self.save_pretrained(folder)

    def save_merged(self, folder: str | Path) -> None:
        """Save model and tokenizer with the adapter merged, in 16 bits, by Unsloth's ``save_pretrained_merged``."""
        model: Any = self.model
        model.save_pretrained_merged(str(folder), self.tokenizer, save_method="merged_16bit")

    def save_gguf(self, folder: str | Path, quantization: str = "q8_0") -> None:
        """Save for llama.cpp through Unsloth's ``save_pretrained_gguf``, which gets and builds llama.cpp if need be.

        Args:
            folder: Where to.
            quantization: Such as ``"q8_0"``, ``"q4_k_m"`` or ``"f16"``.
        """
        model: Any = self.model
        model.save_pretrained_gguf(str(folder), self.tokenizer, quantization_method=quantization)


def _check_adapter(model: str | Path, loaded: Any, lora: LoraConfig | None, full_finetuning: bool) -> None:
    has_adapter = isinstance(loaded, PeftModel)
    if has_adapter and (lora is not None or full_finetuning):
        raise ValueError(f"{model} is an adapter that is trained on; leave out lora and full_finetuning")
    if not has_adapter and (lora is None) != full_finetuning:
        raise ValueError(
            "there is nothing to train, or two things: pass either lora=LoraConfig(...) or full_finetuning=True, got "
            f"lora={lora} and full_finetuning={full_finetuning}"
        )
