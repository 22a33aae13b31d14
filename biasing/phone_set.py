"""The phones that pronunciations are written in."""

from __future__ import annotations

# fmt: off
PHONES: tuple[str, ...] = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY",
    "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y",
    "Z", "ZH",
)
# fmt: on
"""The 39 phones of CMUdict (ARPAbet), without stress, sorted."""


def strip_stress(phone: str) -> str:
    """`AH0` to `AH`."""
    return phone[:-1] if phone[-1:] in ("0", "1", "2") else phone
