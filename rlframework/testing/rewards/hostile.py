"""Texts that a policy may come upon and that break careless readers: huge, looping, nested, or no text at all."""

from __future__ import annotations

from rlframework.rewards.template import AnswerTemplate

MEGABYTE = 2**20


def hostile_texts(template: AnswerTemplate, sample: str) -> dict[str, str]:
    """Return texts by name.

    Args:
        template: The layout that the reward reads; what is nested or huge is put where the answer belongs, too.
        sample: An ordinary completion, in any layout.

    Example:
        >>> texts = hostile_texts(AnswerTemplate(), "<SOLUTION>4</SOLUTION>")
        >>> texts["empty"], len(texts["a megabyte of one letter"]), "sample, a thousand times" in texts
        ('', 1048576, True)
    """

    def answer(text: str) -> str:
        return f"{template.end_working}{template.start_answer}{text}{template.end_answer}"

    return {
        "empty": "",
        "blanks": " \n\t\r\n\u00a0\u2003",
        "null bytes": "\0\0" + answer("\0" + "1\0") + "\0",
        "lone surrogates": answer("\ud800 1 \udfff"),
        "unicode junk": answer("\u202e\u200b\ufeff\u0301" * 500 + "１２٣²½\U0001f600\U000e0001" * 500),
        "a megabyte of one letter": "a" * MEGABYTE,
        "a megabyte of digits": "7" * MEGABYTE,
        "a megabyte of line ends": "\n" * MEGABYTE,
        "a megabyte of blanks as the answer": answer(" " * MEGABYTE + "1"),
        "a megabyte of digits as the answer": answer("1" * MEGABYTE),
        "a megabyte of words as the answer": answer("one or two, " * (MEGABYTE // 12)),
        "sample, a thousand times": sample * 1000,
        "looping tags": (template.end_working + template.start_answer + "x") * 3000,
        "opening tags only": template.start_answer * 20_000,
        "blocks, thousands of them": answer("1") * 5000,
        "deep brackets": answer("(" * 50_000 + "1" + ")" * 50_000),
        "deep lists": answer("[" * 50_000),
        "deep fractions": answer("\\frac{1}{" * 5000 + "1" + "}" * 5000),
        "a tower of powers": answer("9**9**9**9**9"),
        "a tower of powers in TeX": answer("\\boxed{9^{9^{9^{9^{9}}}}}"),
        "a huge exponent": answer("1e999999999"),
        "a factorial": answer("99999999!"),
        "a run of punctuation": answer(".,_-" * 20_000),
        "signs only": answer("-" * 100_000 + "1"),
        "open code fences": "```python\n" * 5000,
        "format strings": answer("%s%n{0}{}$(1)${x}"),
    }
