"""Rollouts on disk as JSON lines, readable without any service."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from operator import index
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.turns import plain_turns
from rlframework.utilities.distributed import replica_rank
from rlframework.utilities.paths import writable_folder
from rlframework.utilities.whole_lines import append_lines, end_last_line, is_json

# How a line begins; until 0.1 it had no attempt.
_START = re.compile(rb'\{"rollout": (\d+), (?:"attempt": (\d+), )?(?:"ranks": \[(\d+(?:, \d+)*)\], )?')
# The file of a run on one rank, or of a rank of several.
_FILE = re.compile(r"rollouts(?:-(0|[1-9][0-9]*))?\.jsonl")


class RolloutWriter(RolloutCallback):
    """Appends one JSON line per completion: prompt, data row, completion, stop reason, each reward, advantage.

    ``row`` is the row of data with the expected answer, ``step`` the optimizer steps that were done before; with
    ``rollouts_ahead``, ``weights`` is the rollout that was begun when its weights were published. ``details``
    has the columns that rewards add, such as the verdict of a verifier; what JSON cannot hold becomes text. An episode
    has its ``turns``, and where the environment broke the ``failure``; ``completion`` is the policy's last turn. Where
    learning compares with them, in more than one step or with another engine's, the sampler's ``logprobs`` are there:
    `replay` could not compute them again.

    A rank writes its own file, ``rollouts.jsonl`` or ``rollouts-<rank>.jsonl``, a rollout in one write. ``ranks`` is
    the number of ranks, after those that the run had before it was resumed on another number: ``[2, 1]``; a run that
    was on one from its start has none.

    A run that was resumed makes the rollouts since its checkpoint again: those that come out the same, as they do when
    nothing was changed, are not repeated. One that comes out otherwise is appended with the next number of ``attempt``,
    and so is all that follows it; what was there stays. `read_rollouts` and `read_run` return what the run has learned
    from. A half line at the end, of a power cut, is removed when the file is opened. Where a rollout cannot be written
    (a full disk), nothing of it is, a warning says so, and training goes on.

    Args:
        folder: Where the files go; by default the logger's folder, else the Trainer's ``default_root_dir``.

    Raises:
        PermissionError: The folder cannot be written to; raised before training starts.

    Example:
        Read it back with `read_rollouts`, with pandas (``pandas.read_json(path, lines=True)``) or line by line with
        ``json.loads``.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.path: Path | None = None
        self._ranks: list[int] = []
        # By rollout: the attempt that was written last, and where in the file it stands.
        self._written: dict[int, tuple[int, int, int]] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Try the folder, so that one without permission fails now and not after the first rollout; mend the file."""
        if stage != "fit":
            return
        rank, replicas = replica_rank(trainer)
        folder = writable_folder(self.folder or trainer.log_dir or trainer.default_root_dir)
        self.path = folder / ("rollouts.jsonl" if replicas == 1 else f"rollouts-{rank}.jsonl")
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        # Machines without a common folder see their own files only: what rank 0 sees counts.
        before = trainer.strategy.broadcast(_ranks(folder))
        self._ranks = before if before[-1:] == [replicas] else [*before, replicas]
        end_last_line(self.path, is_json)
        self._written = _index(self.path, self._ranks) if self.path.exists() else {}

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, record: RolloutRecord) -> None:
        """Append the rollout; nothing in a ``fast_dev_run``, which keeps no records."""
        if self.path is None or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        attempt, start, end = self._written.get(record.step, (0, 0, 0))
        lines = _lines(record, trainer.global_step, max(attempt, 1), self._ranks)
        # A resumed run makes rollouts again; of one that a killed process had begun to write, the rest is new.
        # What stands before a rollout that came out otherwise is of the run before, also where it is the same.
        newest = all(before[1] <= start for number, before in self._written.items() if number < record.step)
        if attempt and not (trainer.ckpt_path and newest and _begins_with(self.path, start, end, lines)):
            start = end = 0
            lines = _lines(record, trainer.global_step, attempt := attempt + 1, self._ranks)
        if not (new := lines[end - start :]):
            return
        try:
            stop = append_lines(self.path, new)
        except OSError as error:
            warnings.warn(
                f"rollout {record.step} could not be written to {self.path}: {error.strerror}. Its "
                f"{len(record.completions)} completions are not on record; training goes on",
                stacklevel=2,
            )
            return
        self._written[record.step] = max(attempt, 1), stop - len(lines), stop


def read_rollouts(path: str | Path) -> list[dict[str, Any]]:
    r"""Return the completions that a run has learned from, as `RolloutWriter` wrote them.

    Of what a resumed run made again the last attempt counts, and what came after it in the run before is left out.

    Args:
        path: ``rollouts.jsonl``.

    Warns:
        UserWarning: Lines that cannot be read, such as the half of one at the end, are left out; it says which.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "rollouts.jsonl")
        >>> _ = path.write_text('{"rollout": 0, "attempt": 1, "completion": "2"}\n')
        >>> [row["completion"] for row in read_rollouts(path)]
        ['2']
    """
    kept: list[dict[str, Any]] = []
    unread, block = [], None
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                now = index(row["rollout"]), index(row.get("attempt", 1)), [*map(index, row.get("ranks", [1]))]
            except (ValueError, KeyError, TypeError):
                unread.append(number)
                continue
            while kept and now != block and kept[-1]["rollout"] >= now[0]:
                kept.pop()
            block = now
            kept.append(row)
    if unread:
        half = " (the last is half a line)" if unread[-1] == number and not line.endswith(b"\n") else ""
        some = ", ".join(map(str, unread[:10])) + ", ..." * (len(unread) > 10)
        warnings.warn(f"{path}: of {number} lines {len(unread)} cannot be read: {some}{half}; left out", stacklevel=2)
    return kept


def read_run(folder: str | Path) -> dict[int, list[list[dict[str, Any]]]]:
    r"""Return the completions that a run has learned from, of all ranks: by rollout, a list for each rank.

    Of a run that was resumed on another number of ranks, what came after the checkpoint in the run before is left out,
    as `read_rollouts` leaves it out within a file.

    Files of earlier versions say nothing of ranks; of both kinds that of one rank counts from its first rollout on.

    Args:
        folder: With ``rollouts.jsonl``, ``rollouts-<rank>.jsonl`` or both.

    Raises:
        FileNotFoundError: The folder has neither.

    Warns:
        UserWarning: Lines that cannot be read are left out; it says which.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> line = '{{"rollout": {}, "attempt": 1, "ranks": {}, "completion": "{}"}}\n'
        >>> for rank in (0, 1):
        ...     two = line.format(0, [2], "a") + line.format(1, [2], "b")
        ...     _ = (folder / f"rollouts-{rank}.jsonl").write_text(two)
        >>> _ = (folder / "rollouts.jsonl").write_text(line.format(1, [2, 1], "c"))
        >>> for number, ranks in read_run(folder).items():
        ...     print(number, [[row["completion"] for row in rank] for rank in ranks])
        0 [['a'], ['a']]
        1 [['c']]
    """
    if not (files := _files(Path(folder))):
        raise FileNotFoundError(
            f"there is no rollouts.jsonl in {folder}: the run had no RolloutWriter among its callbacks"
        )
    runs = [[(_changes(row, rank), row) for row in read_rollouts(file)] for rank, file in files]
    # By how often the number of ranks has changed before: the first rollout that was made with it.
    first: dict[int, int] = {}
    for changes, row in (made for rows in runs for made in rows):
        first[changes] = min(first.get(changes, row["rollout"]), row["rollout"])
    found: dict[int, dict[int, list[dict[str, Any]]]] = {}
    for place, rows in enumerate(runs):
        for changes, row in rows:
            if all(row["rollout"] < number for later, number in first.items() if later > changes):
                found.setdefault(row["rollout"], {}).setdefault(place, []).append(row)
    return {number: list(found[number].values()) for number in sorted(found)}


def records(collected: RolloutRecord) -> Iterator[dict[str, Any]]:
    """Yield one plain record per completion. An abstention (NaN) becomes null, since JSON has no NaN."""
    rollout = collected.rollout
    components = {name: scores.flatten().tolist() for name, scores in collected.scores.components.items()}
    advantages = rollout.advantages.cpu().mean(1).tolist()
    logprobs = None if rollout.old_logprobs is None else rollout.sampler_logprobs
    for row, completion in enumerate(collected.completions):
        yield {
            "rollout": collected.step,
            "prompt_index": completion.prompt.index,
            "row": _plain(completion.prompt.row),
            "prompt": completion.prompt.text,
            "completion": completion.text,
            "completion_ids": completion.ids,
            "stop_reason": completion.stop_reason,
            "reward": _plain(float(rollout.rewards[row])),
            "rewards": {name: _plain(values[row]) for name, values in components.items()},
            "details": {
                name: {column: _plain(values[row]) for column, values in judgement.columns.items()}
                for name, judgement in collected.scores.judgements.items()
                if judgement.columns
            },
            "advantage": advantages[row],
            **({} if logprobs is None else {"logprobs": _shortest(logprobs[row, : len(completion.ids)])}),
            **({"turns": _plain(plain_turns(completion.turns))} if completion.turns else {}),
            **({"failure": completion.failure} if completion.failure else {}),
        }


def _files(folder: Path) -> list[tuple[int | None, Path]]:
    """Return the files of all ranks in a folder, in their order, that of a run on one rank first with None."""
    named = ((_FILE.fullmatch(file.name), file) for file in folder.glob("rollouts*.jsonl") if file.is_file())
    found = [(None if match[1] is None else int(match[1]), file) for match, file in named if match]
    return sorted(found, key=lambda one: -1 if one[0] is None else one[0])


def _changes(row: Mapping[str, Any], rank: int | None) -> int:
    """Return how many numbers of ranks a run had had when it wrote a line into the file of a rank."""
    return len(row["ranks"]) if "ranks" in row else 1 if rank is None else 0


def _ranks(folder: Path) -> list[int]:
    """Return the numbers of ranks that a run has had, in their order, as its last lines say; empty before the first."""
    files = _files(folder)
    told: list[list[int]] = []
    silent: list[int] = []
    # Lines of earlier versions say none; read_run takes those of several ranks for the older ones.
    for rank, path in reversed(files):
        with path.open("rb") as file:
            starts = [start[3] for start in map(_START.match, file) if start]
        told += [_numbers(ranks) for ranks in dict.fromkeys(starts) if ranks]
        number = 1 if rank is None else sum(one is not None for one, _ in files)
        silent += [number] if None in starts and number not in silent else []
    return max([*told, silent], key=len)


def _lines(collected: RolloutRecord, step: int, attempt: int, ranks: list[int]) -> bytes:
    head: dict[str, Any] = {"rollout": collected.step, "attempt": attempt}
    head |= {"step": step} if ranks == [1] else {"ranks": ranks, "step": step}
    if collected.weights is not None:
        head["weights"] = collected.weights
    heads = (head | record for record in records(collected))
    # Half a character of UTF-16, which a row of data may hold, is an escape in JSON too.
    return b"".join(json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n" for line in heads)


def _begins_with(path: Path, start: int, end: int, lines: bytes) -> bool:
    """Return whether a file holds these lines from ``start`` to ``end``, or the first of them there as its last."""
    with path.open("rb") as file:
        last = file.seek(0, 2) == end
        file.seek(start)
        there = file.read(end - start)
    return lines == there or (last and lines.startswith(there))


def _index(path: Path, ranks: list[int]) -> dict[int, tuple[int, int, int]]:
    """Return, by rollout, the attempt that a file holds last for these ranks, and where it starts and ends."""
    found: dict[int, tuple[int, int, int]] = {}
    end = 0
    with path.open("rb") as file:
        for line in file:
            begun, end = end, end + len(line)
            start = _START.match(line)
            if not start or _numbers(start[3]) != ranks:
                continue
            rollout, attempt = int(start[1]), int(start[2] or 1)
            before = found.get(rollout)
            if before and before[0] == attempt and before[2] == begun:
                begun = before[1]
            found[rollout] = attempt, begun, end
    return found


def _numbers(ranks: bytes | None) -> list[int]:
    """Return the numbers of ranks that the beginning of a line names; without any it is of a run on one."""
    return [int(number) for number in (ranks or b"1").split(b",")]


def _shortest(values: Tensor) -> list[float | None]:
    """Return float32 numbers with as many digits as tell them apart; NaN is None."""
    return [None if math.isnan(value) else float(f"{value:.9g}") for value in values.tolist()]


def _plain(value: Any) -> Any:
    """Return what JSON can hold: a number that it has none for is null (NaN) or text, and so is anything else."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(part) for part in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
