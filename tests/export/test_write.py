"""What is exported is the policy that a run trained: from its checkpoint or its folder, adapter, whole and GGUF."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from pytorch_lightning.callbacks import ModelCheckpoint
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import rlframework.export.write
from rlframework import GRPO, CausalLMPolicy, SavePolicy
from rlframework.cli.commands import main
from rlframework.export.check import ExportError, Yardstick
from rlframework.export.write import export
from rlframework.testing import letter_tokenizer, tiny_policy
from rlframework.testing.tiny import tiny_qwen3
from tests.drawn import drawn
from tests.policies import tiny_gguf

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]
LORA = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny_policy().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def run(grpo: Make, fit: Fit, tmp_path: Path) -> Callable[..., CausalLMPolicy]:
    """Return a run that leaves ``run/last.ckpt`` and ``run/saved``, and gives its policy."""

    def train(policy: CausalLMPolicy, precision: str = "32-true", **options: Any) -> CausalLMPolicy:
        saver = ModelCheckpoint(tmp_path / "run", save_last=True)
        callbacks = [saver, SavePolicy(tmp_path / "run" / "saved")]
        fit(grpo(policy, **options), callbacks=callbacks, enable_checkpointing=True, prompts=4, precision=precision)
        return policy.eval()

    return train


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits.float()


def says(lines: list[str]) -> Callable[[str], None]:
    return lines.append


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.mark.parametrize("source", ["run/last.ckpt", "run/saved"])
@pytest.mark.parametrize("kl", drawn({"0.0": (0.0,), "0.1": (0.1,)}, {"0.1"}))
def test_a_trained_adapter(
    source: str, kl: float, base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path
) -> None:
    policy = run(CausalLMPolicy(base, lora=LORA), kl_coefficient=kl)  # with KL a reference adapter is in there
    lines: list[str] = []
    written = export(tmp_path / source, tmp_path / "out", say=says(lines))
    assert [(part.form, part.dtype) for part in written] == [("adapter", "float32"), ("merged", "float32")]
    assert lines[0].startswith("no GGUF: convert_hf_to_gguf.py")
    assert all(part.agreement.mean < 1e-5 < 0.01 < part.agreement.learned for part in written)

    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "merged")
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "out" / "adapter")
    for model in (merged, adapted):
        torch.testing.assert_close(logits(model), logits(policy.model), atol=1e-4, rtol=0)
    for folder in ("merged", "adapter"):
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out" / folder)
        assert tokenizer.get_vocab() == policy.tokenizer.get_vocab()
    assert export(tmp_path / "out" / "adapter", tmp_path / "again", say=says([]))[1].agreement.mean < 1e-5


@pytest.mark.parametrize("source", ["run/last.ckpt", "run/saved"])
def test_a_whole_model(source: str, base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path) -> None:
    policy = CausalLMPolicy(base)
    policy.model.generation_config.eos_token_id = [1, 7]
    run(policy)
    [written] = export(tmp_path / source, tmp_path / "out", say=says([]))
    exported = AutoModelForCausalLM.from_pretrained(written.path)
    assert torch.equal(logits(exported), logits(policy.model))
    assert exported.generation_config.eos_token_id == [1, 7]
    with pytest.raises(ValueError, match="there is no adapter to export"):
        export(tmp_path / source, tmp_path / "out", forms=["adapter"])
    with pytest.raises(ValueError, match="holds a whole model"):
        export(tmp_path / source, tmp_path / "out", base=str(base))


def test_half_precision_is_that_of_the_run_unless_another_is_asked_for(
    base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path
) -> None:
    run(CausalLMPolicy(base, lora=LORA, dtype="bfloat16"), precision="bf16-true")
    half = export(tmp_path / "run/last.ckpt", tmp_path / "out", forms=["merged"], say=says([]))[0]
    whole = export(tmp_path / "run/last.ckpt", tmp_path / "out", forms=["merged"], dtype="float32", say=says([]))[0]
    assert (half.dtype, whole.dtype) == ("bfloat16", "float32")
    assert whole.agreement.mean < 1e-5 < half.agreement.mean
    assert json.loads((whole.path / "config.json").read_text())["dtype"] == "float32"


def test_an_adapter_of_another_name(base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path) -> None:
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LORA, adapter_name="mine")
    policy = run(CausalLMPolicy(model, base))
    export(tmp_path / "run/last.ckpt", tmp_path / "out", say=says([]))
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "out" / "adapter")
    torch.testing.assert_close(logits(adapted), logits(policy.model), atol=1e-4, rtol=0)


@pytest.mark.parametrize("source", drawn(["run/last.ckpt", "run/saved"], ["run/saved"]))
def test_a_base_that_has_moved_is_named_and_another_one_refused(
    source: str, base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path
) -> None:
    run(CausalLMPolicy(base, lora=LORA))
    base.rename(tmp_path / "moved")
    with pytest.raises(OSError, match="base"):
        export(tmp_path / source, tmp_path / "out", say=says([]))
    written = export(tmp_path / source, tmp_path / "out", base=str(tmp_path / "moved"), say=says([]))
    settings = json.loads((written[0].path / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(tmp_path / "moved")
    tiny_policy(seed=1).save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="other is not the model that the adapter was trained on"):
        export(tmp_path / source, tmp_path / "out", base=str(tmp_path / "other"), say=says([]))


def test_what_was_made_in_memory_is_named(base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path) -> None:
    run(CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LORA))
    source = tmp_path / "run/last.ckpt"
    for named in ({}, {"base": str(base)}):
        with pytest.raises(ValueError, match="made its tokenizer in memory"):
            export(source, tmp_path / "out", **named)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="the model under it was made in memory"):
        export(source, tmp_path / "out", tokenizer=str(base))
    assert export(source, tmp_path / "out", tokenizer=str(base), base=str(base), say=says([]))


def test_an_adapter_that_says_nothing_of_its_base(base: Path, tmp_path: Path) -> None:
    CausalLMPolicy(base, lora=LORA).save_pretrained(tmp_path / "adapter")
    lines: list[str] = []
    export(tmp_path / "adapter", tmp_path / "out", forms=["merged"], say=says(lines))
    assert lines[0] == f"nothing says whether {base} is the model that the adapter was trained on"


def test_what_is_not_the_policy_is_not_left_there(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CausalLMPolicy(base, lora=LORA).save_pretrained(tmp_path / "adapter")
    export(tmp_path / "adapter", tmp_path / "out", forms=["merged"], say=says([]))
    before = (tmp_path / "out/merged/model.safetensors").read_bytes()
    with monkeypatch.context() as fault:
        fault.setattr(rlframework.export.write, "merged", lambda model, in_place: model.unload())
        with pytest.raises(ExportError, match=r"more than the 0\.0001 that rounding to float32 explains"):
            export(tmp_path / "adapter", tmp_path / "out", forms=["merged"], say=says([]))
    save = CausalLMPolicy.save_pretrained

    def with_a_fault(policy: CausalLMPolicy, folder: Path) -> None:
        kept = policy.model.model.layers[0].mlp.up_proj.weight
        kept.data = kept.data.neg()
        save(policy, folder)
        kept.data = kept.data.neg()

    monkeypatch.setattr(CausalLMPolicy, "save_pretrained", with_a_fault)
    for dtype in ("float32", "bfloat16"):
        with pytest.raises(ExportError, match="what is read back differs from what was written"):
            export(tmp_path / "adapter", tmp_path / "out", forms=["merged"], dtype=dtype, say=says([]))
    assert (tmp_path / "out/merged/model.safetensors").read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["merged"]


def test_another_tokenizer_is_noticed(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = CausalLMPolicy(base, lora=LORA)
    trained.save_pretrained(tmp_path / "adapter")
    save = type(trained.tokenizer).save_pretrained

    def other(tokenizer: Any, folder: Path) -> None:
        save(letter_tokenizer("zyxwvutsrqponmlkjihgfedcba9876543210"), folder)

    monkeypatch.setattr(type(trained.tokenizer), "save_pretrained", other)
    with pytest.raises(ExportError, match="the exported tokenizer reads '17"):
        export(tmp_path / "adapter", tmp_path / "out", forms=["merged"], say=says([]))


def test_rounding_that_takes_away_what_was_learned(base: Path, tmp_path: Path) -> None:
    policy = CausalLMPolicy(base, lora=LORA)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.mul_(1e-3)
    policy.save_pretrained(tmp_path / "adapter")
    export(tmp_path / "adapter", tmp_path / "out", forms=["merged"], say=says([]))
    with pytest.raises(ExportError, match=r"rounding to bfloat16 takes away \d+% of what was learned"):
        export(tmp_path / "adapter", tmp_path / "out", forms=["merged"], dtype="bfloat16", say=says([]))


CONVERTER = """
import shutil, sys
if {status}:
    sys.exit("ModuleNotFoundError: No module named 'sentencepiece'")
