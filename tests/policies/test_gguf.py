"""GGUF files are read as float weights that train and are saved, and what cannot be read says why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import transformers
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, Qwen2ForCausalLM

from rlframework import CausalLMPolicy
from rlframework.policies.gguf import find_gguf
from rlframework.testing import letter_tokenizer
from tests.policies import tiny_gguf


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tiny_gguf.write(tmp_path / "tiny.gguf")
    return tmp_path / "tiny.gguf"


@pytest.fixture
def original() -> Qwen2ForCausalLM:
    return tiny_gguf.original()


IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("way", ["file", "text", "folder", "folder and file"])
def test_a_file_or_its_folder_is_a_model_with_its_tokenizer(file: Path, original: Qwen2ForCausalLM, way: str) -> None:
    given = {"file": file, "text": str(file), "folder": file.parent, "folder and file": file.parent}[way]
    policy = CausalLMPolicy(given, gguf_file=file.name if way == "folder and file" else None)
    torch.testing.assert_close(logits(policy.model), logits(original), atol=1e-6, rtol=0)
    assert tiny_gguf.vocabulary().items() <= policy.tokenizer.get_vocab().items()
    assert policy.tokenizer.chat_template == "{{ messages[0]['content'] }}"
    assert {weight.dtype for weight in policy.parameters()} == {torch.float32}
    # By these a saved adapter and a checkpoint find them again, whatever else comes into the folder.
    assert policy.model.name_or_path == policy.tokenizer.name_or_path == str(file)


def test_the_dtype_is_the_one_asked_for(file: Path) -> None:
    assert {weight.dtype for weight in CausalLMPolicy(file, dtype="bfloat16").parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("lora", [None, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)])
def test_it_is_trained_and_saved(file: Path, tmp_path: Path, lora: LoraConfig | None) -> None:
    policy = CausalLMPolicy(file, lora=lora)
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    policy.model(IDS, labels=IDS).loss.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in trained)
    torch.optim.SGD(trained, lr=0.1).step()
    policy.save_merged(tmp_path / "whole")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    torch.testing.assert_close(logits(loaded), logits(policy.model), atol=1e-5, rtol=0)
    assert AutoTokenizer.from_pretrained(tmp_path / "whole").get_vocab() == policy.tokenizer.get_vocab()


@pytest.mark.skipif(not hasattr(transformers, "GgufConfig"), reason="this transformers leaves no mark")
def test_a_model_object_with_the_mark_is_trained_and_saved(file: Path, tmp_path: Path) -> None:
    marked = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name)
    assert marked.config.quantization_config.quant_method == "gguf"
    with pytest.raises(ValueError, match="not serializable"):
        marked.save_pretrained(tmp_path / "refused")
    policy = CausalLMPolicy(marked, letter_tokenizer())
    policy.save_pretrained(tmp_path / "saved")
    assert "quantization_config" not in AutoModelForCausalLM.from_pretrained(tmp_path / "saved").config.to_dict()


def test_a_folder_of_transformers_is_read_as_such_whatever_lies_beside(file: Path, tmp_path: Path) -> None:
    policy = CausalLMPolicy(file)
    with torch.no_grad():
        policy.model.get_input_embeddings().weight.mul_(2)
    policy.save_pretrained(file.parent)
    assert torch.equal(logits(CausalLMPolicy(file.parent).model), logits(policy.model))


def test_of_several_files_one_is_chosen(file: Path) -> None:
    tiny_gguf.write(file.with_name("other.gguf"))
    with pytest.raises(ValueError, match=r"holds 2 GGUF files; choose one by gguf_file: other\.gguf, tiny\.gguf"):
        CausalLMPolicy(file.parent)
    assert CausalLMPolicy(file.parent, gguf_file="tiny.gguf").model.name_or_path == str(file)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.gguf .*GGUF files there: tiny\.gguf"):
        CausalLMPolicy(file.with_name("none.gguf"))
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.gguf"):
        CausalLMPolicy(file.parent, gguf_file="none.gguf")


def test_an_architecture_that_transformers_does_not_read(file: Path) -> None:
    tiny_gguf.write(file, architecture="rwkv6")
    with pytest.raises(ValueError, match=r"cannot read the GGUF file .*tiny\.gguf: .*rwkv6.*Load the model's safetens"):
        CausalLMPolicy(file, letter_tokenizer())


def test_weights_that_the_file_lacks_are_not_made_up(file: Path) -> None:
    tiny_gguf.write(file, left_out="model.layers.0.self_attn.q_proj")
    with pytest.raises(ValueError, match=r"lacks 2 of 15 weights of Qwen2ForCausalLM, such as .*q_proj"):
        CausalLMPolicy(file)


def test_what_is_no_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ValueError, match="cannot read the GGUF file"):
        CausalLMPolicy(tmp_path / "a.gguf")


def test_a_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "m-00001-of-00003.gguf").touch()
    with pytest.raises(ValueError, match=r"one of 3 parts.*--merge m-00001-of-00003\.gguf m\.gguf"):
        CausalLMPolicy(tmp_path)


def test_the_package_is_named_by_its_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ImportError, match=r"gguf is not installed; .*rlframework\[gguf\]"):
        CausalLMPolicy(file)


def test_quantization_and_a_loaded_model_do_not_go_with_a_file(file: Path, original: Qwen2ForCausalLM) -> None:
    with pytest.raises(ValueError, match="quantization is for float weights"):
        CausalLMPolicy(file, quantization=BitsAndBytesConfig(load_in_8bit=True))
    with pytest.raises(ValueError, match=r"gguf_file='tiny\.gguf' is for a model that is loaded here"):
        CausalLMPolicy(original, letter_tokenizer(), gguf_file="tiny.gguf")


def test_a_file_that_is_cut_off(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for size in (6, 20, 40, 200, len(whole) // 2, len(whole) - 100):
        (tmp_path / "cut.gguf").write_bytes(whole[:size])
        for tokenizer in (None, letter_tokenizer()):
            with pytest.raises(ValueError, match=r"cannot read the GGUF file .*cut\.gguf: "):
                CausalLMPolicy(tmp_path / "cut.gguf", tokenizer)


@pytest.mark.parametrize("name", ["tiny.gguf", "none.gguf"])
def test_a_file_is_named_once(file: Path, name: str) -> None:
    for path in (file.with_name(name), str(file.with_name(name))):
        for tokenizer in (None, letter_tokenizer()):
            with pytest.raises(ValueError, match=rf"gguf_file='tiny\.gguf' names .*/{name} is a file's path itself"):
                CausalLMPolicy(path, tokenizer, gguf_file="tiny.gguf")
    assert find_gguf("someone/model.gguf", "tiny.gguf").path == "someone/model.gguf/tiny.gguf"


@pytest.mark.parametrize("dtype", ["nonsense", "int8", ""])
def test_a_dtype_that_is_none(file: Path, tmp_path: Path, dtype: str) -> None:
    CausalLMPolicy(file).save_pretrained(tmp_path / "saved")
    for model in (file, tmp_path / "saved"):
        with pytest.raises(ValueError, match="is no dtype of weights; choose 'float32', 'bfloat16' or 'float16'"):
            CausalLMPolicy(model, dtype=dtype)
