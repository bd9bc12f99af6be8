"""A plan in the terminal: memory by moment, ways to make it fit, seconds per step, and what is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlframework.report.plan import (
    GIB,
    Assumed,
    Device,
    Pace,
    PlannedRun,
    best_pace,
    fewest_minibatches,
    pace_in_process,
    ways_to_fit,
)
from rlframework.utilities.imports import require


def print_plan(
    run: PlannedRun, device: Device, devices: int, assumed: Assumed, notes: Sequence[str] = (), width: int = 110
) -> bool:
    """Print the table of a plan: memory, ways to make it fit, seconds.

    Args:
        run: As it is set.
        device: Of which there are several.
        devices: How many; those of a run with servers are split here.
        assumed: Shares of a device that are reached.
        notes: What else was assumed.
        width: Columns of the terminal.

    Returns:
        Whether the run fits as it is set.

    Raises:
        ImportError: rich is not installed.
    """
    console = require("rich.console", "report").Console(highlight=False, width=width)
    room = assumed.memory_share * device.memory * GIB
    pace = best_pace(run, devices, device, assumed) if devices > 1 else None
    if not run.in_process and pace is not None:
        run = replace(run, trainers=pace.trainers)
    whole = [parts for parts in range(1, run.groups + 1) if run.groups % parts == 0 and parts <= run.minibatches]
    if whole[-1] != run.minibatches:
        console.print(
            f"minibatches_per_rollout={run.minibatches} cannot cut the {run.groups} group(s) of a device: planned with "
            f"{whole[-1]}"
        )
        run = replace(run, minibatches=whole[-1], accumulates=run.accumulates and whole[-1] > 1)
    sizes = run.sizes
    learns = f"an adapter of {sizes.trained / 1e6:,.1f} million" if sizes.adapter else "all of them"
    apart = "" if run.in_process else f", {devices - run.trainers} sample"
    console.print(
        f"{sizes.weights / 1e9:.2f} billion weights, of which {learns} learn; {run.prompts} prompts x {run.group} "
        f"completions of at most {run.max_tokens} tokens; {run.trainers} of {devices} {device.name} learn{apart}."
    )
    peak = _print_memory(console, run, device)
    fits = peak <= room
    limit = f"{assumed.memory_share:.0%} of {device.memory:g} GiB = {room / GIB:.1f} GiB"
    if fits:
        console.print(f"It fits: {peak / GIB:.1f} GiB of {limit}.")
    else:
        console.print(f"[bold]It does not fit[/bold]: {peak / GIB:.1f} GiB of {limit}.")
        ways = ways_to_fit(run, room)
        for number, way in enumerate(ways, 1):
            console.print(f"  {number}. {'; and '.join(way.changes)}: {way.run.peak() / GIB:.1f} GiB")
        if not ways:
            console.print("  No change of these settings makes it fit: take larger devices or a smaller model.")
    parts = fewest_minibatches(run, room)
    if parts is None:
        console.print("No minibatches_per_rollout fits: the backward pass of one group is too much.")
    else:
        together = f" with accumulate_grad_batches={parts}" if parts > 1 else ""
        console.print(f"Suggested: minibatches_per_rollout={parts}{together}, the fewest whose backward pass fits.")
    _print_seconds(console, run, devices, device, assumed, pace)
    said = [
        f"{assumed.utilization:.0%} of {device.peak:g} TFLOP/s in learning (--mfu)",
        f"{assumed.bandwidth_share:.0%} of {device.bandwidth:g} TB/s in decoding (--bandwidth-share)",
        f"{assumed.link:g} GB/s to a server (--link)",
        *notes,
    ]
    console.print(f"Assumed, not measured: {'; '.join(said)}.")
    return fits


def _print_memory(console: object, run: PlannedRun, device: Device) -> float:
    moments = run.moments()
    table = require("rich.table", "report").Table(box=require("rich.box", "report").SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"GiB of one {device.name}")
    for name in moments:
        table.add_column(name, justify="right")
    for part in dict.fromkeys(part for parts in moments.values() for part in parts):
        counts = [parts.get(part, 0.0) for parts in moments.values()]
        if any(counts):
            table.add_row(part, *(f"{number / GIB:.2f}" if number else "" for number in counts))
    sums = [sum(parts.values()) for parts in moments.values()]
    table.add_section()
    table.add_row("sum", *(f"{number / GIB:.2f}" for number in sums))
    console.print(table)  # type: ignore[attr-defined]
    return max(sums)


def _print_seconds(
    console: object, run: PlannedRun, devices: int, device: Device, assumed: Assumed, pace: Pace | None
) -> None:
    table = require("rich.table", "report").Table(box=require("rich.box", "report").SIMPLE_HEAD, pad_edge=False)
    table.add_column("seconds, estimated")
    for name in ("rollout", "learning", "publish", "step, k=0", "k=1", "k=2"):
        table.add_column(name, justify="right")
    rows: list[tuple[str, Pace]] = []
    if run.in_process or devices == 1:
        alone = replace(run, trainers=devices)
        rows.append((f"{devices} sample, then learn", pace_in_process(alone, device, assumed)))
    if pace is not None:
        rows.append((f"{pace.trainers} learn, {pace.servers} sample ({pace.rows} rows each)", pace))
    for name, one in rows:
        steps = ["-" if number is None else f"{number:.1f}" for number in one.ahead]
        table.add_row(name, f"{one.rollout:.1f}", f"{one.learning:.1f}", f"{one.publish:.1f}", *steps)
    console.print(table)  # type: ignore[attr-defined]
    if pace is None and devices > 1:
        why = "Servers: none, as no split leaves trainers that divide the prompts, or a server has no room for a row."
    elif pace is None:
        why = "Servers: rollouts ahead (k=1, 2) need a second device that samples; in process there is nothing to gain."
    else:
        why = f"Servers: {pace.servers} of {devices} devices make the shortest step at rollouts_ahead=1."
        if pace.ahead[2] is None:
            why += " k=2 is for adapters, which servers hold side by side."
    console.print(why)  # type: ignore[attr-defined]
