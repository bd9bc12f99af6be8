"""Commands of ``rlframework``: fit, validate, test, predict, eval, probe, plan, serve, doctor, export and others."""

from typing import Any


def main(args: list[str] | None = None, **options: Any) -> Any:
    """Run Lightning's command line from a script; see `rlframework.cli.lightning.main`.

    Args:
        args: Arguments instead of those of the process.
        **options: For ``LightningCLI``.
    """
    from rlframework.cli.lightning import main as run

    return run(args, **options)
