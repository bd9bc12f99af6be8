"""Model card of an exported policy: how it was trained, what was measured, under what licence, and how to load it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard, try_to_load_from_cache
from peft import PeftConfig

from rlframework.export.read import load_checkpoint
from rlframework.policies.loading import texts_with_tokens
from rlframework.report.curves import read_metrics
from rlframework.utilities.whole_folder import LISTING, saved_about

CARD = "README.md"
_OF_A_RUN = ("config.yaml", "summary.json", "metrics.csv")


class Facts:
    """Facts of a run for a model card: its settings, what was measured, and where in the run the policy stood.

    They are looked for beside the checkpoint: in its folder, the one above, or the ``version_*`` there that it is of.
    ``config.yaml`` (of the command line) or the checkpoint's own hyperparameters say the settings, ``summary.json`` (of
    a recipe, or of ``rlframework eval``) the measures, ``metrics.csv`` the held-out curve.

    Args:
        checkpoint: A ``.ckpt`` file, or the folder of a policy.
        measured: Further files of measures, or folders that hold a ``summary.json``.

    Raises:
        FileNotFoundError: One of them is not there.
        ValueError: One of them is no summary.

    Example:
        >>> import tempfile
        >>> Facts(tempfile.mkdtemp()).settings
        {}
    """

    def __init__(self, checkpoint: str | Path, measured: Sequence[str | Path] = ()) -> None:
        place = Path(checkpoint)
        folder = place.parent if place.is_file() else place
        self.about: dict[str, Any] = saved_about(folder)
        self.settings: dict[str, Any] = {}
        self.best: dict[str, float] = {}
        if place.is_file():
            self._read_checkpoint(place)
        run = _run_folder(folder, max(file.stat().st_mtime for file in (place, *folder.glob(LISTING))))
        if (run / "config.yaml").is_file():
            config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
            self.settings = {**(config or {}), **self.settings}
        self.summaries = [_summary(Path(file)) for file in measured]
        if (run / "summary.json").is_file():
            with suppress(ValueError):  # Somebody else's file of that name.
                self.summaries.append(_summary(run))
        curves = read_metrics(run / "metrics.csv") if (run / "metrics.csv").is_file() else {}
        self.curves = {name: points for name, points in curves.items() if name.startswith("val/")}

    def _read_checkpoint(self, path: Path) -> None:
        checkpoint = load_checkpoint(path)
        self.about = {"step": checkpoint.get("global_step")}
        learned = {**(checkpoint.get("hyper_parameters") or {})}
        kind = checkpoint.get("class_path") or learned.pop("class_path", None) or learned.pop("_class_path", None)
        learned = {name: value for name, value in learned.items() if not name.startswith("_")}
        if kind:
            self.settings["model"] = {"class_path": kind, "init_args": learned}
        if data := checkpoint.get("datamodule_hyper_parameters"):
            self.settings["data"] = data.get("data", data)
        for state in (checkpoint.get("callbacks") or {}).values():
            if isinstance(state, Mapping) and state.get("monitor") and state.get("current_score") is not None:
                self.best[str(state["monitor"])] = float(state["current_score"])


def model_card(
    facts: Facts,
    form: str,
    path: Path,
    *,
    base: str | None,
    adapter: PeftConfig | None,
    dtype: str,
    tokenizer: Any,
    agreement: object,
) -> str:
    """Return the card of an exported folder, in Markdown with the front matter that the hub reads.

    Args:
        facts: Of the run.
        form: ``"adapter"`` or ``"merged"``.
        path: The folder, as its user will name it.
        base: The model under the adapter, if there is one.
        adapter: Its settings.
        dtype: Of the weights.
        tokenizer: Of the policy.
        agreement: What was found when it was read back.
    """
    licence = licence_of(base) if base else None
    algorithm = str((facts.settings.get("model") or {}).get("class_path") or "").rpartition(".")[2]
    matter = {
        "library_name": "peft" if form == "adapter" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["rlframework", *([algorithm.lower()] if algorithm else [])],
        **({"base_model": base} if base else {}),
        **({"license": licence} if licence else {}),
    }
    of_base = f"an adapter of {base}" if form == "adapter" else f"{base} with the adapter merged" if base else "whole"
    step = f", after optimizer step {facts.about['step']}" if facts.about.get("step") is not None else ""
    how = f"Trained {f'by {algorithm} of' if algorithm else 'with'} rlframework{step}: {of_base}, in {dtype}."
    unknown = f"Not stated where {base} is kept; look at its page." if base else "Yours to state, of a whole model."
    parts = [
        f"---\n{yaml.safe_dump(matter, sort_keys=False).strip()}\n---",
        f"# {path.parent.name}: {form}",
        how,
        "## Measured\n\n" + ("\n\n".join(_measures(facts)) or "Nothing that was measured lies beside the checkpoint."),
        f"Read back after it was written: {agreement}.",
        f"## How it was trained\n\n{_settings(facts)}",
        *([f"The adapter:\n\n{_yaml(_adapter_settings(adapter))}"] if adapter is not None else []),
        f"## Licence\n\n{f'{licence}, as {base} states it.' if licence else unknown}",
        f"## Load it\n\n{_loading(form, path, base, dtype, tokenizer)}",
    ]
    return "\n\n".join(parts) + "\n"


def licence_of(base: str) -> str | None:
    """Return the licence that a model's own card states, in its folder or in the hub's cache; None where none does.

    Args:
        base: A folder or a name on the hub.
    """
    card = Path(base) / CARD
    if not card.is_file():
        cached = None if Path(base).exists() else try_to_load_from_cache(base, CARD)
        if not isinstance(cached, str):
            return None
        card = Path(cached)
    try:
        licence = ModelCard.load(card).data.to_dict().get("license")
    except Exception:  # A card without front matter, or with one that is no YAML.
        return None
    return str(licence) if licence else None


def _measures(facts: Facts) -> Iterator[str]:
    for summary in facts.summaries:
        if "measures" in summary:
            yield _table(
                f"{summary['model']} on {summary['data']}: {summary['prompts']} prompts x {summary['group_size']}, "
                f"temperature {summary['temperature']:g}, seed {summary['seed']} (`rlframework eval`).",
                ("measure", "value", "95 % interval"),
                [(name, *_figure(one["mean"], one.get("interval"))) for name, one in _flat(summary["measures"])],
            )
        else:
            names = [name.removesuffix("_before") for name in summary if name.endswith("_before")]
            yield _table(
                f"Before and after, on {summary.get('n_heldout', 'the same')} held-out prompts.",
                ("measure", "before", "95 % interval", "after", "95 % interval"),
                [
                    (
                        name,
                        *_figure(summary[f"{name}_before"], summary.get(f"{name}_before_interval")),
                        *_figure(summary[f"{name}_after"], summary.get(f"{name}_after_interval")),
                    )
                    for name in names
                    if f"{name}_after" in summary
                ],
            )
    if facts.best:
        yield "\n".join(f"`{name}` of this checkpoint: {value:.3f}." for name, value in facts.best.items())
    if facts.curves:
        rows = [
            (name, f"{values[0]:.3f} (step {steps[0]})", f"{values[-1]:.3f} (step {steps[-1]})", f"{max(values):.3f}")
            for name, (steps, values) in facts.curves.items()
        ]
        yield _table("Held-out figures while it was trained.", ("figure", "first", "last", "highest"), rows)


def _flat(measures: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, one in measures.items():
        yield name, one
        for kind, label in (("pass_at_k", "pass@"), ("maj_at_k", "maj@")):
            for k, found in one.get(kind, {}).items():
                yield f"{name}, {label}{k}", {"mean": found["share"], "interval": found["interval"]}


def _figure(value: float, interval: Sequence[float] | None) -> tuple[str, str]:
    return f"{value:.3f}", "{:.3f} - {:.3f}".format(*interval) if interval else "-"


def _table(about: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([about, "", *(f"| {' | '.join(line)} |" for line in lines)])


def _settings(facts: Facts) -> str:
    known = {name: facts.settings[name] for name in ("model", "data") if facts.settings.get(name)}
    trainer = facts.settings.get("trainer") or {}
    kept = ("max_steps", "max_epochs", "accumulate_grad_batches", "gradient_clip_val", "precision", "devices")
    if its := {name: trainer[name] for name in kept if trainer.get(name) is not None}:
        known["trainer"] = its
    if not known:
        return "Neither the checkpoint nor a `config.yaml` beside it, as `rlframework fit` writes, says the settings."
    return _yaml(_given(known))


def _yaml(settings: Any) -> str:
    return f"```yaml\n{yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).strip()}\n```"


def _given(value: Any) -> Any:
    """Return settings without what is None or empty."""
    if isinstance(value, Mapping):
        inner = {str(key): _given(one) for key, one in value.items()}
        return {key: one for key, one in inner.items() if one is not None and one != {} and one != []}
    if isinstance(value, (list, tuple)):
        return [_given(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _adapter_settings(adapter: PeftConfig) -> dict[str, Any]:
    kept = ("peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "use_dora", "use_rslora")
    found = {name: sorted(value) if isinstance(value, set) else value for name, value in adapter.to_dict().items()}
    found["peft_type"] = str(getattr(found["peft_type"], "value", found["peft_type"]))
    return {name: found[name] for name in kept if found.get(name) not in (None, False)}


def _loading(form: str, path: Path, base: str | None, dtype: str, tokenizer: Any) -> str:
    prompt = next(iter(texts_with_tokens(tokenizer, ["17 + 25 =", "a b c", "abc"])), "a")
    inputs = 'tokenizer(prompt, return_tensors="pt")'
    if tokenizer.chat_template is not None:
        inputs = (
            'tokenizer.apply_chat_template(\n    [{"role": "user", "content": prompt}], add_generation_prompt=True, '
            'return_tensors="pt", return_dict=True\n)'
        )
    load = f"""\
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = {str(path)!r}
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained({"folder" if form == "merged" else repr(base)}, dtype="{dtype}")
"""
    if form == "adapter":
        load = f"from peft import PeftModel\n{load}model = PeftModel.from_pretrained(model, folder)\n"
    return f"""\
