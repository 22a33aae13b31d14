"""Words grouped into subtitles that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asr.result import Result, Word

# What subtitle guidelines ask for: no cue so long that it is no longer about what is heard or too short to be
# read, and a gap by which the eye notices that the text has changed.
LONGEST_CUE_MS = 6000
SHORTEST_CUE_MS = 1000
GAP_MS = 80
# A pause this long ends a cue, so that words do not show long before they are said.
PAUSE_MS = 1500


class SubtitleError(ValueError):
    """Subtitles that nobody could read."""


@dataclass(frozen=True)
class SubtitleOptions:
    """How much text a subtitle has.

    Attributes:
        line_characters: characters in a line at most; a longer word stands in a line alone.
        lines: lines of one subtitle at most.
    """

    line_characters: int = 42
    lines: int = 2

    def __post_init__(self) -> None:
        if self.line_characters < 1 or self.lines < 1:
            raise SubtitleError(f"{self}: give 1 or more of both")


@dataclass(frozen=True)
class Cue:
    """A subtitle: times in milliseconds, its lines, and the channel it was heard in, if they were apart."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    channel: int | None = None


def cues(result: Result, options: SubtitleOptions | None = None) -> list[Cue]:
    """Group the words into subtitles that follow each other, those of one channel without overlap.

    A cue ends where the next word would not fit into its lines or six seconds, or follows a pause. Only a
    word longer than a line makes a longer line, and only a word longer than six seconds a longer cue.
    """
    chosen = options or SubtitleOptions()
    found = [cue for channel in channels_of(result) for cue in _cues_of(result, channel, chosen)]
    return sorted(found, key=lambda cue: cue.start_ms)


def channels_of(result: Result) -> list[int | None]:
    """The channels that were heard each by itself; None alone where they were heard together."""
    return sorted({segment.channel for segment in result.segments}, key=lambda channel: channel or 0)


def spoken(result: Result, channel: int | None = None) -> Iterator[Word]:
    """Yield the words of a channel without white space in them; a text of several shares out its time."""
    for segment in result.segments:
        timed = segment.words or (Word(segment.text, segment.start, segment.end, 1.0),)
        for word in timed if segment.channel == channel else ():
            texts = word.text.split()
            step = (word.end - word.start) / max(1, len(texts))
            for index, text in enumerate(texts):
                start = word.start + index * step
                yield Word(text, start, max(start, start + step), word.confidence, word.phrase)


def milliseconds(seconds: float) -> int:
    """Seconds as whole milliseconds."""
    return round(seconds * 1000)


def _cues_of(result: Result, channel: int | None, options: SubtitleOptions) -> Iterator[Cue]:
    groups = list(_grouped(result, channel, options))
    free_from = 0
    for index, group in enumerate(groups):
        start = max(milliseconds(group[0].start), free_from)
        end = max(milliseconds(group[-1].end), start + SHORTEST_CUE_MS)
        if index + 1 < len(groups):
            end = min(end, milliseconds(groups[index + 1][0].start) - GAP_MS)
        end = max(end, start + 1)
        yield Cue(start, end, _lines([word.text for word in group], options), channel)
        free_from = end


def _grouped(result: Result, channel: int | None, options: SubtitleOptions) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in spoken(result, channel):
        if group and not _belongs(group, word, options):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _belongs(group: list[Word], word: Word, options: SubtitleOptions) -> bool:
    lines = _filled([*(one.text for one in group), word.text], options.line_characters)
    fits = len(lines) <= options.lines and max(map(len, lines)) <= options.line_characters
    pause = milliseconds(word.start) - milliseconds(group[-1].end)
    length = milliseconds(word.end) - milliseconds(group[0].start)
    return fits and pause < PAUSE_MS and length <= LONGEST_CUE_MS


def _lines(texts: list[str], options: SubtitleOptions) -> tuple[str, ...]:
    """The texts in as few lines as hold them, these as alike in length as can be."""
    needed = len(_filled(texts, options.line_characters))
    shortest = max(map(len, texts))
    widths = range(shortest, max(options.line_characters, shortest) + 1)
    return next(lines for width in widths if len(lines := _filled(texts, width)) <= needed)


def _filled(texts: list[str], width: int) -> tuple[str, ...]:
    """Lines no wider than `width`, longer words excepted, the last ones as full as they can be."""
    lines: list[str] = []
    for text in reversed(texts):
        if lines and len(text) + 1 + len(lines[-1]) <= width:
            lines[-1] = f"{text} {lines[-1]}"
        else:
            lines.append(text)
    return tuple(reversed(lines))
