"""What was heard in the parts of a recording becomes one result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from asr.phrase_decoder import Heard
from asr.result import Result, Segment, Word
from biasing.attention import Attention
from biasing.phrases import PhraseList
from biasing.report import BiasReport, report


@dataclass(frozen=True)
class Part:
    """A stretch of the recording that was decoded at once; times in seconds.

    Attributes:
        start: where it begins in the recording.
        seconds: how long it is.
        heard: the words, and what became of the phrases.
        channel: number of its channel from 1 on; None where all were heard together.
    """

    start: float
    seconds: float
    heard: Heard
    channel: int | None = None


def assembled(parts: Sequence[Part], phrases: PhraseList | None, bare: Result) -> Result:
    """The result of all parts in the order of time; `bare` has what does not depend on them."""
    found = sorted(_segments(parts), key=lambda one: one.start)
    return replace(bare, segments=tuple(found), bias=None if phrases is None else _report(phrases, parts))


def _segments(parts: Iterable[Part]) -> Iterator[Segment]:
    """The words of each part at their place in the recording; silent parts are left out."""
    for part in parts:
        words = [
            Word(
                one.text,
                min(one.word.start, part.seconds),
                min(one.word.end, part.seconds),
                one.confidence,
                one.phrase,
            )
            for one in part.heard.words
        ]
        if words:
            text = " ".join(word.text for word in words)
            one = Segment(text, words[0].start, words[-1].end, tuple(words), part.channel)
            yield one.shifted(part.start)


def _report(phrases: PhraseList, parts: Sequence[Part]) -> BiasReport:
    events = [event.shifted(part.start) for part in parts for event in part.heard.events]
    plain = " ".join(word.text for part in parts for word in part.heard.plain)
    return report(phrases, events, plain, _attention(phrases, parts))


def _attention(phrases: PhraseList, parts: Sequence[Part]) -> Attention | None:
    looked = tuple(
        part.heard.attention.shifted(part.start) for part in parts if part.heard.attention is not None
    )
    words = tuple(
        (one.text, part.start + one.word.start, part.start + one.word.end)
        for part in parts
        for one in part.heard.words
    )
    return Attention(tuple(one.display for one in phrases), looked, words) if looked else None
