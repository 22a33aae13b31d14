"""What a library says went wrong, as one line for a message of ours."""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """The beginning of what it says, where its advice follows."""
    return _lines(error)[0].strip()


def last_line(error: Exception) -> str:
    """The end of what it says, where that names the cause, as in torch and safetensors."""
    return _lines(error)[-1].strip()


def _lines(error: Exception) -> list[str]:
    return (str(error).strip() or type(error).__name__).splitlines()
