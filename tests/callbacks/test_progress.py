import pytest

from rlframework import ProgressBar


def test_the_bar_shows_reward_and_accuracy_and_no_loss(grpo, fit):
    shown = {}

    class Peek(ProgressBar):
        def on_train_batch_end(self, trainer, pl_module, *arguments):
            super().on_train_batch_end(trainer, pl_module, *arguments)
            shown.update(self.get_metrics(trainer, pl_module))

    fit(grpo(), callbacks=[Peek()], enable_progress_bar=True, max_steps=2)
    assert "train/reward" in shown
    assert not {"loss", "v_num"} & shown.keys()


def test_the_sampler_reports_to_the_bar_during_a_rollout_only(grpo, fit):
    advances = []

    class Count(ProgressBar):
        def _advance(self, tokens, unfinished):
            advances.append((tokens, unfinished))
            super()._advance(tokens, unfinished)

    algorithm = grpo()
    fit(algorithm, callbacks=[Count()], enable_progress_bar=True, max_steps=1)
    assert [tokens for tokens, _ in advances] == list(range(1, len(advances) + 1))
    assert algorithm.sampler.progress is None


@pytest.mark.parametrize(("prompts", "total"), [(16, 4), (4, 2)])
def test_the_bar_counts_minibatches_also_of_a_number_of_steps(grpo, fit, prompts, total):
    """Two steps of two minibatches, in one epoch or cut by the end of it."""
    bar = ProgressBar()
    options = {"max_steps": 2, "max_epochs": -1, "accumulate_grad_batches": 2, "enable_progress_bar": True}
    fit(grpo(minibatches_per_rollout=2), prompts, callbacks=[bar], **options)
    assert bar.train_progress_bar.n == bar.train_progress_bar.total == total
