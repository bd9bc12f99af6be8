"""A version changes with every weight, and with nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from rlframework.policies.fingerprint import fingerprint
from rlframework.testing import tiny_policy
from rlframework.utilities.digest import _hash
from tests.samplers.vllm.tiny_qwen import policy


def test_it_is_a_name_and_a_function_of_the_weights():
    assert fingerprint(tiny_policy()) == fingerprint(tiny_policy()) != fingerprint(tiny_policy(seed=1))
    assert fingerprint(copy.deepcopy(tiny_policy())) == fingerprint(tiny_policy())
    assert len(fingerprint(tiny_policy())) == len("policy-") + 16


def test_the_smallest_change_of_any_parameter_is_seen():
    made = tiny_policy()
    seen = {fingerprint(made)}
    with torch.no_grad():
        for number, weights in enumerate(made.parameters(), start=1):
            flat = weights.view(-1)
            flat[-1] = torch.nextafter(flat[-1], torch.tensor(torch.inf))
            seen.add(fingerprint(made))
            assert len(seen) == number + 1


def test_every_element_of_a_large_tensor_counts():
    numbers = torch.zeros((1 << 24) + 70_000, dtype=torch.bfloat16)
    seen = {_hash(numbers).item()}
    places = [0, 1, 65_535, 65_536, (1 << 24) - 1, 1 << 24, (1 << 24) + 65_536, len(numbers) - 1]
    for place in places:
        numbers[place] = 1.0
        seen.add(_hash(numbers).item())
        numbers[place] = 0.0
    assert len(seen) == len(places) + 1


def test_how_many_are_multiplied_at_once_does_not_matter(monkeypatch):
    numbers = torch.randn(1_000_003)
    sums = set()
    for rows in (1, 4, 256):
        monkeypatch.setattr("rlframework.utilities.digest._ROWS_CPU", rows)
        sums.add(_hash(numbers).item())
    assert len(sums) == 1


def test_the_order_of_elements_counts():
    numbers = torch.arange(200_000, dtype=torch.float32)
    for other in (numbers.flip(0), numbers.roll(1), numbers.roll(65_536)):
        assert _hash(other) != _hash(numbers)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.float16, torch.bfloat16, torch.float64])
def test_any_dtype_has_one(dtype):
    ones, zeros = torch.ones(5).to(dtype), torch.zeros(5).to(dtype)
    assert _hash(ones) == _hash(ones.clone()) != _hash(zeros)


def test_a_view_is_its_numbers():
    numbers = torch.randn(6, 8)
    assert _hash(numbers.T.contiguous().T) == _hash(numbers)
    assert _hash(numbers[::2]) == _hash(numbers[::2].clone())


def test_shapes_buffers_and_the_adapters_scale_belong_to_it():
    made = policy(lora=True)
    first = fingerprint(made)
    made.model.peft_config["default"].lora_alpha = 99
    scaled = fingerprint(made)
    made.register_buffer("extra", torch.zeros(3))
    extra = fingerprint(made)
    made.extra = nn.Buffer(torch.zeros(3, 1))
    assert len({first, scaled, extra, fingerprint(made)}) == 4


def test_frozen_weights_count_too():
    made = policy(lora=True)
    before = fingerprint(made)
    with torch.no_grad():
        made.model.get_base_model().lm_head.weight[0, 0] += 1e-3
    assert fingerprint(made) != before
