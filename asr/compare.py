"""What a phrase list changed in a transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from asr.result import Result, ResultError, Word
from biasing.alignment import Pair, align
from biasing.report import BiasReport


@dataclass(frozen=True)
class Difference:
    """A place where the transcript with phrases differs from the one without.

    Attributes:
        start, end: seconds; of what is heard with the phrases, or where nothing is, of the gap.
        before: the words without the phrases.
        after: the words with them.
        phrases: those that stand in `after`.
    """

    start: float
    end: float
    before: str
    after: str
    phrases: tuple[str, ...]


def differences(result: Result) -> list[Difference]:
    """Places in which `result` differs from its `bias.plain_text`, in the order of time.

    Words that differ in upper and lower case alone are the same.

    Raises:
        ResultError: there were no phrases.
    """
    if not isinstance(result.bias, BiasReport):
        raise ResultError("there is nothing to compare with: transcribe with phrases")
    plain, ours = result.bias.plain_text.split(), result.words
    pairs = align([word.lower() for word in plain], [word.text.lower() for word in ours])
    found, end = [], 0.0
    for same, group in groupby(pairs, key=lambda pair: _same(pair, plain, ours)):
        places = list(group)
        words = [ours[place] for _, place in places if place is not None]
        before = " ".join(plain[place] for place, _ in places if place is not None)
        start, end = (words[0].start, words[-1].end) if words else (end, end)
        if not same:
            phrases = dict.fromkeys(word.phrase for word in words if word.phrase is not None)
            after = " ".join(word.text for word in words)
            found.append(Difference(start, end, before, after, tuple(phrases)))
    return found


def format_differences(result: Result) -> str:
    """A line for each difference: seconds, the words without the phrases, the words with them."""
    return "".join(
        f"{one.start:.2f}-{one.end:.2f} s: {one.before or '(nothing)'} -> {one.after or '(nothing)'}\n"
        for one in differences(result)
    )


def _same(pair: Pair, plain: Sequence[str], ours: Sequence[Word]) -> bool:
    before, after = pair
    if before is None or after is None:
        return False
    return plain[before].lower() == ours[after].text.lower()
