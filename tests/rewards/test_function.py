"""Plain functions as rewards: what they get, what may go wrong in them, and what TRL's bring along."""

import asyncio
import time

import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import BatchFunctionReward, FunctionReward, TRLReward
from tests.rewards.pool_functions import act

NAN = float("nan")


def completions_of(texts, group_size=2, **row):
    return Completions([Completion(Prompt([1], "?", row), [2, 3], text, "stop") for text in texts], group_size)


def scores(reward, completions):
    return reward.evaluate(completions).total.flatten().tolist()


def test_parameters_say_what_a_function_gets():
    seen = []

    def look(prompt, completion, ids, stop_reason, parsed, answer):
        seen.append((prompt, completion, ids, stop_reason, parsed, answer))
        return 1.0

    text = "<end_working_out><SOLUTION> 4 </SOLUTION>"
    FunctionReward(look).evaluate(completions_of([text, "four"], answer="4"))
    assert seen == [("?", text, [2, 3], "stop", " 4 ", "4"), ("?", "four", [2, 3], "stop", None, "4")]


def test_a_column_that_is_not_there_is_the_users_mistake_and_no_failed_check():
    with pytest.raises(KeyError, match="no column 'solution'"):
        FunctionReward(lambda solution: 1.0, name="f").evaluate(completions_of(["a", "b"], answer="4"))


def test_a_function_that_raises_loses_that_row_and_says_why():
    def fragile(completion):
        return 1 / (len(completion) - 1)

    judgement = FunctionReward(fragile).evaluate(completions_of(["a", "bb", "ccc", "d"])).judgements["fragile"]
    assert judgement.errors.tolist() == [[True, False], [False, True]]
    assert judgement.scores.isnan().tolist() == judgement.errors.tolist()
    assert judgement.detail == "ZeroDivisionError: division by zero"


def test_none_abstains_and_is_no_failure():
    judgement = FunctionReward(lambda completion: None, name="f").evaluate(completions_of(["a", "b"])).judgements["f"]
    assert judgement.scores.isnan().all()
    assert not judgement.errors.any()


def test_async_calls_run_together_within_their_limit():
    async def slow(completion):
        await asyncio.sleep(60 if completion == "hang" else 0.2)
        return float(len(completion))

    started = time.monotonic()
    found = FunctionReward(slow, limit_s=0.5).evaluate(completions_of(["a", "bb", "hang", "ccc"]))
    assert time.monotonic() - started < 0.9
    torch.testing.assert_close(found.total, torch.tensor([[1, 2], [NAN, 3.0]]), equal_nan=True)
    assert found.judgements["slow"].detail == "no answer within 0.5 s"


def test_async_functions_work_where_a_loop_runs_already():
    async def one(completion):
        return 1.0

    async def notebook():
        return scores(FunctionReward(one), completions_of(["a", "b"]))

    assert asyncio.run(notebook()) == [1.0, 1.0]


def test_workers_lose_only_what_hangs():
    rows = [
        Completion(Prompt([1], "?", {"what": what, "arguments": arguments}), [2], "", "stop")
        for what, arguments in (("double", 2), ("sleep", 60), ("double", 3), ("exit", 1))
    ]
    reward = FunctionReward(act_on, workers=2, limit_s=0.5)
    found = reward.evaluate(Completions(rows, 2))
    torch.testing.assert_close(found.total, torch.tensor([[4, NAN], [6, NAN]]), equal_nan=True)
    assert found.judgements["act_on"].errors.tolist() == [[False, True], [False, True]]
    reward.pool.close()


def act_on(what, arguments):
    return act(what, arguments)


def test_limits_that_nothing_could_keep_are_refused():
    async def later(completion):
        return 1.0

    with pytest.raises(ValueError, match="cannot be kept in this process"):
        FunctionReward(act_on, limit_s=1.0)
    with pytest.raises(ValueError, match="is async"):
        FunctionReward(later, workers=1)


def test_a_batched_function_sees_whole_groups():
    def rank(completions, answer):
        assert answer == ["4"] * len(completions)
        return [None if not text else float(len(text)) for text in completions]

    found = BatchFunctionReward(rank).evaluate(completions_of(["a", "", "ccc", "dd"], answer="4")).total
    torch.testing.assert_close(found, torch.tensor([[1, NAN], [3, 2.0]]), equal_nan=True)


def test_a_batched_function_of_one_value_is_not_spread_over_all():
    with pytest.raises(ValueError, match="1 scores of shape"):
        BatchFunctionReward(lambda completions: [1.0], name="f").evaluate(completions_of(["a", "b"]))


def test_the_functions_of_trl_give_what_they_give_there():
    from trl.rewards import accuracy_reward, think_format_reward

    texts = [r"<think>so</think>\boxed{\frac{1}{2}}", r"\boxed{3}"]
    chat = completions_of(texts, solution=r"\boxed{\frac{1}{2}}")
    reward = TRLReward(accuracy_reward, chat=True) + TRLReward(think_format_reward, chat=True)
    components = reward.evaluate(chat).components
    messages = [[{"role": "assistant", "content": text}] for text in texts]
    assert components["accuracy_reward"].flatten().tolist() == accuracy_reward(messages, [r"\boxed{\frac{1}{2}}"] * 2)
    assert components["think_format_reward"].flatten().tolist() == think_format_reward(messages) == [1.0, 0.0]


@pytest.mark.parametrize(("chat", "prompt"), [(None, "messages"), (True, "messages"), (False, "text")])
def test_messages_are_those_of_the_row_and_come_where_trl_would_bring_them(chat, prompt):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}]
    seen = {}

    def look(prompts, completions, **kwargs):
        seen.update(prompts=prompts, completions=completions)
        return [0.0, 1.0]

    TRLReward(look, chat=chat).evaluate(completions_of(["a", "b"], prompt=messages))
    if prompt == "messages":
        answers = [[{"role": "assistant", "content": text}] for text in "ab"]
        assert seen == {"prompts": [messages] * 2, "completions": answers}
    else:
        assert seen == {"prompts": ["?", "?"], "completions": ["a", "b"]}
    TRLReward(look, chat=None).evaluate(completions_of(["a", "b"], prompt="?"))
    assert seen == {"prompts": ["?", "?"], "completions": ["a", "b"]}


def test_what_a_trl_function_logs_is_kept():
    async def logs(prompts, completions, completion_ids, trainer_state, log_extra, log_metric, answer, **kwargs):
        assert prompts == ["?", "?"]
        assert completion_ids == [[2, 3], [2, 3]]
        assert trainer_state is None
        log_extra("answer_given", completions)
        log_metric("share", 0.25)
        return [1.0, None]

    judgement = TRLReward(logs).evaluate(completions_of(["a", "b"], answer="4", level=3)).judgements["logs"]
    assert judgement.columns == {"answer_given": ["a", "b"]}
    assert judgement.metrics["share"].tolist() == [[0.25, 0.25]]
    assert judgement.scores.isnan().tolist() == [[False, True]]


@pytest.mark.parametrize("wrong", [{"at_once": 0}, {"limit_s": 0.0}, {"limit_s": -1.0}, {"limit_s": float("inf")}])
def test_a_limit_that_lets_nothing_begin_or_nothing_end_is_refused(wrong: dict[str, float]) -> None:
    async def judge(completion: str) -> float:
        return 1.0

    with pytest.raises(ValueError, match=f"FunctionReward got {next(iter(wrong))}"):
        FunctionReward(judge, **wrong)
