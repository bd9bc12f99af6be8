"""Ways out of a wrong type: a reward made of a function, a policy of a name, rows of a stream."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from os import PathLike, fspath
from typing import Any


def way_to(wanted: str, value: Any) -> str | None:
    """Return in words how to make an object of a class out of a value; None where nobody knows.

    Args:
        wanted: Name of the class; by name, so that nothing has to be imported in order to refuse something.
        value: The object that was given in its place.

    Example:
        >>> way_to("Policy", "Qwen/Qwen3-0.6B")
        "pass CausalLMPolicy('Qwen/Qwen3-0.6B')"
    """
    return _WAYS[wanted](value) if wanted in _WAYS else None


def named(value: Any) -> str:
    """Return the name of a function, or else that of an object's class."""
    return getattr(value, "__name__", type(value).__name__)


def _reward(value: Any) -> str:
    if inspect.isroutine(value):
        return f"pass FunctionReward({named(value)}) of rlframework.rewards"
    if isinstance(value, Mapping):
        return "pass WeightedSum(rewards={...}, weights={...}) of rlframework.rewards, or add them up, a + 0.5 * b"
    if isinstance(value, (list, tuple, set)):
        terms = [f"FunctionReward({named(one)})" if inspect.isroutine(one) else f"{named(one)}(...)" for one in value]
        return f"add them up with their weights: {' + '.join(terms) or 'a + 0.5 * b'}"
    if callable(value) and not isinstance(value, type):
        return "pass FunctionReward(f) of rlframework.rewards, with a function that calls it"
    return "pass a reward, such as CorrectAnswer() or FunctionReward(f) of rlframework.rewards"


def _policy(value: Any) -> str:
    if isinstance(value, (str, PathLike)):
        return f"pass CausalLMPolicy({fspath(value)!r})"
    return "pass CausalLMPolicy(model, tokenizer)"


def _sampler(value: Any) -> str:
    settings = _settings(value, "group_size=8, max_tokens=256", "group_size={}, max_tokens=256")
    return f"pass a sampler, such as SharedPrefixSampler({settings}), or VLLMSampler(url, ...) for a server"


def _adapter(value: Any) -> str:
    return f"pass LoraConfig({_settings(value, _LORA, 'r={}')}) of peft"


_LORA = "r=16, target_modules='all-linear'"


def _quantization(value: Any) -> str:
    return f"pass BitsAndBytesConfig({_settings(value, 'load_in_4bit=True')}) of transformers"


def _settings(value: Any, usual: str, of_number: str | None = None) -> str:
    """Return the arguments that a value stands for: those of a mapping, the one that a number gives, or the usual."""
    if isinstance(value, Mapping):
        return _written(value)
    if of_number is not None and isinstance(value, Real) and not isinstance(value, bool):
        return of_number.format(value)
    return usual


def _rows(value: Any) -> str:
    kind = type(value).__name__
    if kind.startswith("Iterable"):
        return (
            "a stream has no length, and prompts are dealt by number: load it without streaming=True, or a part of it, "
            "Dataset.from_list(list(stream.take(10_000)))"
        )
    if kind == "DatasetDict":
        return f"pass one of its splits, such as data[{next(iter(value), 'train')!r}]"
    if kind == "DataFrame":
        return "pass Dataset.from_pandas(frame) of datasets"
    if isinstance(value, Mapping):
        return "pass a list of rows, [{'prompt': ..., 'answer': ...}], or Dataset.from_dict(columns) of datasets"
    if isinstance(value, PathLike):
        return f"pass LocalFile({fspath(value)!r}, prompt=..., answer=...) of rlframework.data"
    if isinstance(value, Iterable) or hasattr(value, "__getitem__"):
        return "pass a list of rows, [{'prompt': ..., 'answer': ...}], such as list(...)"
    return "pass a list of rows, [{'prompt': ..., 'answer': ...}], a Dataset, or the name of one on the hub"


def _function(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "pass one function; of several make an object each"
    return "pass a function, by its name without brackets"


def _text(value: Any) -> str | None:
    # As torch.bfloat16.
    return f"pass {str(value).rpartition('.')[2]!r}" if type(value).__name__ == "dtype" else None


def _kl(value: Any) -> str:
    return f"pass KLInLoss({named(value) if inspect.isroutine(value) else ''}) or KLInReward() of rlframework.terms"


def _written(settings: Mapping[Any, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in settings.items())


_WAYS: dict[str, Callable[[Any], str | None]] = {
    "AnswerTemplate": lambda value: "pass AnswerTemplate('<think>', '</think>', '<answer>', '</answer>')",
    "BitsAndBytesConfig": _quantization,
    "Callable": _function,
    "Dataset": _rows,
    "EntropyBonus": lambda value: "pass EntropyBonus(0.01) of rlframework.terms",
    "GroupSampler": _sampler,
    "KLTerm": _kl,
    "LoraConfig": _adapter,
    "PeftConfig": _adapter,
    "Mapping": lambda value: "pass a dict of names, {'accuracy': ...}; a row of data is {'prompt': ..., 'answer': ...}",
    "Policy": _policy,
    "Module": lambda value: "pass a folder, a hub name, or AutoModelForCausalLM.from_pretrained(name)",
    "PreTrainedTokenizerBase": lambda value: "pass a folder, a hub name, or AutoTokenizer.from_pretrained(name)",
    "RewardLimits": lambda value: "pass RewardLimits(errors=0.05) of rlframework.rewards",
    "RewardModel": _reward,
    "Source": lambda value: f"pass Source({str(value)!r}) of rlframework.data, a name on the hub or a folder",
    "SamplerCorrection": lambda value: "pass TokenTruncation() of rlframework.terms",
    "str": _text,
}
