"""Token of receivers: a secret in the environment or in a file, which no argument and no log shows."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "RLFRAMEWORK_SERVE_TOKEN"
SHORTEST = 16


def read_token(file: str | Path | None = None) -> str:
    """Return the token that receivers ask for, of a file or of ``RLFRAMEWORK_SERVE_TOKEN``.

    Args:
        file: The file that holds it; None reads the variable.

    Raises:
        OSError: The file cannot be read.
        ValueError: There is none, it is too short, or it has characters that no HTTP header may have.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w+") as file:
        ...     _ = file.write("0123456789abcdef"), file.flush()
        ...     len(read_token(file.name))
        16
    """
    where = f"the file {file}" if file else VARIABLE
    token = (Path(file).read_text(encoding="utf-8") if file else os.environ.get(VARIABLE, "")).strip()
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            f"{where} holds a token of {len(token)} characters; weights are taken only from who knows one, of at least "
            f"{SHORTEST} printable ASCII characters without a space. Make one and give it to both sides: "
            f'export {VARIABLE}="$(openssl rand -hex 32)"'
        )
    return token
