"""Supervised training of the tiny base: next-token loss on what follows the question."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlframework.data.tokenize import tokenize_rows
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.report.evaluation import evaluate
from rlframework.rewards.answer import CorrectAnswer
from rlframework.rewards.format import ExactFormat
from rlframework.rewards.template import AnswerTemplate
from rlframework.samplers.batched import BatchedSampler
from rlframework.tasks.tiny.recipe import BaseRecipe
from rlframework.tasks.tiny.task import Care, Row, TinyTask

Pair = tuple[str, str]

GATE_SEED = 4_096


class Lesson(NamedTuple):
    """A text to learn from.

    Args:
        ids: Its tokens.
        learned: Of each, whether it is learned; the others are read.
    """

    ids: list[int]
    learned: list[bool]


Draw = Callable[[], list[Lesson]]


class WarmupStableDecay:
    """Factor of a learning rate: warm up, hold until the task is understood, then fall to a twentieth.

    How long a model this small takes to understand varies threefold with its first weights. A schedule of fixed length
    would lower the rate of the slow ones before they do.
    """

    def __init__(self, warmup: int, decay: int) -> None:
        self.warmup = warmup
        self.decay = decay
        self.understood_at: int | None = None

    def __call__(self, step: int) -> float:
        """Return the factor for a step."""
        if self.understood_at is None:
            return min(1.0, (step + 1) / self.warmup)
        return max(0.05, 1 - (step - self.understood_at) / self.decay)

    def is_over(self, step: int) -> bool:
        """Whether the decay has come to its end."""
        return self.understood_at is not None and step >= self.understood_at + self.decay


def pretrain(model: PreTrainedModel, pad_id: int, recipe: BaseRecipe, draw: Draw, bar: tqdm) -> float:
    """Train on what ``draw`` returns until the loss says that it is understood, then let the learning rate fall.

    It falls once more for a model that is not competent then: what the base does badly, nothing after it makes good.

    Returns:
        Mean loss of the last 20 steps, in nats per token; if it is above ``recipe.understood_loss`` the steps allowed
        were not enough.
    """
    recent: deque[float] = deque(maxlen=20)
    factor = WarmupStableDecay(warmup=50, decay=recipe.decay_steps)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.pretraining_lr, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for step, loss in enumerate(_train(model, pad_id, optimizer, schedule, draw, bar), start=1):
        recent.append(loss)
        mean = sum(recent) / len(recent)
        if factor.understood_at is None:
            if step >= 20 and mean < recipe.understood_loss:
                factor.understood_at = step
            elif step >= recipe.pretraining_steps:
                break
        elif factor.is_over(step):
            if mean <= recipe.competent_loss:
                break
            factor.understood_at = step
    bar.close()
    return sum(recent) / len(recent)


def prime(model: PreTrainedModel, pad_id: int, recipe: BaseRecipe, draw: Draw, bar: tqdm) -> None:
    """Train briefly on what ``draw`` returns, as many steps as the bar is long, with a rate that falls to 0."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.priming_lr, betas=(0.9, 0.98), weight_decay=0.01)
    steps = int(bar.total or 0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 5) * (1 - step / steps))
    for _ in _train(model, pad_id, optimizer, schedule, draw, bar):
        pass
    bar.close()


def gate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: TinyTask) -> tuple[float, float]:
    """Measure a primed model on problems outside the held-out set.

    Returns:
        Its greedy accuracy, and the share of right answers among the samples that show any working: what GRPO will
        make the rule.
    """
    template = AnswerTemplate()
    rows = task.problems(96, GATE_SEED, exclude=task.reserved_prompts())
    prompts = tokenize_rows(rows, tokenizer, system_prompt=template.system_prompt)
    policy = CausalLMPolicy(model, tokenizer)
    measures = {"accuracy": CorrectAnswer(), "layout": ExactFormat(score=1.0)}
    sampler = BatchedSampler(group_size=4, max_tokens=task.MAX_TOKENS)
    greedy = evaluate("greedy", policy, prompts, sampler.replace(group_size=1, temperature=0.0), measures)
    sampled = evaluate("sampled", policy, prompts, sampler, measures)
    shown = torch.tensor(["=" in row.text for row in sampled.completions]).view_as(sampled.scores["layout"])
    worked = sampled.scores["accuracy"][shown & (sampled.scores["layout"] == 1)]
    return greedy.share("accuracy"), worked.mean().nan_to_num(0.0).item()


