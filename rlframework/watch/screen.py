"""The screen of `rlframework watch`: state, curves, sentinels and completions, in so many columns and lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlframework.utilities.harmless import harmless
from rlframework.utilities.imports import require
from rlframework.watch.curve import curve, number
from rlframework.watch.pulse import clock, span
from rlframework.watch.run import Look

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {
    "waiting": "black on white",
    "running": "black on green",
    "silent": "black on yellow",
    "died": "bold white on red",
    "failed": "bold white on red",
    "ended": "black on cyan",
}
COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")

# The figures that are shown first, where a run has them; a name that ends in / stands for the first of its folder.
FIGURES = (
    "val/accuracy",
    "val/",
    "train/reward/total",
    "train/completion_length",
    "train/entropy",
    "train/kl",
    "train/grad_norm",
    "train/truncated",
    "train/zero_std_groups",
    "train/reward_std_in_group",
    "train/loss",
)
# Columns that a curve needs, and the screen; what does not fit into a smaller terminal is cut off.
_COLUMNS, _LEAST = 36, 24


def screen(look: Look, width: int, height: int, figures: Sequence[str] = (), waiting: str = "") -> list[Text]:
    """Return the lines of the screen, of at most ``width`` columns, ``height`` of them.

    Args:
        look: What the run's folder said.
        width: Columns.
        height: Lines.
        figures: Names of the figures to draw; by default those that say most of a run.
        waiting: What there is to say of a look that has not come back yet.

    Raises:
        ImportError: rich or plotille is not installed.
    """
    whole, width = width, max(width, _LEAST)
    parts = [_head(look, width), _curves(look, figures, width, height)]
    foot = [_foot(look, width, waiting)]
    left = height - sum(map(len, parts)) - len(foot)
    said = _sentinels(look, width, max(3, left // 3))
    parts.append(said[:left])
    parts.append(_completions(look, width, left - len(said)))
    lines = [line for part in parts for line in part][: height - 1]
    lines += [require("rich.text", "report").Text()] * (height - 1 - len(lines)) + foot
    for line in lines:
        line.truncate(whole, overflow="ellipsis")
    return lines[:height]


def chosen(figures: Iterable[str], most: int, wanted: Sequence[str] = ()) -> list[str]:
    """Return the names of the figures to draw.

    Args:
        figures: Those that there are.
        most: How many.
        wanted: Those that were asked for.

    Example:
        >>> chosen(["train/entropy", "val/maths", "train/reward/total", "val/hard"], most=2)
        ['val/hard', 'train/reward/total']
    """
    there = sorted(figures)
    found: list[str] = []
    for name in wanted or FIGURES:
        found += [one for one in there if one == name or (name.endswith("/") and one.startswith(name))][:1]
    return list(dict.fromkeys(found))[:most]


def _head(look: Look, width: int) -> list[Text]:
    text = require("rich.text", "report").Text
    badge = text(f" {look.pulse.state} ", style=STYLES[look.pulse.state])
    name = text(harmless("/".join(look.folder.parts[-2:])), style="bold", no_wrap=True)
    _fit(name, width - badge.cell_len - 1)
    lines = [name.append(badge)]
    evidence = harmless(look.pulse.evidence)
    most = 1 if look.pulse.state in ("running", "waiting") else 3
    return [*lines, *_wrapped(evidence, width, most), _progress(look, width)]


def _progress(look: Look, width: int) -> Text:
    text = require("rich.text", "report").Text
    trainer, algorithm = look.settings.get("trainer") or {}, look.settings.get("algorithm")
    named = algorithm.get("class") or algorithm.get("class_path") if isinstance(algorithm, dict) else None
    last = trainer.get("max_steps")
    of = last if isinstance(last, int) and last > 0 else 0
    said = [f"step {look.step}" + (f" of {of}" if of else "")]
    if look.pace is not None:
        said.append(f"{span(look.pace)} a step")
        if of and look.pulse.state == "running":
            said.append(f"about {span(max(0, of - look.step) * look.pace)} left")
    if named:
        said.insert(0, harmless(str(named).rpartition(".")[2]))
    attempts = sum(event.get("kind") == "resume" for event in look.events)
    if attempts:
        said.append(f"resumed {'once' if attempts == 1 else f'{attempts} times'}")
    line = text(" · ".join(said))
    room = width - line.cell_len - 2
    if of and room >= 12:
        bar = min(room, 40)
        done = round(bar * min(1.0, look.step / of))
        line = text.assemble(("━" * done, "green"), ("━" * (bar - done), "bright_black"), "  ", line)
    line.truncate(width, overflow="ellipsis")
    return line


def _curves(look: Look, wanted: Sequence[str], width: int, height: int) -> list[Text]:
    text = require("rich.text", "report").Text
    across = max(1, width // _COLUMNS)
    down = 1 if height < 36 else 2
    names = chosen(look.figures, across * down, wanted)
    if not names:
        missing = f"no figures of {', '.join(wanted)}" if wanted and look.figures else "no figures yet (metrics.csv)"
        return [_rule("figures", width), text(harmless(missing), style="dim")]
    across = min(across, len(names))
    lines = max(5, min(12, height // (3 * down) - 1))
    wide = (width - 3 * (across - 1)) // across
    drawn: list[Text] = [_rule("figures", width)]
    for row in range(0, len(names), across):
        beside = [
            curve(name, look.figures[name], wide, lines, COLOURS[(row + place) % len(COLOURS)])
            for place, name in enumerate(names[row : row + across])
        ]
        drawn += [text("   ").join(parts) for parts in zip(*beside, strict=True)]
    return drawn


def _sentinels(look: Look, width: int, most: int) -> list[Text]:
    """Return what sentinels and warnings said, the newest first; a long message is cut to fit."""
    text = require("rich.text", "report").Text
    said = [event for event in reversed(look.events) if event.get("kind") in ("sentinel", "warning")]
    said.sort(key=lambda event: event["kind"] == "warning")
    count = sum(event["kind"] == "sentinel" for event in said)
    heading = f"sentinels: {count or 'none has spoken'}" if look.events else "sentinels"
    if count < len(said):
        heading += f", warnings: {len(said) - count}"
    lines = [_rule(heading, width)]
    if not look.events:
        return [*lines, text("no events.jsonl: RunWriter writes it", style="dim")]
    each = max(1, (most - 1) // max(1, min(len(said), most - 1)))
    for event in said:
        head = f"step {event.get('step')}  " + ("" if event["kind"] == "sentinel" else f"{event.get('source')}: ")
        style = "red" if event["kind"] == "sentinel" else "dim"
        lines += _wrapped(harmless(f"{head}{event.get('message')}"), width, each, style)
    return lines[:most]


def _completions(look: Look, width: int, most: int) -> list[Text]:
    """Return completions from the best to the worst, each with its prompt, rewards and the two ends of its text."""
    text = require("rich.text", "report").Text
    if most < 1:
        return []
    if not look.rows:
        return [_rule("completions", width), text("none yet (RolloutWriter, SampleLogger)", style="dim")][:most]
    ranked = sorted(look.rows, key=lambda row: -_finite(row.get("reward")))
    lines = [_rule(f"completions of {look.source}: from the best to the worst of {len(ranked)}", width)]
    each, room = (3 if most < 20 else 6), most - len(lines)
    # As many as there is room for, of which a short one needs two lines, and always the worst.
    for count in range(min(len(ranked), max(1, room // 2)), 0, -1):
        places = [round(place * (len(ranked) - 1) / max(1, count - 1)) for place in range(count)]
        shown = [line for place in places for line in _completion(ranked[place], width, each)]
        if len(shown) <= room:
            break
    return [*lines, *shown][:most]


def _completion(row: Mapping[str, Any], width: int, most: int) -> list[Text]:
    text = require("rich.text", "report").Text
    reward = row.get("reward")
    shown = number(reward) if isinstance(reward, int | float) else "abstains" if "reward" in row else ""
    line = text.assemble((f"{shown:>6} ", "bold"), (harmless(_question(row)), "cyan"), no_wrap=True)
    others = [f"{name} {number(value)}" for name, value in _scores(row) if isinstance(value, int | float)]
    ended = [] if row.get("stop_reason") in (None, "stop") else [harmless(str(row["stop_reason"]))]
    note = text(harmless("  " + " · ".join([*ended, *others])), style="dim")
    note.truncate(width // 2, overflow="ellipsis")
    _fit(line, width - note.cell_len)
    room = width - 7
    # Of a line one column may be left, where a letter of two does not fit.
    body = _ends(harmless(_answer(row)), (room - 1) * (most - 1)) or "(empty)"
    parts = require("rich.cells", "report").chop_cells(body, room)
    return [line.append(note), *(text(" " * 7 + part) for part in parts[: most - 1])]


def _question(row: Mapping[str, Any]) -> str:
    """Return what was asked: the column of the data row if it has one, else the end of the prompt; and the gold."""
    given = row.get("row")
    data: dict[str, Any] = given if isinstance(given, dict) else {}
    asked = next((data[name] for name in ("prompt", "question", "problem") if isinstance(data.get(name), str)), None)
    if asked is None:
        asked = str(row.get("prompt", ""))[-200:]
    gold = data.get("answer", row.get("expected"))
    return asked.strip() + (f" → {gold}" if gold is not None else "")


def _answer(row: Mapping[str, Any]) -> str:
    turns = row.get("turns")
    if not isinstance(turns, list):
        return str(row.get("completion", ""))
    return "  ".join(f"[{turn.get('by')}] {turn.get('text')}" for turn in turns if isinstance(turn, dict))


def _scores(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(row.get("rewards"), dict):
        return list(row["rewards"].items())
    return [(name, value) for name, value in row.items() if name.startswith("reward/")]


def _foot(look: Look, width: int, waiting: str) -> Text:
    """Return when this was read and in how long, and what could not be read."""
    text = require("rich.text", "report").Text
    said = [f"read at {clock(look.time)} in {span(look.seconds)}"]
    if look.unread > 1 << 20:
        said.append(f"{look.unread / 1e6:.0f} MB of it still to come")
    said += [f"{count} lines of {name} cannot be read" for name, count in look.unreadable.items()]
    line = text(harmless(waiting or " · ".join(said)), style="yellow" if waiting else "dim", no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


def _rule(title: str, width: int) -> Text:
    text = require("rich.text", "report").Text
    line = text.assemble(("── ", "bright_black"), (harmless(title), "bold"), " ", no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line.append("─" * (width - line.cell_len), style="bright_black")


def _fit(line: Text, width: int) -> None:
    """Make a line as wide as this: cut or filled up."""
    line.truncate(width, overflow="ellipsis", pad=True)


def _ends(text: str, most: int) -> str:
    """Return a text, or the two ends of one of more columns: how it begins, and what it comes to."""
    columns = require("rich.cells", "report").cell_len(text)
    if columns <= most:
        return text
    letters = len(text) * most // columns  # of which one may take two columns
    gap = f" … {len(text) - letters} characters … "
    half = max(0, letters - len(gap)) // 2
    return f"{text[:half]}{gap}{text[len(text) - half :]}"


def _wrapped(text: str, width: int, most: int, style: str = "") -> list[Text]:
    """Return a text in lines of so many columns, with … where there would be more of them."""
    console = require("rich.console", "report").Console(width=width)
    lines = list(require("rich.text", "report").Text(text, style=style).wrap(console, width, overflow="fold"))
    if len(lines) > most:
        lines[most - 1].append(" …").truncate(width, overflow="ellipsis")
    return lines[:most]


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("-inf")
