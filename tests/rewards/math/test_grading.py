"""What holds for every row: no exception, no long wait, no thread in the way, nothing run; and the reward on top."""

import os
import random
import string
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.math import MathCheck, gold_is_verifiable, grade, grade_all, grade_answer, math_verify_worker
from rlframework.rewards.template import AnswerTemplate
from tests.drawn import drawn

LAYOUT = "<end_working_out><SOLUTION>{}</SOLUTION>"
GOLDS = ["18", r"\frac{1}{2}", r"(3, 4]", r"\{1, 2\}", "x^2+1", "y = 2x + 3", "52_8", "Evelyn", "C", r"\$5.40", r"28\%"]
BOMBS = [
    "9**9**9**9",
    "5^5^5^5^5",
    "10^{10^{10}}",
    "1000000!",
    "((((2!)!)!)!)!",
    "3000!" * 60,
    r"\binom{10^9}{10^8}",
    r"\sqrt[63]{2999!}" * 20,
    "x^x^x^x^x",
    "+".join(["(x+1)!"] * 60),
    "1/2999!+" * 50 + "1",
    "(" * 300 + "1" + ")" * 300,
    r"\sqrt" * 150 + "2",
    r"\frac" * 190,
    "sin " * 190 + "x",
    "-" * 390 + "1",
    "^" * 390,
    "{" * 900,
    r"\begin{pmatrix}" * 50,
    "9" * 900,
    "0." + "3" * 390,
    r"\sin(10^{2000})",
    r"\exp(\exp(\exp(\exp(9))))",
    r"\sum_{k=1}^{10^{12}} k!",
    r"\int_0^{10^9} x^{x^x} dx",
]


def processor_time():
    """Of this process and of the workers that it has ended: what other processes do is no bomb's doing."""
    return sum(os.times()[:4])


@pytest.mark.parametrize("gold", drawn([*GOLDS, r"\sum_{k=1}^{n} k", r"\int_0^1 x dx"], [*GOLDS, r"\sum_{k=1}^{n} k"]))
def test_no_bomb_takes_long_or_is_right(gold):
    for bomb in BOMBS:
        # A worker is charged with its whole life when it ends: begun here, it has no earlier comparisons to be charged.
        math_verify_worker._POOL.close()
        started = processor_time()
        verdict = grade(LAYOUT.format(bomb), gold)
        assert processor_time() - started < 4, bomb[:60]
        assert verdict in ("incorrect", "malformed", "error"), bomb[:60]


@pytest.mark.parametrize("gold", BOMBS)
def test_golds_that_are_bombs_are_no_trouble_either(gold):
    started = time.perf_counter()
    grade(LAYOUT.format("18"), gold)
    grade(LAYOUT.format(gold), gold)
    assert time.perf_counter() - started < 4


@pytest.mark.parametrize(
    "text",
    [
        "<end_working_out><SOLUTION>" * 40_000,
        "<SOLUTION>" * 100_000,
        LAYOUT.format("1" * 1_000_000),
        LAYOUT.format("{" * 500_000),
        "a" * 1_000_000 + LAYOUT.format("17"),
        LAYOUT.format("17") + "</s>" * 250_000,
        LAYOUT.format("$" * 900 + "," * 90),
        "",
        "\x00",
        "\ud800",
    ],
    ids=["tags", "tag", "digits", "braces", "working", "end tokens", "marks", "empty", "null", "surrogate"],
)
def test_a_megabyte_is_read_in_linear_time(text):
    started = time.perf_counter()
    assert grade(text, "18") in ("incorrect", "malformed")
    assert time.perf_counter() - started < 2


def test_no_text_raises():
    random_text = random.Random(0)
    pieces = [
        *string.printable,
        *[
            r"\frac",
            r"\sqrt",
            r"\left(",
            r"\right]",
            r"\text{",
            r"}",
            r"\begin{pmatrix}",
            r"\end{pmatrix}",
            r"&",
            r"\\",
            r"\{",
            r"\}",
            r"_",
            r"^",
            r"\pm",
        ],
    ]
    pieces += [
        r"\cup",
        "x",
        "18",
        "or",
        "and",
        "%",
        r"\%",
        "½",
        "√",
        "²",
        "°",
        "−",
        "π",
        "\u200b",
        "√",
        r"\boxed{",
        "!",
        "|",
    ]
    for _ in range(3000):
        answer = "".join(random_text.choice(pieces) for _ in range(random_text.randint(1, 25)))
        gold = random_text.choice([answer[::-1], *GOLDS, answer[:5]])
        started = time.perf_counter()
        grade_answer(answer, gold)
        assert time.perf_counter() - started < 4, (answer, gold)


def test_an_answer_is_right_for_itself_or_cannot_be_checked():
    for gold in GOLDS:
        assert grade_answer(gold, gold) == "correct"
    assert not gold_is_verifiable("")
    assert grade_answer("18", "") == grade_answer("18", "?!") == "gold_unverifiable"


