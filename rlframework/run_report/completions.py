"""Completions of a run as columns for the page: as many as a browser handles without lag, and their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_COMPLETIONS = 12_000
MOST_CHARACTERS = 24_000_000

Row = Mapping[str, Any]


def completion_columns(
    rows: Sequence[Row], most: int = MOST_COMPLETIONS, characters: int = MOST_CHARACTERS
) -> dict[str, Any] | None:
    """Return the completions of rollouts by column, each prompt once; None without any.

    Of more completions than ``most`` the groups are thinned evenly; of longer texts than ``characters`` in all, the
    middles are left out. What the page says of it is ``every`` and ``cut``.

    Args:
        rows: Rollouts as `RolloutWriter` wrote them.
        most: Completions to show, at most.
        characters: Of all their texts.

    Example:
        >>> row = {"rollout": 0, "prompt_index": 7, "prompt": "1+1=?", "completion": "2", "completion_ids": [5, 1]}
        >>> columns = completion_columns([row, row])
        >>> columns["prompts"][0]["text"], columns["prompt"], columns["tokens"]
        ('1+1=?', [0, 0], [2, 2])
    """
    if not rows:
        return None
    groups: dict[tuple[Any, Any], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.get("rollout"), row.get("prompt_index")), []).append(row)
    every = -(-len(rows) // most)
    shown = [row for group in list(groups.values())[::every] for row in group]
    cut = _limit([len(row.get("completion") or "") for row in shown], characters)
    terms = list(dict.fromkeys(name for row in shown for name in row.get("rewards") or {}))
    prompts: dict[tuple[Any, str], int] = {}
    texts = []
    for row in shown:
        key = row.get("prompt_index"), row.get("prompt") or ""
        if key not in prompts:
            prompts[key] = len(prompts)
            expected = (row.get("row") or {}).get("answer")
            texts.append(
                {"index": key[0], "text": _cut(key[1], cut), "expected": None if expected is None else str(expected)}
            )
    return {
        "of": len(rows),
        "every": every,
        "cut": cut,
        "terms": terms,
        "prompts": texts,
        "rollout": [row.get("rollout") for row in shown],
        "step": [row.get("step") for row in shown],
        "prompt": [prompts[row.get("prompt_index"), row.get("prompt") or ""] for row in shown],
        "text": [_cut(row.get("completion") or "", cut) for row in shown],
        "tokens": [_tokens(row) for row in shown],
        "stop": [row.get("stop_reason") for row in shown],
        "reward": [_rounded(row.get("reward")) for row in shown],
        "advantage": [_rounded(row.get("advantage")) for row in shown],
        "rewards": [[_rounded((row.get("rewards") or {}).get(term)) for row in shown] for term in terms],
        # Most runs have neither; what is empty takes no room.
        "details": _sparse([row.get("details") for row in shown]),
        "turns": _sparse([_cut_turns(row.get("turns"), cut) for row in shown]),
        "failure": _sparse([row.get("failure") for row in shown]),
    }


def _tokens(row: Row) -> int:
    turns = [turn for turn in row.get("turns") or [] if turn.get("by") == "policy"]
    if turns:
        return sum(int(turn.get("end", 0)) - int(turn.get("start", 0)) for turn in turns)
    return len(row.get("completion_ids") or [])


def _rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _sparse(values: Sequence[Any]) -> dict[int, Any]:
    return {place: value for place, value in enumerate(values) if value}


def _limit(lengths: Sequence[int], characters: int) -> int | None:
    """Return the longest that a text may be for all to fit; None where they do as they are."""
    if sum(lengths) <= characters:
        return None
    room = characters
    for place, length in enumerate(ordered := sorted(lengths)):
        if length * (len(ordered) - place) > room:
            return room // (len(ordered) - place)
        room -= length
    return None


def _cut(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters left out … {text[len(text) - half :]}"


def _cut_turns(turns: Sequence[Row] | None, limit: int | None) -> list[dict[str, Any]]:
    return [
        {"by": turn.get("by"), "text": _cut(turn.get("text") or "", limit), "reward": turn.get("reward") or 0}
        | ({"calls": turn["calls"]} if turn.get("calls") else {})
        for turn in turns or []
    ]
