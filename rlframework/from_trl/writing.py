"""Files of a conversion: the YAML file with what it lacks at its head, and the module with rewards and classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

import yaml

from rlframework.from_trl.conversion import Converted

_WIDTH = 118


def yaml_text(converted: Converted, source: str, command: str) -> str:
    """Return the YAML file: comments that say what is missing and what is different, then the settings.

    Args:
        converted: The conversion.
        source: Name of the file that was read.
        command: That starts the run.

    Example:
        >>> print(yaml_text(Converted({"seed_everything": 42}, "", [], []), "train.py", "rlframework fit -c run.yaml"))
        # From train.py, by rlframework from-trl. To train:  rlframework fit -c run.yaml
        #
        # Completions differ from those of TRL even with the same settings, because the random numbers differ.
        seed_everything: 42
        <BLANKLINE>
    """
    lines = [f"From {source}, by rlframework from-trl. To train:  {command}", "", *report(converted)]
    head = "\n".join(f"# {line}".rstrip() for line in lines)
    body = yaml.dump(converted.tree, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return f"{head}\n{body}"


def report(converted: Converted) -> Iterator[str]:
    """Yield the lines that say what was not carried over and what is different.

    Args:
        converted: The conversion.
    """
    if converted.missed:
        yield f"Not carried over ({len(converted.missed)}):"
        for one in converted.missed:
            yield from _entry(f"{one.place}: {one.what}" if one.place else one.what, one.way_out)
        yield ""
    if converted.different:
        yield f"Different here ({len(converted.different)}):"
        for text in converted.different:
            yield from _entry(text)
        yield ""
    yield "Completions differ from those of TRL even with the same settings, because the random numbers differ."


def write(path: Path, text: str, module: str, code: str) -> list[Path]:
    """Write the YAML file, and the module if there is one; return what was written.

    Args:
        path: Of the YAML file.
        text: Of the YAML file.
        module: Name of the module, which is written into the same folder.
        code: Of the module; empty if none is needed.

    Raises:
        FileExistsError: One of them is there.
    """
    files = {path: text} | ({path.with_name(f"{module}.py"): code} if code else {})
    for file in files:
        if file.exists():
            raise FileExistsError(f"{file} is there already; name another file (-o), or remove it")
    for file, content in files.items():
        file.write_text(content, encoding="utf-8")
    return list(files)


def _entry(text: str, way_out: str = "") -> Iterator[str]:
    yield from wrap(text, _WIDTH - 2, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
    if way_out:
        yield from (f"      {line}" for line in wrap(way_out, _WIDTH - 8, break_long_words=False))


class _Dumper(yaml.SafeDumper):
    """Writes numbers so that YAML reads them as numbers: ``1.0e-06``, where PyYAML writes ``1e-06``, a text."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _number)
