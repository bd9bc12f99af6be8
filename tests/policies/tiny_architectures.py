"""Models of random weights, as tiny as they can be made, of every causal architecture of the installed transformers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from rlframework.testing import letter_tokenizer

TOKENIZER = letter_tokenizer()
VOCABULARY = len(TOKENIZER)
KINDS = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
# Weights of the largest that is still called tiny.
MOST = 20_000_000

# Sizes by the many names that configurations have for them.
SIZES: dict[int | float, str] = {
    VOCABULARY: "vocab_size unpadded_vocab_size vocab_size_per_layer_input",
    32: "hidden_size n_embd d_model dim embedding_size moe_intermediate_size "
    "shared_expert_intermediate_size expert_ffn_hidden_size lru_width conv_dim dim_model",
    64: "intermediate_size ffn_dim n_inner d_ff ffn_hidden_size decoder_ffn_dim encoder_ffn_dim "
    "intermediate_size_mlp mamba_d_ssm dim_ff index_topk",
    4: "num_hidden_layers n_layer n_layers num_layers num_attention_heads n_head n_heads "
    "decoder_attention_heads encoder_attention_heads linear_num_value_heads num_experts "
    "num_local_experts n_routed_experts moe_num_experts mamba_dt_rank time_step_rank "
    "num_heads_per_layer",
    2: "decoder_layers encoder_layers num_decoder_layers num_key_value_heads num_kv_heads "
    "linear_num_key_heads num_experts_per_tok moe_topk zero_expert_num num_experts_per_token moe_k "
    "n_mamba_heads altup_num_inputs index_n_heads attn_layer_period",
    8: "head_dim attention_head_dim v_head_dim qk_nope_head_dim qk_rope_head_dim swa_head_dim "
    "global_head_dim linear_key_head_dim linear_value_head_dim mamba_d_state state_size mamba_n_heads "
    "mamba_d_head num_heads mamba_num_heads mamba_head_dim ssm_state_size mamba_chunk_size chunk_size "
    "hidden_size_per_layer_input laurel_rank dim_head",
    16: "qk_head_dim kv_lora_rank q_lora_rank attention_window_size sliding_window index_head_dim",
    1: "n_group topk_group n_shared_experts mamba_n_groups n_groups mamba_ngroups first_k_dense_replace "
    "num_kv_shared_layers attn_layer_offset num_dense_layers",
    512: "max_position_embeddings n_positions max_seq_len n_ctx max_sequence_length original_max_position_embeddings",
    0.2: "initializer_range",
}

_LATENT = {"num_key_value_heads": 4}
_LINEAR_AND_FULL = ["linear_attention", "full_attention"] * 2
_LINEAR_AND_BOTH = ["linear_attention", "hybrid"] * 2
# What an architecture asks for beside that.
OWN: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("axk1", "axk2", "bailing_hybrid", "deepseek_v2", "deepseek_v3", "deepseek_v32"), _LATENT),
    **dict.fromkeys(("glm4_moe_lite", "glm_moe_dsa", "longcat_flash", "youtu", "sarvam_mla", "kimi_linear"), _LATENT),
    "bamba": {"attn_layer_indices": [1, 3]},
    "codegen": {"rotary_dim": 8},
    "cwm": {"bos_token_id": 0},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "window_size": 16},
    "gptj": {"rotary_dim": 8},
    "granitemoehybrid": {"layer_types": _LINEAR_AND_FULL},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "minicpm3": {**_LATENT, "initializer_range": 0.05},
    "modernbert-decoder": {"bos_token_id": 0},
    "qwen4_exp_text": {"indexer_n_heads": 2, "indexer_kv_heads": 1, "indexer_head_dim": 16},
    "reformer": {"axial_pos_embds": False},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"layers_block_type": _LINEAR_AND_BOTH},
    "zamba2": {"layers_block_type": _LINEAR_AND_BOTH, "hybrid_layer_ids": [1, 3], "mamba_headdim": 32},
    "zaya": {"num_experts_per_tok": 1},
}
# Those whose kinds of layers follow from other settings.
_LAYERS_FOLLOW = ("bamba", "falcon_h1", "recurrent_gemma", "zamba", "zamba2")


def tiny_architecture(kind: str) -> PreTrainedModel:
    """Return a model of an architecture, the same for the same name.

    Raises:
        ValueError: Its settings do not make it tiny; of an architecture with strict settings other errors as well.
    """
    with torch.device("meta"):
        weights = sum(weight.numel() for weight in _model(kind).parameters())
    if weights > MOST:
        raise ValueError(f"{weights:,} weights: its sizes have other names, or belong to parts such as a vision tower")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _model(kind).eval()


def _model(kind: str) -> PreTrainedModel:
    made: PreTrainedModel = AutoModelForCausalLM.from_config(_config(kind))
    return made


def _config(kind: str) -> Any:
    usual = CONFIG_MAPPING[kind]()
    known = usual.to_dict().keys() | getattr(usual, "attribute_map", {}).keys()
    sizes = {name: size for size, names in SIZES.items() for name in names.split() if name in known}
    if "layer_types" in known and kind not in _LAYERS_FOLLOW:
        kinds = list(dict.fromkeys(usual.layer_types or []))
        sizes |= {"layer_types": (kinds * 4)[:4]} if kinds else {}
    settings = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None, **sizes, **OWN.get(kind, {})}
    config = CONFIG_MAPPING[kind](
        **{
            name: value
            for name, value in settings.items()
            if not isinstance(getattr(type(usual), name, None), property)
        }
    )
    if "is_decoder" in known:
        config.is_decoder = True
    return config
