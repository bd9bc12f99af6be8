"""Loading of models, tokenizers and adapters from folders, hub names or objects."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peft
import torch
from huggingface_hub.errors import HFValidationError
from peft import PeftConfig, PeftModel, prepare_model_for_kbit_training
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedTokenizerBase

from rlframework.policies.gguf import find_gguf, without_gguf_mark
from rlframework.policies.rewriting import check_saved, keeps_first_value, new_adapter
from rlframework.utilities.imports import require
from rlframework.utilities.known_warnings import CHECKPOINTING, without

_ANOTHER_TOKENIZER = "save the tokenizer beside the model (tokenizer.save_pretrained), or name one by tokenizer=..."


def load_tokenizer(model: Any, tokenizer: Any, gguf_file: str | None = None) -> PreTrainedTokenizerBase:
    """Return the tokenizer, by default the one that is saved with the model, in its folder or its GGUF file.

    Args:
        model: A folder, a hub name, the path of a GGUF file, or a model object.
        tokenizer: A folder, a hub name, a tokenizer, or None.
        gguf_file: Name of the GGUF file, where ``model`` is a folder or a hub name with several.

    Raises:
        ImportError: The package for GGUF files is not installed.
        FileNotFoundError: There is no such folder or file, nor does the hub have it.
        ValueError: The model is an object, and objects do not carry one; a GGUF file or a folder's tokenizer cannot be
            read; or the tokenizer reads every text as no token at all.
    """
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return _not_empty(tokenizer, tokenizer.name_or_path or "no name")
    source = tokenizer if tokenizer is not None else model
    if not isinstance(source, (str, Path)):
        raise ValueError("a model object does not carry its tokenizer; pass tokenizer=... (an object, folder or name)")
    file = find_gguf(source, gguf_file if tokenizer is None else None)
    return _not_empty(_from_folder_or_hub(source) if file is None else file.load_tokenizer(), source)


def _from_folder_or_hub(source: str | Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(source)
    except Exception as error:  # Of a broken file the library tokenizers raises no class of its own.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        if not Path(source).is_dir():
            if not isinstance(error, (OSError, HFValidationError)):
                raise
            raise FileNotFoundError(
                f"there is no folder {source} (looked for in {Path.cwd()}), nor is it to be had from the hub: {reason}"
            ) from error
        raise ValueError(
            f"no tokenizer can be read from the folder {source} ({reason}); {_ANOTHER_TOKENIZER}"
        ) from error


def _not_empty(tokenizer: PreTrainedTokenizerBase, source: str | Path) -> PreTrainedTokenizerBase:
    """Refuse what transformers makes of a folder without a tokenizer's files: one without words."""
    if not any(texts_with_tokens(tokenizer, [string.printable])):
        raise ValueError(
            f"the tokenizer of {source} reads every text as no token at all: beside {len(tokenizer.get_added_vocab())} "
            f"special tokens it has no words, as of a folder without tokenizer files; {_ANOTHER_TOKENIZER}"
        )
    return tokenizer


