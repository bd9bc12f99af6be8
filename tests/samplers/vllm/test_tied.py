"""A model with tied embeddings on a CPU server: its output layer keeps a copy, and the first loading shows it."""

from __future__ import annotations

import pytest

from rlframework import VLLMSampler
from rlframework.samplers.vllm import DisagreementError
from rlframework.testing import letter_prompts
from tests.samplers.vllm.real_server import NEEDS_SERVER, serving
from tests.samplers.vllm.tiny_qwen import policy

pytestmark = NEEDS_SERVER


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("vllm"), tied=True) as server:
        yield server


def test_an_adapter_arrives_while_the_base_is_what_the_server_was_started_with(server):
    sampler = VLLMSampler(server.url, group_size=4, max_tokens=16, temperature=0.7)
    for noise in (0.03, 0.05):
        sampler.sample(policy(lora=True, tied=True, noise=noise), letter_prompts(4))


def test_weights_that_half_arrive_are_refused(server):
    """The last test here: it leaves the server with two sets of weights."""
    sampler = VLLMSampler(server.url, group_size=4, max_tokens=16, temperature=0.7)
    with pytest.raises(DisagreementError, match=r"tied to its embeddings.*train an adapter \(lora=LoraConfig"):
        sampler.sample(policy(tied=True), letter_prompts(4))
