"""What goes through a model at once: as much as stays within a size when it is padded to the longest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def grouped(items: Iterable[T], length: Callable[[T], float], most: float) -> Iterator[list[T]]:
    """Group consecutive items, as many as have together, padded to the longest of them, at most `most`.

    An item that is longer than that is a group by itself. Lengths and `most` have the same unit. Items that
    are sorted by length need the least padding.
    """
    group: list[T] = []
    longest = 0.0
    for item in items:
        longest = max(longest, length(item))
        if group and longest * (len(group) + 1) > most:
            yield group
            group, longest = [], length(item)
        group.append(item)
    if group:
        yield group
