"""Demonstrations as a LightningDataModule: prompts with the completions to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.data.conversations import Said, laid_out, said_in, said_in_chat
from rlframework.data.module import PromptDataModule
from rlframework.data.tokenize import BATCH_ROWS, conversation_of
from rlframework.environments.glue import Glue
from rlframework.environments.template_glue import TemplateGlue
from rlframework.prompt import Demonstration, Prompt
from rlframework.turns import Turn


class DemonstrationDataModule(PromptDataModule):
    """Feeds `SFT`: rows with a prompt and, in another column, a completion of it.

    Prompts are made as for reinforcement, with the same template, so that what is primed is what is then sampled. The
    completion is tokenised by itself, as it would be sampled after its prompt, and ends with the tokenizer's end
    token. It does not repeat what the prompt ends with: with an `AnswerTemplate` it starts inside the working.

    A completion may be a conversation with tools: a list of messages of the assistant, each with what was sampled as
    its content, and of the tool between them. It is laid out as `EpisodeSampler` does it, token by token. With
    ``messages_column`` a row is a whole chat, whose tool calls the chat template writes; what stands before the first
    message of the assistant is the prompt.

    Before another data module it makes demonstrations of that one's rows, as `OpenR1Demonstrations` does.

    Raises:
        KeyError: While a run starts: a row lacks the column.
        TypeError: While a run starts: a completion is neither a text nor messages.
        ValueError: While a run starts: a completion is empty or too long, or none is left.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> data = DemonstrationDataModule([{"prompt": "ab", "completion": "b"}])
        >>> [shown] = data.tokenize("train", letter_tokenizer())
        >>> shown.ids, shown.completion_ids  # 1 is the end token
        ([3, 4], [4, 1])

        A conversation, of which the first and the last turn are learned from:

        >>> from rlframework.environments import PlainGlue
        >>> said = [("assistant", "f"), ("tool", "7"), ("assistant", "7")]
        >>> completion = [{"role": role, "content": text} for role, text in said]
        >>> glue = PlainGlue(letter_tokenizer(), before="x", after="y")
        >>> data = DemonstrationDataModule([{"prompt": "ab", "completion": completion}], glue=glue)
        >>> [shown] = data.tokenize("train", letter_tokenizer())
        >>> [(turn.by, turn.text, turn.start, turn.end) for turn in shown.turns]
        [('policy', 'f', 0, 2), ('environment', '7', 2, 5), ('policy', '7', 5, 7)]
    """

    completion_column: str = "completion"
    """Column of the completion: its text, or the messages of a conversation."""
    messages_column: str | None = None
    """Column of a whole chat, messages of all roles; then the columns of prompt and completion are not read."""
    glue: Glue | None = None
    """What stands between the turns of a conversation; by default as `EpisodeSampler` has it."""
    max_tokens: int | None = None
    """Budget of prompt and completion together; ``too_long`` says what becomes of longer ones."""

    def __post_init__(self) -> None:
        """Find the rows; the glue is found when there is a conversation."""
        self._found: tuple[Any, Glue] | None = None
        super().__post_init__()

    def rows(self, split: str) -> Any:
        """Return the rows of a split; of a chat what stands before the assistant's first message is the prompt.

        Args:
            split: Name of the split.
        """
        rows = super().rows(split)
        if self.messages_column is None:
            return rows
        return [self._asked(row, number) for number, row in enumerate(rows)]

    def _asked(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        messages = row.get(str(self.messages_column))
        if not isinstance(messages, (list, tuple)) or not all(isinstance(said, Mapping) for said in messages):
            raise TypeError(
                f"row {number} has {messages!r:.80} ({type(messages).__name__}) in {self.messages_column!r}; expected "
                "the messages of a chat"
            )
        first = _first_turn(messages)
        if not 0 < first < len(messages):
            raise ValueError(
                f"row {number} has {len(messages)} messages in {self.messages_column!r}, and needs one of the "
                "assistant behind one of somebody else"
            )
        return {**row, self.prompt_column: messages[:first]}

    def tokenize(self, split: str, tokenizer: Any) -> Sequence[Prompt]:
        """Return the demonstrations of a split, as token ids.

        Args:
            split: ``"train"`` or ``"validation"``.
            tokenizer: Of the policy.
        """
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no end token, which a completion has to end with; set eos_token")
        prompts = super().tokenize(split, tokenizer)
        shown: list[Demonstration] = []
        for start in range(0, len(prompts), BATCH_ROWS):
            part = prompts[start : start + BATCH_ROWS]
            said = [self._said(prompt, tokenizer) for prompt in part]
            texts = [text for text in said if isinstance(text, str)]
            answers = iter(tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else [])
            turns: list[Turn]
            for prompt, completion in zip(part, said, strict=True):
                if isinstance(completion, str):
                    ids, turns, text = [*next(answers), tokenizer.eos_token_id], [], completion
                else:
                    ids, turns = laid_out(completion, tokenizer, self._glue_for(tokenizer))
                    text = completion[-1].text
                shown.append(Demonstration(prompt.ids, prompt.text, prompt.row, prompt.index, ids, text, turns))
        return self._within_budget(shown, split)

    def _said(self, prompt: Prompt, tokenizer: Any) -> str | list[Said]:
        """Return the completion of a row: a text, or the turns of a conversation."""
        if self.messages_column is not None:
            return self._said_in_chat(prompt, tokenizer)
        completion = prompt.column(self.completion_column)
        if isinstance(completion, str) and completion.strip():
            return completion
        if isinstance(completion, str) or not completion:
            raise ValueError(
                f"row {prompt.index} has {completion!r} in {self.completion_column!r}; expected a completion"
            )
        return said_in(completion, f"row {prompt.index}: {self.completion_column!r}")

    def _said_in_chat(self, prompt: Prompt, tokenizer: Any) -> list[Said]:
        names = ("system_prompt", "instruction", "examples", "request")
        settings = {name: self.tokenization[name] for name in names}
        return said_in_chat(
            conversation_of(prompt.row[self.prompt_column], prompt.index, **settings),
            (messages := prompt.column(str(self.messages_column)))[_first_turn(messages) :],
            prompt.text,
            tokenizer,
            self._glue_for(tokenizer),
            self.tokenization["tools"],
            f"row {prompt.index}",
        )

    def _glue_for(self, tokenizer: Any) -> Glue:
        """Return the glue that was given, or that of the tokenizer's chat template, found once."""
        if self.glue is not None:
            return self.glue
        if self._found is None or self._found[0] is not tokenizer:
            self._found = tokenizer, TemplateGlue(tokenizer)
        return self._found[1]

    def _within_budget(self, shown: list[Demonstration], split: str) -> list[Demonstration]:
        lengths = [len(one.ids) + len(one.completion_ids) for one in shown]
        kept = [
            one
            for one, length in zip(shown, lengths, strict=True)
            if self.max_tokens is None or length <= self.max_tokens
        ]
        if len(kept) == len(shown):
            return shown
        count = (
            f"{len(shown) - len(kept)} of {len(shown)} {split} demonstrations are longer than "
            f"max_tokens={self.max_tokens}"
        )
        if self.tokenization["too_long"] == "refuse" or not kept:
            raise ValueError(f"{count} (the longest has {max(lengths)}); raise it, or pass too_long='drop'")
        rank_zero_warn(f"{count} and were dropped")
        return kept


def _first_turn(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the place of the assistant's first message, or how many messages there are."""
    return next((n for n, message in enumerate(messages) if message.get("role") == "assistant"), len(messages))