```python
{load}prompt = {prompt!r}
inputs = {inputs}
answer = model.generate(**inputs, max_new_tokens=32, do_sample=False)[0, inputs["input_ids"].shape[1] :]
print(tokenizer.decode(answer, skip_special_tokens=True))
```

It was trained on prompts of the form that `data` above describes; ask it so."""


def _run_folder(folder: Path, saved: float) -> Path:
    """Return the folder with the files of the run that wrote a checkpoint, or the checkpoint's own.

    A later run, of ``validate`` say, leaves a ``version_*`` of its own, begun after the checkpoint was saved.

    Args:
        folder: Of the checkpoint.
        saved: When it was saved.
    """
    begun: dict[Path, float] = {}
    for places in ([folder], [folder.parent], [*folder.glob("version_*"), *folder.parent.glob("version_*")]):
        for place in places:
            files = [place / name for name in _OF_A_RUN if (place / name).is_file()]
            if files:
                begun[place] = min(file.stat().st_mtime for file in files)
        if begun:
            break
    before = {place: time for place, time in begun.items() if time <= saved} or begun
    return max(before, key=lambda place: before[place], default=folder)


def _summary(path: Path) -> dict[str, Any]:
    file = path / "summary.json" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file} to take measures from; name a summary.json, or the folder of one")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}") from error
    measures = isinstance(found, dict) and ("measures" in found or any(name.endswith("_before") for name in found))
    if not measures:
        raise ValueError(
            f"{file} holds no measures: neither `measures`, as `rlframework eval` writes, nor a figure before and after"
        )
    return dict(found)
