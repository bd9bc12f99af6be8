"""Versions that are held: a fleet keeps them beside the newest, asks for each by its name, and lets go of them."""

from __future__ import annotations

import pytest

from rlframework.samplers.vllm.errors import StaleWeightsError
from tests.samplers.vllm.recording import PROMPTS
from tests.samplers.vllm.tiny_qwen import disturb

# What the replaying server answers is of the recorded weights; which name answered is what is looked at here.
ANY = {"tolerance": 1e6}


def ids_of(completions):
    return [row.ids for row in completions]


def test_a_held_version_is_asked_for_by_its_name_while_a_newer_one_is_there(replay, sampler, adapted):
    made = sampler(**ANY)
    old = made.publish(adapted, PROMPTS)
    before = ids_of(made.ask(PROMPTS, step=0, version=old))
    disturb(adapted, 0.1)
    new = made.publish(adapted, PROMPTS)
    assert {old.name, new.name} <= replay.adapters
    replay.log.clear()
    assert ids_of(made.ask(PROMPTS, step=0, version=old)) == before
    assert {body["model"] for body in replay.asked("/v1/completions")} == {old.name}
    replay.log.clear()
    made.ask(PROMPTS, step=0, version=new)
    assert {body["model"] for body in replay.asked("/v1/completions")} == {new.name}
    assert not replay.asked("/v1/load_lora_adapter")


def test_what_nobody_holds_goes_when_others_come_and_cannot_be_asked_for(replay, sampler, adapted):
    made = sampler(**ANY)
    versions = [made.publish(adapted, PROMPTS)]
    for seed in range(3):
        disturb(adapted, 0.1, seed)
        made.release(versions[-1])
        versions.append(made.publish(adapted, PROMPTS))
        assert replay.adapters == {versions[-1].name}
    with pytest.raises(StaleWeightsError, match=f"have weights {versions[-1].name}, and this rollout began with"):
        made.ask(PROMPTS, step=0, version=versions[0])


def test_a_version_that_was_published_twice_is_held_twice(replay, sampler, adapted):
    made = sampler(**ANY)
    first, again = (made.publish(adapted, PROMPTS) for _ in range(2))
    assert len(replay.adapters_given()) == 1
    made.release(first)
    disturb(adapted, 0.1)
    made.publish(adapted, PROMPTS)
    assert again.name in replay.adapters


def test_a_server_that_forgets_is_given_the_held_version_that_is_asked_for(replay, sampler, adapted):
    made = sampler(**ANY)
    old = made.publish(adapted, PROMPTS)
    before = ids_of(made.ask(PROMPTS, step=0, version=old))
    disturb(adapted, 0.1)
    new = made.publish(adapted, PROMPTS)
    replay.forget()
    assert ids_of(made.ask(PROMPTS, step=0, version=old)) == before
    assert old.name in replay.adapters
    made.ask(PROMPTS, step=0, version=new)
    assert {old.name, new.name} <= replay.adapters


def test_whole_weights_replace_those_that_are_held(replay, sampler, whole):
    made = sampler(**ANY)
    old = made.publish(whole, PROMPTS)
    disturb(whole, 0.1)
    made.publish(whole, PROMPTS)
    with pytest.raises(StaleWeightsError, match="all of a rollout has to come from the same weights"):
        made.ask(PROMPTS, step=0, version=old)


def test_closing_ends_the_waiting_for_servers_that_do_not_answer(replay, sampler, adapted):
    made = sampler(patience=60.0, **ANY)
    version = made.publish(adapted, PROMPTS)

    def gone(path, body):
        made.close()
        return 503, {"error": "gone"}

    replay.before = gone
    with pytest.raises(Exception, match=r"503|given up|gone"):
        made.ask(PROMPTS, step=0, version=version)
