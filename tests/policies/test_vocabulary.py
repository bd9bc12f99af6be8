"""A tokenizer and a model of unequal sizes are refused when the policy is made."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from rlframework.policies import CausalLMPolicy
from rlframework.policies.loading import check_vocabulary
from rlframework.testing import letter_tokenizer
from rlframework.testing.tiny import tiny_qwen3

LORA = LoraConfig(r=2, target_modules=["q_proj"])


def larger(*tokens: str):
    tokenizer = letter_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(tokens)})
    return tokenizer


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("tokens", [("<think>",), ("<a>", "<b>", "<c>")])
def test_a_tokenizer_with_tokens_that_the_model_lacks(tokens: tuple[str, ...], adapter: bool) -> None:
    model = get_peft_model(tiny_qwen3(), LORA) if adapter else tiny_qwen3()
    with pytest.raises(ValueError, match=rf"ids up to {38 + len(tokens)}, and the model reads those below 39") as error:
        CausalLMPolicy(model, larger(*tokens))
    assert f"resize_token_embeddings({39 + len(tokens)})" in str(error.value)


@pytest.mark.parametrize("error", [AttributeError, NotImplementedError])
def test_a_model_that_does_not_say_where_it_reads_ids_is_not_judged(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent() -> None:
        raise error

    model = tiny_qwen3()
    monkeypatch.setattr(model, "get_input_embeddings", silent)
    check_vocabulary(model, larger("<think>"))


def test_an_adapters_tokenizer_over_a_base_that_was_not_resized(tmp_path: Path) -> None:
    tiny_qwen3().save_pretrained(tmp_path)
    larger("<think>").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="the model was not resized to it"):
        CausalLMPolicy(tmp_path, lora=LORA)


def test_the_tokenizer_of_another_model() -> None:
    with pytest.raises(ValueError, match="the tokenizer of another model"):
        CausalLMPolicy(tiny_qwen3(vocab_size=20), letter_tokenizer())


def test_a_head_that_samples_what_the_model_cannot_read() -> None:
    model = tiny_qwen3(tie_word_embeddings=False)
    model.lm_head = torch.nn.Linear(16, 48, bias=False)
    with pytest.raises(ValueError, match="gives 48 logits, and its embedding reads 39 ids"):
        CausalLMPolicy(model, letter_tokenizer())


def test_a_model_with_rows_to_spare_and_one_that_was_resized() -> None:
    assert CausalLMPolicy(tiny_qwen3(vocab_size=64), letter_tokenizer())
    model = tiny_qwen3()
    model.resize_token_embeddings(40)
    assert CausalLMPolicy(model, larger("<think>"))


def test_the_highest_id_decides_and_not_how_many_tokens_there_are() -> None:
    def tokenizer(highest: int) -> PreTrainedTokenizerFast:
        words = models.WordLevel({"<pad>": 0, "<eos>": 1, "a": 2, "b": highest}, unk_token="<eos>")
        return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), pad_token="<pad>", eos_token="<eos>")

    assert CausalLMPolicy(tiny_qwen3(), tokenizer(38))
    with pytest.raises(ValueError, match="ids up to 39, and the model reads those below 39"):
        CausalLMPolicy(tiny_qwen3(), tokenizer(39))


def test_rows_are_counted_and_not_believed_of_a_configuration() -> None:
    model = tiny_qwen3(tie_word_embeddings=False)
    model.config.vocab_size = 64
    with pytest.raises(ValueError, match="ids up to 39, and the model reads those below 39"):
        CausalLMPolicy(model, larger("<think>"))
    model.config.vocab_size, model.model.embed_tokens = 39, torch.nn.Embedding(40, 16)
    assert CausalLMPolicy(model, larger("<think>"))


def test_weights_that_were_put_into_the_head_by_hand_are_counted() -> None:
    model = tiny_qwen3(tie_word_embeddings=False)
    model.lm_head.weight = torch.nn.Parameter(torch.zeros(48, 16))
    with pytest.raises(ValueError, match="gives 48 logits, and its embedding reads 39 ids"):
        CausalLMPolicy(model, letter_tokenizer())
    model.lm_head.weight, model.lm_head.out_features = torch.nn.Parameter(torch.zeros(39, 16)), 48
    assert CausalLMPolicy(model, letter_tokenizer())


def test_a_quantised_head_is_counted_by_what_it_gives() -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    model = tiny_qwen3(tie_word_embeddings=False)
    model.lm_head = bitsandbytes.nn.Linear4bit(16, 39, bias=False).to("cpu")
    assert model.lm_head.weight.shape[0] > 39, "packed"
    assert CausalLMPolicy(model, letter_tokenizer())
