"""Qwen3-4B-Base becomes a reasoning model through Unsloth: loaded, primed, reinforced, compared and exported.

    python recipes/qwen3_math_unsloth.py                       # Qwen3-4B-Base and OpenR1-Math-220k, one GPU
    python recipes/qwen3_math_unsloth.py --fast-inference      # samples through Unsloth's vLLM engine
    python recipes/qwen3_math_unsloth.py --tiny                # the same steps on Unsloth's CPU backend, on sums

1. Unsloth loads the base in 16 bits and puts LoRA on: rank 32, alpha 64, seven projections, its gradient checkpointing.
2. A plain chat template, whose system prompt imposes the layout; OpenR1-Math's problems, some of them held out.
3. The base is measured as it is, and with the prompt.
4. SFT on worked solutions in the layout, measured.
5. GRPO with four rewards, measured: the same problems, prompt, template and token budget in every row but the first.
6. Adapter, merged model in 16 bits, and GGUF, by Unsloth's own exporters.

Steps 2 to 5 are those of qwen3_math.py: the policy and the sampler are all that differs. On a GPU this has not been
run yet; docs/unsloth.md says what was.
"""

from __future__ import annotations

import unsloth  # noqa: F401  # isort: skip  (it patches what is imported after it)

import torch
from qwen3_math import LORA, main

from rlframework import UnslothEngineSampler, UnslothPolicy, UnslothSampler
from rlframework.loggers import AppendingCSVLogger
from rlframework.tasks.math_run import recipe_options
from rlframework.utilities.paths import writable_folder

# Prompts are short beside completions; what is longer than all of this is left out or refused, never cut.
PROMPT_TOKENS = 1024

if __name__ == "__main__":
    options = recipe_options(
        __doc__,
        model="unsloth/Qwen3-4B-Base",
        data="open-r1/OpenR1-Math-220k",
        flags={"--fast-inference": "sample through Unsloth's vLLM engine; needs vLLM and a GPU"},
    )
    folder = writable_folder(AppendingCSVLogger(options.output, "qwen3_math_unsloth").log_dir)
    gpu, sizes = torch.cuda.is_available(), options.sizes
    policy = UnslothPolicy(
        options.model,
        LORA,
        max_seq_length=PROMPT_TOKENS + max(sizes.max_tokens, sizes.sft_tokens),
        dtype="bfloat16" if gpu else "float32",
        gradient_checkpointing="unsloth",
        fast_inference=options.fast_inference,
        random_state=options.seed,
    )
    kind = UnslothEngineSampler if options.fast_inference else UnslothSampler
    # No min_p: tokens that are never sampled have no place in an importance ratio.
    sampler = kind(sizes.group, sizes.max_tokens, seed=options.seed)
    main(policy, sampler, options.data, sizes, folder, options.seed)
    policy.save_merged(folder / "merged")
    if gpu:  # it builds llama.cpp
        policy.save_gguf(folder / "gguf", "q8_0")
