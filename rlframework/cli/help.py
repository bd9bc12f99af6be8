"""Short help of ``fit``, ``validate``, ``test``, ``predict`` and ``probe``: what matters first, shown at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ABOUT: Mapping[str, str] = {
    "fit": "Train what a YAML file describes",
    "validate": "Measure what a YAML file describes on its held-out prompts",
    "test": "Measure what a YAML file describes on its test split",
    "predict": "Sample and score completions of what a YAML file describes",
    "probe": "Say what there is to reinforce, before any training, in what a YAML file describes",
}
OWN: Mapping[str, Sequence[tuple[str, str]]] = {
    "probe": (
        ("--prompts N", "how many prompts to ask (by default 64)"),
        ("--group_size N", "answers to a prompt (by default the sampler's)"),
        ("--output FILE", "JSON to write the figures to"),
    ),
}
GROUPS: Mapping[str, Sequence[tuple[str, str]]] = {
    "the run": (
        ("-c FILE, --config FILE", "the YAML file; of several, later ones win"),
        ("--ckpt_path FILE", "go on from this checkpoint, or measure it; 'last' and 'best' are known"),
        ("--seed_everything N", "the seed (by default 0)"),
        ("--print_config", "print all settings with their defaults, as a YAML file, and end"),
    ),
    "the model: what learns, and from what": (
        ("--model NAME", "the algorithm: GRPO, DAPO, GSPO, SFT, ... or module.Class of yours"),
        ("--model.policy.model NAME", "the language model: a folder or a name on the hub"),
        ("--model.policy.lora.r N", "rank of an adapter, where the file has a lora"),
        ("--model.reward NAME", "what is paid for: CorrectAnswer, MathCheck, ... or module.Class"),
        ("--model.sampler.group_size N", "completions of each prompt"),
        ("--model.sampler.max_tokens N", "token budget of a completion"),
        ("--model.prompts_per_rollout N", "prompts that are answered between two updates"),
        ("--model.learning_rate X", "peak learning rate"),
    ),
    "the data": (
        ("--data NAME", "GSM8K, LocalFile, ReasoningGymPrompts, ... or module.Class"),
        ("--data.path FILE", "of a LocalFile; other data have other arguments"),
    ),
    "the Trainer of Lightning": (
        ("--trainer.max_steps N", "optimizer steps"),
        ("--trainer.accelerator NAME", "cpu, gpu, ...; by default what is there"),
        ("--trainer.devices N", "how many of them"),
        ("--trainer.precision NAME", "32-true, bf16-mixed, ..."),
        ("--trainer.gradient_clip_val X", "largest norm of the gradient"),
        ("--trainer.accumulate_grad_batches N", "minibatches to an optimizer step"),
        ("--trainer.val_check_interval N", "minibatches between two validations"),
        ("--trainer.logger NAME", "CSVLogger, TensorBoardLogger, WandbLogger, ... or false"),
        ("--trainer.callbacks+=NAME", "one more callback, such as SavePolicy"),
        ("--trainer.default_root_dir FOLDER", "where everything is written"),
    ),
}
MORE = """\
more:
  --help-all                             every option, some hundred lines of them
  --model.help GRPO                      the arguments of a class; so does --data.help GSM8K
  docs/command_line.md                   a whole file, line by line

`init_args` may be left out in an option: --model.learning_rate sets model.init_args.learning_rate of the file.
"""


def short_help(command: str) -> str:
    """Return the help of a command of Lightning's, grouped, without importing it.

    Args:
        command: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"`` or ``"probe"``.

    Example:
        >>> print(short_help("fit").splitlines()[0])
        usage: rlframework fit -c FILE [--SECTION.NAME VALUE ...]
    """
    lines = [f"usage: rlframework {command} -c FILE [--SECTION.NAME VALUE ...]", ""]
    lines += [f"{ABOUT[command]}. An option replaces one value, by its path in the file.", ""]
    own = {f"the {command}": OWN[command]} if command in OWN else {}
    for title, options in {**own, **GROUPS}.items():
        lines += [f"{title}:", *(f"  {option:<38} {about}" for option, about in options), ""]
    return "\n".join([*lines, MORE])
