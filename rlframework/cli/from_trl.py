"""``rlframework from-trl``: the YAML file of ``rlframework fit`` from a script or a configuration of TRL."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rlframework.cli.arguments import count

DESCRIPTION = """\
Write the YAML file of `rlframework fit` for a run of TRL's GRPOTrainer or RLOOTrainer, and list what could not be
carried over, each with its line. A script is read and never run: a value that only the running script knows is listed,
not guessed. Reward functions that stand in the script are copied into a module beside the YAML file."""
EPILOG = """\
  rlframework from-trl train.py -o run.yaml
  rlframework from-trl config.yaml                              as of `trl grpo --config config.yaml`
  rlframework from-trl config.yaml -- --learning_rate 1e-5      with options of TRL, which win over the file
  rlframework from-trl -- --model_name_or_path Qwen/Qwen3-0.6B --dataset_name trl-lib/DeepMath-103K ...

The exit status is 1 if something was not carried over, 2 if nothing was written; else 0. Argument by argument:
docs/from_trl.md."""


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework from-trl``."""
    options = argparse.ArgumentParser(
        prog="rlframework from-trl",
        usage="rlframework from-trl [FILE] [-o FILE] [--devices N] [--trainer NAME] [-- OPTION ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("file", nargs="?", type=Path, help="a script (.py), or a configuration of `trl grpo` (.yaml)")
    add("-o", "--output", type=Path, default=Path("from_trl.yaml"), metavar="FILE", help="by default from_trl.yaml")
    add("--devices", type=count, default=1, metavar="N", help="processes of the run of TRL (by default 1)")
    add("--trainer", choices=("grpo", "rloo"), default="grpo", help="whose configuration it is (by default grpo)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework from-trl``: write the YAML file, and list what it lacks.

    Args:
        arguments: Instead of those of the process, without the command's name.

    Returns:
        The exit status: 1 if something was not carried over, else 0.

    Raises:
        SystemExit: Of status 2, after a line that says why nothing was written.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    at = words.index("--") if "--" in words else len(words)
    options = parser()
    given, flags = options.parse_args(words[:at]), words[at + 1 :]
    # Only now, so that --help does not wait.
    from rlframework.from_trl.config import read_config
    from rlframework.from_trl.conversion import convert
    from rlframework.from_trl.found import NotReadError
    from rlframework.from_trl.script import read_script
    from rlframework.from_trl.writing import report, write, yaml_text

    if given.file is None and not flags:
        options.error("name a script or a configuration of TRL, or give its options after --")
    if given.output.suffix not in (".yaml", ".yml"):
        options.error(f"--output {given.output}: a YAML file, which ends with .yaml")
    if flags and given.file is not None and given.file.suffix == ".py":
        options.error(f"{flags[0]} after --: options of TRL are for a configuration; a script says its own")
    module = f"{given.output.stem.replace('-', '_')}_code"
    if not module.isidentifier():
        options.error(f"--output {given.output}: {module} is no name of a module; choose one of letters and digits")
    try:
        script = given.file is not None and given.file.suffix == ".py"
        run = read_script(given.file) if script else read_config(given.file, flags, given.trainer)
        converted = convert(run, module, given.devices)
        text = yaml_text(converted, run.source, f"rlframework fit -c {given.output.name}")
        written = write(given.output, text, module, converted.code)
    except (NotReadError, OSError, UnicodeDecodeError) as error:
        options.error(str(error))
    for line in report(converted):
        print(line)
    print(f"\nWritten: {', '.join(map(str, written))}")
    print(f"To train, in that folder: rlframework fit -c {given.output.name}")
    return int(bool(converted.missed))
