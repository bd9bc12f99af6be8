"""Arguments of TRL's GRPOConfig and RLOOConfig: what each is here, its default there, and what is different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

VERSION = "1.16"
"""Version of TRL that the table is of."""

Kind = Literal["carried", "not needed", "no counterpart"]


class Argument(NamedTuple):
    """An argument of TRL's configuration.

    Args:
        kind: ``"carried"`` is written into the YAML file; ``"not needed"`` has nothing to say here; what has
            ``"no counterpart"`` is reported where it is not at its default.
        ours: Paths in the YAML file, ``init_args`` being understood: ``model.clip_low``. Those in parentheses are where
            to set by hand what cannot be carried over.
        note: What is different here, and why; or the way out.
    """

    kind: Kind
    ours: tuple[str, ...]
    note: str


class Group(NamedTuple):
    """Arguments about one subject, as they stand in the table of the page.

    Args:
        title: The subject.
        arguments: By the name in TRL.
    """

    title: str
    arguments: Mapping[str, Argument]


def _rows(*rows: tuple[str, Kind, str, str]) -> dict[str, Argument]:
    """Return arguments by name; a row may stand for several names of which the same is to be said."""
    made = {names: Argument(kind, tuple(ours.split()), note) for names, kind, ours, note in rows}
    return {name: argument for names, argument in made.items() for name in names.split()}


GROUPS: tuple[Group, ...] = (
    Group(
        "Sizes of a rollout and of a step",
        _rows(
            ("num_generations", "carried", "sampler.group_size", ""),
            (
                "per_device_train_batch_size",
                "carried",
                "model.prompts_per_rollout model.minibatches_per_rollout",
                "counted in completions in TRL. Here a rollout is counted in prompts, over all devices: rows of a "
                "device x devices x `steps_per_generation` / `num_generations`. A minibatch holds whole groups, so it "
                "may become larger than the rows of a device; only BNPO's gradient depends on that",
            ),
            (
                "generation_batch_size steps_per_generation",
                "carried",
                "model.prompts_per_rollout model.minibatches_per_rollout",
                "None in TRL means `gradient_accumulation_steps`: one optimizer step per rollout. A larger "
                "`steps_per_generation` takes several steps on one rollout, as more minibatches than "
                "`trainer.accumulate_grad_batches` do here",
            ),
            (
                "gradient_accumulation_steps",
                "carried",
                "trainer.accumulate_grad_batches",
                "if it is above `steps_per_generation` x `num_iterations` in TRL, several generations make one step: "
                "here they are one larger rollout",
            ),
            ("num_iterations", "carried", "model.passes_per_rollout", ""),
            (
                "max_steps num_train_epochs",
                "carried",
                "trainer.max_steps trainer.max_epochs",
                "steps of the optimizer in both. Lightning counts whole epochs; a part of one is reported",
            ),
            (
                "num_generations_eval per_device_eval_batch_size",
                "carried",
                "model.validation_samples data.validation_batch_size",
                "held-out prompts are answered as often as in TRL, at the temperature of training; the default here "
                "is one greedy answer. A batch is counted in prompts here",
            ),
            (
                "auto_find_batch_size",
                "no counterpart",
                "",
                "TRL refuses it, too. `rlframework plan` estimates the memory of a run",
            ),
            (
                "dataloader_drop_last train_sampling_strategy",
                "not needed",
                "",
                "prompts that do not fill a rollout are left out of an epoch in both; the next epoch leaves out others",
            ),
            (
                "shuffle_dataset",
                "no counterpart",
                "",
                "prompts are shuffled by (seed, epoch), so that a resumed run has the same order; for your own order "
                "override `train_dataloader` of the data module",
            ),
            ("length_column_name", "not needed", "", "TRL's samplers of prompts do not read it"),
        ),
    ),
    Group(
        "Sampling",
        _rows(
            (
                "max_completion_length",
                "carried",
                "sampler.max_tokens",
                "the end token counts in both. `max_prompt_length` is gone in TRL (prompts are never cut): where a "
                "script has it, it becomes `data.max_prompt_tokens`, which refuses longer prompts instead of cutting "
                "them",
            ),
            (
                "temperature",
                "carried",
                "sampler.temperature",
                "divides the logits in every log-probability of the loss, too",
            ),
            (
                "top_p top_k min_p",
                "carried",
                "sampler.top_p sampler.top_k sampler.min_p",
                "a truncated sampler is not the policy, but TRL's loss treats it as the policy. Here it is refused "
                "without a `model.sampler_correction`, so TokenTruncation() is written, too",
            ),
            (
                "repetition_penalty",
                "no counterpart",
                "",
                "samples of a penalised distribution are not the policy's, and the penalty depends on the whole row; "
                "pay for repetition in the reward",
            ),
            (
                "generation_kwargs",
                "no counterpart",
                "",
                "a sampler takes temperature, top_k, top_p, min_p and max_tokens",
            ),
            (
                "chat_template_kwargs",
                "no counterpart",
                "",
                "the tokenizer's own chat template is used as it is; save a tokenizer whose template has the value set "
                "(such as `enable_thinking`) and name it as `model.policy.tokenizer`",
            ),
            (
                "cache_implementation use_cache",
                "not needed",
                "",
                "the sampler has a cache of its own, checked against a pass without one",
            ),
            (
                "use_transformers_continuous_batching transformers_continuous_batching_config use_transformers_paged",
                "not needed",
                "",
                "finished rows leave the batch, and a prompt is read once for its group (docs/performance.md)",
            ),
            ("pad_to_multiple_of", "not needed", "", "rows are laid out by the policy; padding changes no gradient"),
            (
                "ds3_gather_for_generation",
                "not needed",
                "",
                "strategies of Lightning, not DeepSpeed's flags (docs/many_ranks.md)",
            ),
            (
                "disable_dropout",
                "not needed",
                "",
                "TRL samples and scores with dropout on, unless this is True. Here both always happen in eval mode, "
                "and dropout acts only in the training pass. To have none, set the dropout of the model or adapter to "
                "0",
            ),
            (
                "max_tool_calling_iterations",
                "no counterpart",
                "(sampler.max_turns)",
                "`EpisodeSampler` has `max_turns`; see Tools above",
            ),
        ),
    ),
    Group(
        "vLLM",
        _rows(
            (
                "use_vllm vllm_mode",
                "carried",
                "sampler.servers",
                "`server` becomes `VLLMSampler`. `colocate` has no counterpart: the engine is a process of its own, "
                "which `rlframework serve MODEL` starts, on a device of its own or on a share of this one "
                "(docs/serve.md)",
            ),
            (
                "vllm_server_base_url vllm_server_host vllm_server_port",
                "carried",
                "sampler.servers",
                "the address of an OpenAI server of vLLM, not of `trl vllm-serve`: weights reach it as files or "
                "adapters",
            ),
            ("vllm_server_timeout", "carried", "sampler.patience", "seconds to wait for a server"),
            ("vllm_group_port", "not needed", "", "there is no NCCL group between trainer and server"),
            (
                "vllm_model_impl vllm_gpu_memory_utilization vllm_max_model_length vllm_tensor_parallel_size "
                "vllm_enable_sleep_mode",
                "not needed",
                "",
                "flags of the server: `rlframework serve MODEL -- --gpu-memory-utilization 0.3`",
            ),
            (
                "vllm_structured_outputs_regex",
                "no counterpart",
                "",
                "answers that are forced into a pattern are not the policy's own; reward the layout instead "
                "(`ExactFormat`)",
            ),
            (
                "vllm_importance_sampling_correction vllm_importance_sampling_mode vllm_importance_sampling_clip_min "
                "vllm_importance_sampling_clip_max vllm_importance_sampling_cap",
                "carried",
                "model.sampler_correction",
                "TRL's default is `sequence_mask` without a lower bound: the product of a completion's ratios, which "
                "goes towards 0 with its length. It is written as it is in TRL; the default here is TokenTruncation()",
            ),
        ),
    ),
    Group(
        "Loss",
        _rows(
            (
                "loss_type importance_sampling_level scale_rewards multi_objective_aggregation",
                "carried",
                "model",
                "chosen by the class. **TRL's default loss is `dapo`, with GRPO's advantages and one clip for both "
                "sides: here `DAPO` with `clip_high: 0.2`, not `GRPO`.** Combinations that no class has are written "
                "as a subclass of three lines. GDPO ignores `scale_rewards` in both",
            ),
            (
                "epsilon",
                "carried",
                "model.clip_low",
                "GSPO's and LUSPO's defaults are 3e-4 and 4e-4 here, as in the paper",
            ),
            (
                "epsilon_high",
                "carried",
                "model.clip_high model.ratio_cap",
                "None there is `epsilon`; `DAPO` here has 0.28. With `cispo` it is the cap of the ratio itself, and "
                "TRL's 0.2 cuts every on-policy ratio to 0.2; a cap below 1 is refused here, and 5 is written and "
                "reported",
            ),
            (
                "delta",
                "carried",
                "model.ratio_cap",
                "both bound the ratio for either sign of the advantage; here a bound inside the clip range is refused",
            ),
            (
                "beta",
                "carried",
                "model.kl_coefficient",
                "0 in both, and no reference is kept. TRL loads its reference again from the model's name; here it is "
                "a copy of the policy at the start of the run",
            ),
            (
                "use_bias_correction_kl",
                "carried",
                "model.kl",
                "True in TRL: the KL term is multiplied by the ratio, which changes the gradient even on-policy. Here "
                "`KLInLoss()` is not multiplied unless `ratio_corrected=True`, which is written if TRL has it. "
                "`train/kl` is K without the ratio",
            ),
            (
                "sapo_temperature_pos sapo_temperature_neg",
                "carried",
                "model.temperature_positive model.temperature_negative",
                "of `SAPO`",
            ),
            (
                "vespo_k_pos vespo_lambda_pos vespo_k_neg vespo_lambda_neg",
                "carried",
                "model.shape_positive model.rate_positive model.shape_negative model.rate_negative",
                "of `VESPO`",
            ),
            (
                "mask_truncated_completions",
                "carried",
                "model.mask_truncated model.count_masked",
                "TRL leaves the reward of a masked completion in its group's baseline and its row in the denominator: "
                "`count_masked: true` is written. Without it a masked completion is as if it had not been sampled",
            ),
            (
                "off_policy_mask_threshold",
                "carried",
                "model.off_policy_threshold",
                "",
            ),
            (
                "top_entropy_quantile",
                "carried",
                "model.top_entropy_share",
                "TRL's threshold is that of a micro-batch, here that of the optimizer step; refused for algorithms "
                "with one ratio per completion",
            ),
            (
                "entropy_coef use_adaptive_entropy entropy_target entropy_coef_min entropy_coef_max entropy_coef_delta",
                "carried",
                "model.entropy_bonus",
                "a mean over the tokens of the step; TRL's is a mean of the means of micro-batches",
            ),
            (
                "normalize_advantages",
                "carried",
                "model",
                "only for RLOO: written as a subclass that divides by the spread of the rollout",
            ),
            (
                "reward_clip_range",
                "no counterpart",
                "(model.reward)",
                "clip in the reward function, so that the logged reward is the one that counts",
            ),
            (
                "reward_weights",
                "carried",
                "model.reward.weights",
                "a reward that abstains counts as 0 in TRL's sum, and is written as `optional`; here a row without a "
                "score that is not optional leaves its group",
            ),
            (
                "sync_ref_model ref_model_sync_steps ref_model_mixup_alpha",
                "carried",
                "RefreshReference.every_n_steps RefreshReference.mixing",
                "a callback",
            ),
            (
                "label_smoothing_factor",
                "not needed",
                "",
                "TRL's loss does not read it",
            ),
            (
                "average_tokens_across_devices",
                "not needed",
                "",
                "every denominator is counted over all devices",
            ),
        ),
    ),
    Group(
        "Model",
        _rows(
            (
                "model_init_kwargs",
                "carried",
                "model.policy.dtype",
                "only `dtype` is carried over; a model given by its name is float32 in both. For another attention "
                "implementation load the model in Python: CausalLMPolicy(model, tokenizer)",
            ),
            (
                "trust_remote_code",
                "no counterpart",
                "",
                "load the model yourself and give the object: CausalLMPolicy(model, tokenizer)",
            ),
            (
                "gradient_checkpointing activation_checkpointing",
                "carried",
                "model.policy.gradient_checkpointing",
                "**True in TRL**, which costs another forward pass in every step. False here; `rlframework plan` says "
                "whether the run fits without it",
            ),
            (
                "gradient_checkpointing_kwargs activation_checkpointing_kwargs",
                "no counterpart",
                "",
                "`use_reentrant` is False, as in TRL; other settings: model.gradient_checkpointing_enable(...) on an "
                "object",
            ),
            (
                "router_aux_loss_coef",
                "no counterpart",
                "",
                "the model's own `router_aux_loss_coef` is used if its configuration has `output_router_logits=True`; "
                "save the model with both",
            ),
            (
                "cast_lm_head_to_fp32",
                "no counterpart",
                "",
                "log-probabilities are summed up in float32; the head multiplies in the precision of the model. Under "
                "bf16-mixed its weights are float32",
            ),
            (
                "bf16 fp16",
                "carried",
                "trainer.precision",
                "**bf16 is on in TRL unless fp16 is**: `bf16-mixed`, and weights of float32. Lightning's default is "
                "float32",
            ),
            (
                "use_liger_kernel liger_kernel_config",
                "not needed",
                "",
                "logits are made in tiles, and only where a token is scored",
            ),
            (
                "torch_compile torch_compile_backend torch_compile_mode",
                "no counterpart",
                "",
                "algorithm.policy.model.compile() in Python",
            ),
            (
                "neftune_noise_alpha",
                "no counterpart",
                "",
                "noise on embeddings makes the log-probabilities of the training pass differ from those of sampling",
            ),
            (
                "tf32",
                "no counterpart",
                "",
                "torch.set_float32_matmul_precision('high') in Python",
            ),
        ),
    ),
    Group(
        "Optimizer",
        _rows(
            ("learning_rate", "carried", "model.learning_rate", ""),
            (
                "lr_scheduler_type",
                "carried",
                "model.schedule",
                "the schedules of transformers, stepped once per optimizer step; both fall to 0 at the last step",
            ),
            (
                "lr_scheduler_kwargs",
                "no counterpart",
                "",
                "schedules with settings of their own: override `configure_optimizers`",
            ),
            (
                "warmup_steps",
                "carried",
                "model.warmup_steps",
                "a share below 1 is converted to steps with `max_steps`; without `max_steps` it is reported. In both "
                "the first step of a warm-up has a rate of 0",
            ),
            (
                "weight_decay",
                "carried",
                "model.weight_decay",
                "on matrices; biases and norms are exempt in both",
            ),
            ("adam_beta1 adam_beta2", "carried", "model.betas", ""),
            (
                "adam_epsilon",
                "no counterpart",
                "",
                "1e-8 in both; override `configure_optimizers` for another",
            ),
            (
                "optim optim_args optim_target_modules",
                "no counterpart",
                "",
                "AdamW, fused where it can be; override `configure_optimizers` for another",
            ),
            (
                "max_grad_norm",
                "carried",
                "trainer.gradient_clip_val",
                "**None in Lightning**. Some algorithms have other norms here (Dr. GRPO's is small, LUSPO's large)",
            ),
        ),
    ),
    Group(
        "Random numbers and devices",
        _rows(
            (
                "seed data_seed",
                "carried",
                "seed_everything model.seed sampler.seed",
                "42 in TRL, 0 here. The same seed gives other prompts and completions, because the random generators "
                "differ",
            ),
            ("full_determinism", "carried", "trainer.deterministic", ""),
            ("use_cpu", "carried", "trainer.accelerator", ""),
            (
                "fsdp fsdp_config deepspeed parallelism_config accelerator_config",
                "no counterpart",
                "(trainer.strategy)",
                "strategies of Lightning (docs/scaling.md, docs/many_ranks.md)",
            ),
            (
                "ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend "
                "ddp_timeout",
                "no counterpart",
                "(trainer.strategy)",
                "arguments of Lightning's `DDPStrategy`",
            ),
            ("local_rank", "not needed", "", "the launcher says it"),
            (
                "torch_empty_cache_steps",
                "no counterpart",
                "",
                "a callback of your own, three lines (docs/write_your_own/callback.md)",
            ),
        ),
    ),
    Group(
        "Evaluation",
        _rows(
            (
                "eval_strategy eval_steps",
                "carried",
                "trainer.val_check_interval trainer.check_val_every_n_epoch trainer.limit_val_batches",
                "Lightning counts minibatches: `eval_steps` x `accumulate_grad_batches`. TRL evaluates the reward; "
                "also measure accuracy (`model.validation`)",
            ),
            (
                "eval_on_start",
                "no counterpart",
                "",
                "`rlframework validate -c FILE` before the run",
            ),
            ("eval_delay", "no counterpart", "", "leave it out: an early validation shows where the run began"),
            (
                "do_train do_eval do_predict prediction_loss_only eval_do_concat_batches eval_use_gather_object "
                "eval_accumulation_steps include_for_metrics batch_eval_metrics bf16_full_eval fp16_full_eval "
                "label_names",
                "not needed",
                "",
                "`rlframework validate`, `test` and `predict`; measures are torchmetrics (docs/sentinels.md)",
            ),
        ),
    ),
    Group(
        "Logging",
        _rows(
            (
                "logging_steps",
                "carried",
                "trainer.log_every_n_steps",
                "TRL logs the mean since the last log; here a logged figure is that of its step",
            ),
            (
                "logging_strategy",
                "no counterpart",
                "(trainer.log_every_n_steps)",
                "`logger: false` for `no`; there is no logging per epoch (one pass over all prompts)",
            ),
            (
                "report_to",
                "carried",
                "trainer.logger",
                "`tensorboard`, `wandb` and `mlflow` become Lightning's loggers; with `none` a CSV file is kept",
            ),
            ("run_name project", "carried", "trainer.logger.name", ""),
            (
                "trackio_space_id trackio_bucket_id trackio_static_space_id",
                "no counterpart",
                "",
                "there is no logger of Lightning for trackio",
            ),
            (
                "log_completions num_completions_to_print",
                "carried",
                "SampleLogger RolloutWriter",
                "tables in the logger, and every completion in rollouts.jsonl",
            ),
            (
                "log_unique_prompts log_multimodal",
                "not needed",
                "",
                "`SampleLogger` shows one completion of each shown prompt",
            ),
            (
                "log_completions_hub_repo",
                "no counterpart",
                "",
                "rollouts.jsonl is a file of JSON lines",
            ),
            (
                "disable_tqdm",
                "carried",
                "trainer.enable_progress_bar",
                "",
            ),
            (
                "logging_first_step logging_nan_inf_filter log_on_each_node log_level log_level_replica "
                "include_num_input_tokens_seen skip_memory_metrics debug",
                "not needed",
                "",
                "step 1 is logged if `log_every_n_steps` is 1; NaN is logged as it is, and `NotFinite` stops the run",
            ),
        ),
    ),
    Group(
        "Saving",
        _rows(
            ("output_dir", "carried", "trainer.default_root_dir SavePolicy.folder", ""),
            (
                "save_strategy save_steps",
                "carried",
                "ModelCheckpoint.every_n_train_steps SavePolicy.every_n_steps",
                "`ModelCheckpoint` for the run, `SavePolicy` for what other libraries load. `best` and a share of "
                "steps are reported",
            ),
            ("save_total_limit", "carried", "ModelCheckpoint.save_top_k", "None keeps all"),
            (
                "save_only_model",
                "carried",
                "ModelCheckpoint.save_weights_only",
                "a run cannot be resumed from weights alone",
            ),
            (
                "load_best_model_at_end metric_for_best_model greater_is_better",
                "no counterpart",
                "(ModelCheckpoint.monitor)",
                "ModelCheckpoint(monitor='val/accuracy', mode='max') keeps the best",
            ),
            (
                "resume_from_checkpoint",
                "no counterpart",
                "",
                "`rlframework fit -c FILE --ckpt_path CHECKPOINT`; checkpoints of TRL cannot be resumed, but its "
                "models can be loaded",
            ),
            (
                "ignore_data_skip restore_callback_states_from_checkpoint enable_jit_checkpoint save_on_each_node",
                "not needed",
                "",
                "a resumed run is bit-exact (docs/checkpoints.md)",
            ),
            (
                "push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision",
                "no counterpart",
                "",
                "`rlframework export` writes a folder with a model card; `hf upload` uploads it",
            ),
        ),
    ),
    Group(
        "Data loader",
        _rows(
            (
                "dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor "
                "dataloader_multiprocessing_context dataloader_in_order",
                "not needed",
                "",
                "prompts are tokenised once, before the run; rewards have processes of their own "
                "(`FunctionReward(workers=)`)",
            ),
            (
                "remove_unused_columns",
                "not needed",
                "",
                "False in TRL, so that rewards see all columns; they do here",
            ),
        ),
    ),
)
"""All arguments, by subject."""

ARGUMENTS: Mapping[str, Argument] = {name: one for group in GROUPS for name, one in group.arguments.items()}
"""All arguments, by the name in TRL."""

_COMMON: Mapping[str, Any] = {
    "accelerator_config": None,
    "activation_checkpointing": None,
    "activation_checkpointing_kwargs": None,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-08,
    "auto_find_batch_size": False,
    "average_tokens_across_devices": True,
    "batch_eval_metrics": False,
    "bf16": None,
    "bf16_full_eval": False,
    "cache_implementation": None,
    "chat_template_kwargs": None,
    "data_seed": None,
    "dataloader_drop_last": False,
    "dataloader_in_order": True,
    "dataloader_multiprocessing_context": None,
    "dataloader_num_workers": 0,
    "dataloader_persistent_workers": False,
    "dataloader_pin_memory": True,
    "dataloader_prefetch_factor": None,
    "ddp_backend": None,
    "ddp_broadcast_buffers": None,
    "ddp_bucket_cap_mb": None,
    "ddp_find_unused_parameters": None,
    "ddp_static_graph": None,
    "ddp_timeout": 1800,
    "debug": "",
    "deepspeed": None,
    "disable_dropout": False,
    "disable_tqdm": None,
    "do_eval": False,
    "do_predict": False,
    "do_train": False,
    "ds3_gather_for_generation": True,
    "enable_jit_checkpoint": False,
    "epsilon": 0.2,
    "epsilon_high": None,
    "eval_accumulation_steps": None,
    "eval_delay": 0,
    "eval_do_concat_batches": True,
    "eval_on_start": False,
    "eval_steps": None,
    "eval_strategy": "no",
    "eval_use_gather_object": False,
    "fp16": False,
    "fp16_full_eval": False,
    "fsdp": None,
    "fsdp_config": None,
    "full_determinism": False,
    "generation_batch_size": None,
    "generation_kwargs": None,
    "gradient_accumulation_steps": 1,
    "gradient_checkpointing": True,
    "gradient_checkpointing_kwargs": None,
    "greater_is_better": None,
    "hub_always_push": False,
    "hub_model_id": None,
    "hub_private_repo": None,
    "hub_revision": None,
    "hub_strategy": "every_save",
    "hub_token": None,
    "ignore_data_skip": False,
    "include_for_metrics": [],
    "include_num_input_tokens_seen": "no",
    "label_names": None,
    "label_smoothing_factor": 0.0,
    "learning_rate": 1e-06,
    "length_column_name": "length",
    "liger_kernel_config": None,
    "load_best_model_at_end": False,
    "local_rank": -1,
    "log_completions": False,
    "log_level": "passive",
    "log_level_replica": "warning",
    "log_multimodal": True,
    "log_on_each_node": True,
    "log_unique_prompts": False,
    "logging_first_step": False,
    "logging_nan_inf_filter": True,
    "logging_steps": 10,
    "logging_strategy": "steps",
    "lr_scheduler_kwargs": None,
    "lr_scheduler_type": "linear",
    "mask_truncated_completions": False,
    "max_completion_length": 512,
    "max_grad_norm": 1.0,
    "max_steps": -1,
    "metric_for_best_model": None,
    "min_p": None,
    "model_init_kwargs": None,
    "neftune_noise_alpha": None,
    "num_completions_to_print": None,
    "num_generations_eval": None,
    "num_iterations": 1,
    "num_train_epochs": 3.0,
    "optim": "adamw_torch_fused",
    "optim_args": None,
    "optim_target_modules": None,
    "output_dir": None,
    "pad_to_multiple_of": "auto",
    "parallelism_config": None,
    "per_device_eval_batch_size": 8,
    "per_device_train_batch_size": 8,
    "prediction_loss_only": False,
    "project": "huggingface",
    "push_to_hub": False,
    "ref_model_mixup_alpha": 0.6,
    "ref_model_sync_steps": 512,
    "remove_unused_columns": False,
    "repetition_penalty": 1.0,
    "report_to": "none",
    "restore_callback_states_from_checkpoint": False,
    "resume_from_checkpoint": None,
    "reward_weights": None,
    "router_aux_loss_coef": None,
    "run_name": None,
    "save_on_each_node": False,
    "save_only_model": False,
    "save_steps": 500,
    "save_strategy": "steps",
    "save_total_limit": None,
    "seed": 42,
    "shuffle_dataset": True,
    "skip_memory_metrics": True,
    "steps_per_generation": None,
    "sync_ref_model": False,
    "temperature": 1.0,
    "tf32": None,
    "top_k": 0,
    "top_p": 1.0,
    "torch_compile": False,
    "torch_compile_backend": None,
    "torch_compile_mode": None,
    "torch_empty_cache_steps": None,
    "trackio_bucket_id": None,
    "trackio_space_id": None,
    "trackio_static_space_id": None,
    "train_sampling_strategy": "random",
    "transformers_continuous_batching_config": None,
    "trust_remote_code": False,
    "use_cache": False,
    "use_cpu": False,
    "use_liger_kernel": False,
    "use_transformers_continuous_batching": False,
    "use_transformers_paged": False,
    "use_vllm": False,
    "vllm_enable_sleep_mode": False,
    "vllm_gpu_memory_utilization": 0.3,
    "vllm_group_port": 51216,
    "vllm_max_model_length": None,
    "vllm_mode": "colocate",
    "vllm_model_impl": "vllm",
    "vllm_server_base_url": None,
    "vllm_server_host": "0.0.0.0",  # noqa: S104 - TRL's default, which is compared
    "vllm_server_port": 8000,
    "vllm_server_timeout": 240.0,
    "vllm_structured_outputs_regex": None,
    "vllm_tensor_parallel_size": 1,
    "warmup_steps": 0,
    "weight_decay": 0.0,
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "grpo": {
        **_COMMON,
        "beta": 0.0,
        "cast_lm_head_to_fp32": False,
        "delta": None,
        "entropy_coef": 0.0,
        "entropy_coef_delta": 0.005,
        "entropy_coef_max": 1.0,
        "entropy_coef_min": 0.0,
        "entropy_target": 0.2,
        "importance_sampling_level": "token",
        "log_completions_hub_repo": None,
        "loss_type": "dapo",
        "max_tool_calling_iterations": None,
        "multi_objective_aggregation": "sum_then_normalize",
        "num_generations": 8,
        "off_policy_mask_threshold": None,
        "sapo_temperature_neg": 1.05,
        "sapo_temperature_pos": 1.0,
        "scale_rewards": "group",
        "top_entropy_quantile": 1.0,
        "use_adaptive_entropy": False,
        "use_bias_correction_kl": True,
        "vespo_k_neg": 3.0,
        "vespo_k_pos": 2.0,
        "vespo_lambda_neg": 2.0,
        "vespo_lambda_pos": 3.0,
        "vllm_importance_sampling_cap": None,
        "vllm_importance_sampling_clip_max": 3.0,
        "vllm_importance_sampling_clip_min": None,
        "vllm_importance_sampling_correction": True,
        "vllm_importance_sampling_mode": "sequence_mask",
    },
    "rloo": {**_COMMON, "beta": 0.05, "normalize_advantages": False, "num_generations": 2, "reward_clip_range": None},
}
"""Defaults of GRPOConfig and RLOOConfig, which a test compares with those of the installed TRL."""

OLDER: Mapping[str, Argument] = _rows(
    (
        "max_prompt_length",
        "carried",
        "data.max_prompt_tokens",
        "TRL 1 has no such argument. It cut longer prompts from the left; here they are refused, or left out with "
        "`too_long: drop`",
    ),
    ("warmup_ratio", "carried", "model.warmup_steps", "a share of the steps; counted out with `max_steps`"),
    ("overwrite_output_dir", "not needed", "", "every run has a folder `version_N` of its own"),
    ("logging_dir", "no counterpart", "(trainer.logger.save_dir)", "loggers write into `trainer.default_root_dir`"),
    ("use_liger_loss", "not needed", "", "logits are made in tiles, and only where a token is scored"),
)
"""Arguments that older versions of TRL and transformers had."""


def where_it_is_set(name: str) -> str:
    """Return where an argument of TRL is set here, in words, for a report.

    Example:
        >>> where_it_is_set("learning_rate")
        'model.learning_rate'
    """
    argument = ARGUMENTS.get(name) or OLDER.get(name)
    if argument is None:
        return "no argument of TRL"
    return " and ".join(path.strip("()") for path in argument.ours) or argument.note


def names() -> Iterator[str]:
    """Yield every argument that there is a row for, those of older versions too."""
    yield from ARGUMENTS
    yield from OLDER