shutil.copy({file!r}, sys.argv[sys.argv.index("--outfile") + 1])
"""


@pytest.fixture
def converter(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of a converter that knows one file; the real one is tried in tests/real."""

    def make(file: Path, status: int = 0) -> Path:
        script = tmp_path / "llama.cpp" / "convert_hf_to_gguf.py"
        script.parent.mkdir(exist_ok=True)
        script.write_text(CONVERTER.format(file=str(file), status=status))
        return script.parent

    return make


@pytest.fixture
def whole(tmp_path: Path) -> CausalLMPolicy:
    """The model of a GGUF file, saved in ``whole``."""
    tiny_gguf.write(tmp_path / "right.gguf")
    policy = CausalLMPolicy(tmp_path / "right.gguf")
    policy.save_pretrained(tmp_path / "whole")
    return policy


def test_gguf_is_read_back(whole: CausalLMPolicy, converter: Callable[..., Path], tmp_path: Path) -> None:
    llama = converter(tmp_path / "right.gguf")
    written = export(tmp_path / "whole", tmp_path / "out", converter=llama, gguf_type="f32", say=says([]))
    assert [(part.form, part.path.name) for part in written] == [("merged", "merged"), ("gguf", "model-f32.gguf")]
    assert written[1].agreement.mean < 1e-5
    alone = export(tmp_path / "whole", tmp_path / "alone", forms=["gguf"], converter=llama, say=says([]))
    assert [path.name for path in (tmp_path / "alone").iterdir()] == [alone[0].path.name] == ["model-f16.gguf"]


