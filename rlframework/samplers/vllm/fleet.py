"""Fleet of servers of a run: all on the same weights, and any of them for a prompt."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from pytorch_lightning.utilities.rank_zero import rank_zero_info

from rlframework.policies.base import Policy
from rlframework.samplers.vllm.altered import altered
from rlframework.samplers.vllm.answer import ServerCompletion, check_vocabulary, read_group
from rlframework.samplers.vllm.canary import (
    FEWEST,
    LARGEST,
    Canary,
    Gap,
    Scored,
    check_gap,
    check_moved,
    measure,
    measure_again,
    vocabulary,
)
from rlframework.samplers.vllm.client import Server
from rlframework.samplers.vllm.errors import (
    ForgottenWeightsError,
    LoadingError,
    ServerError,
    StaleWeightsError,
    UnavailableError,
    UnseenWeightsError,
    shown,
)
from rlframework.samplers.vllm.listed import ListedServers
from rlframework.samplers.vllm.patience import Patience
from rlframework.samplers.vllm.sync import WeightSync, sync_for
from rlframework.utilities.daemon_threads import DaemonExecutor
from rlframework.utilities.distributed import all_gather_object, global_rank, raise_together
from rlframework.utilities.paths import writable_folder

_RELOADS = 3
# An NFS client may take a folder for missing for as long as it caches what is in the one above: 60 s by default.
_SEEN_S, _LONGEST_LOOK_S = 90.0, 5.0
_NOTES = threading.Lock()


class _Weights(NamedTuple):
    """Weights that servers are given.

    Args:
        version: Their name.
        folder: The folder that holds them.
        sharpness: Factor of their logits.
        altered: Whether they are the policy's only while it is altered.
        record: What a server that had them answered; None before it was asked.
    """

    version: str
    folder: Path
    sharpness: float
    altered: bool
    record: Scored | None = None


class Fleet:
    """Servers, and which weights they are on; copies of a sampler share one.

    Args:
        servers: The servers.
        sync: How weights get to them; None lets the first policy decide.
        folder: Where weights are written; None is a temporary folder. What was written goes with this object.
        patience: Seconds to wait for a server when none answers.
        tolerance: What a server's log-probabilities may be off by, in nats per token; None holds them against those of
            the weights that it was started with.
        listed: Finds the servers anew whenever weights are brought over; None keeps ``servers``.

    Attributes:
        gap: Of the weights that the servers are on; None before the first.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        sync: WeightSync | None,
        folder: str | Path | None,
        patience: float,
        tolerance: float | None,
        listed: ListedServers | None = None,
    ) -> None:
        self.servers = list(servers)
        self.listed = listed
        self.sync = sync
        self.folder = folder
        self.patience = patience
        self.tolerance = tolerance
        self.canary: Canary | None = None
        self.gap: Gap | None = None
        self._now: _Weights | None = None
        # By version, what can be asked for; of these, how often each is held.
        self._kept: dict[str, _Weights] = {}
        self._held: Counter[str] = Counter()
        # Set for those who wait, when nobody waits for them any more.
        self._halts: set[threading.Event] = set()
        # What every server that was restarted is given first; None where any weights show that they arrived.
        self._altered: _Weights | None = None
        # What no fault has a part in: all others are held against it.
        self._usual: Gap | None = None
        self._own: list[ServerCompletion] | None = None
        self._vocabulary = 0
        # The last of each is the present one.
        self._folders: list[Path] = []
        self._given: list[str] = []
        self._temporary: Path | None = None

    @property
    def version(self) -> str | None:
        """Newest version of the weights that the servers are on; None before the first."""
        return None if self._now is None else self._now.version

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: a copy that knew nothing of later weights would take them for stale."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process; a copy elsewhere gives the weights again."""
        nothing = dict.fromkeys(("canary", "gap", "_now", "_altered", "_usual", "_own", "_temporary"))
        empty: dict[str, Any] = {"_kept": {}, "_held": Counter(), "_halts": set(), "_folders": [], "_given": []}
        return {**vars(self), **nothing, **empty}

    def load_weights(self, policy: Policy, version: str, canary: Canary) -> None:
        """Bring all servers that answer to a policy's weights, and see that they arrived. All ranks call it together.

        Before the first, a server is asked with the weights that it was started with: how far it is off then is
        rounding, and nothing else. Where weights do not show by themselves that they arrived (`WeightSync.shows`),
        altered ones are loaded once, and into every server that is restarted.

        Args:
            policy: With the weights it has now.
            version: Their fingerprint.
            canary: What the servers are asked to see that they arrived; that of the first rank and call stays.

        Raises:
            ServerError: No server answers, one refuses the weights, or its log-probabilities are not the policy's.
            RuntimeError: Ranks hold different weights, or another rank failed.
        """
        versions = all_gather_object(version)
        if len(set(versions)) > 1:
            raise RuntimeError(
                f"ranks hold different weights: {', '.join(versions)}. Replicas must stay the same; look for a seed or "
                "an update that is not shared"
            )
        self.find()
        sync = self.sync = self.sync or sync_for(policy)
        # The first rank asks it, and all score the answers.
        canary = self.canary = self.canary or all_gather_object(canary)[0]
        self._vocabulary = vocabulary(policy)
        before, self._now = self._now, None
        try:
            shows = self._agree(lambda: sync.shows(policy))
            if self._own is None:
                self._own = self._look(policy, canary)
            if self._altered is None and not shows:
                self._altered = self._alter(sync, policy, version, canary, self._own)
            self._bring(sync, policy, version, canary, before)
        except BaseException:
            # The next attempt starts from nothing.
            self._now = self._altered = None
            for server in self.servers:
                server.loaded.clear()
            raise
        self._clean_up(sync, version)

    def find(self) -> None:
        """Read the list of servers again, if there is one: some come, some have gone. All ranks call it together."""
        if self.listed is not None:
            found = self._agree(lambda: self._urls(self.patience) if global_rank().number == 0 else None)
            self._change(all_gather_object(found)[0])

    def _find_others(self) -> None:
        """Read the list at once if no server answers: another may have taken its place."""
        if self.listed is not None and all(server.down for server in self.servers):
            with suppress(ServerError):
                self._change(self._urls(patience=0.0))

    def _urls(self, patience: float) -> list[str]:
        found = self.listed.find(self.servers, patience) if self.listed is not None else self.servers
        return [server.url for server in found]

    def _change(self, urls: Sequence[str]) -> None:
        before = {server.url for server in self.servers}
        if self.listed is None or before == set(urls):
            return
        with _NOTES:
            self.servers = self.listed.servers(urls, self.servers)
        if before:
            came, left = sorted(set(urls) - before), sorted(before - set(urls))
            rank_zero_info(f"Servers that came: {', '.join(came) or 'none'}; that left: {', '.join(left) or 'none'}.")

    def hold(self, version: str) -> None:
        """Keep a version, so that it can be asked for after others have come, until `release`."""
        self._held[version] += 1

    def release(self, version: str) -> None:
        """Let go of a version that was held; when others come, it goes."""
        self._held[version] -= 1

    @contextmanager
    def halting(self) -> Iterator[threading.Event]:
        """Enter a context with an event that is set at its end, or by `close`: nobody waits for the rest then."""
        halt = threading.Event()
        self._halts.add(halt)
        try:
            yield halt
        finally:
            halt.set()
            self._halts.discard(halt)

    def close(self) -> None:
        """Give up what is waited for."""
        for halt in list(self._halts):
            halt.set()

    def expect_all(self) -> None:
        """Count on all servers again: one that did not answer may be back."""
        for server in self.servers:
            server.down = False

    def complete(
        self, turn: int, request: dict[str, Any], halt: threading.Event, version: str
    ) -> list[ServerCompletion]:
        """Return the group of one prompt, from the server whose turn it is or, if that does not answer, another.

        Args:
            turn: Number of the prompt, by which servers take turns.
            request: As of ``/v1/completions``, without the model.
            halt: Set when nobody waits for the result any more.
            version: Of the weights.

        Raises:
            ServerError: None answers, or one answers wrongly; the servers were given others in place of these weights.
        """
        return self._persist(lambda attempts: self._pick(turn + attempts), request, halt, self._weights(version))

    def _weights(self, version: str) -> _Weights:
        if version not in self._kept:
            raise StaleWeightsError(
                f"the servers have weights {self.version}, and this rollout began with {version}: all of a rollout has "
                "to come from the same weights. Does something else sample meanwhile, with a copy of this sampler and "
                "another policy?"
            )
        return self._kept[version]

    def _look(self, policy: Policy, canary: Canary) -> list[ServerCompletion]:
        """Ask a server with the weights that it was started with, and learn from it how much rounding there is."""

        def ask(count: int) -> tuple[list[ServerCompletion], Gap, str]:
            request = canary.request(count)
            rows, who = self._agree(lambda: self._own_answer(request))
            return rows, max(all_gather_object(measure(rows, canary.known(policy, rows)))), who

        rows, gap, who = ask(FEWEST)
        if not gap.fine and self.tolerance is None:
            rows, gap, who = ask(canary.rows(gap))
        begin = f"{who}: log-probabilities are off by {gap}, with the weights that it was started with"
        own = gap.mean <= self._limit(gap)
        self._usual = gap if own else None
        rank_zero_info(
            f"{begin}: {gap.kind if own else 'they are not the policy' + chr(39) + 's'}. New weights are refused above "
            f"{self._limit(gap):.2g} nats per token."
        )
        return rows

    def _own_answer(self, request: dict[str, Any]) -> tuple[list[ServerCompletion], str]:
        patience = Patience(self.patience, threading.Event())
        while True:
            server = self._pick(patience.attempts)
            try:
                answer = server.complete({**request, "model": server.base_model()})
            except UnavailableError as error:
                self._missed(server, error)
                patience.wait(error, self._pick(patience.attempts + 1).rest)
            else:
                self._found(server)
                return self._read(answer, request, server), server.url

    def _alter(
        self, sync: WeightSync, policy: Policy, version: str, canary: Canary, rows: list[ServerCompletion]
    ) -> _Weights | None:
        """Load visibly altered weights, see that the answers follow, and take them back."""
        before = canary.known(policy, rows)

        def moved() -> float:
            now = [row._replace(logprobs=known) for row, known in zip(rows, canary.known(policy, rows), strict=True)]
            return min(all_gather_object(measure(now, before).mean))

        with altered(policy, moved) as shown:
            weights = self._bring(sync, policy, f"{version}-altered", canary, None, is_altered=True)
        rank_zero_info(
            f"Servers follow altered weights, which move log-probabilities by {shown:.2g} nats per token: off by "
            f"{self.gap}."
        )
        return weights

    def _bring(
        self,
        sync: WeightSync,
        policy: Policy,
        version: str,
        canary: Canary,
        before: _Weights | None,
        is_altered: bool = False,
    ) -> _Weights:
        """Save and load weights, and hold what servers make of them against the policy."""
        self._save(sync, policy, version)
        self._given.append(version)
        weights = self._now = _Weights(version, self._folders[-1], sync.sharpness, is_altered)
        count = FEWEST if self.tolerance is not None else canary.rows(self._usual)
        request = canary.request(count, is_altered)
        found = self._agree(lambda: self._canaries(request, weights) if global_rank().number == 0 else None)
        self._adopt()
        answered = all_gather_object(found)[0]
        scores = canary.known(policy, [row for _, rows in answered for row in rows])
        self._now, self.gap = self._agree(
            lambda: self._judge(weights, request, answered, scores, before, sync.hint(policy))
        )
        if not is_altered:
            self._kept[version] = self._now
        if not is_altered and (self._usual is None or (self.gap.fine and not self._usual.fine)):
            # A resumed run: the policy is not what servers were started with.
            self._usual = self.gap
        return self._now

    def _limit(self, gap: Gap, is_altered: bool = False) -> float:
        """Return the mean above which a gap is refused."""
        if self.tolerance is not None:
            return self.tolerance
        return LARGEST if self._usual is None else self._usual.alarm(gap.tokens, is_altered)

    def _judge(
        self,
        weights: _Weights,
        request: dict[str, Any],
        answered: list[tuple[str, list[ServerCompletion]]],
        scores: list[list[float]],
        before: _Weights | None,
        hint: str,
    ) -> tuple[_Weights, Gap]:
        gaps, start = [], 0
        for url, rows in answered:
            known = scores[start : start + len(rows)]
            start += len(rows)
            gap = measure(rows, known)
            check_gap(gap, self._limit(gap, weights.altered), url, hint)
            if before is not None and before.record is not None and before.record.request == request:
                check_moved(rows, known, before.record, self._usual or gap, url)
            gaps.append(gap)
            weights = weights if weights.record else weights._replace(record=Scored(request, rows, known))
        return weights, max(gaps)

    def _persist(
        self, pick: Callable[[int], Server], request: dict[str, Any], halt: threading.Event, weights: _Weights
    ) -> list[ServerCompletion]:
        patience, forgotten = Patience(self.patience, halt), 0
        while True:
            server = pick(patience.attempts)
            try:
                rows = self._served(server, request, weights)
            except UnavailableError as error:
                self._missed(server, error)
                self._find_others()
                patience.wait(error, pick(patience.attempts + 1).rest)
            except ForgottenWeightsError as error:
                forgotten += 1
                if forgotten > _RELOADS:
                    raise ServerError(
                        f"{error}, after it was given them {_RELOADS} times. Does it keep restarting, or do others "
                        "load so many adapters that ours is pushed out (--max-loras, --max-cpu-loras)?"
                    ) from error
            else:
                self._found(server)
                return rows

    def _missed(self, server: Server, error: UnavailableError) -> None:
        """Note that a server does not answer; the log says so once."""
        server.down = True
        server.rests_until = time.monotonic() + error.retry_after
        if isinstance(error, LoadingError):
            return
        with _NOTES:
            first = server.missed is None
            server.missed = server.missed or time.monotonic()
        if first:
            said = str(error).rstrip(".")
            rank_zero_info(f"{said}. It is waited for, or another does its work; at most {self.patience:g} s.")

    @staticmethod
    def _found(server: Server) -> None:
        server.down = False
        with _NOTES:
            since, server.missed = server.missed, None
        if since is not None:
            rank_zero_info(f"{server.url} answers again, after {time.monotonic() - since:.0f} s.")

    def _served(self, server: Server, request: dict[str, Any], weights: _Weights) -> list[ServerCompletion]:
        """Ask one server once, with proof of its weights."""
        sync, version = self.sync, weights.version
        if sync is None:
            raise RuntimeError("no weights have been given to the servers; call load_weights first")
        loading = self._ready(server, weights, sync)
        try:
            rows = self._asked(server, request, weights, sync)
        except LoadingError as error:
            # By another thread: it holds the lock until it has done. By another rank: patience has to wait for it.
            with server.lock:
                if server.loaded.get(version) != loading:
                    raise ForgottenWeightsError(f"{server.url} was given its weights anew") from error
            raise
        except UnavailableError as error:
            # Without a status it may be gone, and come back without our weights.
            if error.status is None:
                server.lost(version, loading)
            raise
        except ForgottenWeightsError:
            server.lost(version, loading)
            raise
        if server.loaded.get(version) != loading:
            raise ForgottenWeightsError(f"{server.url} was given its weights anew while it answered")
        return rows

    def _asked(
        self, server: Server, request: dict[str, Any], weights: _Weights, sync: WeightSync
    ) -> list[ServerCompletion]:
        version, model = weights.version, sync.model(server, weights.version)
        sync.verify(server, version)
        try:
            # Logits that are larger on purpose are divided by as much more: the samples are the same.
            temperature = request["temperature"] * weights.sharpness
            answer = server.complete({**request, "model": model, "temperature": temperature})
        except ServerError as error:
            if error.status == 404 and model == version:
                raise ForgottenWeightsError(f"{server.url} does not know {model} (any more): {error}", 404) from error
            raise
        sync.verify(server, version)
        if answer.get("model") != model:
            origin = shown(answer.get("model")).strip("'")
            raise StaleWeightsError(
                f"{server.url} was asked for {model} and answered from {origin}: the answer is refused. "
                "Does a router in between change the model's name?"
            )
        return self._read(answer, request, server)

    def _read(self, answer: dict[str, Any], request: dict[str, Any], server: Server) -> list[ServerCompletion]:
        rows = read_group(answer, request, server.url)
        check_vocabulary(rows, self._vocabulary, server.url)
        return rows

    def _ready(self, server: Server, weights: _Weights, sync: WeightSync) -> int:
        """Give a server its weights if it lacks them, and return which loading that was.

        One that comes back has to answer as the others did.
        """
        with server.lock:
            if weights.version not in server.loaded:
                anew = not server.loaded and weights.record is not None
                # One that was started anew, or has come since.
                if not server.loaded and self._altered is not None:
                    self._load(server, self._altered, sync)
                    sync.unload(server, self._altered.version)
                self._load(server, weights, sync)
                server.given(weights.version)
                if anew:
                    rank_zero_info(f"{server.url} had lost the weights and was given {weights.version} anew.")
            return server.loaded[weights.version]

    def _load(self, server: Server, weights: _Weights, sync: WeightSync) -> None:
        if not sync.side_by_side:
            server.loaded.clear()
        self._load_when_seen(server, weights, sync)
        if weights.record is not None:
            rows = self._asked(server, weights.record.request, weights, sync)
            gap = measure_again(rows, weights.record, server.url)
            check_gap(gap, self._limit(gap, weights.altered), server.url)

    def _load_when_seen(self, server: Server, weights: _Weights, sync: WeightSync) -> None:
        """Have a server load a folder that it may see late, as over a network file system that caches what is there."""
        began, attempts, limit = time.monotonic(), 0, min(_SEEN_S, self.patience)
        while True:
            try:
                sync.load(server, weights.folder, weights.version)
            except UnseenWeightsError as error:
                attempts += 1
                waited = time.monotonic() - began
                if waited >= limit:
                    raise ServerError(
                        f"{error}. It was asked {attempts} times in {waited:.0f} s and has not seen this folder: is it "
                        "on a file system of both machines, under the same path? HTTPSync needs no common folder",
                        error.status,
                    ) from error
                if attempts == 1:
                    rank_zero_info(
                        f"{server.url} does not see {weights.folder} yet, as over a network file system. It is asked "
                        f"again, for up to {limit:g} s."
                    )
                time.sleep(min(0.1 * 2**attempts, _LONGEST_LOOK_S, limit - waited))
            else:
                break
        if attempts:
            rank_zero_info(f"{server.url} sees it after {time.monotonic() - began:.1f} s, asked {attempts + 1} times.")

    def _pick(self, turn: int) -> Server:
        servers = self.servers
        start = turn % len(servers)
        order = servers[start:] + servers[:start]
        return next((server for server in order if not server.down), order[0])

    def _give(self, weights: _Weights) -> None:
        """Load into every server that answers; into one at least."""
        sync, patience = self.sync, Patience(self.patience, threading.Event())

        def give(server: Server) -> UnavailableError | None:
            try:
                self._ready(server, weights, sync)  # type: ignore[arg-type]
            except UnavailableError as error:
                self._missed(server, error)
                return error
            self._found(server)
            return None

        while True:
            errors = list(DaemonExecutor().map(give, self.servers))
            failures = [error for error in errors if error is not None]
            if len(failures) < len(self.servers):
                return
            self._find_others()
            patience.wait(failures[0], min(server.rest for server in self.servers))

    def _adopt(self) -> None:
        """Learn from the first rank which servers have which weights."""
        states = all_gather_object([(server.url, set(server.loaded), server.down) for server in self.servers])[0]
        self._change([url for url, _, _ in states])
        for server, (_, loaded, down) in zip(self.servers, states, strict=True):
            server.down = down
            for version in server.loaded.keys() - loaded:
                del server.loaded[version]
            for version in loaded - server.loaded.keys():
                server.given(version)

    def _canaries(self, request: dict[str, Any], weights: _Weights) -> list[tuple[str, list[ServerCompletion]]]:
        """Load, and ask every server that took the weights; return the addresses and answers of one at least.

        Who is gone before it has answered has shown nothing: it is given them again when it is asked for the next time,
        and has to answer as the others did.
        """
        patience = Patience(self.patience, threading.Event())
        while True:
            self._give(weights)
            answered, failures = [], list[ServerError]()
            for server in [server for server in self.servers if weights.version in server.loaded]:
                try:
                    answered.append((server.url, self._served(server, request, weights)))
                except ForgottenWeightsError as error:
                    failures.append(error)
                    server.loaded.clear()
                except UnavailableError as error:
                    self._missed(server, error)
                    failures.append(error)
                    server.loaded.clear()
            if answered:
                return answered
            patience.wait(failures[0], min(server.rest for server in self.servers))

    def _save(self, sync: WeightSync, policy: Policy, version: str) -> None:
        """Write the weights into a new folder, the same on all ranks."""
        path = self._agree(lambda: str(self._new_folder(version)) if global_rank().number == 0 else None)
        self._folders.append(Path(all_gather_object(path)[0]))
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
        """Remove the weights that nobody holds and that these replaced."""
        self._held = +self._held
        stay = {version, *self._held} if sync.side_by_side else {version}
        self._kept = {name: weights for name, weights in self._kept.items() if name in stay}
        for server in self.servers:
            for name in server.loaded.keys() - stay:
                del server.loaded[name]
        if global_rank().number != 0:
            return
        for earlier in self._given:
            for server in self.servers:
                if earlier not in stay and not server.down:
                    sync.unload(server, earlier)
        self._given = [name for name in self._given if name in stay]
        used = {weights.folder for weights in (*self._kept.values(), self._altered) if weights is not None}
        spare = [folder for folder in self._folders if folder not in used]
        for folder in spare[: len(spare) - sync.kept_folders]:
            self._folders.remove(folder)
            _remove([folder])

    @staticmethod
    def _agree(work: Callable[[], Any]) -> Any:
        """Run a function that may fail on one rank, and fail on all of them."""
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