def check_vocabulary(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer whose ids the model cannot read, and a model that samples ids that it cannot read itself.

    Raises:
        ValueError: With the sizes.
    """
    try:
        rows, *_, width = model.get_input_embeddings().weight.shape
    except (AttributeError, NotImplementedError):  # Not every architecture says where it reads ids.
        return
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise ValueError(
            f"the tokenizer has ids up to {highest}, and the model reads those below {rows}: it is the tokenizer of "
            "another model, or the model was not resized to it. Pass the model's own by tokenizer=..., or resize the "
            f"model first: model.resize_token_embeddings({highest + 1})"
        )
    head = model.get_output_embeddings()
    # Weights put in by hand leave out_features as it was, and quantised ones have another shape than the head.
    shape: tuple[int, ...] = getattr(getattr(head, "weight", None), "shape", ())
    given = shape[0] if len(shape) == 2 and shape[1] == width else getattr(head, "out_features", None)
    if given is not None and given > rows:
        raise ValueError(
            f"the model's head gives {given} logits, and its embedding reads {rows} ids: what is sampled from it could "
            "not be read; check vocab_size in its configuration"
        )


def texts_with_tokens(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Iterator[str]:
    """Yield those of some texts that a tokenizer reads as tokens; if it reads none, words of its own vocabulary.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> list(texts_with_tokens(letter_tokenizer(), ["abc", ""]))
        ['abc']
    """
    found = False
    for text in texts:
        if _reads(tokenizer, text):
            found = True
            yield text
    if not found:
        own = set(tokenizer.get_vocab()) - set(tokenizer.get_added_vocab())
        yield from (word for word in sorted(own) if _reads(tokenizer, word))


def _reads(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    try:
        return bool(tokenizer(text, add_special_tokens=False)["input_ids"])
    except Exception:  # A list of words without one for the unknown raises, of no class of its own.
        return False


def load_model(
    model: Any, dtype: str | None, quantization: BitsAndBytesConfig | None, gguf_file: str | None = None
) -> Any:
    """Return the model, loaded if it is a folder, a GGUF file or a name.

    Args:
        model: A folder, a hub name, the path of a GGUF file, or a model object.
        dtype: Dtype of the weights that are loaded; None is float32.
        quantization: How bitsandbytes stores the weights that are loaded.
        gguf_file: Name of the GGUF file, where ``model`` is a folder or a hub name with several.

    Raises:
        ImportError: ``quantization`` without bitsandbytes, a GGUF file without the package ``gguf``.
        FileNotFoundError: There is no such GGUF file.
        ValueError: A dtype, a quantization or a file's name for a model that is loaded already; a dtype that is none;
            a weights file that is cut off; a GGUF file that cannot be read, or with ``quantization``.
    """
    file = find_gguf(model, gguf_file)
    if not isinstance(model, (str, Path)):
        if dtype is not None:
            raise ValueError(
                f"dtype={dtype!r} is for a model that is loaded here; convert the object with model.to(...)"
            )
        if quantization is not None:
            raise ValueError("quantization is for a model that is loaded here; load the object with it")
        return without_gguf_mark(_open_to_gradients(model))
    dtype = "float32" if dtype is None else dtype
    if dtype != "auto":
        float_dtype(dtype)
    if file is not None:
        if quantization is not None:
            raise ValueError(
                f"quantization is for float weights, and {file.path} is unpacked when it is loaded; save the model "
                "(save_pretrained) and give that folder"
            )
        return file.load_model(dtype)
    if quantization is None:
        with _whole_weights(model):
            return AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    require("bitsandbytes", "quantized")
    with _whole_weights(model):
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, quantization_config=quantization)
    # Norms and embeddings become float32. Checkpointing is switched on by the policy, without the hooks it has here.
    return prepare_model_for_kbit_training(_open_to_gradients(loaded), use_gradient_checkpointing=False)


def float_dtype(name: str | torch.dtype) -> torch.dtype:
    """Return the dtype of weights by its name.

    Raises:
        ValueError: It is none; the message has those of use.

    Example:
        >>> float_dtype("bfloat16")
        torch.bfloat16
    """
    found = getattr(torch, str(name).removeprefix("torch."), None)
    if not (isinstance(found, torch.dtype) and found.is_floating_point):
        raise ValueError(f"dtype={name!r} is no dtype of weights; choose 'float32', 'bfloat16' or 'float16'")
    return found


@contextmanager
def _whole_weights(source: str | Path) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        raise ValueError(
            f"a weights file of {source} is cut off, or no safetensors file: {error}; copy or download it again"
        ) from error


def _open_to_gradients(model: Any) -> Any:
    """Switch off a layout of bitsandbytes for inference on some CPUs.

    A layer that is once in it stays so, rounds to bfloat16, and lets no gradient through to what lies below, without a
    word. A policy samples between its steps.
    """
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False
    return model


def with_adapter(model: Any, lora: PeftConfig | str | Path | None) -> Any:
    """Return the model with a new adapter, or with one that was saved and is trained on.

    Args:
        model: A model of transformers, or of PEFT.
        lora: Settings of a new adapter; a folder or hub name of one that was saved; or None.

    Raises:
        ValueError: It has an adapter already, or it is quantised and has none, so that nothing could be trained; the
            saved one cannot be read; or one that is there or wanted cannot be saved and put back (`new_adapter`).
    """
    adapted = isinstance(model, PeftModel)
    if lora is None:
        if getattr(model, "is_quantized", False) and not adapted:
            raise ValueError(
                "quantised weights cannot be trained; pass lora=LoraConfig(...) to train an adapter on them"
            )
        if adapted and len(active := model.active_adapters) != 1:
            raise ValueError(
                f"the model has {len(active)} active adapters ({', '.join(active)}), and a policy is one: merge "
                "the others into the base (merge_and_unload), or activate one by set_adapter"
            )
        if adapted and not keeps_first_value(model):
            for name, config in model.peft_config.items():
                check_saved(config, f"the model ({name})")
        return model
    if adapted:
        raise ValueError("the model has an adapter already; pass either a PEFT model or lora=...")
    with without(CHECKPOINTING):
        if isinstance(lora, (str, Path)):
            if Path(lora).is_dir():
                lora = _adapter_folder(Path(lora))
                saved_adapter_config(lora)
            check_saved(PeftConfig.from_pretrained(str(lora)), str(lora))
            with _whole_weights(lora):
                return PeftModel.from_pretrained(model, str(lora), is_trainable=True)
        return new_adapter(model, lora)


def _adapter_folder(folder: Path) -> Path:
    """Return where PEFT has put an adapter: of one with a name of its own in a folder of that name."""
    named = [path.parent for path in folder.glob("*/adapter_config.json")]
    return named[0] if len(named) == 1 and not (folder / "adapter_config.json").is_file() else folder


def saved_adapter_config(folder: str | Path) -> dict[str, Any]:
    """Return the settings of an adapter that was saved by ``save_pretrained``.

    Raises:
        ValueError: They or the weights are not there, or PEFT knows no such adapter.
    """
    file = Path(folder) / "adapter_config.json"
    names = {path.name for path in file.parent.iterdir()} if file.parent.is_dir() else set()
    if file.name not in names or not names & {"adapter_model.safetensors", "adapter_model.bin"}:
        raise ValueError(
            f"the folder {folder} holds no adapter: it takes adapter_config.json and adapter_model.safetensors, as "
            "save_pretrained writes them"
        )
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}") from error
    return known_adapter(config, str(file))


def known_adapter(config: Any, place: str) -> dict[str, Any]:
    """Return an adapter's settings if PEFT knows such adapters.

    Args:
        config: The settings.
        place: Where they were found, for the message.

    Raises:
        ValueError: It does not, or they do not say.
    """
    kind = config.get("peft_type") if isinstance(config, Mapping) else None
    if str(kind) not in {str(known.value) for known in peft.PeftType}:
        raise ValueError(
            f"{place} describes no adapter of PEFT {peft.__version__}: its peft_type is {kind!r}, where LORA is one of "
            f"{len(peft.PeftType)} that are known"
        )
    return dict(config)
