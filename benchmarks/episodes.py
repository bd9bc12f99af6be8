"""Episodes: the cache kept across turns against reading again, against plain sampling, and against TRL's tool loop.

    make bench ARGS="--only episodes"          # some minutes of one core

What the policy says is scripted, so that all sides sample the same tokens: the lengths of turns differ, and rows are
over after different numbers of them. Sides take turns, and seconds are CPU seconds, medians over repetitions; once
before, nothing counts.

- Against TRL: ``GRPOTrainer(tools=[...])`` generates, calls the tool and generates again; here `EpisodeSampler` with a
  `Toolbox`. Prompt, calls, results and glue are the same ids, which is checked.
- Against reading again: the turns of `SharedPrefixSampler` and those of `BatchedSampler`.
- Against one turn: as many tokens sampled in one go, and one pass over the given ones.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedTokenizerFast

from rlframework import BatchedSampler, CausalLMPolicy, EpisodeSampler, SharedPrefixSampler
from rlframework.environments import TemplateGlue, Toolbox
from rlframework.prompt import Prompt
from rlframework.rollout import left_pad
from rlframework.testing import letter_tokenizer
from table import facts
from theirs import trl
from work import EOS, PAD, PROMPTS, new_model

GROUP, TURNS, SAID, GIVEN = 8, 6, 20, 15
# Most tokens of an episode.
BUDGET = 480
PROMPT_TOKENS = (100, 1000)
# At least so many times the time of this side; of the last one, at most.
BARS = {"TRL's tool loop": 3.0, "read again, P 100": 3.0, "read again, P 1000": 6.0}
MOST = {"one turn and one pass, P 100": 1.3, "one turn and one pass, P 1000": 1.3}
RESULTS = Path(__file__).parent / "results" / "episodes_cpu.json"
Run = Callable[[], Any]


class Script:
    """What every row says in every turn, up to and including the token that ends it.

    Args:
        turns: Of each row its turns, in ids.
    """

    def __init__(self, turns: list[list[list[int]]]) -> None:
        self.turns = turns
        longest = max(len(ids) for row in turns for ids in row)
        self.ids = torch.full((len(turns), max(map(len, turns)), longest + 1), EOS)
        for row, of_row in enumerate(turns):
            for turn, ids in enumerate(of_row):
                self.ids[row, turn, : len(ids)] = torch.tensor(ids)

    def force(self, logits: torch.Tensor, rows: torch.Tensor, turn: torch.Tensor, position: Any) -> torch.Tensor:
        """Leave the scripted token alone likely; in place, to cost nothing."""
        token = self.ids[rows, turn, torch.as_tensor(position).clamp(max=self.ids.shape[2] - 1)]
        logits[torch.arange(len(rows)), token] = 1e4
        return logits


class Scripted(SharedPrefixSampler):
    """Says what is scripted."""

    script: Script

    def converse(self, *arguments: Any, **options: Any) -> Any:
        self.turn = torch.full((len(self.script.turns),), -1)
        return super().converse(*arguments, **options)

    def draw(self, logits: torch.Tensor, uniforms: torch.Tensor, rows: torch.Tensor, position: Any) -> Any:
        self.turn[rows] += torch.as_tensor(position) == 0
        return super().draw(self.script.force(logits, rows, self.turn[rows], position), uniforms, rows, position)


class ScriptedAgain(Scripted):
    """Says it by reading prompt and turns again."""

    _begin = BatchedSampler._begin


def compared(sides: Mapping[str, Run], repetitions: int) -> dict[str, list[float]]:
    """Return the CPU seconds of each side, which take turns; the first time does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repetitions + 1):
        for name, run in sides.items():
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    return {name: of_side[1:] for name, of_side in seconds.items()}


def random_script(rng: np.random.Generator) -> tuple[Script, list[list[list[int]]]]:
    """Return what rows say, and what they are given before each turn but the first."""
    said, given = [], []
    for row in range(PROMPTS * GROUP):
        turns = TURNS - row % 3  # Some are over before others.
        lengths = (SAID * (0.2 + rng.exponential(0.8, turns)).clip(max=2.8)).astype(int)
        said.append([[*rng.integers(2, 40, size - 1).tolist(), EOS] for size in lengths.clip(min=2)])
        given.append([rng.integers(2, 40, int(rng.integers(5, 2 * GIVEN - 5))).tolist() for _ in range(turns - 1)])
    return Script(said), given


