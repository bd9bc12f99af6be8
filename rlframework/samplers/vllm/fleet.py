"""The servers of a run together: all on the same weights, and any of them for a prompt."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from rlframework.distributed import from_all_ranks, process, raise_together
from rlframework.folders import writable_folder
from rlframework.policies.base import Policy
from rlframework.samplers.vllm.answer import Answered, read_group
from rlframework.samplers.vllm.canary import Scored, compare, compare_again
from rlframework.samplers.vllm.client import Server
from rlframework.samplers.vllm.errors import (
    ForgottenWeightsError,
    LoadingError,
    ServerError,
    StaleWeightsError,
    UnavailableError,
)
from rlframework.samplers.vllm.patience import Patience
from rlframework.samplers.vllm.sync import WeightSync, sync_for

_RELOADS = 3


class Fleet:
    """Servers, and which weights they are on; copies of a sampler share one.

    Args:
        servers: The servers.
        sync: How weights get to them; None lets the first policy decide.
        folder: Where weights are written; None is a temporary folder. What was written goes with this object.
        patience: Seconds to wait for a server when none answers.
        tolerance: What a server's log-probabilities may be off by, in nats per token.

    Attributes:
        version: Of the weights that the servers are on; None before the first.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        sync: WeightSync | None,
        folder: str | Path | None,
        patience: float,
        tolerance: float,
    ) -> None:
        self.servers = list(servers)
        self.sync = sync
        self.folder = folder
        self.patience = patience
        self.tolerance = tolerance
        self.version: str | None = None
        # The last of each is the present one.
        self._folders: list[Path] = []
        self._given: list[str] = []
        self._temporary: Path | None = None
        self._record: Scored | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: a copy that knew nothing of later weights would take them for stale."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process; a copy elsewhere gives the weights anew."""
        return {**vars(self), "version": None, "_folders": [], "_given": [], "_record": None, "_temporary": None}

    def follow(self, policy: Policy, version: str, request: dict[str, Any], known: Callable[..., Any]) -> None:
        """Bring all servers that answer to a policy's weights, and see that they arrived. All ranks call it together.

        Args:
            policy: With the weights it has now.
            version: Their fingerprint.
            request: What the servers are asked to see that they arrived.
            known: Returns the policy's log-probabilities of the answered rows.

        Raises:
            ServerError: No server answers, one refuses the weights, or its log-probabilities are not the policy's.
            RuntimeError: Ranks hold different weights, or another rank failed.
        """
        versions = from_all_ranks(version)
        if len(set(versions)) > 1:
            raise RuntimeError(
                f"ranks hold different weights: {', '.join(versions)}. Replicas must stay the same; look for a seed or "
                "an update that is not shared"
            )
        sync = self.sync = self.sync or sync_for(policy)
        self.version = self._record = None
        try:
            self._save(sync, policy, version)
            self._given.append(version)
            self.version = version
            self._agree(lambda: self._give(version) if process()[0] == 0 else None)
            self._adopt()
            answered = self._agree(lambda: self._canaries(request))
            scores = known([row for _, rows in answered for row in rows])
            self._agree(lambda: self._judge(request, answered, scores))
        except BaseException:
            # The next attempt starts from nothing.
            self.version = None
            for server in self.servers:
                server.lost(server.epoch)
            raise
        if process()[0] == 0:
            self._clean_up(sync, version)

    def complete(self, turn: int, request: dict[str, Any], halt: threading.Event) -> list[Answered]:
        """Return the group of one prompt, from the server whose turn it is or, if that does not answer, another.

        Raises:
            ServerError: None answers, or one answers wrongly.
        """
        return self._persist(lambda attempts: self._pick(turn + attempts), request, halt)

    def _persist(self, pick: Callable[[int], Server], request: dict[str, Any], halt: threading.Event) -> list[Answered]:
        patience, forgotten = Patience(self.patience, halt), 0
        while True:
            server = pick(patience.attempts)
            try:
                rows = self._served(server, request)
            except UnavailableError as error:
                server.down = True
                patience.wait(error)
            except ForgottenWeightsError as error:
                forgotten += 1
                if forgotten > _RELOADS:
                    raise ServerError(
                        f"{error}, after it was given them {_RELOADS} times. Does it keep restarting, or do others "
                        "load so many adapters that ours is pushed out (--max-loras, --max-cpu-loras)?"
                    ) from error
            else:
                server.down = False
                return rows

    def _served(self, server: Server, request: dict[str, Any]) -> list[Answered]:
        """Ask one server once, with proof of its weights."""
        version, sync = self.version, self.sync
        if version is None or sync is None:
            raise RuntimeError("no weights have been given to the servers; call follow first")
        epoch = self._ready(server, version, sync)
        try:
            rows = self._asked(server, request, version, sync)
        except LoadingError as error:
            # By another thread: it holds the lock until it has done. By another rank: patience has to wait for it.
            with server.lock:
                if server.epoch != epoch:
                    raise ForgottenWeightsError(f"{server.url} was given its weights anew") from error
            raise
        except UnavailableError as error:
            # Without a status it may be gone, and come back without our weights.
            if error.status is None:
                server.lost(epoch)
            raise
        except ForgottenWeightsError:
            server.lost(epoch)
            raise
        if server.epoch != epoch:
            raise ForgottenWeightsError(f"{server.url} was given its weights anew while it answered")
        return rows

    def _asked(self, server: Server, request: dict[str, Any], version: str, sync: WeightSync) -> list[Answered]:
        model = sync.model(server, version)
        sync.vouch(server, version)
        try:
            answer = server.complete({**request, "model": model})
        except ServerError as error:
            if error.status == 404 and model == version:
                raise ForgottenWeightsError(f"{server.url} does not know {model} (any more): {error}", 404) from error
            raise
        sync.vouch(server, version)
        if answer.get("model") != model:
            raise StaleWeightsError(
                f"{server.url} was asked for {model} and answered from {answer.get('model')}: the answer is refused. "
                "Does a router in between change the model's name?"
            )
        return read_group(answer, request, server.url)

    def _ready(self, server: Server, version: str, sync: WeightSync) -> int:
        """Give a server its weights if it lacks them; one that comes back has to answer as the others did."""
        with server.lock:
            if server.holds != version:
                if not self._folders:
                    raise RuntimeError("no weights have been saved; call follow first")
                sync.load(server, self._folders[-1], version)
                server.epoch += 1
                if self._record is not None:
                    rows = self._asked(server, self._record.request, version, sync)
                    compare_again(rows, self._record, self.tolerance, server.url)
                server.holds = version
            return server.epoch

    def _pick(self, turn: int) -> Server:
        start = turn % len(self.servers)
        order = self.servers[start:] + self.servers[:start]
        return next((server for server in order if not server.down), order[0])

    def _give(self, version: str) -> None:
        """Load into every server that answers; into one at least."""
        sync, patience = self.sync, Patience(self.patience, threading.Event())

        def give(server: Server) -> UnavailableError | None:
            try:
                self._ready(server, version, sync)  # type: ignore[arg-type]
            except UnavailableError as error:
                server.down = True
                return error
            server.down = False
            return None

        while True:
            with ThreadPoolExecutor(len(self.servers)) as pool:
                errors = list(pool.map(give, self.servers))
            failures = [error for error in errors if error is not None]
            if len(failures) < len(self.servers):
                return
            patience.wait(failures[0])

    def _adopt(self) -> None:
        """Learn from the first rank which servers have the weights."""
        states = from_all_ranks([(server.holds, server.down) for server in self.servers])[0]
        for server, (holds, down) in zip(self.servers, states, strict=True):
            if process()[0] != 0:
                server.epoch += holds != server.holds
            server.holds, server.down = holds, down

    def _canaries(self, request: dict[str, Any]) -> list[tuple[Server, list[Answered]]]:
        def ask(server: Server) -> list[Answered]:
            return self._persist(lambda attempts: server, request, threading.Event())

        return [(server, ask(server)) for server in self.servers if server.holds == self.version]

    def _judge(
        self, request: dict[str, Any], answered: list[tuple[Server, list[Answered]]], scores: list[list[float]]
    ) -> None:
        start = 0
        for server, rows in answered:
            known = scores[start : start + len(rows)]
            compare(rows, known, self.tolerance, server.url)
            self._record = self._record or Scored(request, rows, known)
            start += len(rows)

    def _save(self, sync: WeightSync, policy: Policy, version: str) -> None:
        """Write the weights into a new folder, the same on all ranks."""
        path = self._agree(lambda: str(self._new_folder(version)) if process()[0] == 0 else None)
        self._folders.append(Path(from_all_ranks(path)[0]))
        self._agree(lambda: sync.save(policy, self._folders[-1]))

    def _new_folder(self, version: str) -> Path:
        if not self._folders:
            # The list itself is handed over: it holds what there is to remove when this object goes.
            weakref.finalize(self, _remove, self._folders)
        if self.folder is None and self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="rlframework-weights-"))
            weakref.finalize(self, _remove, [self._temporary])
        root = writable_folder(self.folder or self._temporary or "")
        return Path(tempfile.mkdtemp(prefix=f"{version}-", dir=root.resolve()))

    def _clean_up(self, sync: WeightSync, version: str) -> None:
        """Let go of the weights that these replaced."""
        for earlier in self._given:
            for server in self.servers:
                if earlier != version and not server.down:
                    sync.unload(server, earlier)
        self._given = [version]
        while len(self._folders) > 1 + sync.keeps:
            _remove([self._folders.pop(0)])

    @staticmethod
    def _agree(work: Callable[[], Any]) -> Any:
        """Do something that may fail on one rank, and fail on all of them."""
        result, failure = None, None
        try:
            result = work()
        except Exception as error:
            failure = error
        raise_together(failure)
        return result


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
