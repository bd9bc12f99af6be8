"""Export: a run's policy as an adapter, as a whole model, and for llama.cpp; each read back before it is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from peft import PeftModel

from rlframework.export.card import CARD, Facts, model_card
from rlframework.export.check import Agreement, Yardstick
from rlframework.export.read import TrainedPolicy, read_policy
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.saving import merged
from rlframework.utilities.imports import require
from rlframework.utilities.paths import writable_folder
from rlframework.utilities.whole_folder import check_replaceable, whole_folder

Form: TypeAlias = Literal["adapter", "merged", "gguf"]
CONVERTER = "convert_hf_to_gguf.py"


@dataclass(frozen=True)
class Exported:
    """Something that was written.

    Args:
        form: What it is.
        path: Where it is.
        dtype: Of the weights.
        agreement: How far it is from the policy; None if it cannot be read back here.
        remark: Why not.
    """

    form: Form
    path: Path
    dtype: str
    agreement: Agreement | None
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.form:8} {self.path} ({self.dtype}): {self.agreement or f'NOT CHECKED: {self.remark}'}"


def export(
    checkpoint: str | Path,
    folder: str | Path,
    *,
    forms: Sequence[Form] | None = None,
    base: str | None = None,
    tokenizer: str | None = None,
    dtype: str | None = None,
    converter: str | Path | None = None,
    gguf_type: str = "f16",
    measured: Sequence[str | Path] = (),
    say: Callable[[str], None] = print,
) -> list[Exported]:
    """Write a run's policy in forms that other libraries read.

    Each is loaded again as its user would, and has to give answers that the policy samples the policy's own
    log-probabilities; else nothing is left of it. This takes the memory of the model in float32, twice.

    Args:
        checkpoint: A checkpoint of Lightning (``.ckpt``), or a folder by `SavePolicy` or ``save_pretrained``.
        folder: Where to: ``adapter`` and ``merged`` are folders in it, ``model-f16.gguf`` is a file. What was exported
            there before is replaced.
        forms: Which; by default the adapter if there is one, the whole model with the adapter merged, and GGUF if the
            converter is there.
        base: The model under the adapter, instead of the one that is named in the checkpoint.
        tokenizer: Likewise.
        dtype: Of the merged model's weights; by default as in the run.
        converter: llama.cpp's ``convert_hf_to_gguf.py`` or the folder that has it; by default it is looked for where
            commands are.
        gguf_type: ``--outtype`` of the converter: ``"f32"``, ``"f16"``, ``"bf16"``, ``"q8_0"``.
        measured: Files of measures for the model card, beyond those beside the checkpoint (`Facts`).
        say: Called with a line for each thing that was written, and for each that could not be made sure of.

    Returns:
        What was written, in that order.

    Raises:
        ImportError: GGUF is asked for, and the package ``gguf`` is not installed.
        FileNotFoundError: The checkpoint or the converter is not there.
        PermissionError: The folder cannot be written to.
        ValueError: The checkpoint cannot be read, or a form is not to be had.
        RuntimeError: The converter failed.
        ExportError: What was written is not the policy.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> run = Path(tempfile.mkdtemp())
        >>> tiny_policy().save_pretrained(run / "saved")
        >>> [written] = export(run / "saved", run / "exported", say=lambda line: None)
        >>> written.path.name, written.agreement.largest < 1e-5
        ('merged', True)
    """
    script = _find_converter(converter)
    trained = read_policy(checkpoint, base, tokenizer)
    facts = Facts(checkpoint, measured)
    wanted = _wanted(forms, trained, script)
    target = writable_folder(folder)
    for form in wanted:
        check_replaceable(target / form)
    for remark in trained.remarks:
        say(remark)
    if forms is None and script is None:
        say(f"no GGUF: {CONVERTER} of llama.cpp is not where commands are; name it by converter (--converter)")
    trained.policy.float()
    written = []
    for part in _written(trained, target, wanted, dtype or trained.dtype, script, gguf_type, facts):
        written.append(part)
        say(str(part))
    return written


def _written(
    trained: TrainedPolicy,
    target: Path,
    wanted: Sequence[Form],
    dtype: str,
    script: Path | None,
    gguf_type: str,
    facts: Facts,
) -> Iterator[Exported]:
    policy, yardstick = trained.policy, Yardstick(trained.policy)
    adapter = next(iter(policy.model.peft_config.values())) if isinstance(policy.model, PeftModel) else None

    def write_card(form: Form, folder: Path, dtype: str, agreement: Agreement) -> None:
        card = model_card(
            facts,
            form,
            target / form,
            base=trained.base,
            adapter=adapter,
            dtype=dtype,
            tokenizer=policy.tokenizer,
            agreement=agreement,
        )
        (folder / CARD).write_text(card, encoding="utf-8")

    if "adapter" in wanted:
        about = {"base": trained.base, "dtype": trained.dtype, "frozen_base": trained.frozen_base}
        with whole_folder(target / "adapter", about) as folder:
            policy.save_pretrained(folder)
            read = CausalLMPolicy(str(trained.base), folder, lora=folder, dtype=trained.dtype).float()
            agreement = yardstick.hold(read, "float32")
            write_card("adapter", folder, trained.dtype, agreement)
        yield Exported("adapter", target / "adapter", "float32", agreement)
    if set(wanted) <= {"adapter"}:
        return
    whole = CausalLMPolicy(merged(policy.model, in_place=True), policy.tokenizer).eval()
    yardstick.hold(whole, "float32")  # The merging; what follows is rounding and writing.
    with tempfile.TemporaryDirectory(dir=target, prefix=".unfinished-") as scratch:
        place = target / "merged" if "merged" in wanted else Path(scratch) / "merged"
        with whole_folder(place, {"dtype": dtype}) as folder:
            _cast(whole, getattr(torch, dtype))
            whole.save_pretrained(folder)
            _cast(whole, torch.float32)
            agreement = yardstick.hold(CausalLMPolicy(folder, dtype="float32"), dtype, written=whole)
            write_card("merged", folder, dtype, agreement)
        if "merged" in wanted:
            yield Exported("merged", place, dtype, agreement)
        if "gguf" in wanted and script is not None:
            file = Path(scratch) / f"model-{gguf_type}.gguf"
            _convert(script, place, file, gguf_type)
            try:
                read = CausalLMPolicy(file)
            except ValueError as error:
                yield Exported("gguf", file.replace(target / file.name), gguf_type, None, str(error))
            else:
                agreement = yardstick.hold(read, gguf_type)
                yield Exported("gguf", file.replace(target / file.name), gguf_type, agreement)


def _cast(policy: CausalLMPolicy, dtype: torch.dtype) -> None:
    """Round the weights, and leave buffers as they are: the angles of rotary positions are not saved, but made."""
    for weight in policy.parameters():
        weight.data = weight.data.to(dtype)


def _wanted(forms: Sequence[Form] | None, trained: TrainedPolicy, script: Path | None) -> list[Form]:
    adapted = trained.base is not None
    if forms is None:
        forms = [*(["adapter"] if adapted else []), "merged", *(["gguf"] if script else [])]  # type: ignore[list-item]
    if "adapter" in forms and not adapted:
        raise ValueError("there is no adapter to export: the whole model was trained; ask for merged or gguf")
    if "gguf" in forms and script is None:
        raise ValueError(
            f"{CONVERTER} of llama.cpp is not to be found; get llama.cpp's sources and name their folder by converter "
            "(--converter)"
        )
    if "gguf" in forms:
        require("gguf", "gguf")  # to read it back
    return list(forms)


def _find_converter(given: str | Path | None) -> Path | None:
    if given is None:
        found = shutil.which(CONVERTER)
        return Path(found) if found else None
    script = Path(given) / CONVERTER if Path(given).is_dir() else Path(given)
    if not script.is_file():
        raise FileNotFoundError(f"there is no {script}; name llama.cpp's {CONVERTER}, or the folder that has it")
    return script


def _convert(script: Path, model: Path, file: Path, gguf_type: str) -> None:
    command = [sys.executable, str(script), str(model), "--outfile", str(file), "--outtype", gguf_type]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # named by the user
    if done.returncode or not file.is_file():
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise RuntimeError(
            f"{script} ended with status {done.returncode}:\n{said}\nIf it lacks a package, install what "
            "requirements/requirements-convert_hf_to_gguf.txt beside it names"
        )
