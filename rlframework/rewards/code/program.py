"""Finding the one program in a completion."""

from __future__ import annotations

LANGUAGES = ("", "python", "python3", "py")


def program_of(text: str, *, fence_needed: bool = False) -> str | None:
    r"""Return the program in a text; None where there is none, more than one, or another language.

    With a fence (a line that starts with three backquotes) there has to be one block and nothing else like it, with
    prose around it if need be. Without one the whole text is the program. Linear in the text.

    Args:
        text: An answer section, or a completion.
        fence_needed: Whether a text without a fence has no program.

    Example:
        >>> program_of("Here:\n```python\nprint(1)\n```\nDone."), program_of("print(1)")
        ('print(1)\n', 'print(1)')
        >>> program_of("```\nprint(1)\n```\n```\nprint(2)\n```") is None
        True
    """
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if line.lstrip().startswith("```")]
    if not fences:
        return text if text.strip() and not fence_needed else None
    if len(fences) != 2:
        return None
    start, end = fences
    opening, closing = lines[start].strip(), lines[end].strip()
    if opening[3:].strip().lower() not in LANGUAGES or closing != "```":
        return None
    program = "".join(line + "\n" for line in lines[start + 1 : end])
    return program if program.strip() else None