def test_a_gguf_file_that_is_another_model(
    whole: CausalLMPolicy, converter: Callable[..., Path], tmp_path: Path
) -> None:
    with torch.no_grad():
        whole.model.model.layers[0].mlp.up_proj.weight.neg_()
    whole.save_pretrained(tmp_path / "whole")
    with pytest.raises(ExportError, match=r"more than the 0\.01 that rounding to f16 explains"):
        export(tmp_path / "whole", tmp_path / "out", converter=converter(tmp_path / "right.gguf"), say=says([]))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["merged"]


def test_a_gguf_file_that_transformers_does_not_read(
    whole: CausalLMPolicy, converter: Callable[..., Path], tmp_path: Path
) -> None:
    tiny_gguf.write(tmp_path / "other.gguf", architecture="rwkv6")
    lines: list[str] = []
    export(tmp_path / "whole", tmp_path / "out", converter=converter(tmp_path / "other.gguf"), say=says(lines))
    assert "NOT CHECKED: transformers" in lines[-1]
    assert (tmp_path / "out" / "model-f16.gguf").exists()


def test_the_converter_is_found_where_commands_are_and_its_failure_shown(
    whole: CausalLMPolicy, converter: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = converter(tmp_path / "right.gguf", status=3)
    with pytest.raises(ValueError, match=r"is not to be found; get llama\.cpp's sources"):
        export(tmp_path / "whole", tmp_path / "out", forms=["gguf"])
    with pytest.raises(FileNotFoundError, match=r"there is no .*nowhere"):
        export(tmp_path / "whole", tmp_path / "out", converter=tmp_path / "nowhere")
    (folder / "convert_hf_to_gguf.py").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    with pytest.raises(RuntimeError, match=r"ended with status 1:\n.*No module named 'sentencepiece'\nIf it lacks"):
        export(tmp_path / "whole", tmp_path / "out", say=says([]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "there is no .*source"),
        (lambda path: path.mkdir(), "has neither adapter_config.json nor config.json"),
        (lambda path: (path.mkdir(), (path / ".metadata").touch()), "in shards.*consolidate_checkpoint"),
        (
            lambda path: path.write_text("no checkpoint"),
            "is no checkpoint: its 13 bytes are no file of torch.*give another",
        ),
        (lambda path: path.touch(), "is damaged: it is empty .0 bytes."),
        (
            lambda path: path.write_bytes(saved({"state_dict": {}})[:200]),
            "is damaged: its end is cut off .it has 200 bytes.",
        ),
        (lambda path: path.write_bytes(pickle.dumps([Path()])), "is no checkpoint"),
        (
            lambda path: torch.save({"state_dict": {}, "a": Fraction(1)}, path),
            "more than tensors .*Fraction.*save_pretr",
        ),
        (lambda path: torch.save({"state_dict": []}, path), "no checkpoint of Lightning"),
        (lambda path: torch.save({"a": 1}, path), "no checkpoint of Lightning"),
        (lambda path: torch.save({"state_dict": {}}, path), "does not say what its policy was made of"),
    ],
)
def test_what_is_no_checkpoint(make: Callable[[Path], Any], words: str, tmp_path: Path, capsys: Any) -> None:
    make(tmp_path / "source")
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        export(tmp_path / "source", tmp_path / "out")
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(tmp_path / "source"), str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "rlframework export: error: " in capsys.readouterr().err


