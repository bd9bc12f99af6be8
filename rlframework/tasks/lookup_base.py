"""A base model that can look things up and mostly blurts: made in seconds, from conversations with a tool."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from random import Random

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rlframework.data.conversations import laid_out
from rlframework.data.module import PromptDataModule
from rlframework.environments.template_glue import TemplateGlue
from rlframework.environments.toolbox import Toolbox
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.report.evaluation import evaluate
from rlframework.rewards.answer import CorrectAnswer
from rlframework.rewards.template import AnswerTemplate
from rlframework.samplers.batched import BatchedSampler
from rlframework.samplers.episodes import EpisodeSampler
from rlframework.tasks import lookup
from rlframework.tasks.tiny.base import BasePaths, pretrained, primed, progress_bars, save_model
from rlframework.tasks.tiny.recipe import BaseRecipe
from rlframework.tasks.tiny.task import Care
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer
from rlframework.tasks.tiny.training import GATE_SEED, Lesson
from rlframework.utilities.paths import cache_folder, make_once

# As Qwen's, without thoughts: what tools there are, calls, and what they returned. A call stands right behind the tag
# that opens the working.
_TOOLS = (
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
)
_END_OF_TOOLS = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n'
    "</tool_call>"
)
_RESULT, _END_OF_RESULT = "\n<tool_response>\n", "\n</tool_response>"
_CHAT_TEMPLATE = (
    """\
{%- for message in messages -%}
    {%- if message.role == 'tool' -%}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' -%}{{- START + 'user' -}}{%- endif -%}
        {{- RESULT + message.content + END_OF_RESULT -}}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' -%}{{- END + '\\n' -}}{%- endif -%}
    {%- else -%}
        {{- START + message.role + '\\n' + message.content -}}
        {%- if loop.first and message.role == 'system' and tools -%}
            {{- TOOLS -}}
            {%- for tool in tools -%}
                {{- tool | tojson -}}
                {%- if not loop.last -%}{{- '\\n' -}}{%- endif -%}
            {%- endfor -%}
            {{- END_OF_TOOLS -}}
        {%- endif -%}
        {%- for call in message.tool_calls or [] -%}
            {%- if not loop.first -%}{{- '\\n' -}}{%- endif -%}
            {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' -}}
            {{- (call.function.arguments | tojson) + '}\\n</tool_call>' -}}
        {%- endfor -%}
        {{- END + '\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- START + 'assistant\\n' + OPENING -}}
{%- endif -%}
""".replace(" TOOLS ", f" {json.dumps(_TOOLS)} ")
    .replace(" END_OF_TOOLS ", f" {json.dumps(_END_OF_TOOLS)} ")
    .replace(" RESULT ", f" {json.dumps(_RESULT)} ")
    .replace(" END_OF_RESULT ", f" {json.dumps(_END_OF_RESULT)} ")
)

# Looking up is learned sooner than adding up, and what follows a blurted digit is never worked out.
RECIPE = BaseRecipe(
    batch_size=16,
    decay_steps=50,
    competent_loss=0.05,
    priming_steps=100,
    least_worked=0.6,
    corrected_worked=0.7,
    most_greedy=0.15,
)


def lookup_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer of the task: a token for each letter, digit and fixed piece of a call, and few words.

    Its chat template writes tools, calls and results as Qwen's does.

    Example:
        >>> from rlframework.tasks.lookup import call_text
        >>> len(lookup_tokenizer()), len(lookup_tokenizer().tokenize(call_text("f")))
        (67, 5)
    """
    [schema] = Toolbox(lookup.Table).schemas.values()
    written = json.dumps(schema, ensure_ascii=False)
    pieces = [_TOOLS, written, _END_OF_TOOLS, _RESULT, _END_OF_RESULT, *lookup.CALL_PIECES]
    pieces += [lookup.TOOL, *lookup.WRONG_TOOLS]
    characters = lookup.LETTERS + lookup.DIGITS + "=?., \n"
    return tiny_tokenizer(characters=characters, pieces=pieces, chat_template=_CHAT_TEMPLATE)


def create_lookup_base(
    seed: int, cache_dir: str | Path | None = None, recipe: BaseRecipe = RECIPE, progress: bool = True
) -> BasePaths:
    """Make the base of a seed that can look things up, and the primed model; or find them in the cache.

    The base is taught whole conversations until it has understood them. The primed model has seen careless ones on
    top: mostly blurted digits, slips, broken tags. Both have the very tokens that an episode has, prompt and glue
    included, and were never shown a held-out table.

    Args:
        seed: Of the first weights and of all data.
        cache_dir: Where models are kept; by default ``rlframework`` in the user's cache folder.
        recipe: Sizes and numbers.
        progress: Show progress bars.

    Raises:
        RuntimeError: A stage did not reach its gate; the message has the figures.
        PermissionError: The cache folder cannot be written to.
    """
    tokenizer = lookup_tokenizer()
    folder = cache_folder(cache_dir) / "lookup" / _key(seed, recipe, tokenizer)

    def make(scratch: Path) -> None:
        with torch.random.fork_rng():
            _make(scratch, seed, recipe, tokenizer, progress)

    make_once(folder, make)
    return BasePaths(folder / "base", folder / "primed")


def _make(folder: Path, seed: int, recipe: BaseRecipe, tokenizer: PreTrainedTokenizerFast, progress: bool) -> None:
    school, bar = _School(tokenizer, recipe.batch_size), progress_bars(progress)
    careful = Care(blurted=0.0, slips=0.0)
    model = pretrained(seed, recipe, tokenizer, lambda random: partial(school.lessons, random, careful), bar)
    save_model(model, tokenizer, folder / "base")
    random = Random(f"priming {seed} 0")
    primed(
        model,
        tokenizer.pad_token_id,
        recipe,
        lambda care: partial(school.lessons, random, care),
        lambda: gate(model, tokenizer),
        bar,
    )
    save_model(model, tokenizer, folder / "primed")


class _School:
    """Draws conversations as lessons: the turns of the policy are learned, prompt and results are read.

    Args:
        tokenizer: Of the model.
        batch_size: Conversations of a batch.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> None:
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._glue = TemplateGlue(tokenizer)
        asked = [{"prompt": f"{letter}=?"} for letter in lookup.LETTERS]
        self._prompts = {prompt.row["prompt"]: prompt.ids for prompt in _prompts(asked, tokenizer)}

    def lessons(self, random: Random, care: Care) -> list[Lesson]:
        """Return a batch of conversations that are so careless."""
        rows = (lookup.random_problem(random) for _ in iter(int, 1))
        fresh = (row for row in rows if row["table"] not in lookup.reserved_tables())
        return [self._lesson(row, random, care) for row, _ in zip(fresh, range(self._batch_size), strict=False)]

    def _lesson(self, row: dict[str, str], random: Random, care: Care) -> Lesson:
        prompt = self._prompts[row["prompt"]]
        ids, turns = laid_out(lookup.conversation(row, random, care), self._tokenizer, self._glue)
        sampled = [turn.by == "policy" for turn in turns for _ in range(turn.start, turn.end)]
        return Lesson(prompt + ids, [False] * len(prompt) + sampled)


def gate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[float, float]:
    """Measure a primed model on tables outside the held-out set.

    Args:
        model: The primed model.
        tokenizer: Its tokenizer.

    Returns:
        Its greedy accuracy, and the share of right answers among the sampled episodes with a call: what GRPO will make
        the rule.
    """
    rows = lookup.problems(96, GATE_SEED, exclude=lookup.reserved_tables())
    policy, prompts = CausalLMPolicy(model, tokenizer), _prompts(rows, tokenizer)
    sampler = EpisodeSampler(
        BatchedSampler(group_size=4, max_tokens=lookup.MAX_TOKENS),
        Toolbox(lookup.Table),
        max_turns=lookup.MAX_TURNS,
        max_turn_tokens=lookup.MAX_TURN_TOKENS,
    )
    measures = {"accuracy": CorrectAnswer()}
    greedy = evaluate("greedy", policy, prompts, sampler.for_evaluation(), measures)
    sampled = evaluate("sampled", policy, prompts, sampler, measures)
    called = torch.tensor([bool(row.calls) for row in sampled.completions]).view_as(sampled.scores["accuracy"])
    return greedy.share("accuracy"), sampled.scores["accuracy"][called].mean().nan_to_num(0.0).item()


def _prompts(rows: list[dict[str, str]], tokenizer: PreTrainedTokenizerBase) -> list[Prompt]:
    """Return the prompts that a data module makes of rows, with the template and the tool."""
    data = PromptDataModule(rows, template=AnswerTemplate(), tools=lookup.Table)
    return list(data.tokenize("train", tokenizer))


def _key(seed: int, recipe: BaseRecipe, tokenizer: PreTrainedTokenizerFast) -> str:
    """Whatever decides the weights decides the name, as in `create_base`."""
    sources = [Path(__file__), Path(str(lookup.__file__))]
    tiny = Path(__file__).with_name("tiny")
    sources += [tiny / f"{part}.py" for part in ("base", "task", "tokenizer", "training")]
    versions = [torch.__version__, transformers.__version__]
    facts = [seed, asdict(recipe), tokenizer.get_vocab(), tokenizer.chat_template]
    told = json.dumps([*facts, [path.read_text() for path in sources], versions], sort_keys=True)
    return f"{seed}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
