"""What is relied on in Unsloth's code for a GPU, read where none is: its sources, and its signatures in a process."""

from __future__ import annotations

import ast
import importlib.util
import json
from functools import cache
from pathlib import Path

import pytest

from tests.unsloth.test_behaviour import with_unsloth

pytestmark = pytest.mark.unsloth

LOAD = {
    "model_name",
    "max_seq_length",
    "dtype",
    "load_in_4bit",
    "full_finetuning",
    "use_gradient_checkpointing",
    "fast_inference",
    "gpu_memory_utilization",
    "random_state",
    "max_lora_rank",
}
ADAPT = {"r", "target_modules", "lora_alpha", "lora_dropout", "bias", "use_rslora", "random_state"}
ADAPT |= {"use_gradient_checkpointing"}
FUNCTIONS = [
    ("unsloth/models/loader.py", "FastLanguageModel.from_pretrained", LOAD),
    ("unsloth/models/llama.py", "FastLlamaModel.get_peft_model", ADAPT),
    ("unsloth/models/llama.py", "FastLlamaModel.for_inference", {"model"}),
    ("unsloth/models/llama.py", "FastLlamaModel.for_training", {"model", "use_gradient_checkpointing"}),
    ("unsloth/save.py", "unsloth_save_pretrained_merged", {"save_directory", "tokenizer", "save_method"}),
    ("unsloth/save.py", "unsloth_save_pretrained_gguf", {"save_directory", "tokenizer", "quantization_method"}),
    ("unsloth_zoo/vllm_utils.py", "load_lora", {"model", "save_directory", "load_tensors"}),
    (
        "unsloth_zoo/cpu/loader.py",
        "FastCPUModel.from_pretrained",
        LOAD - {"gpu_memory_utilization", "max_lora_rank", "random_state"},
    ),
    ("unsloth_zoo/cpu/loader.py", "FastCPUModel.get_peft_model", ADAPT),
    ("unsloth_zoo/cpu/loader.py", "save_pretrained_gguf", {"save_directory", "tokenizer", "quantization_method"}),
]


@cache
def tree(path: str) -> ast.Module:
    package, _, rest = path.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse((Path(spec.origin).parent / rest).read_text())


def find(path: str, name: str) -> ast.FunctionDef:
    place: ast.AST = tree(path)
    for part in name.split("."):
        kinds = (ast.ClassDef, ast.FunctionDef)
        # The last definition of a name is the one that counts.
        place = [node for node in ast.iter_child_nodes(place) if isinstance(node, kinds) and node.name == part][-1]
    assert isinstance(place, ast.FunctionDef)
    return place


def source(path: str, name: str) -> str:
    """Return the code of a function, written one way: without comments, with one kind of quotes."""
    return ast.unparse(find(path, name))


@pytest.mark.parametrize(("path", "name", "parameters"), FUNCTIONS)
def test_the_parameters_are_there(path: str, name: str, parameters: set[str]) -> None:
    arguments = find(path, name).args
    assert parameters <= {argument.arg for argument in [*arguments.args, *arguments.kwonlyargs]}


@pytest.mark.parametrize(
    ("path", "name", "line"),
    [
        # Why rows are right-padded: in training the mask is dropped, or made a dense one ...
        ("unsloth/models/llama.py", "LlamaModel_fast_forward", "elif self.training and"),
        ("unsloth/models/llama.py", "LlamaModel_fast_forward", "attention_mask = None\n"),
        # ... why their number of columns is asked for, and not which: a tensor is taken as "all of them".
        ("unsloth/models/llama.py", "CausalLM_fast_forward", "isinstance(logits_to_keep, torch.Tensor)"),
        # Why no row may be longer than max_seq_length: it would be cut.
        ("unsloth/models/llama.py", "LlamaModel_fast_forward", "input_ids = input_ids[:, :self.max_seq_length]"),
        # Why gradient checkpointing is put back by us: generate does so for a model in training mode only.
        ("unsloth/models/llama.py", "unsloth_fast_generate", "FastLlamaModel.for_inference(self)"),
        ("unsloth/models/llama.py", "unsloth_fast_generate", "if restore_training_mode:"),
        ("unsloth/models/llama.py", "FastLlamaModel.for_inference", "gradient_checkpointing = False"),
        # What the engine is, and that it tells the log-probabilities of what it samples.
        (
            "unsloth/models/llama.py",
            "FastLlamaModel.from_pretrained",
            "model.fast_generate = model.vllm_engine.generate",
        ),
        (
            "unsloth/models/_utils.py",
            "patch_peft_fast_inference",
            "model.load_lora = functools.partial(load_lora, model)",
        ),
        ("unsloth/models/_utils.py", "patch_peft_fast_inference", "model.vllm_engine = model.model.vllm_engine"),
        (
            "unsloth_zoo/vllm_utils.py",
            "load_vllm",
            "logprobs_mode='processed_logprobs' if training else 'raw_logprobs'",
        ),
        ("unsloth_zoo/vllm_utils.py", "load_vllm", "training: bool=True"),
        ("unsloth_zoo/vllm_utils.py", "load_vllm", "max_logprobs: int=0"),
        # Why the variable is refused.
        (
            "unsloth/models/llama.py",
            "CausalLM_fast_forward",
            "os.environ.get('UNSLOTH_RETURN_HIDDEN_STATES', '0') == '1'",
        ),
    ],
)
def test_the_code_still_does_what_is_built_upon(path: str, name: str, line: str) -> None:
    assert line in source(path, name)


PROGRAM = """
import unsloth, inspect, json, sys
from unsloth import FastLanguageModel
from unsloth.models.llama import FastLlamaModel
names = {"from_pretrained": FastLanguageModel, "get_peft_model": FastLlamaModel, "for_inference": FastLanguageModel,
         "for_training": FastLanguageModel}
json.dump({name: list(inspect.signature(getattr(owner, name)).parameters) for name, owner in names.items()},
          open(sys.argv[1], "w"))
"""


def test_the_signatures_of_the_code_for_a_gpu(tmp_path: Path) -> None:
    done = with_unsloth(tmp_path, "-c", PROGRAM, tmp_path / "found.json", UNSLOTH_ALLOW_CPU="1")
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found["from_pretrained"]) >= LOAD
    assert set(found["get_peft_model"]) >= ADAPT
    assert found["for_inference"] == ["model"]
    assert found["for_training"] == ["model", "use_gradient_checkpointing"]
