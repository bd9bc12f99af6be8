"""Rank board: what the ranks of a run tell each other while they cannot meet, in the store they started from."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch.distributed
from torch.distributed.distributed_c10d import _get_default_store

ANSWER_S = 10.0


@dataclass(frozen=True)
class LastWords:
    """Last words of a rank: why it leaves the others, or what they have found of it.

    Args:
        rank: The rank.
        kind: ``"failed"``: it has an exception. ``"coming"``: it has one, and waits where all ranks meet to raise it
            together. ``"hung"``: it kept the others waiting. ``"gone"``: its process has ended without a word.
        text: The reason, in a line.
        detail: Its traceback, or the lines where its main thread is.
    """

    rank: int
    kind: Literal["failed", "coming", "hung", "gone"]
    text: str
    detail: str = ""

    def __str__(self) -> str:
        verb = {"hung": "hangs", "gone": "has gone"}.get(self.kind, "failed")
        return f"rank {self.rank} {verb}: {self.text}" + (f"\n{self.detail.rstrip()}" if self.detail else "")


class RankBoard:
    """Last words, positions and wishes of all ranks, each a key of the process group's store.

    It is a connection of its own, so that a thread can use it while the main thread waits for another rank. No call is
    a collective one: a rank that is stuck, or gone, keeps nobody waiting.

    Args:
        rank: This rank.
        run: A name that no other run of these processes has.

    Raises:
        torch.distributed.DistStoreError: By every method, where the store does not answer: its process has gone.
    """

    def __init__(self, rank: int, run: str) -> None:
        default: Any = _get_default_store()
        store = default.clone()
        store.set_timeout(timedelta(seconds=ANSWER_S))
        self._store = torch.distributed.PrefixStore(f"rlframework/{run}", store)
        self._rank = rank
        self._read = 0

    def publish(self, words: LastWords) -> None:
        """Tell all ranks why one of them leaves."""
        number = self._store.add("words", 1)
        self._store.set(f"words/{number}", json.dumps(asdict(words)))

    def news(self) -> Iterable[LastWords]:
        """Yield the last words that this rank has not read yet, in the order in which they were said."""
        while self._read < self._store.add("words", 0):
            words = json.loads(self._store.get(f"words/{self._read + 1}"))
            self._read += 1
            yield LastWords(**words)

    def raise_flag(self, name: str) -> None:
        """Raise a flag that all ranks see."""
        self._store.add(f"flag/{name}", 1)

    def flag(self, name: str) -> bool:
        """Return whether any rank has raised a flag."""
        return self._store.add(f"flag/{name}", 0) > 0

    def stand(self, position: int) -> None:
        """Say how far this rank has got."""
        self._store.set(f"position/{self._rank}", str(position))

    def position(self, rank: int) -> int:
        """Return how far a rank has got; 0 if it has not begun."""
        name = f"position/{rank}"
        return int(self._store.get(name)) if self._store.check([name]) else 0


@dataclass(frozen=True)
class Peer:
    """The process of a rank.

    Args:
        rank: Its rank.
        place: Machine and process namespace; processes of the same place can signal each other.
        pid: Its process id.
        stack: File that it writes its stack to when it gets `STACK`, also while its interpreter stands still.
    """

    rank: int
    place: str
    pid: int
    stack: str


def place() -> str:
    """Return the name of this machine and of the process namespace in it."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {namespace.readlink() if namespace.exists() else ''}"


# For faulthandler, whose handler needs no interpreter. Real-time signals belong to nobody else.
STACK = getattr(signal, "SIGRTMIN", signal.SIGUSR2) + (7 if hasattr(signal, "SIGRTMIN") else 0)
WAKE = STACK + 1 if hasattr(signal, "SIGRTMIN") else signal.SIGURG


class Neighbours:
    """The other ranks' processes on this machine, held so that no number can come to mean another process.

    Args:
        peers: The processes of all ranks.
        rank: This rank.
    """

    def __init__(self, peers: Iterable[Peer], rank: int) -> None:
        self._held: dict[int, tuple[Peer, int]] = {}
        for peer in peers:
            if peer.rank != rank and peer.place == place() and hasattr(os, "pidfd_open"):
                with suppress(OSError):
                    self._held[peer.rank] = peer, os.pidfd_open(peer.pid)

    def gone(self, wait_s: float = 0.0) -> list[Peer]:
        """Return those whose process has ended.

        Args:
            wait_s: Seconds to wait for one to end.
        """
        polled = select.poll()
        for _, handle in self._held.values():
            polled.register(handle, select.POLLIN)
        ended = {handle for handle, _ in polled.poll(1000 * wait_s)} if self._held else set()
        return [peer for peer, handle in self._held.values() if handle in ended]

    def stack(self, rank: int) -> str:
        """Return the lines that a process of this machine is in, by its own C code; empty if there is no answer."""
        if rank not in self._held:
            return ""
        peer, handle = self._held[rank]
        with suppress(OSError):
            before = os.path.getsize(peer.stack)
            signal.pidfd_send_signal(handle, STACK)
            for _ in range(20):
                time.sleep(0.05)
                if os.path.getsize(peer.stack) > before:
                    time.sleep(0.05)
                    return Path(peer.stack).read_text()[before:]
        return ""

    def kill(self, rank: int) -> None:
        """End the process of a rank of this machine."""
        if rank in self._held:
            with suppress(OSError):
                signal.pidfd_send_signal(self._held[rank][1], signal.SIGKILL)

    def close(self) -> None:
        """Let go of the processes."""
        for _, handle in self._held.values():
            os.close(handle)
        self._held = {}
