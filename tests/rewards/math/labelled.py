"""How the labelled rows are written down, and what stands around an answer in a completion."""

from __future__ import annotations

from dataclasses import dataclass

END, OPEN, CLOSE, START = "<end_working_out>", "<SOLUTION>", "</SOLUTION>", "<start_working_out>"


@dataclass(frozen=True)
class Row:
    """A completion, the expected answer, and what to show of it when a verdict is another one than the label."""

    completion: str
    gold: str
    shown: str


def table(text: str) -> dict[str, list[tuple[str, str]]]:
    """Read ``# category`` lines and ``gold :: answer ;; answer`` lines into category -> list of (answer, gold)."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for line in filter(str.strip, text.splitlines()):
        if line.startswith("# "):
            category = line[2:].strip()
            rows.setdefault(category, [])
            continue
        gold, _, answers = line.partition(" :: ")
        rows[category] += [(answer.strip(), gold.strip()) for answer in answers.split(" ;; ")]
    return rows


def right_row(answer: str, gold: str) -> Row:
    """A completion whose working names other numbers in boxes: they must not be taken for the answer."""
    working = f"First guess \\boxed{{987654}}, but that is off by one step. The answer is 123456? No.\n{END}"
    return Row(f"{working}{OPEN}{answer}{CLOSE}", gold, answer)


def wrong_row(answer: str, gold: str) -> Row:
    """A completion whose working names the gold in a box, after "the answer is", and as ``#### gold``."""
    working = f"The answer is {gold}. \\boxed{{{gold}}}\n#### {gold}\nAnswer: {gold}\n{END}"
    return Row(f"{working}{OPEN}{answer}{CLOSE}", gold, answer)
