r"""Largest and smallest values with their labels: ``maximum value 5, minimum value -1`` is ``\max = 5, \min = -1``."""

from __future__ import annotations

import re

_LABEL = re.compile(
    r"(?:the\s+)?\\?(?P<kind>max|min)(?P<whole>imum)?\.?\s*(?P<value>value)?\s*(?:of\s+[a-z](?:\([a-z]\))?)?"
    r"\s*(?P<sign>is|=|:|)\s*(?P<number>[-+0-9.\\$].*)",
    re.IGNORECASE | re.DOTALL,
)
_JOINT = re.compile(r"\s*[,;]\s*(?:and\s+)?|\s+and\s+")
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")


def as_equations(plain: str) -> str:
    r"""Return labels of extreme values as equations of ``y_{max}`` and ``y_{min}``; any other text as it is.

    Example:
        >>> as_equations("maximum value 5, minimum value -1"), as_equations(r"\text{max}=5,\ \text{min}=-1")
        ('y_{max} = 5, y_{min} = -1', 'y_{max} = 5, y_{min} = -1')
        >>> as_equations(r"\max(a,b)"), as_equations("minimum wage")
        ('\\max(a,b)', 'minimum wage')
    """
    if not re.search("max|min", plain, re.IGNORECASE):
        return plain
    parts = _JOINT.split(_TEXT.sub(r" \1 ", plain).replace("\\ ", " ").strip())
    found = [_LABEL.fullmatch(part) for part in parts]
    if any(one is None or not (one["whole"] or one["value"] or one["sign"]) or "=" in one["number"] for one in found):
        return plain
    return ", ".join(f"y_{{{one['kind'].lower()}}} = {one['number'].strip()}" for one in found if one)
