"""Listed servers: those whose addresses are in a file or at a URL, which may change between rollouts."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from pytorch_lightning.utilities.rank_zero import rank_zero_info

from rlframework.samplers.vllm.client import Server
from rlframework.samplers.vllm.errors import ServerError, UnavailableError
from rlframework.samplers.vllm.patience import Patience
from rlframework.serving.server_list import read_servers


class ListedServers:
    r"""Finds the servers of a list; one that stays in it stays the same object, with what is known of it.

    Args:
        place: The file, or the URL; see `read_servers`.
        timeout: As of `Server`.
        model: As of `Server`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp(), "servers.txt")
        >>> _ = file.write_text("http://10.0.0.1:8000\n")
        >>> [server.url for server in ListedServers(str(file), timeout=10.0).find([], patience=0.0)]
        ['http://10.0.0.1:8000']
    """

    def __init__(self, place: str, timeout: float, model: str | None = None) -> None:
        self.place = place
        self.timeout = timeout
        self.model = model

    def find(self, known: Sequence[Server], patience: float) -> list[Server]:
        """Read the list, which is waited for while it is missing, unreadable or empty.

        Args:
            known: The servers of the last time.
            patience: Seconds to wait for.

        Raises:
            ServerError: A line is no address, or there is no server in the list for so long.
        """
        left, since = Patience(patience, threading.Event()), time.monotonic()
        while True:
            try:
                found = read_servers(self.place)
            except OSError as error:
                failure = f"the list of servers {self.place} cannot be read: {error}"
            except ValueError as error:
                raise ServerError(f"{error}. Correct it; the run goes on from its last checkpoint") from error
            else:
                if found:
                    if left.attempts:
                        rank_zero_info(f"{self.place} names servers, after {time.monotonic() - since:.0f} s.")
                    return self.servers(found, known)
                failure = f"the list of servers {self.place} has 0 addresses"
            if patience and not left.attempts:
                rank_zero_info(f"{failure}. It is read again until it names servers; at most {patience:g} s.")
            left.wait(UnavailableError(f"{failure} (`rlframework serve --register {self.place}` enters one)"))

    def servers(self, addresses: Sequence[str], known: Sequence[Server]) -> list[Server]:
        """Return the servers of addresses; those that are known are the same objects."""
        by_url = {server.url: server for server in known}
        made = (Server(address, self.timeout, self.model) for address in addresses)
        return list({server.url: by_url.get(server.url, server) for server in made}.values())
