"""GGUF: models and tokenizers from llama.cpp's files, as ordinary float weights that train and are saved."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from rlframework.utilities.imports import require

_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


@dataclass(frozen=True)
class GGUFFile:
    """A GGUF file with a model and its tokenizer.

    Args:
        source: Its folder, or the repository of the hub that has it.
        name: Of the file in there.

    Example:
        >>> GGUFFile("models", "SmolLM2-135M-Instruct.Q4_1.gguf").path
        'models/SmolLM2-135M-Instruct.Q4_1.gguf'
    """

    source: str
    name: str

    @property
    def path(self) -> str:
        """The whole name, by which a local file is found again."""
        return f"{self.source}/{self.name}"

    def load_model(self, dtype: str) -> Any:
        """Return the model with its weights unpacked to floats.

        Raises:
            ImportError: The package ``gguf`` is not installed.
            ValueError: transformers cannot read the file, or weights are missing in it.
        """
        options: dict[str, Any] = {"dtype": dtype}
        if hasattr(transformers, "GgufConfig"):
            # Else weights stay packed wherever there is a kernel for that, and cannot be trained.
            options["quantization_config"] = transformers.GgufConfig(dequantize=True)
        model, found = self._read(AutoModelForCausalLM.from_pretrained, output_loading_info=True, **options)
        if missing := sorted(found["missing_keys"]):
            # transformers warns, and goes on with random ones.
            raise ValueError(
                f"{self.path} lacks {len(missing)} of {len(model.state_dict())} weights of {type(model).__name__}, "
                f"such as {missing[0]}; load the model's safetensors in its place"
            )
        model = without_gguf_mark(model)
        if Path(self.path).is_file():
            # Only the folder was noted, and that may hold several; a saved adapter names its base by this.
            model.config.name_or_path = model.name_or_path = self.path
        return model

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """Return the tokenizer, chat template included.

        Raises:
            ImportError: The package ``gguf`` is not installed.
            ValueError: transformers cannot read the file.
        """
        tokenizer = self._read(AutoTokenizer.from_pretrained)
        if Path(self.path).is_file():
            tokenizer.name_or_path = self.path
        return tokenizer

    def _read(self, load: Callable[..., Any], **options: Any) -> Any:
        require("gguf", "gguf")
        try:
            return load(self.source, gguf_file=self.name, **options)
        except (LookupError, OverflowError, RuntimeError, ValueError, struct.error) as error:
            raise ValueError(
                f"transformers {transformers.__version__} cannot read the GGUF file {self.path}: {_reason(error)}. "
                "Load the model's safetensors in its place: a folder or a hub name without .gguf"
            ) from error


def find_gguf(model: Any, gguf_file: str | None = None) -> GGUFFile | None:
    """Return the GGUF file that a model is to be read from, or None for everything else.

    Args:
        model: What was given as the model: the path of a GGUF file, or a folder that has no ``config.json`` and one
            such file, is recognised.
        gguf_file: Name of the file, where ``model`` is a folder or a hub name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A folder holds several; a file is one part of several; or ``gguf_file`` goes with something that is
            no folder and no name, such as a file's path.

    Example:
        >>> find_gguf("someone/some-model") is None
        True
        >>> find_gguf("someone/some-model-GGUF", "some-model-q8_0.gguf").name
        'some-model-q8_0.gguf'
    """
    if not isinstance(model, (str, Path)):
        if gguf_file is not None:
            raise ValueError(f"gguf_file={gguf_file!r} is for a model that is loaded here, by its folder or hub name")
        return None
    path = Path(model)
    if gguf_file is None and path.suffix.lower() == ".gguf" and not path.is_dir():
        return _checked(GGUFFile(str(path.parent), path.name), local=True)
    if gguf_file is not None:
        # A repository of the hub may be called owner/name.gguf, which has two parts.
        if path.is_file() or (path.suffix.lower() == ".gguf" and not path.is_dir() and len(path.parts) != 2):
            raise ValueError(
                f"gguf_file={gguf_file!r} names a file in a folder, and {path} is a file's path itself; give that path "
                f"alone, or its folder {path.parent} with gguf_file={path.name!r}"
            )
        return _checked(GGUFFile(str(model), gguf_file), local=path.exists())
    if not path.is_dir() or (path / "config.json").exists():
        return None
    files = sorted(file.name for file in path.iterdir() if file.suffix.lower() == ".gguf")
    if len(files) > 1:
        raise ValueError(
            f"the folder {path} holds {len(files)} GGUF files; choose one by gguf_file: {', '.join(files)}"
        )
    return _checked(GGUFFile(str(path), files[0]), local=True) if files else None


def _reason(error: Exception) -> str:
    if isinstance(error, (IndexError, OverflowError, struct.error)):
        return f"it is cut off or damaged ({error}); copy or download it again"
    return str(error)


def _checked(file: GGUFFile, local: bool) -> GGUFFile:
    if local and not Path(file.path).is_file():
        folder = Path(file.source)
        there = sorted(other.name for other in folder.glob("*.gguf")) if folder.is_dir() else []
        raise FileNotFoundError(
            f"there is no file {file.path} (looked for in {Path.cwd()}); GGUF files there: {', '.join(there) or 'none'}"
        )
    if parts := _PART.search(file.name):
        raise ValueError(
            f"{file.name} is one of {int(parts[1])} parts, and transformers reads whole files; join them first: "
            f"llama-gguf-split --merge {file.name} {_PART.sub('.gguf', file.name)}"
        )
    return file


def without_gguf_mark(model: Any) -> Any:
    """Return the model free of the GGUF mark that transformers leaves on weights it has made floats of.

    Such weights are ordinary floats, but with the mark transformers neither saves nor trains them.

    Raises:
        ValueError: The weights are still packed.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> model = tiny_policy().model
        >>> model.config.quantization_config = {"quant_method": "gguf"}
        >>> hasattr(without_gguf_mark(model).config, "quantization_config")
        False
    """
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    mark = getattr(inner.config, "quantization_config", None)
    method = mark.get("quant_method") if isinstance(mark, dict) else getattr(mark, "quant_method", None)
    if str(getattr(method, "value", method)) != "gguf":
        return model
    packed = getattr(getattr(inner, "hf_quantizer", None), "packed_modules", None)
    if packed:
        raise ValueError(
            f"{len(packed)} weight matrices of the model are packed in GGUF blocks and cannot be trained; give the "
            "file to the policy, which unpacks them, or load it with quantization_config=GgufConfig(dequantize=True)"
        )
    del inner.config.quantization_config
    inner.hf_quantizer, inner.is_quantized = None, False
    if hasattr(inner, "quantization_method"):
        del inner.quantization_method
    return model
