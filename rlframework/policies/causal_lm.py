"""Policy for any causal language model of Hugging Face, trained whole or through LoRA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from torch import Tensor
from transformers import BitsAndBytesConfig, PreTrainedTokenizerBase

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.adapter_state import base_weights
from rlframework.policies.adapters import AdapterReference
from rlframework.policies.base import Objective, Policy, eval_mode, with_pad_token
from rlframework.policies.decoding.base import Decoding
from rlframework.policies.decoding.kept_rows import KeptRows
from rlframework.policies.forward import ModelForward
from rlframework.policies.lm_head import TiledHead
from rlframework.policies.loading import check_vocabulary, load_model, load_tokenizer, with_adapter
from rlframework.policies.read_back import Probe
from rlframework.policies.saving import merged, origin_of, save_adapter
from rlframework.policies.scoring.base import Scorer, Scoring
from rlframework.policies.scoring.fused_gradient import token_slopes
from rlframework.policies.scoring.packed import PackedRows
from rlframework.policies.scoring.shared_prefix import PrefixSharing, TrunkSharing
from rlframework.rollout import Rollout


class CausalLMPolicy(ModelForward):
    """A transformers causal language model with its tokenizer.

    Positions are counted from a row's first real token, so left padding changes nothing: neither for rotary models nor
    for those with learned positions.

    Args:
        model: A folder, a hub name, the path of a GGUF file, or a model object.
        tokenizer: A folder, a hub name, or a tokenizer; by default the one saved with the model.
        lora: Train this PEFT adapter and leave the model as it is; or go on with one that was saved, by its folder or
            hub name.
        dtype: Dtype of the weights, such as ``"bfloat16"``, for a model that is loaded here; by default float32,
            which mixed precision needs for its master weights.
        quantization: How bitsandbytes stores the weights of a model that is loaded here; with ``lora`` (QLoRA).
        gradient_checkpointing: Compute activations again in the backward pass instead of keeping them.
        shared_prefix: Read each prompt once for its whole group where the architecture allows it (`PrefixSharing`), and
            keep its keys and values once while decoding if it is long.
        shared_trunk: Read once what all prompts begin with, such as a system turn and examples, where prompts are
            shared and it pays (`TrunkSharing`).
        packed_rows: Lay rows end to end where prompts cannot be shared (`PackedRows`); False pads them.
        padded: Pad rows that are shorter than others of their batch, where nothing faster is to be had. False reads
            every prompt and scores every row by itself, as is done of its own accord where the model is found to show
            its padding.
        fused_decode: Sample through `FusedDecoder` where the architecture and the adapter allow it; False calls the
            model itself.
        gguf_file: Name of the GGUF file, where ``model`` is a folder or a hub name with several. Its weights are
            unpacked to ``dtype``; what is saved later are safetensors.

    Raises:
        ImportError: ``quantization`` without bitsandbytes, or a GGUF file without the package ``gguf``.
        FileNotFoundError: There is no such GGUF file.
        ValueError: No tokenizer for a model object, a tokenizer without pad token or with more ids than the model
            reads, a dtype or a quantization for a model that exists, ``lora`` for a model with an adapter, or quantised
            weights without one.

    Example:
        >>> from peft import LoraConfig
        >>> from transformers import Qwen3Config, Qwen3ForCausalLM
        >>> from rlframework.testing import letter_tokenizer
        >>> tokenizer = letter_tokenizer()
        >>> config = Qwen3Config(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        ...                      num_attention_heads=2, num_key_value_heads=1, head_dim=8)
        >>> lora = LoraConfig(r=2, target_modules=["q_proj"])
        >>> policy = CausalLMPolicy(Qwen3ForCausalLM(config), tokenizer, lora=lora)
        >>> sum(p.numel() for p in policy.parameters() if p.requires_grad)
        64
    """

    def __init__(
        self,
        model: str | Path | torch.nn.Module,
        tokenizer: str | Path | PreTrainedTokenizerBase | None = None,
        lora: PeftConfig | str | Path | None = None,
        dtype: str | None = None,
        quantization: BitsAndBytesConfig | None = None,
        gradient_checkpointing: bool = False,
        shared_prefix: bool = True,
        shared_trunk: bool = True,
        packed_rows: bool = True,
        padded: bool = True,
        fused_decode: bool = True,
        gguf_file: str | None = None,
    ) -> None:
        tokenizer = with_pad_token(load_tokenizer(model, tokenizer, gguf_file))
        super().__init__(with_adapter(load_model(model, dtype, quantization, gguf_file), lora), tokenizer)
        check_vocabulary(self.model, self.tokenizer)
        if gradient_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        scorers: list[Scorer] = [TrunkSharing(self.model)] if shared_prefix and shared_trunk else []
        scorers += [PrefixSharing(self.model)] if shared_prefix else []
        self._scoring = Scoring([*scorers, PackedRows()] if packed_rows else scorers, padded)
        self._decoding = Decoding(shared_prefix and shared_trunk, fused_decode, padded)

    def logprobs(
        self, batch: Rollout, *, entropy_gradient: bool = False, objective: Objective | None = None
    ) -> TokenLogProbs:
        """Score the loss tokens, ``(B, T)``, the fastest way that the model and the minibatch allow; 0 elsewhere.

        Of what an environment gave in between, logits are not made.

        Args:
            batch: What is scored.
            entropy_gradient: Let gradients flow through the entropy.
            objective: The loss that the scores go into, where it is known: its gradient by the logits is then made
                while they are in memory (`token_slopes`).
        """
        if not batch.loss_mask.any():
            # A loss needs its graph, and other ranks their collectives, also of a minibatch that nothing is learned
            # from. First tokens need the prompts alone.
            first = batch.completion_mask & (torch.arange(batch.completion_ids.shape[1], device=self.device) == 0)
            batch = replace(batch, loss_mask=first)
        scorer = self._scoring.choose(self, batch)
        if scorer is None:
            slow = self.padded_logprobs if self._scoring.pads(self, batch) else self.single_logprobs
            if self._router_loss is not None:
                self._router_loss.clear()  # of what was scored to prove that it is right, and of what nobody took
            return slow(batch, entropy_gradient=entropy_gradient)
        known = objective is not None and torch.is_grad_enabled() and TiledHead.fits(self.model)
        slopes = token_slopes(objective, batch) if objective is not None and known else None
        return scorer.score(self, batch, entropy_gradient=entropy_gradient, slopes=slopes)

    def auxiliary_loss(self) -> Tensor | None:
        """Return the router's auxiliary loss of a mixture of experts, if configured (``output_router_logits``)."""
        return None if self._router_loss is None else self._router_loss.take()

    def prefill(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        """Read the prompts, ``(N, V)`` logits and the cache; what they all begin with is read once."""
        return self._decoding.read(self, ids, mask)

    def next_logits(self, ids: Tensor, mask: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """Run the tokens that the key-value cache lacks; return ``(B, V)`` logits and the cache."""
        return self._decoding.next_logits(self, ids, mask, cache)

    def branch(self, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        """Branch the cache of ``N`` prompts into ``N * copies`` rows, with a long prompt kept once for its group."""
        return self._decoding.branch(self, cache, mask, copies, room)

    def keep_rows(self, cache: Any, mask: Tensor, copies: int) -> KeptRows | None:
        """Return what keeps keys and values of rows between turns; None where the layers hold something else."""
        return self._decoding.keep_rows(self, cache, mask, copies)

    def reference(self) -> Policy:
        """Return the policy as it is now, frozen: of one with an adapter the same model, and only the adapter's copy.

        A new adapter changes nothing yet, and no copy of it is needed: the reference is the model without it. A whole
        model is copied as it is in memory; nothing is loaded again from a path or a hub.
        """
        return AdapterReference(self) if isinstance(self.model, PeftModel) else super().reference()

    @property
    def frozen_base(self) -> frozenset[str]:
        """Names of the weights under the adapter, which a checkpoint can leave out; none without an adapter."""
        names = base_weights(self.model) if isinstance(self.model, PeftModel) else frozenset()
        return frozenset(f"model.{name}" for name in names)

    def origin(self) -> dict[str, Any]:
        """Return where model and tokenizer came from, the dtype, and the settings of the adapter or the model."""
        return origin_of(self.model, self.tokenizer)

    def save_pretrained(self, folder: str | Path) -> None:
        """Save what ``from_pretrained`` loads: the adapter if there is one, else the model; and the tokenizer.

        An adapter whose initialisation rewrote the model (PiSSA, OLoRA) is saved as one of twice the rank for the model
        as it was.
        """
        if isinstance(self.model, PeftModel):
            save_adapter(self.model, folder)
        else:
            model: Any = self.model
            model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def save_merged(self, folder: str | Path) -> None:
        """Save model and tokenizer with the adapter merged into the weights; this policy stays as it is.

        A copy of the model is merged, which takes its memory a second time for as long. What was written is then read
        back in the place of that copy, and scores `PROBES` tokens as this policy does.

        Raises:
            RuntimeError: It does not.
        """
        with eval_mode(self):
            whole: Any = merged(self.model)
            probe = Probe(self.model)
            with eval_mode(whole):
                probe.hold("merged", whole)
                whole.save_pretrained(folder)
                self.tokenizer.save_pretrained(folder)
                kind, settings = type(whole), {"attn_implementation": whole.config._attn_implementation}
                del whole
                probe.hold("read back", kind.from_pretrained(folder, dtype=probe.dtype, **settings), str(folder))

    @property
    def eos_ids(self) -> frozenset[int]:
        """The end ids of the generation settings and of the tokenizer: chat models often have several.

        An id beyond the model's vocabulary ends nothing, as it is never sampled.
        """
        configured = getattr(self.model.generation_config, "eos_token_id", None)
        listed = configured if isinstance(configured, (list, tuple)) else [configured]
        ids = super().eos_ids | frozenset(int(i) for i in listed if i is not None)
        # As many as the head gives: a model that was resized by hand has another number in its configuration.
        size = getattr(self.model.get_output_embeddings(), "out_features", None)
        size = size or getattr(self.model.config.get_text_config(), "vocab_size", None)
        return ids if size is None else frozenset(i for i in ids if 0 <= i < size)