def test_a_checkpoint_with_a_weight_too_few(base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path) -> None:
    run(CausalLMPolicy(base, lora=LORA))
    checkpoint = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    del checkpoint["state_dict"][next(iter(checkpoint["state_dict"]))]
    torch.save(checkpoint, tmp_path / "broken.ckpt")
    with pytest.raises(ValueError, match=r"lacks 1 of 14 weights of its adapter, and has 0 .*lora_"):
        export(tmp_path / "broken.ckpt", tmp_path / "out")


@pytest.mark.parametrize("adapted", [True, False])
def test_a_checkpoint_that_says_only_in_part_what_it_is(
    adapted: bool, base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path, capsys: Any
) -> None:
    run(CausalLMPolicy(base, lora=LORA if adapted else None))
    whole = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    origin = whole["policy_origin"]
    parts = [({name: origin[name] for name in set(origin) - {left_out}}, left_out) for left_out in origin]
    parts += [({**origin, "dtype": "nonsense"}, "dtype='nonsense'")]
    parts += [({**origin, "adapter_config" if adapted else "config": {"r": 4}}, "describes no ")]
    for part, named in [*parts, (["base"], "base"), ("base", "dtype")]:
        torch.save({**whole, "policy_origin": part}, tmp_path / "part.ckpt")
        with pytest.raises(SystemExit) as stopped:
            main(["export", str(tmp_path / "part.ckpt"), str(tmp_path / "out")])
        assert stopped.value.code == 2
        assert named in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_in_the_format_that_cannot_be_mapped(
    base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path
) -> None:
    run(CausalLMPolicy(base))
    whole = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    torch.save(whole, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    assert export(tmp_path / "old.ckpt", tmp_path / "out", say=says([]))[0].form == "merged"


@pytest.mark.parametrize("source", drawn(["run/last.ckpt", "run/saved"], ["run/saved"]))
@pytest.mark.parametrize("adapted", [True, False])
def test_weights_of_other_shapes_cannot_be_carried_out(
    source: str, adapted: bool, base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path, capsys: Any
) -> None:
    run(CausalLMPolicy(base, lora=LORA if adapted else None))
    place = tmp_path / source
    if place.is_file():
        whole = torch.load(place, weights_only=True)
        whole["state_dict"] = {name: weight[..., :1] for name, weight in whole["state_dict"].items()}
        torch.save(whole, place)
    else:
        file = next(place.glob("*.safetensors"))
        save_file({name: weight[..., :1].contiguous() for name, weight in load_file(file).items()}, file)
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(place), str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "do not fit its model" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("cut", ["whole", "base", "adapter"])
def test_a_weights_file_that_is_cut_off(cut: str, base: Path, tmp_path: Path, capsys: Any) -> None:
    CausalLMPolicy(base, lora=LORA).save_pretrained(tmp_path / "adapter")
    file = next((tmp_path / "adapter" if cut == "adapter" else base).glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-10])
    source = base if cut == "whole" else tmp_path / "adapter"
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(source), str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert f"a weights file of {file.parent} is cut off" in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_of_an_adapter_without_its_kind(base: Path, tmp_path: Path, capsys: Any) -> None:
    CausalLMPolicy(base, lora=LORA).save_pretrained(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    settings = json.loads(file.read_text())
    del settings["peft_type"]
    file.write_text(json.dumps(settings))
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(tmp_path / "adapter"), str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "adapter_config.json describes no adapter of PEFT" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("source", drawn(["run/last.ckpt", "run/saved"], ["run/last.ckpt"]))
@pytest.mark.parametrize(
    "kind", drawn(["folder", "emptied folder", "relative folder", "gguf", "relative gguf"], {"folder", "relative gguf"})
)
def test_a_base_that_is_gone_says_how_to_name_it(
    source: str,
    kind: str,
    base: Path,
    run: Callable[..., CausalLMPolicy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_gguf.write(tmp_path / "model.gguf")
    name = "model.gguf" if kind.endswith("gguf") else "base"
    run(CausalLMPolicy(name if kind.startswith("relative") else tmp_path / name, lora=LORA))
    (tmp_path / name).rename(tmp_path / f"moved-{name}")
    if kind == "emptied folder":
        (tmp_path / name).mkdir()
    with pytest.raises((OSError, ValueError), match=rf"the model under the adapter, .*{name}, cannot.*base \(--base\)"):
        export(source, tmp_path / "out", say=says([]))
    assert export(source, tmp_path / "out", base=f"moved-{name}", say=says([]))


def test_a_tokenizer_that_is_gone_says_how_to_name_it(
    base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path
) -> None:
    letter_tokenizer().save_pretrained(tmp_path / "words")
    run(CausalLMPolicy(base, tmp_path / "words", lora=LORA))
    (tmp_path / "words").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match=r"the tokenizer, .*words, cannot.*tokenizer \(--tokenizer\)"):
        export(tmp_path / "run/last.ckpt", tmp_path / "out")
    assert export(tmp_path / "run/last.ckpt", tmp_path / "out", tokenizer=str(tmp_path / "moved"), say=says([]))


@pytest.mark.parametrize("layers", [["embed_tokens"], ["q_proj", "lm_head"], ["embed_tokens", "lm_head"]])
def test_an_adapter_on_tied_weights_is_merged_into_untied_ones(layers: list[str], tmp_path: Path) -> None:
    tiny_qwen3(tie_word_embeddings=True).save_pretrained(tmp_path / "base")
    lora = LoraConfig(r=2, target_modules=layers, init_lora_weights=False)
    with warnings.catch_warnings(action="ignore"):
        policy = CausalLMPolicy(tmp_path / "base", letter_tokenizer(), lora=lora).eval()
        policy.save_pretrained(tmp_path / "adapter")
        _, whole = export(tmp_path / "adapter", tmp_path / "out", say=says([]))
    assert whole.agreement.mean < 1e-5 < 0.01 < whole.agreement.learned
    read = AutoModelForCausalLM.from_pretrained(whole.path)
    assert not read.config.tie_word_embeddings
    torch.testing.assert_close(logits(read), logits(policy.model), atol=1e-4, rtol=0)


@pytest.mark.parametrize("how", drawn(["pissa", "pissa_niter_2", "olora"], ["pissa", "olora"]))
@pytest.mark.parametrize("source", drawn(["run/last.ckpt", "run/saved"], ["run/last.ckpt"]))
def test_an_adapter_that_rewrote_its_base_is_exported_for_the_base_as_it_was(
    how: str, source: str, base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path
) -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=how)
    policy = run(CausalLMPolicy(base, lora=lora), kl_coefficient=0.1)
    lines: list[str] = []
    adapter, whole = export(tmp_path / source, tmp_path / "out", say=says(lines))
    assert not any("nothing says" in line for line in lines)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter.path)
    assert (adapted.peft_config["default"].init_lora_weights, adapted.peft_config["default"].r) == (True, 4)
    for model in (adapted, AutoModelForCausalLM.from_pretrained(whole.path)):
        torch.testing.assert_close(logits(model), logits(policy.model), atol=1e-4, rtol=0)


