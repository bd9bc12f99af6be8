"""Every public name and the arguments that it takes, as they are promised: a change has to be made here on purpose.

``RLFRAMEWORK_WRITE_NAMES=1 pytest tests/test_public_names.py`` writes the list anew.
"""

import importlib
import inspect
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_name("public_names.json")
ROOMS = (
    *("algorithms", "callbacks", "callbacks.sentinels", "data", "environments", "loggers", "metrics", "policies"),
    *("replay", "report", "rewards", "rewards.code", "rewards.logic", "rewards.math", "run_report", "runs"),
    *("samplers", "samplers.vllm", "tasks", "terms", "testing"),
    *("functional.advantages", "functional.confidence", "functional.divergences", "functional.logprobs"),
    *("functional.maj_at_k", "functional.pass_at_k"),
    *("functional.ratios", "functional.sampling", "functional.surrogates", "functional.weights"),
)
PACKAGES = ["rlframework", *(f"rlframework.{room}" for room in ROOMS)]


def public(package: str) -> list[str]:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None)
    own = (n for n, v in vars(module).items() if getattr(v, "__module__", "") == package)
    return sorted(names or [n for n in own if not n.startswith("_")])


def arguments(value: Callable[..., Any]) -> list[str]:
    """Return ``name=default`` of every argument; what a constructor hands on is looked up where it goes."""
    bases = value.__mro__ if inspect.isclass(value) else ()
    inits = [vars(base)["__init__"] for base in bases if "__init__" in vars(base)] or [value]
    found: dict[str, str] = {}
    for init in inits:
        try:
            parameters = list(inspect.signature(init).parameters.values())
        except (TypeError, ValueError):
            break
        for one in parameters[inspect.isclass(value) :]:
            if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
                default = "" if one.default is one.empty else f"={shown(one.default)}"
                found.setdefault(one.name, one.name + default)
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return sorted(found.values())


def shown(default: Any) -> str:
    """Return a default as it is written; a module, class or function by its name alone, wherever it lies."""
    return getattr(default, "__name__", None) or re.sub(r"<[\w.]*?(\w+) object at \w+>", r"\1()", repr(default))


def promised() -> dict[str, list[str] | None]:
    names = {}
    for package in PACKAGES:
        for name in public(package):
            value = getattr(importlib.import_module(package), name)
            names[f"{package}.{name}"] = arguments(value) if callable(value) else None
    return names


def test_names_and_arguments_are_those_that_are_promised() -> None:
    now = promised()
    if os.environ.get("RLFRAMEWORK_WRITE_NAMES"):
        lines = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(taken, ensure_ascii=False)}" for name, taken in now.items()
        )
        LIST.write_text(f"{{\n{lines}\n}}\n")
    then = json.loads(LIST.read_text())
    assert sorted(now) == sorted(then)
    assert {name: now[name] for name in then if now[name] != then[name]} == {}
