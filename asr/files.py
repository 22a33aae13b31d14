"""Writing files that are either whole or absent."""

from __future__ import annotations

import os
from pathlib import Path


class OutputError(OSError):
    """A file that cannot be written; the message names it."""


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8; see `write_bytes_atomic`."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_bytes_atomic(path: str | Path, content: bytes) -> None:
    """Write `content`, so that a reader or a killed run never leaves half a file under that name.

    An existing file is replaced. The folder must exist.

    Raises:
        OutputError: the file cannot be written; what was there before is untouched.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            partial.write_bytes(content)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
