"""``rlframework doctor``: try what a run needs on this machine, and say how to mend what fails."""

from __future__ import annotations

import argparse
import email.utils
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from importlib import metadata
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from rlframework.serving.receiver import PORT_OFFSET
from rlframework.serving.server_list import is_list, read_servers
from rlframework.utilities.imports import require

# Seconds; one check may take so long, whatever it meets.
_LONGEST = 120.0
_ANSWER = 5.0
_CLOCKS = 5.0


class Line(NamedTuple):
    """One line of the table.

    Args:
        name: What was tried.
        verdict: ``"fails"`` makes the exit status 1; ``"lacks"`` is something that not every run needs.
        text: What was found, and the way out.
    """

    name: str
    verdict: Literal["well", "lacks", "fails"]
    text: str


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework doctor``."""
    options = argparse.ArgumentParser(
        prog="rlframework doctor",
        description="Try what a run needs here: versions, devices, folders, the sandbox, servers, ranks, and one step.",
        epilog="Started by torchrun, ranks are tried too. The exit status is 1 if something that is needed fails.",
    )
    add = options.add_argument
    add("--servers", action="append", default=[], metavar="ADDRESS", help="of a vLLM server, or a list of them (.txt)")
    add("--port-offset", type=int, default=PORT_OFFSET, metavar="N", help=f"of receivers (by default {PORT_OFFSET})")
    add("--output", default=".", metavar="FOLDER", help="where the run will write (by default the working folder)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework doctor``: try what a run needs, and print a table.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 1 if something that is needed fails, else 0.
    """
    given = parser().parse_args(arguments)
    table_of = require("rich.table", "report").Table
    plain = require("rich.text", "report").Text  # No markup: extras stand in brackets.
    console = require("rich.console", "report").Console()
    lines = [line for name, check in checks(given).items() for line in within(name, check)]
    table = table_of("", "what", "found", show_lines=False)
    for line in lines:
        table.add_row({"well": "ok", "lacks": "-", "fails": "FAILS"}[line.verdict], plain(line.name), plain(line.text))
    console.print(table)
    return int(any(line.verdict == "fails" for line in lines))


def checks(given: argparse.Namespace) -> Mapping[str, Callable[[], list[Line]]]:
    """Return what is tried, by its name, in its order.

    Args:
        given: Arguments of `parser`.
    """
    return {
        "versions": lambda: list(versions(metadata.requires("rlframework") or [])),
        "devices": devices,
        "output": lambda: [writes(given.output)],
        "sandbox": sandbox,
        "servers": lambda: [line for place in given.servers for line in servers(place, given.port_offset)],
        "Slurm": lambda: slurm(os.environ),
        "ranks": ranks,
        "a step": step,
    }


def within(name: str, check: Callable[[], list[Line]], seconds: float = _LONGEST) -> list[Line]:
    """Return the lines of a check; one line that it fails if it raises, or does not end in time.

    Args:
        name: Of the check.
        check: The check.
        seconds: For which it is waited.

    Example:
        >>> within("sleep", lambda: time.sleep(60), seconds=0.1)[0].text
        'no end within 0.1 s: something that it asks hangs'
    """
    found: list[list[Line]] = []

    def work() -> None:
        try:
            found.append(check())
        except Exception as error:
            found.append([Line(name, "fails", f"{type(error).__name__}: {error}")])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else [Line(name, "fails", f"no end within {seconds:g} s: something that it asks hangs")]


def versions(requirements: Sequence[str]) -> Iterator[Line]:
    """Compare what is installed with the ranges that are tested, those of the package's own metadata.

    Args:
        requirements: As of ``importlib.metadata.requires``.

    Example:
        >>> [line.verdict for line in versions(["numpy>=2.0", "numpy>=99", 'nothing>=1; extra == "logic"'])]
        ['fails', 'well', 'lacks']
    """
    from packaging.requirements import Requirement

    well = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    missing: dict[str, list[str]] = {}
    for one in map(Requirement, requirements):
        extra = next(iter(re.findall(r"extra == [\"']([\w-]+)", str(one.marker))), "")
        if extra in ("test", "lint", "unsloth") or (one.marker and not one.marker.evaluate({"extra": extra})):
            continue
        try:
            installed = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            missing.setdefault(extra, []).append(one.name)
            continue
        if not one.specifier.contains(installed, prereleases=True):
            way = f"pip install '{one.name}{one.specifier}'"
            yield Line(one.name, "lacks" if extra else "fails", f"{installed}, tested with {one.specifier}: {way}")
        elif not extra:
            well += f", {one.name} {installed}"
    yield Line("versions", "well", well)
    for extra, names in missing.items():
        way = f"pip install 'rlframework[{extra}]'" if extra else f"pip install {' '.join(names)}"
        name = f"extra {extra}" if extra else "versions"
        yield Line(name, "lacks" if extra else "fails", f"{', '.join(names)}: {way}")


def devices() -> list[Line]:
    """Name the devices that torch finds."""
    import torch

    count = torch.cuda.device_count()
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
    cpu = f"{os.cpu_count()} processors; torch {torch.__version__} finds no GPU: runs use the CPU"
    return [Line("devices", "well" if count else "lacks", names or cpu)]


