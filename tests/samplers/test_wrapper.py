"""What a sampler around a sampler shares with the one inside."""

from rlframework.completions import Completions
from rlframework.rewards import CorrectAnswer
from rlframework.samplers import BatchedSampler, DynamicSampling, SamplerWrapper
from rlframework.testing import letter_prompts, tiny_policy


class First(SamplerWrapper):
    """Keeps the first rows of each group."""

    def __init__(self, sampler, group_size=None, note=""):
        super().__init__(sampler, group_size)
        self.note = note

    def sample(self, policy, prompts, *, step=0):
        groups = self.sampler.sample(policy, prompts, step=step).groups()
        return Completions([row for group in groups for row in group[: self.group_size]], self.group_size)


INNER = BatchedSampler(group_size=4, max_tokens=6, temperature=0.7, seed=3, top_k=9, top_p=0.9, min_p=0.1)


def test_it_has_the_settings_of_the_sampler_inside_and_may_keep_fewer_rows():
    names = ("max_tokens", "temperature", "seed", "top_k", "top_p", "min_p", "samples_policy_itself", "correction")
    sampler = First(INNER, group_size=2)
    assert [getattr(sampler, name) for name in names] == [getattr(INNER, name) for name in names]
    assert (sampler.group_size, sampler.sampler.group_size, First(INNER).group_size) == (2, 4, 4)
    rows = sampler.sample(tiny_policy(), letter_prompts(3))
    assert [len(group) for group in rows.groups()] == [2, 2, 2]


def test_replace_changes_inside_what_both_have_and_outside_what_is_its_own():
    sampler = First(INNER).replace(note="new", seed=5, group_size=1)
    assert (sampler.note, sampler.seed, sampler.group_size) == ("new", 5, 1)
    assert (sampler.sampler.seed, sampler.sampler.group_size, INNER.seed) == (5, 1, 3)


def test_progress_judges_and_groups_come_from_inside():
    reward, seen = CorrectAnswer(), []
    sampler = First(DynamicSampling(INNER.replace(group_size=2), reward, keep=1))
    assert sampler.judges() == [reward]
    assert sampler.groups_from(5) == 1
    assert sampler.unfiltered.groups_from(5) == 5
    assert type(sampler.unfiltered) is First
    plain = First(INNER)
    assert plain.unfiltered is plain
    with plain.reporting(lambda *told: seen.append(told)):
        plain.sample(tiny_policy(), letter_prompts(2))
    assert seen[-1][1] == 0
    assert plain.progress is None
    assert plain.sampler.progress is None
