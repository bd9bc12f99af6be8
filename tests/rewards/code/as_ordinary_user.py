"""Runs programs in the jail for whoever starts this: JSON from stdin, JSON to stdout."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from rlframework.rewards.code import BubblewrapSandbox, Limits, SandboxUnavailableError


def main() -> None:
    """Try the jail out, then run each program in it, and print what came of it."""
    asked = json.load(sys.stdin)
    jail = BubblewrapSandbox(Limits(**asked["limits"]))
    try:
        jail.probe()
    except SandboxUnavailableError as error:
        print(json.dumps({"unavailable": str(error)}))
        return
    with ThreadPoolExecutor(4) as threads:
        outputs = list(threads.map(lambda program: asdict(next(jail.run(program, [{"stdin": ""}]))), asked["programs"]))
    for output in outputs:
        output["output"] = output["output"].decode(errors="replace")
    print(json.dumps({"uid": os.geteuid(), "outputs": outputs}))


if __name__ == "__main__":
    main()
