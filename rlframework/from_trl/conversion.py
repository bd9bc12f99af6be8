"""Conversion of a run of TRL: its settings as the tree of a YAML file of ``rlframework fit``, and what is different."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rlframework.from_trl.algorithm import CLIPPED, SCALED_RLOO, AlgorithmClass, algorithm_of, imports_of
from rlframework.from_trl.arguments import ARGUMENTS, DEFAULTS, OLDER, where_it_is_set
from rlframework.from_trl.found import Missed, Rows, TRLRun
from rlframework.from_trl.sizes import Sizes, sizes_of

_CORRECTIONS = {
    "token_truncate": "TokenTruncation",
    "token_mask": "TokenMask",
    "sequence_truncate": "SequenceTruncation",
    "sequence_mask": "SequenceMask",
}
_SIZES = (
    "per_device_train_batch_size",
    "num_generations",
    "gradient_accumulation_steps",
    "steps_per_generation",
    "generation_batch_size",
    "num_iterations",
)
_LOGGERS = {
    "tensorboard": "pytorch_lightning.loggers.TensorBoardLogger",
    "wandb": "pytorch_lightning.loggers.WandbLogger",
    "mlflow": "pytorch_lightning.loggers.MLFlowLogger",
}
_CAP = 5.0
TO_FILL_IN = "FILL_IN"
"""What stands in the YAML file where the run of TRL did not say it."""


@dataclass
class Converted:
    """The YAML file of a run of TRL, and what could not be carried over.

    Args:
        tree: Of the YAML file.
        code: Of the module beside it; empty if none is needed.
        missed: What is not carried over.
        different: What is carried over and not the same.
    """

    tree: dict[str, Any]
    code: str
    missed: list[Missed]
    different: list[str]


def convert(run: TRLRun, module: str, devices: int = 1) -> Converted:
    """Convert a run of TRL.

    Args:
        run: As it was read.
        module: Name of the module that is written beside the YAML file.
        devices: Processes that the run of TRL has.
    """
    return _Conversion(run, module, devices).converted()


class _Conversion:
    """One conversion; see `convert`.

    Attributes:
        used: Names of the arguments that were looked at.
    """

    def __init__(self, run: TRLRun, module: str, devices: int) -> None:
        self.run = run
        self.module = module
        self.devices = devices
        self.defaults = DEFAULTS[run.kind]
        self.missed = list(run.missed)
        self.different: list[str] = []
        self.classes: list[AlgorithmClass] = []
        self.used: set[str] = set()

    def converted(self) -> Converted:
        self._refuse_others()
        sizes = self._sizes()
        model, sampler = self._algorithm(sizes), self._sampler()
        policy, reward = self._policy(), self._reward()
        seed = self.get("seed")
        head = {"policy": policy, "reward": reward, "sampler": sampler}
        tree = {
            "seed_everything": seed,
            "model": {"class_path": model.pop("class_path"), "init_args": {**head, **model, "seed": self._seed(seed)}},
            "data": self._data(),
            "trainer": self._trainer(sizes),
        }
        self._say_what_differs()
        return Converted(tree, self._code(), sorted(self.missed, key=_line), self.different)

    def get(self, name: str) -> Any:
        """Return an argument of TRL, its default where it is not set."""
        self.used.add(name)
        if name in self.run.settings:
            return self.run.settings[name].value
        return self.defaults.get(name)

    def is_set(self, name: str) -> bool:
        """Return whether an argument has another value than TRL's default."""
        return self.get(name) != self.defaults.get(name)

    def miss(self, name: str, way_out: str) -> None:
        """Take down an argument that is not carried over."""
        read = self.run.settings.get(name)
        value = self.get(name)
        shown = f"{name}={value!r}" if read else f"{name}={value!r} (TRL's default)"
        self.missed.append(Missed(read.place if read else "", shown, way_out))

    def _refuse_others(self) -> None:
        """Take down what is set and has no counterpart, or is no argument of this trainer."""
        for name, read in self.run.settings.items():
            argument = ARGUMENTS.get(name) or OLDER[name]
            if name in ARGUMENTS and name not in self.defaults:
                kind = f"no argument of TRL's {self.run.kind}"
                self.missed.append(Missed(read.place, f"{name}={read.value!r}", kind))
            elif argument.kind == "no counterpart" and read.value != self.defaults.get(name) and not self._same(name):
                self.miss(name, argument.note)

    def _same(self, name: str) -> bool:
        """Return whether a value other than TRL's default comes to the same here."""
        value = self.run.settings[name].value
        same = {"optim": value in ("adamw_torch", "adamw_torch_fused"), "adam_epsilon": value == 1e-8}
        same["gradient_checkpointing_kwargs"] = value == {"use_reentrant": False}
        return same.get(name, False) or (not value and not self.defaults.get(name))

    def _sizes(self) -> Sizes:
        for name in _SIZES:
            value = self.get(name)
            if value is not None and (type(value) is not int or value < 1):
                self.miss(name, "a size is a whole number of at least 1; TRL's default is written")
                del self.run.settings[name]
        rows, group = self.get("per_device_train_batch_size"), self.get("num_generations")
        accumulate, slices = self.get("gradient_accumulation_steps"), self.get("steps_per_generation")
        whole, iterations = self.get("generation_batch_size"), self.get("num_iterations")
        if slices is None:
            slices = accumulate if whole is None else whole // (rows * self.devices)
        try:
            sizes = sizes_of(rows, self.devices, group, slices, accumulate, iterations)
        except ValueError as why:
            self.missed.append(Missed("", "the sizes of rollout and step", str(why)))
            sizes = Sizes(max(1, rows * self.devices * slices // group), 1, 1, iterations)
        self.different += sizes.notes
        self.exact_means = slices == accumulate or self.get("loss_type") not in ("dapo", "cispo", "vespo")
        return sizes

    def _algorithm(self, sizes: Sizes) -> dict[str, Any]:
        chosen = self._rloo() if self.run.kind == "rloo" else self._grpo()
        if chosen.code:
            self.classes.append(chosen)
        path = f"{self.module}.{chosen.name}" if chosen.code else f"rlframework.{chosen.name}"
        model: dict[str, Any] = {
            "class_path": path,
            "prompts_per_rollout": sizes.prompts,
            "minibatches_per_rollout": sizes.minibatches,
            "passes_per_rollout": sizes.passes,
            "learning_rate": self.get("learning_rate"),
            "betas": [self.get("adam_beta1"), self.get("adam_beta2")],
            "weight_decay": self.get("weight_decay"),
            "schedule": str(self.get("lr_scheduler_type")),
            "warmup_steps": self._warmup(),
            "kl_coefficient": self.get("beta"),
        }
        model |= self._clip(chosen.name)
        if self.run.kind == "grpo" and self.get("beta"):
            corrected = bool(self.get("use_bias_correction_kl"))
            model["kl"] = _object("terms.KLInLoss", ratio_corrected=corrected)
        if self.get("mask_truncated_completions"):
            model |= {"mask_truncated": True, "count_masked": True}
        if self.run.kind == "grpo":
            model |= self._terms()
        model |= self._correction()
        if self.get("eval_strategy") != "no":
            model["validation_samples"] = self.get("num_generations_eval") or self.get("num_generations")
        return model

    def _grpo(self) -> AlgorithmClass:
        scale = {True: "group", False: "none"}.get(self.get("scale_rewards"), self.get("scale_rewards"))
        decoupled = self.get("multi_objective_aggregation") == "normalize_then_sum"
        try:
            return algorithm_of(self.get("loss_type"), self.get("importance_sampling_level"), scale, decoupled)
        except ValueError as why:
            self.miss("loss_type", f"{why}. GRPO is written; choose a class of docs/algorithms/index.md")
            return AlgorithmClass("GRPO")

    def _rloo(self) -> AlgorithmClass:
        return SCALED_RLOO if self.get("normalize_advantages") else AlgorithmClass("RLOO")

    def _clip(self, name: str) -> dict[str, Any]:
        loss = "rloo" if self.run.kind == "rloo" else self.get("loss_type")
        low, high, delta = self.get("epsilon"), self.get("epsilon_high"), self.get("delta")
        high = low if high is None else high
        if loss == "sapo":
            pair = self.get("sapo_temperature_pos"), self.get("sapo_temperature_neg")
            return {"temperature_positive": pair[0], "temperature_negative": pair[1]}
        if loss == "vespo":
            ours = ("shape_positive", "rate_positive", "shape_negative", "rate_negative")
            theirs = ("vespo_k_pos", "vespo_lambda_pos", "vespo_k_neg", "vespo_lambda_neg")
            return {mine: self.get(other) for mine, other in zip(ours, theirs, strict=True)}
        if loss == "cispo":
            if high > 1:
                return {"ratio_cap": high}
            self.miss(
                "epsilon_high",
                f"with cispo it is the cap of the ratio itself, and {high} cuts every on-policy ratio: TRL's gradient "
                f"is {high} times the plain one. ratio_cap={_CAP:g} is written, as in the paper; for TRL's step "
                "multiply the learning rate (AdamW does not see the factor, the gradient clip does)",
            )
            return {"ratio_cap": _CAP}
        clip: dict[str, Any] = {"clip_low": low, "clip_high": high}
        if delta is not None and loss in CLIPPED:
            if delta < 1 + high:
                self.miss("delta", f"it would act before the clip at {1 + high:g}; set model.ratio_cap above that")
            else:
                clip["ratio_cap"] = delta
        return clip

    def _terms(self) -> dict[str, Any]:
        terms: dict[str, Any] = {}
        if self.get("off_policy_mask_threshold") is not None:
            terms["off_policy_threshold"] = self.get("off_policy_mask_threshold")
        if (share := self.get("top_entropy_quantile")) < 1:
            by_sequence = self.get("importance_sampling_level") == "sequence"
            if by_sequence or share == 0:
                self.miss("top_entropy_quantile", "refused here: a ratio by sequence, or no share at all")
            else:
                terms["top_entropy_share"] = share
                self.different.append("the threshold of top_entropy_share is that of the step; TRL's is by micro-batch")
        coefficient = self.get("entropy_coef")
        if self.get("use_adaptive_entropy"):
            terms["entropy_bonus"] = _object(
                "terms.AdaptiveEntropyBonus",
                target=self.get("entropy_target"),
                coefficient=coefficient,
                step=self.get("entropy_coef_delta"),
                lowest=self.get("entropy_coef_min"),
                highest=self.get("entropy_coef_max"),
            )
        elif coefficient:
            terms["entropy_bonus"] = _object("terms.EntropyBonus", coefficient=coefficient)
        return terms

    def _correction(self) -> dict[str, Any]:
        if self._truncates() and not self.get("use_vllm"):
            self.different.append(
                "top_p, top_k and min_p: TRL takes the truncated samples for the policy's own. Here they are weighed "
                "by TokenTruncation(); leave truncation out, it is better"
            )
            return {"sampler_correction": _object("terms.TokenTruncation")}
        if not self.get("use_vllm") or self.run.kind == "rloo" or not self.get("vllm_importance_sampling_correction"):
            return {}
        high = self.get("vllm_importance_sampling_cap") or self.get("vllm_importance_sampling_clip_max")
        kind = _CORRECTIONS.get(self.get("vllm_importance_sampling_mode"))
        if kind is None:
            known = ", ".join(_CORRECTIONS)
            self.miss("vllm_importance_sampling_mode", f"TRL knows {known}; set model.sampler_correction")
            return {}
        low = self.get("vllm_importance_sampling_clip_min")
        if kind == "SequenceMask" and low is None:
            self.different.append(
                "sampler_correction is TRL's default, the product of a completion's ratios without a lower bound: long "
                "completions lose their weight to a small gap. TokenTruncation() is the default here"
            )
        return {"sampler_correction": _object(f"terms.{kind}", low=low, high=high)}

    def _truncates(self) -> bool:
        return self.get("top_p") < 1 or bool(self.get("top_k")) or bool(self.get("min_p"))

    def _warmup(self) -> int:
        steps, most = self.get("warmup_steps"), self.get("max_steps")
        ratio = self.run.settings["warmup_ratio"].value if "warmup_ratio" in self.run.settings else 0
        share = steps if 0 < steps < 1 else ratio if not steps else 0
        if not share:
            return int(steps)
        if most > 0:
            return math.ceil(share * most)
        name = "warmup_ratio" if ratio else "warmup_steps"
        self.miss(name, "a share of the steps, whose number follows from the data; set model.warmup_steps")
        return 0

    def _sampler(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "group_size": self.get("num_generations"),
            "max_tokens": self.get("max_completion_length"),
            "temperature": self.get("temperature"),
            "seed": self.get("seed"),
        }
        given = {"top_k": self.get("top_k") or None, "top_p": self.get("top_p"), "min_p": self.get("min_p") or 0.0}
        usual = {"top_k": None, "top_p": 1.0, "min_p": 0.0}
        options |= {name: value for name, value in given.items() if value != usual[name]}
        if options["temperature"] == 0:
            self.miss("temperature", "all rows of a group would be alike; set sampler.temperature above 0")
        if not self.get("use_vllm"):
            return _object("SharedPrefixSampler", **options)
        host, port = self.get("vllm_server_host"), self.get("vllm_server_port")
        # 0.0.0.0 is where a server listens, and nowhere to call it.
        host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104
        address = self.get("vllm_server_base_url") or f"http://{host}:{port}"
        if self.get("vllm_mode") == "colocate":
            address = "http://127.0.0.1:8000"
            self.miss(
                "vllm_mode",
                "there is no engine inside the training process; start `rlframework serve MODEL`, and give its "
                f"address: model.sampler.servers ({address} is written)",
            )
        else:
            self.miss(
                "vllm_mode",
                "the server is one of vLLM itself, not of `trl vllm-serve`: start it by `rlframework serve MODEL` "
                "(docs/serve.md)",
            )
        options |= {"servers": [address], "patience": self.get("vllm_server_timeout")}
        if not self.get("vllm_importance_sampling_correction"):  # None of RLOO's
            options["correction"] = None
        return _object("VLLMSampler", **options)

    def _policy(self) -> dict[str, Any]:
        kwargs = self.get("model_init_kwargs") or {}
        dtype = self.run.dtype
        if isinstance(kwargs, dict):
            dtype = kwargs.get("dtype", kwargs.get("torch_dtype", dtype))
            strange = sorted(set(kwargs) - {"dtype", "torch_dtype", "device_map", "use_cache", "low_cpu_mem_usage"})
        else:
            strange = [str(kwargs)]
        if strange:
            self.miss(
                "model_init_kwargs",
                f"of {', '.join(strange)}: load the model in Python, with this, and give the object to CausalLMPolicy",
            )
        options: dict[str, Any] = {"model": self.run.model or TO_FILL_IN}
        if self.run.tokenizer is not None:
            options["tokenizer"] = self.run.tokenizer
        if dtype not in (None, "float32"):
            options["dtype"] = dtype
        if self.run.lora is not None:
            options["lora"] = self.run.lora
        if self.run.quantization is not None:
            options["quantization"] = {
                "class_path": "transformers.BitsAndBytesConfig",
                "init_args": self.run.quantization,
            }
        checkpointing = self.get("activation_checkpointing")
        options["gradient_checkpointing"] = bool(
            self.get("gradient_checkpointing") if checkpointing is None else checkpointing
        )
        return _object("CausalLMPolicy", **options)

    def _reward(self) -> dict[str, Any]:
        rewards: dict[str, Any] = {}
        for one in self.run.rewards:
            if one.soft_overlong is not None:
                rewards[one.name] = _object("rewards.SoftOverlong", **one.soft_overlong)
                continue
            path = f"{self.module}{one.path}" if one.path.startswith(".") else one.path
            rewards[one.name] = _object("rewards.TRLReward", function=path, chat=None)
        given = self.get("reward_weights")
        options: dict[str, Any] = {"rewards": rewards}
        if given is not None and len(given) == len(rewards):
            options["weights"] = dict(zip(rewards, map(float, given), strict=True))
        elif given is not None:
            self.miss("reward_weights", f"for {len(rewards)} rewards that were read; set model.reward.weights")
        # Of several, TRL counts one that abstains as 0.
        return _object("rewards.WeightedSum", **options, optional=list(rewards))

    def _seed(self, seed: int) -> int:
        own = self.get("data_seed")
        return int(seed if own is None else own)

    def _data(self) -> dict[str, Any]:
        train = self.run.train or Rows("json", options={"data_files": "train.jsonl"})
        options: dict[str, Any] = {"train": _source(train)}
        if self.get("eval_strategy") != "no":
            batch = self.get("per_device_eval_batch_size")
            samples = self.get("num_generations_eval") or self.get("num_generations")
            options["validation_batch_size"] = max(1, batch // samples)
            if self.run.validation is not None:
                options["validation"] = _source(self.run.validation)
            else:
                self.missed.append(Missed("", "there is no eval_dataset that was read", "set data.validation"))
        if train.prompt_column != "prompt":
            options["prompt_column"] = train.prompt_column
        if "max_prompt_length" in self.run.settings and self.run.settings["max_prompt_length"].value is not None:
            options["max_prompt_tokens"] = self.run.settings["max_prompt_length"].value
            self.different.append("max_prompt_length cut prompts in older TRL; max_prompt_tokens refuses longer ones")
        return _object("PromptDataModule", **options)

    def _trainer(self, sizes: Sizes) -> dict[str, Any]:
        trainer: dict[str, Any] = {"accelerator": "cpu"} if self.get("use_cpu") else {}
        folder = self.get("output_dir") or "trainer_output"
        trainer |= {
            "devices": self.devices,
            "precision": self._precision(),
            **self._length(),
            "accumulate_grad_batches": sizes.accumulate,
            "gradient_clip_val": self.get("max_grad_norm") or None,
            "log_every_n_steps": self._whole("logging_steps", 1),
            "default_root_dir": folder,
            **self._validation(sizes),
        }
        if self.get("full_determinism"):
            trainer["deterministic"] = True
        if self.get("disable_tqdm"):
            trainer["enable_progress_bar"] = False
        trainer["logger"] = self._loggers(folder)
        trainer |= self._callbacks(folder)
        return trainer

    def _precision(self) -> str:
        if self.get("fp16"):
            return "16-mixed"
        return "32-true" if self.get("bf16") is False else "bf16-mixed"

    def _length(self) -> dict[str, Any]:
        steps, epochs = self.get("max_steps"), self.get("num_train_epochs")
        if steps > 0:
            return {"max_steps": steps, "max_epochs": -1}
        if epochs != int(epochs):
            self.miss("num_train_epochs", "Lightning counts whole epochs; set trainer.max_steps")
        return {"max_epochs": math.ceil(epochs)}

    def _whole(self, name: str, least: int) -> int:
        """Return a number of steps; TRL also takes a share of all steps."""
        value = self.get(name)
        if value >= 1:
            return int(value)
        self.miss(name, f"a share of all steps, whose number follows from the data; set {where_it_is_set(name)}")
        return least

    def _validation(self, sizes: Sizes) -> dict[str, Any]:
        strategy = self.get("eval_strategy")
        if strategy == "no":
            return {"limit_val_batches": 0}
        if strategy == "epoch":
            return {"num_sanity_val_steps": 0}
        steps = self._whole("eval_steps" if self.get("eval_steps") is not None else "logging_steps", 1)
        every = steps * sizes.accumulate
        return {"val_check_interval": every, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}

    def _loggers(self, folder: str) -> Any:
        wanted = self.get("report_to") or "none"
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        known = [_LOGGERS[name] for name in wanted if name in _LOGGERS]
        strange = [name for name in wanted if name not in _LOGGERS and name != "none"]
        if strange:
            self.miss("report_to", f"Lightning has no logger for {', '.join(strange)}; a CSV file is kept")
        name = self.get("run_name") or "from_trl"
        made = [{"class_path": one, "init_args": self._of_logger(one, folder, name)} for one in known]
        made = made or [_object("loggers.AppendingCSVLogger", save_dir=folder, name=name)]
        return made[0] if len(made) == 1 else made

    def _of_logger(self, path: str, folder: str, name: str) -> dict[str, Any]:
        project = self.get("project")
        if "Wandb" in path:
            return {"save_dir": folder, "name": name, "project": project}
        if "MLFlow" in path:
            return {"experiment_name": project, "run_name": name, "tracking_uri": f"sqlite:///{folder}/mlflow.db"}
        return {"save_dir": folder, "name": name}

    def _callbacks(self, folder: str) -> dict[str, Any]:
        callbacks: list[Any] = [{"class_path": "rlframework.RunWriter"}, {"class_path": "rlframework.Sentinels"}]
        if not self.get("disable_tqdm"):
            callbacks.insert(0, {"class_path": "rlframework.ProgressBar"})
        if self.get("log_completions") or self.is_set("num_completions_to_print"):
            callbacks += [{"class_path": "rlframework.SampleLogger"}, {"class_path": "rlframework.RolloutWriter"}]
        if self.get("sync_ref_model"):
            every, mixing = self.get("ref_model_sync_steps"), self.get("ref_model_mixup_alpha")
            callbacks.append(_object("callbacks.RefreshReference", every_n_steps=every, mixing=mixing))
        trainer: dict[str, Any] = {"callbacks": callbacks}
        strategy = str(self.get("save_strategy"))
        every_n = self._whole("save_steps", 500) if strategy == "steps" else None
        if strategy == "no":
            trainer["enable_checkpointing"] = False
        elif strategy == "best":
            self.miss("save_strategy", "ModelCheckpoint(monitor='val/accuracy', mode='max') keeps the best")
        if strategy != "no" or self.run.saves_model:
            saving = {"folder": f"{folder}/policy"} | ({"every_n_steps": every_n} if every_n else {})
            callbacks.append(_object("SavePolicy", **saving))
        if strategy in ("steps", "epoch"):
            callbacks.append(self._checkpoint(every_n))
        return trainer

    def _checkpoint(self, every_n: int | None) -> dict[str, Any]:
        limit = self.get("save_total_limit")
        options: dict[str, Any] = {"every_n_train_steps": every_n} if every_n else {"every_n_epochs": 1}
        # The newest are those of the highest step.
        options |= {"save_top_k": -1} if limit is None else {"save_top_k": limit, "monitor": "step", "mode": "max"}
        if self.get("save_only_model"):
            options["save_weights_only"] = True
        return {"class_path": "pytorch_lightning.callbacks.ModelCheckpoint", "init_args": options}

    def _say_what_differs(self) -> None:
        if not self.exact_means:
            self.different.append(
                "means over tokens are over the tokens of the step; TRL divides those of the generation by its steps"
            )
        if self.run.lora is not None and self.run.lora["init_args"].get("lora_dropout"):
            self.different.append(
                "lora_dropout: TRL samples and scores with dropout on; here it acts in the training pass alone. "
                "Set it to 0"
            )
        if self.get("entropy_coef") or self.get("use_adaptive_entropy"):
            self.different.append("the entropy bonus is a mean over the step's tokens; TRL's is one of micro-batches")
        if self.get("loss_type") == "bnpo" and self.get("per_device_train_batch_size") % self.get("num_generations"):
            self.different.append("bnpo is a mean of the means of micro-batches, and those are others here")
        if self.get("logging_steps") != 1:
            self.different.append("a logged figure is that of its step; TRL logs the mean since the last log")

    def _code(self) -> str:
        made = "\n\n\n".join(one.code for one in self.classes)
        parts = [*self.run.code]
        if made:
            parts.insert(len([one for one in parts[:1] if "__future__" in one]), imports_of(made))
            parts.append(made)
        return "\n\n\n".join(parts) + "\n" if parts else ""


def _line(missed: Missed) -> float:
    """Return the line that something stands in, for their order; what stands nowhere comes last."""
    number = missed.place.rpartition("line ")[2]
    return int(number) if number.isdecimal() else math.inf


def _object(path: str, /, **options: Any) -> dict[str, Any]:
    """Return an object of this library as YAML files say it."""
    made: dict[str, Any] = {"class_path": f"rlframework.{path}"}
    return made | {"init_args": options} if options else made


def _source(rows: Rows) -> dict[str, Any]:
    options: dict[str, Any] = {"path": rows.path}
    options |= {"configs": list(rows.configs)} if rows.configs else {}
    options |= {"split": rows.split} | ({"options": dict(rows.options)} if rows.options else {})
    return _object("data.Source", **options)
