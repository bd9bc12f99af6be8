"""HTTP sync: weights sent to a receiver beside each server, so that no folder has to be common to all machines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rlframework.policies.base import Policy
from rlframework.samplers.vllm.client import PASSING, Server
from rlframework.samplers.vllm.errors import BadAnswerError, ServerError, UnavailableError, shown
from rlframework.samplers.vllm.sync import WeightSync
from rlframework.serving.receiver import PORT_OFFSET
from rlframework.serving.token import read_token

_CHUNK = 2**20
# Announced anew by another meanwhile, or with other bytes than announced: all of it is sent again.
_SENT_AGAIN = frozenset({409, 422})


class HTTPSync(WeightSync):
    """Sends the files of another sync to a receiver beside each server, which loads them from its own machine.

    ``rlframework serve`` starts a receiver beside a vLLM server (docs/serve.md). A file whose bytes are there already
    is not sent again; what arrived is seen by the server only when all of it is there, with the announced fingerprints.

    Args:
        sync: What is written, and how the server loads it: `LoRASync` or `DiskSync`.
        token_file: File with the token of the receivers; None reads the variable ``RLFRAMEWORK_SERVE_TOKEN``.
        port_offset: Added to a server's port, gives its receiver's.
        timeout: Seconds that one file may take.

    Example:
        >>> from rlframework.samplers import LoRASync
        >>> sync = HTTPSync(LoRASync())
        >>> sync.side_by_side, sync.receiver(Server("http://10.0.0.1:8000", timeout=5)).url
        (True, 'http://10.0.0.1:9000')
    """

    def __init__(
        self,
        sync: WeightSync,
        token_file: str | Path | None = None,
        port_offset: int = PORT_OFFSET,
        timeout: float = 1800.0,
    ) -> None:
        self.sync = sync
        self.token_file = token_file
        self.port_offset = port_offset
        self.timeout = timeout
        self.kept_folders, self.side_by_side, self.brings = sync.kept_folders, sync.side_by_side, sync.brings
        self._receivers: dict[str, Server] = {}
        self._announced: dict[Path, dict[str, Any]] = {}

    def receiver(self, server: Server) -> Server:
        """Return the receiver beside a server.

        Args:
            server: The server.
        """
        if server.url not in self._receivers:
            parts = urlsplit(server.url)
            port = (parts.port or {"http": 80, "https": 443}[parts.scheme]) + self.port_offset
            host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
            self._receivers[server.url] = Server(f"{parts.scheme}://{host}:{port}", self.timeout)
        return self._receivers[server.url]

    def shows(self, policy: Policy) -> bool:
        """Return what the other sync does."""
        return self.sync.shows(policy)

    def hint(self, policy: Policy) -> str:
        """Return what the other sync does."""
        return self.sync.hint(policy)

    def save(self, policy: Policy, folder: Path) -> None:
        """Write the weights into a folder of this machine, as the other sync does.

        Raises:
            TypeError: This kind of policy cannot be brought over in this way.
        """
        self.sync.save(policy, folder)
        self.sharpness = self.sync.sharpness

    def load(self, server: Server, folder: Path, version: str) -> None:
        """Send what the server's machine lacks of the folder, and have the server load it from there.

        Raises:
            ServerError: The receiver does not take it, or the server does not load it.
            ValueError: There is no token.
        """
        place = self._send(server, folder, version)
        self.sync.load(server, Path(place), version)
        if not self.side_by_side:
            # It was read as a whole, and may lie in memory.
            self._ask(server, "DELETE", f"/weights/{version}")

    def _send(self, server: Server, folder: Path, version: str) -> str:
        files = self._files(folder)
        announced = {"files": files, "keep": sorted(server.loaded)}
        state = self._ask(server, "POST", f"/weights/{version}", announced)
        for name in state["missing"]:
            length = {"content-length": str(files[name]["size"])}
            path = f"/weights/{version}/{name}"
            state = self._ask(server, "PUT", path, upload=_chunks(folder / name), headers=length)
        if not isinstance(state["path"], str):
            raise ServerError(
                f"{self.receiver(server).url} has {len(files) - len(state['missing'])} of {len(files)} files of "
                f"{version} after all were sent: does another run send weights to the same server? Give each its own"
            )
        return state["path"]

    def _files(self, folder: Path) -> dict[str, Any]:
        """Return sizes and fingerprints of a folder's files, which are computed once."""
        if folder not in self._announced:
            self._announced = {known: files for known, files in self._announced.items() if known.exists()}
            found = {path.name: path for path in folder.iterdir()}
            self._announced[folder] = {
                name: {"size": path.stat().st_size, "sha256": _sha256(path)} for name, path in sorted(found.items())
            }
        return self._announced[folder]

    def _ask(
        self,
        server: Server,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        upload: Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        receiver = self.receiver(server)
        secret = {"authorization": f"Bearer {read_token(self.token_file)}"}
        try:
            sent = {**secret, **(headers or {})}
            answer = receiver.ask(method, path, body, PASSING | _SENT_AGAIN, upload=upload, sent_headers=sent)
        except UnavailableError as error:
            message = f"the receiver of {server.url}: {error}"
            if error.status is None:
                message += f". `rlframework serve` starts one beside the server, on its port and {self.port_offset}"
            raise UnavailableError(message, error.status, error.retry_after) from error
        if not isinstance(answer, dict) or (method != "DELETE" and not {"missing", "path"} <= answer.keys()):
            raise BadAnswerError(
                f"{receiver.url} answered {method} {path} with {shown(answer)}; is it a receiver of rlframework serve?"
            )
        return answer

    def model(self, server: Server, version: str) -> str:
        """Return what the other sync does."""
        return self.sync.model(server, version)

    def room(self, server: Server) -> int | None:
        """Return what the other sync does."""
        return self.sync.room(server)

    def unload(self, server: Server, version: str) -> None:
        """Have the server unload the weights; the receiver removes them when the next are announced."""
        self.sync.unload(server, version)

    def verify(self, server: Server, version: str) -> None:
        """Refuse what the other sync does.

        Raises:
            ServerError: As of the other sync.
        """
        self.sync.verify(server, version)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            yield part


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