def test_the_order_of_the_gold_and_the_answer_matters_only_where_it_should():
    """Equality of plain mathematical objects is symmetric; what may be left out is not."""
    pairs = [
        ("1/2", "0.5"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("(x+1)^2", "x^2+2x+1"),
        ("1,2", "2,1"),
        ("1/2", "0.51"),
        ("[1,2]", "(1,2)"),
    ]
    for left, right in pairs:
        assert grade_answer(left, right) == grade_answer(right, left)
    assert grade_answer("18", "18 dollars") == "correct"
    assert grade_answer("18 cents", "18") == "incorrect"
    assert grade_answer("x = 5", "5") == "correct"


def test_threads_do_not_change_each_others_precision():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: grade_answer("1+x^2", "x^2+1"), range(100)))
    finally:
        sys.setswitchinterval(interval)
    assert set(found) == {"correct"}


def test_nothing_that_a_model_writes_is_run(tmp_path):
    mark = tmp_path / "mark"
    for text in (
        f"__import__('os').system('touch {mark}')",
        f"Symbol('x').__class__.__init__.__globals__['os'].system('touch {mark}')",
        rf"\sum_{{k=1}}^{{n}} __import__('os').system('touch {mark}')",
        f"lambda: open('{mark}', 'w')",
    ):
        assert grade(LAYOUT.format(text), "18") in ("incorrect", "malformed")
        assert grade(LAYOUT.format(text), r"\sum_{k=1}^{n} k") in ("incorrect", "malformed")
    assert not mark.exists()


def test_notation_that_is_not_read_here_is_left_to_math_verify():
    gold = r"\sum_{k=1}^{n} k^2"
    assert grade_all(
        [(LAYOUT.format(answer), gold) for answer in (gold, r"\sum_{k=1}^{n}{k^{2}}", r"\sum_{k=1}^{n} k^3", "5")]
    ) == [
        "correct",
        "correct",
        "incorrect",
        "incorrect",
    ]


ALONE = r"""
import sys
from rlframework.rewards.math import grade
layout = "<end_working_out><SOLUTION>{}</SOLUTION>"
print(grade(layout.format("0.5"), r"\frac12"))
print(grade(layout.format(r"\sum_{k=1}^{n} k"), r"\sum_{k=1}^{n} k^2"))
print("torch" in sys.modules)
"""


def test_it_works_alone_in_a_fresh_process_without_torch():
    done = subprocess.run([sys.executable, "-"], input=ALONE, capture_output=True, text=True)
    assert done.stdout.split() == ["correct", "incorrect", "False"], done.stderr


COMPARES = r"""
import sys
from rlframework.rewards.math.math_verify_worker import compare_each_kind, equal_both_ways

compare_each_kind()
before = set(sys.modules)
for pair in ((r"\prod_{k=1}^{n} k^2", "7"), (r"\int_0^1 x^2 dx", r"\int_0^1 x^3 dx"), (r"\lim_{x \to 0} \sin x", "0")):
    equal_both_ways(*pair)
print(len(before & {"sympy.physics.units"}), *sorted(set(sys.modules) - before))
"""


def test_a_worker_has_imported_the_large_parts_of_sympy_before_its_first_call():
    """It took 0.6 s of the one second that a comparison has, on a slow processor."""
    known, *imported = subprocess.check_output([sys.executable, "-"], input=COMPARES, text=True).split()
    assert known == "1"
    large = ("sympy.physics", "sympy.combinatorics", "sympy.integrals", "sympy.tensor", "sympy.matrices")
    assert [name for name in imported if name.startswith(large)] == []


def test_a_template_of_ones_own():
    template = AnswerTemplate("<think>", "</think>", "<answer>", "</answer>", working_opened_by_prompt=False)
    assert grade("<think>so</think><answer>18</answer>", "18", template=template) == "correct"
    assert grade("so</think><answer>18</answer>", "18", template=template) == "malformed"


def rows(*answers, gold="18", reason="stop"):
    prompt = Prompt([1], "?", {"answer": gold, "solution": gold})
    return Completions([Completion(prompt, [2], LAYOUT.format(answer), reason) for answer in answers], len(answers))


def test_the_reward_pays_by_verdict():
    reward = MathCheck(correct=2.0, incorrect=-1.0, malformed=-2.0)
    assert reward.evaluate(rows("18.0", "19", "")).total.tolist() == [[2.0, -1.0, -2.0]]
    assert MathCheck().name == "math_check"
    assert reward.evaluate(rows("18", reason="length")).total.tolist() == [[-2.0]]
    assert MathCheck(answer_column="solution").evaluate(rows("18", gold=18)).total.tolist() == [[1.0]]


@pytest.mark.parametrize("gold", ["", None, "?"])
def test_the_reward_abstains_where_the_gold_cannot_be_checked(gold):
    judgement = MathCheck().evaluate(rows("18", gold=gold)).judgements["math_check"]
    assert judgement.scores.isnan().all()
    assert judgement.unverifiable.all()
    assert not judgement.errors.any()


def test_typical_answers_are_graded_a_thousand_times_a_second():
    answers = [
        answer for n in range(1, 60) for answer in (f"{n}", f"${n}", f"{n} dollars", f"{n},000", f"{n}.50", f"x = {n}")
    ]
    pairs = [(LAYOUT.format(answer), str(3 * n)) for n, answer in enumerate(answers)]
    started = time.process_time()
    grade_all(pairs)
    assert len(pairs) / (time.process_time() - started) > 1000
