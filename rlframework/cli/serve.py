"""``rlframework serve MODEL``: a vLLM server for rollouts, a receiver for its weights, and its entry in a list."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
import urllib.error
from collections.abc import Sequence
from pathlib import Path

from rlframework.cli.arguments import positive
from rlframework.serving.receiver import LIST, PORT_OFFSET, Receiver, Store
from rlframework.serving.server_list import enter, is_list, is_url, leave
from rlframework.serving.supervisor import NotHealthyError, Supervisor
from rlframework.serving.token import VARIABLE, read_token

DESCRIPTION = """\
Start a vLLM server with the flags that rollouts need, and beside it a receiver, to which a run sends new weights
(HTTPSync): no folder has to be common to the two machines. When the server is healthy, its address is entered in a list
that VLLMSampler(servers=...) reads; it is removed when the server ends. What comes after -- goes to vLLM."""

EPILOG = f"""\
The receiver asks for a token, in {VARIABLE} or in --token-file; the run needs the same one. vLLM itself
lets anybody who reaches its port change the weights: keep both on a private network (docs/serve.md).
The exit status is vLLM's; 128 and the signal if it died of one, 1 if it did not become healthy, 2 for a
wrong command."""

_POLL = 1.0
_OURS = ("--host", "--port", "--model", "--enable-lora", "--max-lora-rank", "--max-loras", "--logprobs-mode")


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework serve``."""
    options = argparse.ArgumentParser(
        prog="rlframework serve",
        usage="rlframework serve MODEL [options] [-- flags of vllm serve]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("model", metavar="MODEL", help="the model that the policy starts from: a folder or a hub name")
    add("--lora-rank", type=int, metavar="R", help="serve adapters of at most this rank; by default whole weights")
    add("--rollouts-ahead", type=int, default=0, metavar="K", help="of the run: K + 2 adapters are held (by default 0)")
    add("--host", default="127.0.0.1", help="address to listen at (by default 127.0.0.1: this machine alone)")
    add("--port", type=int, default=8000, help="by default 8000")
    add("--receiver-port", type=int, metavar="PORT", help=f"by default {PORT_OFFSET} above --port")
    add("--register", metavar="LIST", help=f"enter the address in this file, or at another receiver's URL ({LIST})")
    add("--address", metavar="HOST", help="name or number of this machine in the list; by default its host name")
    add("--token-file", metavar="FILE", help=f"by default the variable {VARIABLE}")
    add("--folder", metavar="FOLDER", help="for received weights; by default /dev/shm while it has room, then $TMPDIR")
    add("--largest-gb", type=positive, metavar="GB", help="the most that one version may have; by default what fits")
    add("--python", default=sys.executable, metavar="PATH", help="the Python that has vLLM; by default this one")
    add("--wait", type=positive, default=1800.0, metavar="S", help="seconds until it must be healthy (by default 1800)")
    add("--grace", type=positive, default=30.0, metavar="S", help="seconds that it has to end in (by default 30)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework serve``: a vLLM server, its receiver, and its entry in a list of servers.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status of vLLM; 1 if it did not become healthy.
    """
    options = parser()
    ours, own = _split(list(sys.argv[1:] if arguments is None else arguments))
    given = options.parse_args(ours)
    if doubled := [flag for flag in own if flag.partition("=")[0] in _OURS]:
        options.error(f"{doubled[0]} after --: it is set here, by an option of `rlframework serve` or by its nature")
    if given.register and not is_list(given.register):
        options.error(f"--register {given.register}: a list of servers ends in .txt, as a file or as a URL")
    port = given.receiver_port or given.port + PORT_OFFSET
    address = f"http://{given.address or _named(given.host)}:{given.port}"
    local = given.register if given.register and not is_url(given.register) else None
    try:
        token = read_token(given.token_file)
        folders = [given.folder] if given.folder else _folders()
        largest = None if given.largest_gb is None else int(given.largest_gb * 1e9)
        store = Store(folders, largest)
        receiver = Receiver(given.host, port, token, store, local)
    except (OSError, ValueError) as error:
        options.error(f"{' '.join(str(error).split())} (receiver of {given.host}:{port})")
    health = f"http://{'127.0.0.1' if given.host in ('0.0.0.0', '::') else given.host}:{given.port}/health"  # noqa: S104
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {"VLLM_SERVER_DEV_MODE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
    supervisor = Supervisor(command(given, own), environment, health, given.wait, given.grace)

    def came() -> None:
        # Not before: no thread is to run here while the server is started.
        receiver.start()
        if given.register:
            _enter(given.register, address, token, given.wait, supervisor)
        print(f"{address} serves {given.model}; its receiver listens at port {port}.", flush=True)

    def went() -> None:
        try:
            if given.register:
                leave(given.register, address, token)
        except OSError as error:
            print(f"{address} stays in {given.register}: {error}", file=sys.stderr, flush=True)

    try:
        return supervisor.run(came, went)
    except (NotHealthyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        receiver.stop()


def command(given: argparse.Namespace, own: Sequence[str]) -> list[str]:
    """Return the command that starts vLLM.

    Args:
        given: Arguments of `parser`.
        own: Flags for vLLM alone, which come last.

    Example:
        >>> given = parser().parse_args(["Qwen/Qwen3-0.6B", "--lora-rank", "16", "--python", "python"])
        >>> " ".join(command(given, ["--dtype", "bfloat16"])[7:])
        '--port 8000 --logprobs-mode processed_logprobs --enable-prefix-caching --enable-lora --max-lora-rank 16
        --max-loras 2 --dtype bfloat16'
    """
    module = [given.python, "-m", "vllm.entrypoints.openai.api_server", "--model", given.model]
    flags = ["--host", given.host, "--port", str(given.port), "--logprobs-mode", "processed_logprobs"]
    flags += ["--enable-prefix-caching"]
    if given.lora_rank is not None:
        flags += ["--enable-lora", "--max-lora-rank", str(given.lora_rank)]
        flags += ["--max-loras", str(given.rollouts_ahead + 2)]
    return [*module, *flags, *own]


def _enter(place: str, address: str, token: str, seconds: float, supervisor: Supervisor) -> None:
    """Enter an address in a list; who shows it at its URL may start later than this server."""
    until = time.monotonic() + seconds
    while not supervisor.ending:
        try:
            return enter(place, address, token)
        except (urllib.error.URLError, TimeoutError):  # No answer; a refusal is another error.
            if time.monotonic() > until:
                raise
        time.sleep(_POLL)
    return None


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _named(host: str) -> str:
    return socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104


def _folders() -> list[Path]:
    """Return memory, where there is any to write to, and then the temporary folder."""
    memory = Path("/dev/shm")  # noqa: S108 - that is what it is for
    temporary = Path(tempfile.gettempdir())
    return [memory, temporary] if os.access(memory, os.W_OK) else [temporary]
