"""Scripts of TRL, read without running them: the trainer and its configuration, the model, the rewards and the data."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlframework.from_trl.arguments import ARGUMENTS, OLDER, VERSION, where_it_is_set
from rlframework.from_trl.bindings import Bindings, Scope, UnreadableError, shown
from rlframework.from_trl.found import FoundReward, NotReadError, Read, Rows, TrainerKind, TRLRun

KINDS: dict[str, TrainerKind] = {"GRPOTrainer": "grpo", "RLOOTrainer": "rloo"}
_POSITIONS = ("model", "reward_funcs", "args", "train_dataset", "eval_dataset", "processing_class")
_PARTS = {
    "callbacks": "make it a callback of Lightning (docs/write_your_own/callback.md), and name it in trainer.callbacks",
    "optimizers": "override configure_optimizers of the algorithm, as in any LightningModule",
    "tools": "EpisodeSampler with a Toolbox, and data.tools (docs/tool_use.md)",
    "rollout_func": "a subclass of GroupSampler (docs/write_your_own/sampler.md)",
    "environment_factory": "a subclass of Environment (docs/write_your_own/environment.md) with EpisodeSampler",
    "reward_processing_classes": "the reward model has its own tokenizer (docs/write_your_own/reward.md)",
}
_ROWS_OF_FILES = {"from_json": "json", "from_csv": "csv", "from_parquet": "parquet"}
_TO_A_FILE = (
    'write the rows to a file: put DATASET.to_json("{file}") before the trainer and run the script so far; the YAML '
    "file names {file}"
)
_OF_NO_USE = {"device_map", "low_cpu_mem_usage", "use_cache", "padding_side", "torch_dtype", "dtype", "task_type"}


def read_script(path: Path) -> TRLRun:
    """Read a script that trains with `GRPOTrainer` or `RLOOTrainer`; none of it is run.

    Args:
        path: Of the script.

    Raises:
        NotReadError: It is no Python, or has not exactly one such trainer.
    """
    try:
        with tokenize.open(path) as file:  # in the encoding that it names, as Python reads it
            text = file.read()
        tree = ast.parse(text, str(path))
        return _Reader(path.name, text, Bindings(tree)).run()
    except SyntaxError as error:
        place = f"{path}, line {error.lineno}" if error.lineno else path
        raise NotReadError(f"{place}: this is no Python: {error.msg}") from error
    except RecursionError as error:
        raise NotReadError(f"{path}: an expression is nested too deeply to be read") from error


class _Reader:
    """The reading of one script.

    Args:
        name: Of the file.
        text: Of the file.
        names: Its bindings.
    """

    def __init__(self, name: str, text: str, names: Bindings) -> None:
        self.name = name
        self.lines = text.splitlines()
        self.names = names
        self.copied: dict[int, str] = {}

    def run(self) -> TRLRun:
        """Return what the script says of its run."""
        call, kind = self._trainer()
        self.found = TRLRun(kind, self.name)
        scope = self.names.scopes[call]
        arguments = dict(self._arguments(call, scope, _POSITIONS, "the trainer"))
        self._settings(arguments.get("args"), scope)
        self._model(arguments.get("model"), scope)
        self._adapter(arguments.get("peft_config"), scope)
        self._quantization(arguments.get("quantization_config"), scope)
        self._tokenizer(arguments.get("processing_class"), scope)
        self._rewards(arguments.get("reward_funcs"), scope)
        self.found.train = self._rows(arguments.get("train_dataset"), scope, "train_dataset", "train.jsonl")
        if "eval_dataset" in arguments:
            self.found.validation = self._rows(arguments["eval_dataset"], scope, "eval_dataset", "heldout.jsonl")
        for name, node in arguments.items():
            if name in _PARTS and not _is_nothing(node):
                self._miss(node, f"{name}={shown(node)}", _PARTS[name])
        self._afterwards(call)
        self.found.code[:0] = [self.copied[line] for line in sorted(self.copied)]
        return self.found

    def _trainer(self) -> tuple[ast.Call, TrainerKind]:
        found = [(call, kind) for call in self.names.calls() if (kind := self._kind_of(call)) is not None]
        if len(found) == 1 and found[0][0] in self.names.scopes:
            return found[0]
        if len(found) == 1:
            raise NotReadError(f"{self.name}, line {found[0][0].lineno}: a trainer made inside a class is not read")
        lines = ", ".join(str(call.lineno) for call, _ in found)
        raise NotReadError(
            f"{self.name}: expected one GRPOTrainer(...) or RLOOTrainer(...) of trl, found "
            + (f"{len(found)}, in the lines {lines}; leave one in a copy of the script" if found else "none")
        )

    def _kind_of(self, call: ast.Call) -> TrainerKind | None:
        """Return whose trainer a call makes, if it makes one."""
        return self._kind(call.func, self.names.scopes.get(call))

    def _kind(self, function: ast.AST, scope: Scope = None) -> TrainerKind | None:
        path = self.names.path(function, scope)
        if path.partition(".")[0] == "trl":
            return KINDS.get(path.rpartition(".")[2])
        for binding in self.names.all.get(function.id, ()) if isinstance(function, ast.Name) else ():
            if isinstance(binding.value, ast.ClassDef):
                return next(filter(None, map(self._kind, binding.value.bases)), None)
        return None

    def _settings(self, node: ast.AST | None, scope: Scope) -> None:
        """Read the configuration: the ``args`` of the trainer."""
        if node is None:
            return
        try:
            call, scope = self.names.expression(node, scope)
            path = self.names.path(call.func, scope) if isinstance(call, ast.Call) else ""
            if not isinstance(call, ast.Call) or not path.endswith(("GRPOConfig", "RLOOConfig")):
                raise UnreadableError(f"{shown(call)} is not GRPOConfig(...) or RLOOConfig(...)")
        except UnreadableError as why:
            self._miss(
                node,
                f"args={shown(node)}",
                f"{why}: nothing of the configuration was read, and TRL's defaults stand for it. Where it comes from a "
                "file, give that file: rlframework from-trl config.yaml",
            )
            return
        for name, value in self._arguments(call, scope, ("output_dir",), "the configuration"):
            self._setting(name, value, scope)
        for line, name, value in self._changes(node):
            self.found.settings.pop(name, None)
            self._unread(line, name, value, "it is set after the configuration was made")

    def _setting(self, name: str, node: ast.AST, scope: Scope) -> None:
        if name not in ARGUMENTS and name not in OLDER:
            self._miss(node, f"{name}={shown(node)}", f"no argument of GRPOConfig or RLOOConfig of TRL {VERSION}")
            return
        try:
            self.found.settings[name] = Read(self.names.value(node, scope), self._place(node))
        except UnreadableError as why:
            self._unread(node, name, node, str(why))

    def _unread(self, place: ast.AST, name: str, value: ast.AST, why: str) -> None:
        self.found.unread.add(name)
        self._miss(
            place,
            f"{name}={shown(value)}",
            f"{why}; the YAML file has TRL's default. Set {where_it_is_set(name)}",
        )

    def _model(self, node: ast.AST | None, scope: Scope) -> None:
        way_out = "give model.policy.model a folder or a hub name"
        if node is None:
            return self.found.miss("", "the trainer has no model=", way_out)
        try:
            made, scope = self.names.expression(node, scope)
            if isinstance(made, ast.Call) and self.names.path(made.func, scope) == "peft.get_peft_model":
                arguments = dict(self._arguments(made, scope, ("model", "peft_config"), "get_peft_model"))
                self._adapter(arguments.get("peft_config"), scope)
                return self._model(arguments.get("model"), scope)
            if not isinstance(made, ast.Call):
                value = self.names.value(made, scope)
                if not isinstance(value, str):
                    raise UnreadableError(f"{shown(made)} is no folder and no hub name")
                self.found.model = value
                return None
            self._loaded(made, scope)
        except UnreadableError as why:
            self._miss(node, f"model={shown(node)}", f"{why}; {way_out}")
        return None

    def _loaded(self, call: ast.Call, scope: Scope) -> None:
        """Read a model that is made by ``from_pretrained``."""
        path = self.names.path(call.func, scope)
        if "unsloth" in path:
            raise UnreadableError("the model is Unsloth's, which is UnslothPolicy here (docs/from_unsloth.md)")
        if not path.startswith("transformers.") or not path.endswith("CausalLM.from_pretrained"):
            raise UnreadableError(f"{shown(call.func)}(...) is not AutoModelForCausalLM.from_pretrained(...)")
        arguments = dict(self._arguments(call, scope, ("pretrained_model_name_or_path",), "from_pretrained"))
        name = arguments.pop("pretrained_model_name_or_path", None)
        if name is None:
            raise UnreadableError("from_pretrained has no name")
        self.found.model = self.names.value(name, scope)
        given = arguments.get("dtype", arguments.get("torch_dtype"))
        self.found.dtype = "auto" if given is None else self.names.value(given, scope)
        self._quantization(arguments.pop("quantization_config", None), scope)
        for key, value in arguments.items():
            if key not in _OF_NO_USE:
                self._miss(
                    value,
                    f"{key}={shown(value)} of from_pretrained",
                    "load the model in Python, with this, and give the object: CausalLMPolicy(model, tokenizer)",
                )

    def _adapter(self, node: ast.AST | None, scope: Scope) -> None:
        if node is None or _is_nothing(node):
            return
        try:
            call, scope = self.names.expression(node, scope)
            path = self.names.path(call.func, scope) if isinstance(call, ast.Call) else ""
            if not isinstance(call, ast.Call) or not path.startswith("peft.") or not path.endswith("Config"):
                raise UnreadableError(f"{shown(call)} is no configuration of PEFT")
        except UnreadableError as why:
            self._miss(node, f"peft_config={shown(node)}", f"{why}; set model.policy.lora")
            return
        settings = self._values(call, scope, "model.policy.lora")
        self.found.lora = {"class_path": f"peft.{path.rpartition('.')[2]}", "init_args": settings}

    def _quantization(self, node: ast.AST | None, scope: Scope) -> None:
        if node is None or _is_nothing(node):
            return
        try:
            call, scope = self.names.expression(node, scope)
            if not isinstance(call, ast.Call) or not self.names.path(call.func, scope).endswith("BitsAndBytesConfig"):
                raise UnreadableError(f"{shown(call)} is no BitsAndBytesConfig")
            self.found.quantization = self._values(call, scope, "model.policy.quantization")
        except UnreadableError as why:
            self._miss(node, f"quantization_config={shown(node)}", f"{why}; set model.policy.quantization")

    def _values(self, call: ast.Call, scope: Scope, ours: str) -> dict[str, Any]:
        """Return the arguments of a call that could be read."""
        values: dict[str, Any] = {}
        for name, node in self._arguments(call, scope, (), shown(call.func)):
            try:
                if name not in _OF_NO_USE:
                    values[name] = self.names.value(node, scope)
            except UnreadableError as why:
                self._miss(node, f"{name}={shown(node)}", f"{why}; set {ours}.{name}")
        return values

    def _tokenizer(self, node: ast.AST | None, scope: Scope) -> None:
        if node is None or _is_nothing(node):
            return
        try:
            call, inside = self.names.expression(node, scope)
            path = self.names.path(call.func, inside) if isinstance(call, ast.Call) else ""
            if not isinstance(call, ast.Call) or not path.endswith("Tokenizer.from_pretrained"):
                raise UnreadableError(f"{shown(call)} is not AutoTokenizer.from_pretrained(...)")
            arguments = dict(self._arguments(call, inside, ("name",), "from_pretrained"))
            named = arguments.get("name", arguments.get("pretrained_model_name_or_path"))
            tokenizer = self.names.value(named, inside) if named is not None else None
            # The model's own is the default.
            self.found.tokenizer = None if tokenizer == self.found.model else tokenizer
        except UnreadableError as why:
            self._miss(node, f"processing_class={shown(node)}", f"{why}; set model.policy.tokenizer")
            return
        for line, name, value in self._changes(node):
            if name not in ("pad_token", "pad_token_id", "padding_side"):
                self._miss(
                    line,
                    f"{shown(node)}.{name} = {shown(value)}",
                    "save the tokenizer as the script makes it (save_pretrained), and name the folder: "
                    "model.policy.tokenizer",
                )

    def _rewards(self, node: ast.AST | None, scope: Scope) -> None:
        if node is None:
            return self.found.miss_reward("", "the trainer has no reward_funcs=", "set model.reward")
        try:
            several, inside = self.names.expression(node, scope)
            elements: Sequence[ast.AST] = [node]
            if isinstance(several, (ast.List, ast.Tuple)):
                elements, scope = several.elts, inside
        except UnreadableError as why:
            place = self._place(node)
            return self.found.miss_reward(place, f"reward_funcs={shown(node)}", f"{why}; set model.reward")
        if isinstance(node, ast.Name) and node.id in self.names.changed:
            self._miss(node, f"reward_funcs={node.id}", "the list is changed in the script; set model.reward")
        for number, one in enumerate(elements):
            try:
                reward = self._reward(one, scope, number)
            except UnreadableError as why:
                self.found.miss_reward(self._place(one), f"reward {shown(one)}", str(why))
                continue
            names = [other.name for other in self.found.rewards]
            self.found.rewards.append(
                replace(reward, name=f"{reward.name}_{number}") if reward.name in names else reward
            )
        return None

    def _reward(self, node: ast.AST, scope: Scope, number: int) -> FoundReward:
        path = self.names.path(node, scope)
        if path.startswith("."):
            raise UnreadableError(f"{shown(node)} is imported from a place relative to the script")
        if path:
            return FoundReward(path.rpartition(".")[2], path)
        made, inside = self.names.expression(node, scope)
        if isinstance(made, ast.Constant) and isinstance(made.value, str):
            raise UnreadableError(
                f"{made.value!r} is a reward model; here one is a RewardModel of yours that loads it "
                "(docs/write_your_own/reward.md)"
            )
        if isinstance(made, ast.Call) and self.names.path(made.func, inside).endswith("get_soft_overlong_punishment"):
            given = dict(self._arguments(made, inside, ("max_completion_len", "soft_punish_cache"), "the reward"))
            values = {name: self.names.value(value, inside) for name, value in given.items()}
            return FoundReward(
                "soft_overlong",
                soft_overlong={"max_tokens": values["max_completion_len"], "margin": values["soft_punish_cache"]},
            )
        if isinstance(made, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._copy(made)
            return FoundReward(made.name, f".{made.name}")
        name = node.id if isinstance(node, ast.Name) else f"reward_{number}"
        if inside is not None:
            raise UnreadableError(f"{shown(node)} is made inside a function")
        self._copy(made, f"{name} = {ast.unparse(made)}")
        return FoundReward(name, f".{name}")

    def _copy(self, node: ast.AST, text: str | None = None) -> None:
        """Take a definition over into the module that is written, with all that it needs.

        Raises:
            UnreadableError: It needs a part of the training.
        """
        needed = self.names.statements_behind(node)
        for statement in needed:
            inner = [call for call in ast.walk(statement) if isinstance(call, ast.Call)]
            if any(self._kind_of(call) or self._is_config(call) for call in inner) and not isinstance(
                statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            ):
                raise UnreadableError(f"it needs what line {statement.lineno} makes, a part of the training")
        for statement in [*needed, *([node] if isinstance(node, ast.stmt) else [])]:
            self.copied[statement.lineno] = self._source(statement)
        if text is not None:
            # Behind all that it needs.
            self.copied[max([len(self.lines), *self.copied]) + 1] = text
        for statement in self.names.tree.body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                self.copied[0] = self._source(statement)

    def _is_config(self, call: ast.Call) -> bool:
        return self.names.path(call.func, self.names.scopes.get(call)).endswith(("GRPOConfig", "RLOOConfig"))

    def _source(self, statement: ast.stmt) -> str:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(one.lineno for one in decorators)])
        lines = self.lines[first - 1 : statement.end_lineno]
        indent = len(lines[0]) - len(lines[0].lstrip())
        return "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines)

    def _rows(self, node: ast.AST | None, scope: Scope, name: str, file: str) -> Rows | None:
        if node is None or _is_nothing(node):
            if name == "train_dataset":
                self.found.miss("", "the trainer has no train_dataset=", _TO_A_FILE.format(file=file))
            return None
        try:
            return self._loaded_rows(node, scope)[0]
        except UnreadableError as why:
            self._miss(node, f"{name}={shown(node)}", f"{why}; {_TO_A_FILE.format(file=file)}")
            return Rows("json", options={"data_files": file})

    def _loaded_rows(self, node: ast.AST, scope: Scope) -> tuple[Rows, bool]:
        """Return the rows that an expression loads, and whether it has shuffled them."""
        node, scope = self.names.expression(node, scope)
        if isinstance(node, ast.Subscript):
            call, scope = self.names.expression(node.value, scope)
            if isinstance(call, ast.Call) and self._loads(call, scope):
                return self._of_call(call, scope, self.names.value(node.slice, scope)), False
        if not isinstance(node, ast.Call):
            raise UnreadableError(f"{shown(node)} is known only while the script runs")
        if self._loads(node, scope):
            return self._of_call(node, scope, None), False
        if not isinstance(node.func, ast.Attribute):
            raise UnreadableError(f"{shown(node)} is known only while the script runs")
        method, owner = node.func.attr, self.names.path(node.func.value, scope)
        if owner == "datasets.Dataset" and method in _ROWS_OF_FILES and len(node.args) == 1:
            files = self.names.value(node.args[0], scope)
            return Rows(_ROWS_OF_FILES[method], options={"data_files": files}), False
        if owner:
            raise UnreadableError(f"{shown(node.func)}(...) makes the rows in the script")
        rows, shuffled = self._loaded_rows(node.func.value, scope)
        if method == "shuffle":
            return rows, True
        if method == "select" and not shuffled and (count := self._first(node, scope)) and "[" not in rows.split:
            return replace(rows, split=f"{rows.split}[:{count}]"), False
        if method == "rename_column" and [self.names.value(one, scope) for one in node.args[1:]] == ["prompt"]:
            return replace(rows, prompt_column=self.names.value(node.args[0], scope)), shuffled
        raise UnreadableError(f".{method}(...) in line {node.end_lineno} changes the rows")

    def _loads(self, call: ast.Call, scope: Scope) -> bool:
        return self.names.path(call.func, scope) == "datasets.load_dataset"

    def _of_call(self, call: ast.Call, scope: Scope, split: str | None) -> Rows:
        arguments = dict(self._arguments(call, scope, ("path", "name"), "load_dataset"))
        values = {name: self.names.value(node, scope) for name, node in arguments.items()}
        path, config, own = values.pop("path"), values.pop("name", None), values.pop("split", None)
        if own is None and split is None:
            raise UnreadableError("load_dataset without split= is all splits; which one is used is not said")
        if not isinstance(own or split, str):
            raise UnreadableError(f"the split is no text: {own or split!r}")
        return Rows(path, (config,) if config else (), str(own or split), values)

    def _first(self, call: ast.Call, scope: Scope) -> int | None:
        """Return how many rows ``select(range(n))`` keeps; None of any other selection."""
        if len(call.args) != 1 or not isinstance(call.args[0], ast.Call):
            return None
        inner = call.args[0]
        if not isinstance(inner.func, ast.Name) or inner.func.id != "range" or len(inner.args) != 1:
            return None
        count = self.names.value(inner.args[0], scope)
        return count if isinstance(count, int) else None

    def _afterwards(self, call: ast.Call) -> None:
        """Look at what is done with the trainer, and at what its class overrides."""
        for statement in ast.walk(self.names.tree):
            if isinstance(statement, ast.ClassDef) and any(map(self._kind, statement.bases)):
                own = [one.name for one in statement.body if isinstance(one, ast.FunctionDef)]
                self._miss(
                    statement,
                    f"class {statement.name}, which overrides {', '.join(own) or 'nothing'}",
                    "override advantages, surrogate or token_weights of an algorithm "
                    "(docs/write_your_own/algorithm.md)",
                )
        for other in self.names.calls():
            if not (isinstance(other.func, ast.Attribute) and isinstance(other.func.value, ast.Name)):
                continue
            try:
                owner = self.names.expression(other.func.value, self.names.scopes.get(other))[0]
            except UnreadableError:
                continue
            if owner is not call:
                continue
            if other.func.attr == "save_model":
                self.found.saves_model = True
            elif other.func.attr == "add_callback":
                self._miss(other, shown(other), _PARTS["callbacks"])
            elif other.func.attr == "push_to_hub":
                self._miss(other, shown(other), ARGUMENTS["push_to_hub"].note)
            elif other.func.attr == "train" and (other.args or other.keywords):
                self._miss(other, shown(other), "checkpoints of TRL cannot be resumed; a saved model can be loaded")

    def _changes(self, node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
        """Yield the attributes of a name that the script sets: the line, the attribute and what it is set to."""
        for statement in ast.walk(self.names.tree):
            if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)) or statement.value is None:
                continue
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == ast.unparse(node):
                    yield statement, target.attr, statement.value

    def _arguments(
        self, call: ast.Call, scope: Scope, positions: Sequence[str], of: str
    ) -> Iterator[tuple[str, ast.AST]]:
        """Yield the arguments of a call by name, those of a dict that is spread among them."""
        for name, node in zip(positions, call.args, strict=False):
            yield name, node
        if len(call.args) > len(positions):
            self._miss(call, f"{shown(call)}", f"{of} has more arguments by position than can be told apart")
        for keyword in call.keywords:
            if keyword.arg is not None:
                yield keyword.arg, keyword.value
                continue
            try:
                values = self.names.value(keyword.value, scope)
                if not isinstance(values, dict):
                    raise UnreadableError(f"{shown(keyword.value)} is no dict")
            except UnreadableError as why:
                self._miss(
                    call, f"**{shown(keyword.value)} of {of}", f"{why}: any argument may be in it; look them up by hand"
                )
                continue
            for name, value in values.items():
                constant = ast.Constant(value) if not isinstance(value, (dict, list)) else _literal(value)
                yield str(name), ast.copy_location(constant, keyword.value)

    def _place(self, node: ast.AST) -> str:
        line = getattr(node, "lineno", None)
        return f"{self.name}, line {line}" if line else self.name

    def _miss(self, node: ast.AST, what: str, way_out: str) -> None:
        self.found.miss(self._place(node), what, way_out)


def _literal(value: Any) -> ast.expr:
    return ast.parse(repr(value), mode="eval").body


def _is_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