def writes(folder: str) -> Line:
    """Write a file to a folder and flush it to the disk.

    Args:
        folder: The folder.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Line("output", "fails", f"{folder} cannot be written: {error}. Name another (--output), or make room")
    return Line("output", "well", f"{os.path.abspath(folder)} can be written, {free:.0f} GB are free")


def sandbox() -> list[Line]:
    """Run a program in the sandbox of bubblewrap, as rewards and tools that run code do."""
    from rlframework.rewards.code.bubblewrap import BubblewrapSandbox
    from rlframework.rewards.code.sandbox import SandboxUnavailableError

    try:
        BubblewrapSandbox().probe()
    except SandboxUnavailableError as error:
        return [Line("sandbox", "lacks", f"for rewards and tools that run code: {error}")]
    return [Line("sandbox", "well", "a program ran in bubblewrap, and the walls stand")]


def servers(place: str, port_offset: int) -> Iterator[Line]:
    """Reach servers and their receivers, and compare clocks.

    Args:
        place: An address, or a list of them.
        port_offset: Of a receiver's port above its server's.
    """
    found = read_servers(place) if is_list(place) else [place]
    if not found:
        yield Line(place, "fails", f"0 addresses; `rlframework serve --register {place}` enters one")
    for address in found:
        apart = _date(f"{address}/health")
        if isinstance(apart, str):
            yield Line(address, "fails", f"{apart}. Start it (rlframework serve), or look at its --host and firewall")
            continue
        clocks = f"its clock is {apart:+.0f} s from ours"
        late = abs(apart) > _CLOCKS
        yield Line(address, "lacks" if late else "well", f"healthy; {clocks}{': set both by NTP' if late else ''}")
        parts = urlsplit(address)
        receiver = f"{parts.scheme}://{parts.hostname}:{(parts.port or 80) + port_offset}"
        there = _date(f"{receiver}/health")
        lacks = isinstance(there, str)
        text = f"{there}. HTTPSync needs it: rlframework serve" if lacks else "takes weights"
        yield Line(receiver, "lacks" if lacks else "well", f"receiver: {text}")


def _date(url: str) -> float | str:
    """Return by how many seconds a server's clock is ahead of ours, or why it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ANSWER) as answer:
            date = answer.headers.get("date")
    except (OSError, ValueError) as error:
        return f"{url} gave no answer: {error}"
    return email.utils.parsedate_to_datetime(date).timestamp() - time.time() if date else 0.0


def slurm(environment: Mapping[str, str]) -> list[Line]:
    """Compare Slurm's tasks with the devices of a node.

    Args:
        environment: Of the process.

    Example:
        >>> slurm({"SLURM_NTASKS_PER_NODE": "1", "SLURM_GPUS_ON_NODE": "8"})[0].verdict
        'fails'
    """
    tasks, devices = environment.get("SLURM_NTASKS_PER_NODE"), environment.get("SLURM_GPUS_ON_NODE")
    if "SLURM_NTASKS" in environment and tasks is None:
        return [Line("Slurm", "fails", "--ntasks alone: Lightning reads --ntasks-per-node, a task for each device")]
    if tasks is None or devices is None:
        return []
    if tasks != devices:
        text = f"{tasks} tasks to a node of {devices} GPUs: #SBATCH --ntasks-per-node={devices}, and Trainer(devices="
        return [Line("Slurm", "fails", f"{text}{devices})")]
    return [Line("Slurm", "well", f"{tasks} tasks to a node, a GPU for each")]


def ranks(seconds: float = 30.0) -> list[Line]:
    """Meet all ranks that torchrun started, and add up a number over them.

    Args:
        seconds: For which the others are waited.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return []
    import torch.distributed as dist
    from torch import ones

    where, patience = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}", timedelta(seconds=seconds)
    try:
        store, rank, count = next(dist.rendezvous("env://", timeout=patience))
        if away := _away(store, rank, count, seconds):
            way = "see that each was started, can reach this address, and is not stuck in a check before this one"
            return [Line("ranks", "fails", f"of {count}, not at {where} within {seconds:g} s: rank {away}; {way}")]
        dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=patience)
        # Names the ranks that do not answer, where a sum would only say that it has waited.
        dist.monitored_barrier(timeout=patience, wait_all_ranks=True)
        total = ones(1)
        dist.all_reduce(total)
    except Exception as error:
        way = "every rank has to reach it, and each other (GLOO_SOCKET_IFNAME names the network to use)"
        return [Line("ranks", "fails", f"no meeting at {where} within {seconds:g} s: {error}; {way}")]
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return [Line("ranks", "well", f"{int(total)} of {count} met at {where}")]


def _away(store: Any, rank: int, count: int, seconds: float) -> str:
    """Return the ranks that do not sign in a store within some seconds, in words; nothing if all do."""
    store.set(f"doctor/{rank}", "here")
    until = time.monotonic() + seconds
    while True:
        away = [str(other) for other in range(count) if not store.check([f"doctor/{other}"])]
        if not away or time.monotonic() > until:
            return ", ".join(away)
        time.sleep(0.1)


def step() -> list[Line]:
    """Sample, score and train the tiny model for one step, on the CPU."""
    import pytorch_lightning as pl
    from pytorch_lightning.plugins.environments import LightningEnvironment

    from rlframework import GRPO, PromptDataModule, SharedPrefixSampler
    from rlframework.rewards import SoftOverlong
    from rlframework.testing import letter_rows, tiny_policy

    policy = tiny_policy()
    before = [weight.clone() for weight in policy.parameters()]
    model = GRPO(
        policy,
        SoftOverlong(max_tokens=8, margin=7),
        SharedPrefixSampler(group_size=4, max_tokens=8),
        prompts_per_rollout=4,
        learning_rate=1e-2,
    )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_steps=1,
            accelerator="cpu",
            devices=1,
            # Of one process, whatever has started this one.
            plugins=[LightningEnvironment()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(model, datamodule=PromptDataModule(letter_rows(8)))
    if all(bool((weight == then).all()) for weight, then in zip(policy.parameters(), before, strict=True)):
        return [Line("a step", "fails", "the weights of a tiny model did not change in one step of GRPO")]
    return [Line("a step", "well", f"one step of GRPO on a tiny model, {time.monotonic() - start:.1f} s")]
