"""MurmurHash64A (Austin Appleby, public domain), by which KenLM looks words up."""

from __future__ import annotations

import struct

_MULTIPLIER = 0xC6A4A7935BD1E995
_MASK = 0xFFFFFFFFFFFFFFFF
_SHIFT = 47


def murmur_hash_64a(data: bytes, seed: int = 0) -> int:
    """The 64-bit hash of `data`."""
    value = seed ^ (len(data) * _MULTIPLIER & _MASK)
    whole = len(data) - len(data) % 8
    for (block,) in struct.iter_unpack("<Q", data[:whole]):
        mixed = block * _MULTIPLIER & _MASK
        mixed = (mixed ^ mixed >> _SHIFT) * _MULTIPLIER & _MASK
        value = (value ^ mixed) * _MULTIPLIER & _MASK
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> _SHIFT) * _MULTIPLIER & _MASK
    return value ^ value >> _SHIFT
