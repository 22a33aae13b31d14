"""Transcripts as text: plain, subtitles, tables, NIST time marks and JSON.

Each writer is a pure function of a `Result`; in every format each word stands once, in its order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asr.result import Result, Word

# What subtitle guidelines ask for: two lines of 42 characters, no cue so long that it is no longer about what
# is heard or too short to be read, and a gap by which the eye notices that the text has changed.
LINE_CHARACTERS = 42
LONGEST_CUE_MS = 6000
SHORTEST_CUE_MS = 1000
GAP_MS = 80
# A pause this long ends a cue, so that words do not show long before they are said.
PAUSE_MS = 1500


@dataclass(frozen=True)
class Cue:
    """A subtitle: times in milliseconds and its one or two lines."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


def txt(result: Result) -> str:
    """Return the text, one line a segment; a single empty line when nothing was said."""
    lines = [_one_line(segment.text) for segment in result.segments if segment.text]
    return "\n".join(lines) + "\n"


def srt(result: Result) -> str:
    """Return SubRip subtitles."""
    blocks = []
    for number, cue in enumerate(cues(result), start=1):
        times = f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}"
        blocks.append("\n".join([str(number), times, *cue.lines]) + "\n")
    return "\n".join(blocks)


def vtt(result: Result) -> str:
    """Return WebVTT subtitles (W3C WebVTT 1, section 4)."""
    blocks = ["WEBVTT\n"]
    for cue in cues(result):
        times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        blocks.append("\n".join([times, *(_vtt_escaped(line) for line in cue.lines)]) + "\n")
    return "\n".join(blocks)


def tsv(result: Result) -> str:
    """Return a table of segments: start and end in milliseconds, and text, separated by tabs."""
    rows = ["start\tend\ttext"]
    for segment in result.segments:
        if segment.text:
            rows.append(f"{_ms(segment.start)}\t{_ms(segment.end)}\t{_one_line(segment.text)}")
    return "\n".join(rows) + "\n"


def ctm(result: Result) -> str:
    """Return time marked words for NIST's sclite: file, channel, start, duration, word, confidence."""
    name = "_".join(Path(result.audio).stem.split()) or "audio"
    rows = []
    for word in _spoken(result):
        start, end = _ms(word.start), _ms(word.end)
        rows.append(
            f"{name} 1 {start / 1000:.3f} {(end - start) / 1000:.3f} {word.text} {word.confidence:.4f}\n"
        )
    return "".join(rows)


def to_json(result: Result) -> str:
    """Return everything the result holds as JSON; `Result.from_dict` reads it back."""
    return json.dumps(result.to_dict(), ensure_ascii=False, indent=2) + "\n"


WRITERS: dict[str, Callable[[Result], str]] = {
    "txt": txt,
    "srt": srt,
    "vtt": vtt,
    "tsv": tsv,
    "ctm": ctm,
    "json": to_json,
}


def cues(result: Result) -> list[Cue]:
    """Group the words into subtitles that follow each other without overlap.

    A cue ends where the next word would not fit in two lines or six seconds, or follows a pause. Only a word
    longer than a line makes a longer line, and only a word longer than six seconds a longer cue.
    """
    grouped: list[Cue] = []
    groups = list(_grouped(result))
    free_from = 0
    for index, group in enumerate(groups):
        start = max(_ms(group[0].start), free_from)
        end = max(_ms(group[-1].end), start + SHORTEST_CUE_MS)
        if index + 1 < len(groups):
            end = min(end, _ms(groups[index + 1][0].start) - GAP_MS)
        end = max(end, start + 1)
        grouped.append(Cue(start, end, _lines([word.text for word in group])))
        free_from = end
    return grouped


def _grouped(result: Result) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in _spoken(result):
        if group and not _belongs(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _belongs(group: list[Word], word: Word) -> bool:
    lines = _lines([*(one.text for one in group), word.text])
    fits = len(lines) <= 2 and max(map(len, lines)) <= LINE_CHARACTERS
    pause = _ms(word.start) - _ms(group[-1].end)
    return fits and pause < PAUSE_MS and _ms(word.end) - _ms(group[0].start) <= LONGEST_CUE_MS


def _lines(texts: list[str]) -> tuple[str, ...]:
    """Return one line where it fits, else the two most alike in length."""
    whole = " ".join(texts)
    if len(whole) <= LINE_CHARACTERS or len(texts) == 1:
        return (whole,)
    splits = ((" ".join(texts[:at]), " ".join(texts[at:])) for at in range(1, len(texts)))
    return min(splits, key=lambda pair: max(map(len, pair)))


def _spoken(result: Result) -> Iterator[Word]:
    """Yield words without white space in them; a text of several words shares out its time."""
    for segment in result.segments:
        timed = segment.words or (Word(segment.text, segment.start, segment.end, 1.0),)
        for word in timed:
            texts = word.text.split()
            step = (word.end - word.start) / max(1, len(texts))
            for index, text in enumerate(texts):
                start = word.start + index * step
                yield Word(text, start, max(start, start + step), word.confidence, word.phrase)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _clock(milliseconds: int, point: str) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
