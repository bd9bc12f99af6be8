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