def scripted(kind: type[Scripted], script: Script) -> Scripted:
    sampler = kind(GROUP, max_tokens=BUDGET)
    sampler.script = script
    return sampler


def hold(sampler: Scripted, policy: CausalLMPolicy, prompts: list[Prompt], given: list[list[list[int]]]) -> None:
    """Have all turns of a script said, and see that they are."""
    conversation, script = sampler.converse(policy, prompts), sampler.script
    said = dict.fromkeys(range(len(script.turns)), 0)
    before: dict[int, list[int]] = {}
    while said:
        replies = conversation.early_replies(dict.fromkeys(said, BUDGET), before)
        before = {}
        for row, reply in replies.items():
            if reply.ids != script.turns[row][said[row]]:
                raise RuntimeError(f"{type(sampler).__name__} has not said what is scripted")
            said[row] += 1
            if said[row] == len(script.turns[row]):
                del said[row]
            else:
                before[row] = given[row][said[row] - 1]


def against_ourselves(tokens: int, repetitions: int) -> dict[str, list[float]]:
    """Return the seconds of all ways to sample the same turns behind prompts of so many tokens."""
    rng = np.random.default_rng(tokens)
    policy = CausalLMPolicy(new_model("tiny"), letter_tokenizer()).eval()
    prompts = [Prompt(rng.integers(2, 40, tokens - 3 * index).tolist(), "", index=index) for index in range(PROMPTS)]
    script, given = random_script(rng)
    kept, again = scripted(Scripted, script), scripted(ScriptedAgain, script)
    # As many tokens in one turn: the ends of turns before the last are other tokens.
    said = [[id + (id == EOS) for ids in turns for id in ids] for turns in script.turns]
    once = scripted(Scripted, Script([[[*ids[:-1], EOS]] for ids in said]))
    ids, mask = left_pad([[id for ids in turns for id in ids] for turns in given], PAD, "cpu")
    sides = {
        "kept": lambda: hold(kept, policy, prompts, given),
        "again": lambda: hold(again, policy, prompts, given),
        "one turn": lambda: hold(once, policy, prompts, given),
        "one pass": lambda: policy.next_logits(ids, mask),
    }
    with torch.no_grad():
        return compared(sides, repetitions)


def look(key: str) -> str:
    """Look a key up.

    Args:
        key: A letter.
    """
    return f"{key} is " + "abc " * 5


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with the chat template of Qwen3 that learned its words from a prompt that shows the tool."""
    template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text(encoding="utf-8")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = [template, look.__doc__ or "", json.dumps({"name": "look", "arguments": {"key": "f"}})]
    tokenizer.train_from_iterator(words, trainer)
    tags = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
    tokenizer.add_tokens([AddedToken(tag, special=False) for tag in tags])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=template
    )


def tool_script(tokenizer: PreTrainedTokenizerFast) -> Script:
    """Return rows that say something and call the tool, one to five times, and then answer."""
    rng = np.random.default_rng(0)
    rows = []
    for row in range(PROMPTS * GROUP):
        turns = []
        for turn in range(TURNS - row % 5):
            words = "".join(rng.choice(list("abcdefgh "), int(rng.integers(2, SAID))))
            last = turn + 1 == TURNS - row % 5
            call = json.dumps({"name": "look", "arguments": {"key": str(rng.choice(list("abc")))}})
            text = f"Say{words}." if last else f"Say{words}.\n<tool_call>\n{call}\n</tool_call>"
            turns.append([*tokenizer(text)["input_ids"], tokenizer.eos_token_id])
        rows.append(turns)
    return Script(rows)


class ScriptedGenerate(LogitsProcessor):
    """Has transformers' generate say what is scripted: of the rows that have so many turns, in their order."""

    def __init__(self, script: Script, turn: int, prompt: int) -> None:
        self.script, self.prompt = script, prompt
        rows = [row for row, turns in enumerate(script.turns) if len(turns) > turn]
        self.rows, self.turn = torch.tensor(rows), torch.full((len(rows),), turn)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return self.script.force(scores, self.rows, self.turn, input_ids.shape[1] - self.prompt)


