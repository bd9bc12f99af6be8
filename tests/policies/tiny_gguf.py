"""A GGUF file of a Qwen2 of one layer and its tokenizer, written as llama.cpp writes them."""

from __future__ import annotations

from pathlib import Path

import gguf
import torch
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from rlframework.testing import letter_tokenizer

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "model.layers.0.input_layernorm": "blk.0.attn_norm",
    "model.layers.0.post_attention_layernorm": "blk.0.ffn_norm",
    **{f"model.layers.0.self_attn.{p}_proj": f"blk.0.attn_{p}" for p in "qkv"},
    "model.layers.0.self_attn.o_proj": "blk.0.attn_output",
    **{f"model.layers.0.mlp.{p}_proj": f"blk.0.ffn_{p}" for p in ("gate", "up", "down")},
}


# Without a merge transformers takes the tokenizer for one of another kind; transformers 4 takes a single one apart.
MERGED = [("a", "b"), ("c", "d")]


def original() -> Qwen2ForCausalLM:
    tokens = {"vocab_size": len(vocabulary()), "pad_token_id": 0, "eos_token_id": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": True}
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "max_position_embeddings": 64}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(Qwen2Config(**tokens, **heads, **sizes, initializer_range=0.3))
        for weights in model.parameters():  # biases and norms, too
            torch.nn.init.normal_(weights, std=0.3)
    return model


def vocabulary() -> dict[str, int]:
    letters = letter_tokenizer().get_vocab()
    # The last are special tokens that transformers gives every tokenizer of a Qwen2.
    tokens = ["".join(pair) for pair in MERGED] + ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return {**letters, **{token: len(letters) + place for place, token in enumerate(tokens)}}


def write(path: Path, architecture: str = "qwen2", left_out: str = "") -> None:
    """Write the original and its tokenizer, without one part if that is asked for."""
    model, tokenizer = original(), letter_tokenizer()
    file = gguf.GGUFWriter(path, architecture)
    config = model.config
    file.add_name("tiny")
    file.add_block_count(config.num_hidden_layers)
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_rope_freq_base(10000.0)  # Qwen2Config's own
    file.add_vocab_size(config.vocab_size)
    _add_tokenizer(file, tokenizer)
    for name, weights in model.state_dict().items():
        if name != "lm_head.weight":
            part, _, kind = name.rpartition(".")
            if part != left_out:
                file.add_tensor(f"{NAMES[part]}.{kind}", weights.numpy())
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def _add_tokenizer(file: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = [token for _, token in sorted((place, token) for token, place in vocabulary().items())]
    special = set(tokenizer.all_special_tokens)
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("qwen2")
    file.add_token_list(tokens)
    file.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    file.add_token_merges([" ".join(pair) for pair in MERGED])
    file.add_eos_token_id(tokenizer.eos_token_id)
    file.add_pad_token_id(tokenizer.pad_token_id)
    file.add_chat_template("{{ messages[0]['content'] }}")
