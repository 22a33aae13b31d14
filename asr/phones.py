"""The classes of the phone head: the CTC blank and the 39 phones."""

from __future__ import annotations

from biasing.phone_set import PHONES, strip_stress

__all__ = ["PHONES", "PHONE_IDS", "strip_stress"]

PHONE_IDS: dict[str, int] = {phone: index for index, phone in enumerate(PHONES, start=1)}
"""Class of each phone in the phone head; class 0 is the CTC blank."""