def trl_side(folder: Path, tokenizer: PreTrainedTokenizerFast, script: Script, rows: list[Any]) -> Run:
    """Return TRL's collection of a rollout: `GRPOTrainer._generate`, with its prompts, tools and tool loop."""
    import datasets

    def lengths(completions: list[Any], **columns: Any) -> list[float | None]:
        return [float(len(completion)) for completion in completions]

    model: Any = new_model("tiny").eval()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    config = trl.GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=PROMPTS * GROUP,
        num_generations=GROUP,
        max_completion_length=BUDGET,
        bf16=False,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=lengths,
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        tools=[look],
    )
    inputs = [row for row in rows for _ in range(GROUP)]
    trainer._sync_tool_dicts = [{"look": look} for _ in inputs]
    trainer._async_tool_dicts = [{} for _ in inputs]
    generate = model.generate
    calls: list[int] = []

    def scripted(**options: Any) -> Any:
        processor = ScriptedGenerate(script, len(calls), options["input_ids"].shape[1])
        calls.append(1)
        return generate(**options, logits_processor=LogitsProcessorList([processor]))

    model.generate = scripted

    def run() -> Any:
        calls.clear()
        prompt_ids, completion_ids, *_ = trainer._generate([row["prompt"] for row in inputs])
        return prompt_ids, completion_ids

    return run


def against_trl(repetitions: int) -> dict[str, list[float]]:
    """Return the seconds of both sides for the same rollout with a tool."""
    tokenizer = chat_tokenizer()
    script = tool_script(tokenizer)
    rows = [{"prompt": [{"role": "user", "content": f"What is {letter}?"}]} for letter in "abcdefgh"[:PROMPTS]]
    policy = CausalLMPolicy(new_model("tiny"), tokenizer).eval()
    policy.model.generation_config.eos_token_id = tokenizer.eos_token_id
    sampler = scripted(Scripted, script)
    environment = Toolbox([look], tools_are_shown=False)
    episodes = EpisodeSampler(sampler, environment, max_turns=TURNS, glue=TemplateGlue(tokenizer))
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        theirs = trl_side(Path(folder), tokenizer, script, rows)
        prompt_ids, completion_ids = theirs()
        prompts = [Prompt(prompt_ids[number * GROUP], "", index=number) for number in range(PROMPTS)]
        same = [row.ids for row in episodes.sample(policy, prompts)]
        if same != completion_ids:
            raise RuntimeError("the two sides have not sampled the same episodes")
        return compared({"TRL": theirs, "here": lambda: episodes.sample(policy, prompts)}, repetitions)


def ratios(seconds: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    """Return how many times the time of this side others take, and of the last kind, this side that of others."""
    middle = {what: {side: median(of_side) for side, of_side in sides.items()} for what, sides in seconds.items()}
    found = {}
    for what, sides in middle.items():
        if what == "tools":
            found["TRL's tool loop"] = sides["TRL"] / sides["here"]
        else:
            found[f"read again, {what}"] = sides["again"] / sides["kept"]
            found[f"one turn and one pass, {what}"] = sides["kept"] / (sides["one turn"] + sides["one pass"])
    return found


def table(found: dict[str, float]) -> str:
    """Return a line for each ratio, with its bar."""
    lines = []
    for name, ratio in found.items():
        bar, most = BARS.get(name), MOST.get(name)
        met = ratio >= bar if bar is not None else ratio <= (most or 0)
        lines.append(f"{name:<32}{ratio:>7.2f}  {'>=' if bar else '<='} {bar or most}  {'met' if met else 'MISSED'}")
    return "\n".join(lines)


def compare(repetitions: int, path: Path | None) -> None:
    """Measure all sides and print their ratios; write the figures too where a path is given."""
    seconds = {f"P {tokens}": against_ourselves(tokens, repetitions) for tokens in PROMPT_TOKENS}
    seconds["tools"] = against_trl(repetitions)
    found = ratios(seconds)
    said = {"prompts": PROMPTS, "group_size": GROUP, "turns": TURNS, "said_tokens": SAID, "given_tokens": GIVEN}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**facts(), **said, "ratio": found, "cpu_seconds": seconds}, indent=2) + "\n")
        print(f"figures in {path}")
    print(table(found))
