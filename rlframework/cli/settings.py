"""Settings of a command line: its YAML files and options as one tree in which each value knows its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_CLASS = ("class_path", "init_args", "dict_kwargs")


class Refused(SystemExit):
    """Raised when a command cannot be carried out as it was given: exit status 2, after a message of few lines.

    Args:
        message: What is wrong and the way out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(2)
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass
class Setting:
    """A value of a YAML file or of the command line, and where it stands.

    Args:
        value: A mapping of settings, a list of settings, or a plain value.
        place: Such as ``"mine.yaml, line 12"``.

    Example:
        >>> tree = read_settings(["--trainer.max_steps=3", "--model", "GRPO", "--model.clip_low", "0.1"])
        >>> tree.value["trainer"].value["max_steps"]
        Setting(value=3, place='the command line')
        >>> tree.plain()["model"]
        {'class_path': 'GRPO', 'init_args': {'clip_low': 0.1}}
    """

    value: Any
    place: str

    def plain(self) -> Any:
        """Return the value without the places."""
        if isinstance(self.value, dict):
            return {key: one.plain() for key, one in self.value.items()}
        return [one.plain() for one in self.value] if isinstance(self.value, list) else self.value

    def merge(self, other: Setting) -> None:
        """Take in what stands later, which wins where both say something."""
        if not (isinstance(self.value, dict) and isinstance(other.value, dict)):
            self.value, self.place = other.value, other.place
            return
        for key, one in other.value.items():
            if key in self.value:
                self.value[key].merge(one)
            else:
                self.value[key] = one

    def put(self, words: Sequence[str], setting: Setting) -> None:
        """Set what an option such as ``--model.policy.lora`` names, where ``init_args`` is understood."""
        if isinstance(self.value, dict) and "class_path" in self.value:
            if not words and isinstance(setting.value, str):
                words = ("class_path",)
            elif words and words[0] not in _CLASS:
                words = ("init_args", *words)
        if not words:
            return self.merge(setting)
        if isinstance(self.value, list) and self.value:
            return self.value[-1].put(words, setting)  # as of the callback that was named last
        if isinstance(self.value, str):
            self.value = {"class_path": Setting(self.value, self.place)}
            return self.put(words, setting)
        if self.value is None:
            self.value = {}
        if isinstance(self.value, dict) and words[0].endswith("+"):
            several = self.value.setdefault(words[0][:-1], Setting([], setting.place))
            several.value = several.value if isinstance(several.value, list) else []
            several.value.append(setting)
        elif isinstance(self.value, dict):
            self.value.setdefault(words[0], Setting(None, setting.place)).put(words[1:], setting)
        return None


def read_settings(arguments: Sequence[str]) -> Setting:
    """Read what a command line sets, in its order.

    Args:
        arguments: After the name of the command.

    Raises:
        Refused: A file is not there, is no YAML, or names a key twice, of which YAML would keep the last in silence.
    """
    tree = Setting({}, "the command line")
    for option, value in _options(arguments):
        if option in ("-c", "--config"):
            if value is None:
                raise Refused(f"{option} names no file; give one, such as {option} mine.yaml")
            tree.merge(read_file(value))
        elif option.startswith("--"):
            tree.put(
                option.removeprefix("--").split("."),
                Setting(True if value is None else _scalar(value), "the command line"),
            )
    return tree


def read_file(path: str) -> Setting:
    """Read a YAML file with the line of every value.

    Args:
        path: Of the file.

    Raises:
        Refused: As `read_settings`.
    """
    try:
        node = yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise Refused(f"--config {path}: {why} (looked for in {Path.cwd()})") from None
    except UnicodeDecodeError as error:
        raise Refused(f"--config {path} is no UTF-8 ({error}); save it as such") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise Refused(
            f"{path}{line}: this is no YAML: {getattr(error, 'problem', error)}; look at the indents, and put a text "
            "that holds ': ' or '#' into quotes"
        ) from None
    if node is None:
        return Setting({}, path)
    tree = _with_places(node, path, yaml.SafeLoader(""))
    if not isinstance(tree.value, dict):
        raise Refused(f"{path}, line 1: expected 'model:', 'data:' and 'trainer:', got {str(tree.plain())[:60]!r}")
    return tree


def _with_places(node: yaml.Node, path: str, loader: yaml.SafeLoader) -> Setting:
    place = f"{path}, line {node.start_mark.line + 1}"
    if isinstance(node, yaml.SequenceNode):
        return Setting([_with_places(one, path, loader) for one in node.value], place)
    if not isinstance(node, yaml.MappingNode):
        return Setting(loader.construct_object(node), place)
    lines: dict[Any, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in lines and key.tag != "tag:yaml.org,2002:merge":
            raise Refused(
                f"{path}, line {line}: {key.value!r} stands in line {lines[key.value]} already, and only one of them "
                "would count; remove one, or give it a name of its own"
            )
        lines[key.value] = line
    loader.flatten_mapping(node)
    items: dict[str, Setting] = {}
    for key, one in node.value:
        # A key and the place it stands at; a mapping or list below it begins a line later.
        items[str(key.value)] = Setting(
            _with_places(one, path, loader).value, f"{path}, line {key.start_mark.line + 1}"
        )
    return Setting(items, place)


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield options with their values, which follow a blank or an equals sign; None for an option that stands alone."""
    pending = ""
    for word in arguments:
        if word.startswith("-") and not _is_number(word):
            if pending:
                yield pending, None
            pending, equals, value = word.partition("=")
            if equals:
                yield pending, value
                pending = ""
        elif pending:
            yield pending, word
            pending = ""
    if pending:
        yield pending, None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _scalar(text: str) -> Any:
    try:
        return _unplaced(yaml.safe_load(text))
    except yaml.YAMLError:
        return text


def _unplaced(value: Any) -> Any:
    """Return what an option gives, with the command line as the place of all that is in it."""
    if isinstance(value, dict):
        return {str(key): Setting(_unplaced(one), "the command line") for key, one in value.items()}
    return [Setting(_unplaced(one), "the command line") for one in value] if isinstance(value, list) else value