@pytest.mark.parametrize("model", [models.BPE, models.WordLevel])
def test_a_tokenizer_that_knows_none_of_the_texts_is_asked_in_its_own_words(model: Any) -> None:
    """What it reads as nothing, or raises on, is no prompt."""
    vocabulary = {word: place for place, word in enumerate(["<pad>", "<eos>", "\N{DEGREE SIGN}", "\N{PILCROW SIGN}"])}
    words = Tokenizer(model(vocabulary, *([[]] if model is models.BPE else [])))
    few = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
    yardstick = Yardstick(CausalLMPolicy(tiny_policy().model, few).eval())
    prompts = yardstick._batch.prompt_ids[yardstick._batch.prompt_mask]
    assert set(prompts.tolist()) == {2, 3}
    assert yardstick.hold(CausalLMPolicy(tiny_policy().model, few), "float32").mean < 1e-5


def test_the_command(base: Path, run: Callable[..., CausalLMPolicy], tmp_path: Path, capsys: Any) -> None:
    run(CausalLMPolicy(base, lora=LORA))
    arguments = ["export", str(tmp_path / "run/last.ckpt"), str(tmp_path / "out"), "--only", "merged"]
    assert main(arguments) == 0
    assert "merged   " in (said := capsys.readouterr().out)
    assert "log-probabilities of " in said
    shutil.copytree(tmp_path / "run/saved", tmp_path / "other")
    (tmp_path / "script.py").write_text("raise SystemExit(1)")
    assert main([*arguments, "--only", "gguf", "--converter", str(tmp_path / "script.py")]) == 1
    assert "ended with status 1" in capsys.readouterr().out
