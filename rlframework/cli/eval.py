"""``rlframework eval``: accuracy, pass@k and maj@k of a checkpoint, a folder or a hub model on a data set."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlframework.cli.arguments import add_rows, count, rows_of, share

if TYPE_CHECKING:
    from rlframework.data.module import PromptDataModule
    from rlframework.policies.causal_lm import CausalLMPolicy
    from rlframework.prompt import Prompt

DESCRIPTION = """\
Ask a model the prompts of a data set and score its answers. MODEL is a .ckpt file of a run, a folder by SavePolicy or
save_pretrained (an adapter or a whole model), a GGUF file, or the name of a model on the hub. Prints a table with
intervals, and writes summary.json and samples.jsonl, every answer with its scores."""

EPILOG = """\
--data is one of
  rows.jsonl, .json, .csv, .tsv, .parquet   a file of rows, or module:attribute of some
  mine.yaml                                 the data of a file for `rlframework fit`, asked as that run asks them
  GSM8K, ChainSumsData, ...                 a data module of rlframework.data or rlframework.tasks: its held-out part
  openai/gsm8k                              a data set on the hub (--hub-config, --split) or a folder of one
The answers are sampled in this process, the same ones for the same seed. Without --reward LenientMathCheck judges,
which reads the answer of the layout, else the last \\boxed{}, else the last number.
The exit status is 1 if the first reward is below --at-least; 2 if the command cannot be carried out; else 0."""


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework eval``."""
    options = argparse.ArgumentParser(
        prog="rlframework eval",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("model", metavar="MODEL", help="what is measured")
    what = options.add_argument_group("what is asked")
    add_rows(what, "where the prompts come from, see below")
    what.add_argument("--hub-config", metavar="NAME", help="configuration of a data set on the hub")
    what.add_argument(
        "--split", default="test", metavar="NAME", help="split of a data set on the hub (by default test)"
    )
    what.add_argument("-n", "--samples", type=count, metavar="N", help="ask so many of the prompts, chosen by the seed")
    what.add_argument("--chat", action="store_true", help="ask by the chat template of the model, as the user's turn")
    what.add_argument("--system-prompt", metavar="TEXT", help="opens every conversation")
    what.add_argument("--request", metavar="TEXT", help="a line after every question")
    how = options.add_argument_group("how it is answered")
    how.add_argument("--group-size", type=count, default=1, metavar="G", help="answers to each prompt (by default 1)")
    how.add_argument(
        "--max-tokens", type=count, metavar="T", help="of an answer (by default as a mine.yaml samples, else 256)"
    )
    how.add_argument("--temperature", type=float, help="0 is greedy; by default 0 for one answer and 1 for several")
    how.add_argument("--top-p", type=float, default=1.0)
    how.add_argument("--seed", type=int, default=0, help="of the answers and of --samples (by default 0)")
    how.add_argument("--batch", type=count, default=64, metavar="N", help="prompts asked at a time (by default 64)")
    how.add_argument("--base", metavar="MODEL", help="the model under an adapter, if it is not where it was")
    how.add_argument("--tokenizer", metavar="FOLDER", help="by default the one of the model")
    how.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="by default as the model was saved")
    how.add_argument("--device", help="cpu or cuda; by default cuda where there is one")
    judged = options.add_argument_group("how it is judged, and what is written")
    judged.add_argument(
        "--reward",
        action="append",
        metavar="NAME",
        help="module:attribute, file.py:attribute, or a name from rlframework.rewards; may be given several times",
    )
    judged.add_argument(
        "--at-least", type=share, metavar="SHARE", help="exit with 1 if the first reward's mean is below"
    )
    judged.add_argument("--out", default="eval", metavar="FOLDER", help="where to write (by default ./eval)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework eval``: measure a model on a data set.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 0, or 1 if the first reward is below what was asked for.
    """
    options = parser()
    given = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.report.table import print_figures
    from rlframework.utilities.imports import require

    try:
        require("rich", "report")
        summary, figures, caption = _measured(given)
    except (ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        options.exit(2, f"{options.prog}: error: {_line(error)}\n")
    print_figures(figures, caption)
    print("\n".join(str(Path(given.out, name)) for name in ("summary.json", "samples.jsonl")))
    first = next(iter(figures))
    if given.at_least is not None and not summary["measures"][first]["mean"] >= given.at_least:
        print(f"{first} is {summary['measures'][first]['mean']:.3f}, below --at-least {given.at_least}")
        return 1
    return 0


def _measured(given: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Measure, write the files, and return the summary, its figures by measure and a caption."""
    import torch

    from rlframework.report.evaluation import evaluate
    from rlframework.report.samples import write_samples
    from rlframework.reward_report.sources import read_layout, read_reward
    from rlframework.rewards import AnswerTemplate, LenientMathCheck
    from rlframework.rewards.math import AnswerReader
    from rlframework.samplers import SharedPrefixSampler
    from rlframework.utilities.paths import writable_folder
    from rlframework.utilities.versions import library_versions

    layout = read_layout(given.layout) if given.layout and given.layout != "bare" else None
    template = layout if isinstance(layout, AnswerTemplate) else None
    rewards = [read_reward([name]) for name in given.reward or ()] or [LenientMathCheck(name="accuracy")]
    measures = {reward.name: reward for reward in rewards}
    temperature = (given.group_size > 1) * 1.0 if given.temperature is None else given.temperature
    max_tokens = given.max_tokens or _budget_of(given.data) or 256
    sampler = SharedPrefixSampler(given.group_size, max_tokens, temperature, given.seed, top_p=given.top_p)
    folder = writable_folder(given.out)
    data = _data(given, template)  # before the model, which may take longer to read
    policy = read_model(given.model, given.base, given.tokenizer, given.dtype)
    policy.to(given.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    split = "test" if "test" in data.sources else "validation"
    prompts = chosen(data.tokenize(split, policy.tokenizer), given.samples, given.seed)
    print(f"{len(prompts)} prompts x {given.group_size} answers of at most {max_tokens} tokens", file=sys.stderr)
    started = time.perf_counter()
    with sampler.reporting(_progress):
        found = evaluate(given.model, policy, prompts, sampler, measures, given.batch)
    figures = found.figures(AnswerReader(template))
    summary = {
        "model": given.model,
        "data": given.data,
        "prompts": len(prompts),
        "group_size": given.group_size,
        "temperature": temperature,
        "top_p": given.top_p,
        "max_tokens": max_tokens,
        "seed": given.seed,
        "measures": figures,
        "truncated": found.truncated,
        "length": found.length,
        "seconds": time.perf_counter() - started,
        "library_versions": library_versions(),
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    write_samples(folder / "samples.jsonl", found.completions, found.scores, template)
    kind = "greedy" if temperature == 0 else f"temperature {temperature:g}"
    caption = (
        f"{given.model} on {given.data}: {len(prompts)} prompts x {given.group_size}, {kind}, seed {given.seed}; "
        f"{found.length:.1f} tokens on the average, {found.truncated:.0%} cut at {max_tokens}"
    )
    return summary, figures, caption


def read_model(name: str, base: str | None, tokenizer: str | None, dtype: str | None) -> CausalLMPolicy:
    """Return the policy that a name means: of a checkpoint, a folder, a GGUF file, or a model on the hub.

    Args:
        name: Of a file, a folder or a model.
        base: The model under an adapter, instead of the one that is named there.
        tokenizer: A folder or a name, instead of the model's own.
        dtype: Of the weights; by default as they were saved.

    Raises:
        OSError: There is no such thing.
        ValueError: It cannot be read.
    """
    import torch

    from rlframework.export.read import read_policy
    from rlframework.policies.causal_lm import CausalLMPolicy
    from rlframework.policies.loading import load_tokenizer

    place = Path(name)
    whole = (place / "config.json").is_file() and not (place / "adapter_config.json").is_file()
    if place.exists() and place.suffix != ".gguf" and not whole:
        trained = read_policy(name, base, tokenizer)
        for remark in trained.remarks:
            print(remark, file=sys.stderr)
        return trained.policy.to(getattr(torch, dtype)) if dtype else trained.policy
    words = load_tokenizer(name, tokenizer)
    if words.pad_token is None:
        words.pad_token = words.eos_token  # Padding is known by masks.
    return CausalLMPolicy(name, words, dtype=dtype or ("float32" if place.suffix == ".gguf" else "auto")).eval()


def _data(given: argparse.Namespace, template: Any) -> PromptDataModule:
    from rlframework.data.module import PromptDataModule

    module = _data_module(given.data)
    if module is None:
        rows, prompt, answer = rows_of(given, _from_hub(given))
        rows = [_asked(row, prompt, answer, given.chat) for row in rows]
        module = PromptDataModule(
            rows,
            rows,
            prompt_column=prompt,
            template=template,
            system_prompt=given.system_prompt,
            request=given.request,
        )
    module.prepare_data()
    if not {"test", "validation"} & set(module.sources):
        raise ValueError(f"{given.data} holds nothing out: give it a validation part, or a file of rows to measure on")
    return module


def _asked(row: Any, prompt: str, answer: str, chat: bool) -> dict[str, Any]:
    """Return a row with its gold where rewards look for it, and its prompt as the turn of a chat if that is wanted."""
    row = dict(row)
    if answer in row:
        row.setdefault("answer", row[answer])
    if chat and isinstance(row.get(prompt), str):
        row[prompt] = [{"role": "user", "content": row[prompt]}]
    return row


def _data_module(name: str) -> PromptDataModule | None:
    """Return the data module that a file for `fit` or the name of a class means; None for anything else."""
    from rlframework import data, tasks
    from rlframework.data.module import PromptDataModule
    from rlframework.tasks import word_problems
    from rlframework.utilities.imports import require

    if _is_recipe(name):
        jsonargparse = require("jsonargparse", "cli")
        settings = _settings(name)
        if "data" not in settings:
            raise ValueError(f"{name} has no data:, only {', '.join(settings)}")
        options = jsonargparse.ArgumentParser(exit_on_error=False)
        options.add_subclass_arguments(PromptDataModule, "data", required=True)
        try:
            return options.instantiate_classes(options.parse_object({"data": settings["data"]})).data
        except jsonargparse.ArgumentError as error:
            raise ValueError(f"the data of {name} cannot be made: {str(error).partition('Given value')[0]}") from error
    kind = next((found for home in (data, tasks, word_problems) if (found := getattr(home, name, None))), None)
    made: Any = kind if isinstance(kind, type) and issubclass(kind, PromptDataModule) else None
    return None if made is None else made()


def _is_recipe(name: str) -> bool:
    return Path(name).suffix in (".yaml", ".yml")


def _settings(file: str) -> Any:
    from rlframework.cli.settings import Refused, read_file

    try:
        return read_file(file).plain()
    except Refused as refusal:
        raise ValueError(refusal.message) from refusal


def _budget_of(data: str) -> int | None:
    """Return the ``max_tokens`` of the sampler in a file for `fit`; None where none is written."""
    if not _is_recipe(data):
        return None
    section = _settings(data).get("model")
    for name in ("init_args", "sampler", "init_args"):
        section = section.get(name) if isinstance(section, dict) else None
    return section.get("max_tokens") if isinstance(section, dict) else None


def _from_hub(given: argparse.Namespace) -> list[Any] | None:
    """Return the rows of a data set on the hub or in a folder; None where a file or a module has them."""
    from rlframework.data.local_file import FORMATS
    from rlframework.data.source import Source

    if Path(given.data).suffix.lower() in FORMATS or ":" in given.data:
        return None
    configs = (given.hub_config,) if given.hub_config else ()
    return list(Source(given.data, configs, given.split).load())


def chosen(prompts: Sequence[Prompt], number: int | None, seed: int) -> list[Prompt]:
    """Return so many of the prompts, in their order; which ones is a function of the seed and their texts.

    Args:
        prompts: All of them.
        number: How many at most; None is all.
        seed: Of the choice.

    Example:
        >>> from rlframework.testing import letter_prompts
        >>> [len(chosen(letter_prompts(6), number, seed=0)) for number in (4, 9, None)]
        [4, 6, 6]
    """
    from rlframework.data.heldout import problem_hash

    places = sorted(range(len(prompts)), key=lambda place: problem_hash(prompts[place].text, seed))[:number]
    return [prompts[place] for place in sorted(places)]


def _progress(tokens: int, unfinished: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{tokens} tokens, {unfinished} answers unfinished ", end="", file=sys.stderr)


def _line(error: BaseException) -> str:
    return " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
