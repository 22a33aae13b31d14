"""The 39 phones of the phone head: ARPAbet as in CMUdict, without stress."""

from __future__ import annotations

# fmt: off
PHONES: tuple[str, ...] = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY",
    "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y",
    "Z", "ZH",
)
# fmt: on
"""Phone `i` is class `i + 1` of the phone head; class 0 is the CTC blank."""

PHONE_IDS: dict[str, int] = {phone: index for index, phone in enumerate(PHONES, start=1)}
"""Class of each phone in the phone head."""


def strip_stress(phone: str) -> str:
    """`AH0` to `AH`."""
    return phone.rstrip("012")