def _train(
    model: PreTrainedModel,
    pad_id: int,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    draw: Draw,
    bar: tqdm,
) -> Iterator[float]:
    """Yield the loss of each step, as many as the bar is long."""
    model.train()
    for _ in range(int(bar.total or 0)):
        ids, labels = _tensors(draw(), pad_id)
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]  # (B, S - 1, V)
        loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        bar.update()
        yield loss.item()


def _tensors(lessons: list[Lesson], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return right-padded ids and labels ``(B, S)``; what is not learned has no label."""
    width = max(len(lesson.ids) for lesson in lessons)
    ids = torch.full((len(lessons), width), pad_id)
    labels = torch.full_like(ids, -100)
    for row, lesson in enumerate(lessons):
        given = torch.tensor(lesson.ids)
        ids[row, : len(given)] = given
        labels[row, : len(given)] = given.masked_fill(~torch.tensor(lesson.learned), -100)
    return ids, labels


def lessons_of(pairs: list[Pair], tokenizer: PreTrainedTokenizerBase) -> list[Lesson]:
    """Return lessons of which the second text of each pair is learned.

    Args:
        pairs: What is given, and what is learned to follow.
        tokenizer: Of the model.
    """
    encoded = [[tokenizer(text, add_special_tokens=False)["input_ids"] for text in pair] for pair in pairs]
    return [Lesson(given + said, [False] * len(given) + [True] * len(said)) for given, said in encoded]


def documents(tokenizer: PreTrainedTokenizerBase, task: TinyTask, n: int, random: Random) -> list[Lesson]:
    """Return a batch of solved problems as raw text, or as chats whose answers ignore the layout that is asked for.

    A few stray characters stand before each solution: it has to be read from the problem, not from a fixed distance.
    """
    as_chat = random.random() < 0.5
    given = _chat_before_answer(tokenizer) if as_chat else "{}"
    pairs = []
    for row in fresh_rows(task, n, random):
        stray = "".join(random.choices(" .,:;>\n", k=random.randint(0, 3)))
        solution = f"{task.worked(row)}=>{row['answer']}{tokenizer.eos_token}"
        pairs.append((given.format(row["prompt"]) + stray, solution))
    return lessons_of(pairs, tokenizer)


def demonstrations(
    tokenizer: PreTrainedTokenizerBase, task: TinyTask, n: int, random: Random, care: Care
) -> list[Lesson]:
    """Return a batch of careless answers in the layout that is asked for."""
    template = AnswerTemplate()
    given = _chat_before_answer(tokenizer) + template.generation_prompt
    pairs = [
        (given.format(row["prompt"]), task.sloppy_demonstration(row, random, template, care) + tokenizer.eos_token)
        for row in fresh_rows(task, n, random)
    ]
    return lessons_of(pairs, tokenizer)


def _chat_before_answer(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the chat up to where the answer starts, with ``{}`` in place of the question."""
    template = AnswerTemplate()
    messages = [{"role": "system", "content": template.system_prompt}, {"role": "user", "content": "{}"}]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    return text.removesuffix(template.generation_prompt)


def fresh_rows(task: TinyTask, n: int, random: Random) -> Iterator[Row]:
    """Yield problems that are not held out."""
    while n:
        row = task.random_problem(random)
        if row["prompt"] not in task.reserved_prompts():
            n -= 1
            yield row


@torch.no_grad()
def place_new_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, random: Random) -> None:
    """Put each tag beside a token that stands where the tag will, as one does with tokens added to a vocabulary.

    Pretraining never asked for a tag, and pushed all four far away from everything that it did ask for.
    """
    template = AnswerTemplate()
    beside = {
        template.start_working: "\n",
        template.end_working: "=",
        template.start_answer: ">",
        template.end_answer: str(tokenizer.eos_token),
    }
    vocabulary = tokenizer.get_vocab()
    embeddings = cast(nn.Embedding, model.get_input_embeddings()).weight  # (V, hidden)
    generator = torch.Generator().manual_seed(random.getrandbits(32))
    for tag, neighbour in beside.items():
        noise = torch.randn(embeddings.shape[1], generator=generator)
        embeddings[vocabulary[tag]] = embeddings[vocabulary[neighbour]] + 0.3 * embeddings.std() * noise
