"""The sandbox to train with: bubblewrap's namespaces, under a user id of its own, with limits inside."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rlframework.rewards.code.resource_limits import MB, Limits
from rlframework.rewards.code.sandbox import DRIVER, Launch, Sandbox, SandboxError, SandboxUnavailableError
from rlframework.rewards.code.seccomp import open_filter

# In the range that Debian reserves: no package and no user has it.
JAIL_UID = 65533
_WAY_OUT = (
    "Or have them run without one (CodeTests(isolation='none'), PythonTool(PlainSandbox())), and read first what "
    "PlainSandbox does not hold."
)

# Which of the walls do not stand, as a program sees them; {secret} is a file that others can read outside.
PROBE = """
import os

def opens(path, mode):
    try:
        open(path, mode).close()
        return True
    except OSError:
        return False

def creates_memory():
    try:
        os.memfd_create("probe")
        return True
    except OSError:
        return False

walls = {{
    "the user id is root's": os.getuid() == 0,
    "the root folder can be written": opens("/probe", "w"),
    "/dev/shm can be written": opens("/dev/shm/probe", "w"),
    "files outside can be read": opens({secret!r}, "r"),
    "the first process can be written to": opens("/proc/1/mem", "r+b"),
    "system calls are not filtered": creates_memory(),
    "there is a network": len(list(open("/proc/net/dev"))) > 3,
}}
print(input(), *[name for name, fell in walls.items() if fell], sep="; ", end="")
"""


class BubblewrapSandbox(Sandbox):
    """Runs programs with no network, no file but ``/usr`` and Python, no other process, and bounds on all they use.

    As root it first takes a user id that owns nothing, for the kernel holds no process limit against root. If the
    interpreter in use lies in a folder that this id cannot enter (``/root``), it is shown at its path in a mount
    namespace of the jail's own.

    A filter of system calls lets through what Python and its standard library need (`system_calls.ALLOWED`). The rest
    fails, above all what namespaces and limits do not count: sockets, shared memory, nameless files.

    What it does not hold: faults of the kernel, side channels, and the load on the processor.

    Args:
        limits: What one program may use.
        packages: Folders of importable packages that programs may read, such as a ``site-packages`` with numpy for the
            interpreter in `python`. Programs can read all that lies in them.
        python: The interpreter that runs programs; by default the one that runs this, without its site-packages.
        uid: The user id to take when this is root. Nothing else on the machine should have it.

    Example:
        >>> BubblewrapSandbox(Limits(case_s=2.0)).limits.case_s
        2.0
    """

    counts_processes = True

    def __init__(
        self,
        limits: Limits | None = None,
        packages: Sequence[str | Path] = (),
        *,
        python: str | Path | None = None,
        uid: int = JAIL_UID,
    ) -> None:
        super().__init__(limits, packages)
        self.uid = uid
        self.python = Path(python or str(getattr(sys, "_base_executable", sys.executable))).resolve()

    def probe(self) -> None:
        """Run a program that tries the walls.

        Raises:
            SandboxUnavailableError: It did not run, or a wall does not stand.
        """
        if shutil.which("bwrap") is None or (os.geteuid() == 0 and shutil.which("setpriv") is None):
            raise SandboxUnavailableError(
                "programs run in a sandbox of bubblewrap, and this machine has no `bwrap` (or, for root, no `setpriv`) "
                f"on its path: apt-get install bubblewrap util-linux. {_WAY_OUT}"
            )
        with tempfile.NamedTemporaryFile() as secret:
            os.chmod(secret.name, 0o644)
            try:
                outputs = list(self.run(PROBE.format(secret=secret.name), [{"stdin": "ran"}]))
            except (SandboxError, OSError, LookupError) as error:
                raise SandboxUnavailableError(
                    f"bubblewrap is installed but runs no program here: {error}. On Ubuntu AppArmor forbids user "
                    "namespaces to it (give bwrap a profile, or kernel.apparmor_restrict_unprivileged_userns=0); in "
                    f"Docker the seccomp profile does (--security-opt seccomp=unconfined). {_WAY_OUT}"
                ) from error
        if not outputs or outputs[0].output != b"ran":
            raise SandboxUnavailableError(f"the sandbox of bubblewrap does not hold here: {outputs}. {_WAY_OUT}")

    @contextmanager
    def launch(self) -> Iterator[Launch]:
        """Return bubblewrap's command line, with the filter of system calls open as a file descriptor."""
        folders = self._folders()
        handle = open_filter()
        try:
            jail = [*self._dropping(folders), *self._walls(folders), "--seccomp", str(handle), "--"]
            yield Launch([*jail, str(self.python), "-I", "-S", "-X", "utf8", "-c", DRIVER], pass_fds=[handle])
        finally:
            os.close(handle)

    def _folders(self) -> list[str]:
        """Return what a program may read in addition to ``/usr``."""
        prefix = str(self.python.parent.parent)
        wanted = [*self.packages, *([] if Path(prefix).is_relative_to("/usr") else [prefix])]
        return [folder for folder in wanted if not Path(folder).is_relative_to("/usr")]

    def _hidden(self) -> list[str]:
        """Return what lies in readable folders and may hold data of yours: installed packages, documentation."""
        prefix = self.python.parent.parent
        shown = [prefix, *map(Path, self.packages)]
        own = [Path("/usr", name) for name in ("games", "include", "local", "share", "src")]
        places = [Path("/usr/lib/python3/dist-packages"), *prefix.glob("lib/python3*/*-packages")]
        kept = [folder for folder in own if not any(path.is_relative_to(folder) for path in shown)]
        kept += [folder for folder in places if not any(path.is_relative_to(folder) for path in shown[1:])]
        return [str(folder) for folder in dict.fromkeys(kept) if folder.is_dir() and not folder.is_symlink()]

    def _dropping(self, folders: Sequence[str]) -> list[str]:
        """Return the commands that change to the other user id, if this is root."""
        if os.geteuid() != 0:
            return []
        identity = f"--reuid {self.uid} --regid {self.uid} --clear-groups --no-new-privs".split()
        return [*_opened(folders), "setpriv", *identity, "--inh-caps=-all", "--bounding-set=-all", "--"]

    def _walls(self, folders: Sequence[str]) -> list[str]:
        readable = [argument for folder in folders for argument in ("--ro-bind", folder, folder)]
        return [
            _tool("bwrap"),
            *["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"],
            # The driver sets limits on itself and shuts its memory; bubblewrap's own first process would do neither.
            "--as-pid-1",
            # An ordinary user's bubblewrap drops all of its own accord; one that is set up otherwise is not trusted to.
            *["--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"],
            *["--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8"],  # noqa: S108 - the jail's own
            # Libraries that start a thread for each core would meet the process limit.
            *["--setenv", "OMP_NUM_THREADS", "1", "--setenv", "OPENBLAS_NUM_THREADS", "1"],
            *["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"],
            *_links(),
            # Before what is readable, some of which may lie in it.
            *["--size", str(self.limits.files_mb * MB), "--tmpfs", "/tmp"],  # noqa: S108
            *readable,
            *(argument for folder in self._hidden() for argument in ("--tmpfs", folder, "--remount-ro", folder)),
            # The machine has so many pseudo terminals, whoever opens them.
            *["--tmpfs", "/dev/pts", "--remount-ro", "/dev/pts"],
            # bubblewrap's own root and /dev/shm are without a size and writable until they are remounted.
            *["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"],  # noqa: S108
        ]


def _tool(name: str) -> str:
    # By its path: the command runs with another search path, and for another user.
    return os.path.abspath(shutil.which(name) or name)


def _links() -> list[str]:
    """Return the arguments that give the jail this machine's ``/bin``, ``/lib`` and their like."""
    arguments: list[str] = []
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments


def _opened(folders: Sequence[str]) -> list[str]:
    """Return a command in whose mount namespace every user can reach the folders, if there is one that they cannot."""
    arguments: list[str] = []
    for folder in folders:
        path = Path(folder)
        above = [parent for parent in reversed(path.parents) if len(parent.parts) > 1]
        closed = [parent for parent in above if not parent.stat().st_mode & stat.S_IXOTH]
        if not closed:
            continue
        cover = closed[0]
        if str(cover) not in arguments:
            arguments += ["--perms", "0755", "--tmpfs", str(cover)]
        for parent in above[above.index(cover) + 1 :]:
            arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", folder, folder]
    return [_tool("bwrap"), "--dev-bind", "/", "/", *arguments, "--"] if arguments else []
