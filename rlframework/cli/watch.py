"""``rlframework watch``: curves, completions, sentinels and whether a run lives, in the terminal, from its folder."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlframework.cli.arguments import positive
from rlframework.utilities.errors import described
from rlframework.utilities.harmless import harmless
from rlframework.utilities.imports import require
from rlframework.watch.pulse import span
from rlframework.watch.run import Look, WatchedRun
from rlframework.watch.screen import screen

DESCRIPTION = """\
Watch a run: whether it lives, its curves, what its sentinels said and its newest completions. All is read from the run
folder, on this machine or a shared disk, and nothing is written there. Ctrl+C ends it, and not the run."""

EPILOG = """\
The exit status is 1 if the run has died or ended by an exception, 2 if there is no such folder; else 0."""

# How long a look may take before the screen says so.
_SLOW_S = 2.0
# Lines of a frame that goes to no terminal.
_LINES = 40


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework watch``."""
    options = argparse.ArgumentParser(
        prog="rlframework watch",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_argument("folder", type=Path, help="of a run, or one above it: the newest run in it is watched")
    options.add_argument("--every", type=positive, default=2.0, metavar="SECONDS", help="between looks (by default 2)")
    options.add_argument("--once", action="store_true", help="print one frame and end, also without a terminal")
    figure = "a curve to draw, such as train/entropy; may be repeated"
    options.add_argument("--figure", action="append", default=[], metavar="NAME", help=figure)
    return options


class Looker:
    """Looks at a run again and again in a thread of its own, so that a disk that hangs does not keep the screen.

    Args:
        look: Reads what is new; may take long, or raise `OSError`.
        every: Seconds between the end of a look and the next.
    """

    def __init__(self, look: Callable[[], Look], every: float) -> None:
        self._look = look
        self._every = every
        self._since = time.monotonic()
        self._looked_at: float | None = None
        self._looking = True
        self._error = ""
        self.latest: Look | None = None
        # A daemon, as a read from a disk that is gone may never return.
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._since, self._looking = time.monotonic(), True
            try:
                self.latest, self._error = self._look(), ""
                self._looked_at = time.monotonic()
            except OSError as error:
                self._error = described(error)
            self._looking = False
            if self.latest is None or not self.latest.unread or self._error:
                time.sleep(min(self._every, threading.TIMEOUT_MAX))

    def waiting(self) -> str:
        """Return what there is to say of a look that fails or does not come back: how old is what was seen last."""
        now = time.monotonic()
        age = "nothing was read yet"
        if self._looked_at is not None:
            age = f"shown is what was there {span(now - self._looked_at)} ago"
        if self._error:
            return f"cannot be read: {self._error}; {age}"
        if self._looking and now - self._since > _SLOW_S:
            return f"slow disk: reading for {span(now - self._since)}; {age}"
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework watch``: a run in the terminal, from its folder.

    Args:
        arguments: Instead of those of the process, without the command's name.

    Returns:
        The exit status: 1 if the run has died or failed, else 0.

    Raises:
        ImportError: rich or plotille is not installed.
        SystemExit: Of status 2, after a line that says why the command cannot be carried out.
    """
    options = parser()
    given = options.parse_args(arguments)
    console = require("rich.console", "report").Console(highlight=False, markup=False, emoji=False)
    if not (given.once or console.is_terminal):
        options.error("this is no terminal: --once prints one frame")
    if not given.folder.is_dir():
        options.error(f"there is no folder {given.folder}")
    run = WatchedRun(given.folder)
    if not given.once:
        look = live(Looker(run.look, given.every), console, given.figure)
    else:
        look = shown = whole(run)
        for line in screen(shown, console.width, console.height if console.is_terminal else _LINES, given.figure):
            if line:
                console.print(line, soft_wrap=True)
    return 1 if look is not None and look.pulse.state in ("died", "failed") else 0


def whole(run: WatchedRun) -> Look:
    """Look until all is read."""
    look = run.look()
    while look.unread > 1 << 20:
        look = run.look()
    return look


def live(looker: Looker, console: Any, figures: Sequence[str]) -> Look | None:
    """Draw until Ctrl+C; the last state stays in the terminal."""
    text, group = require("rich.text", "report").Text, require("rich.console", "report").Group

    def frame() -> Any:
        waiting = looker.waiting()
        if looker.latest is None:
            return text(waiting or "reading ...")
        return group(*screen(looker.latest, console.width, console.height, figures, waiting))

    try:
        with require("rich.live", "report").Live(frame(), console=console, screen=True, auto_refresh=False) as shown:
            while True:
                shown.update(frame(), refresh=True)
                time.sleep(0.5)
    except KeyboardInterrupt:
        look = looker.latest
        if look is not None:
            last = f"{look.folder}: {look.pulse.state}, step {look.step}; {look.pulse.evidence}"
            console.print(harmless(last), soft_wrap=True)
        return look


if __name__ == "__main__":
    sys.exit(main())
