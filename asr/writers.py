"""Transcripts as text: plain, subtitles, tables, NIST time marks and JSON.

Each writer is a pure function of a `Result`; in every format each word stands once, in its order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from asr.result import Result
from asr.subtitles import SubtitleOptions, channels_of, cues, milliseconds, spoken


def txt(result: Result) -> str:
    """Return the text, one line a segment; a single empty line when nothing was said.

    Where channels were heard each by itself, a line begins with its channel, as in "2: hello".
    """
    lines = [_named(segment.channel) + _one_line(segment.text) for segment in result.segments if segment.text]
    return "\n".join(lines) + "\n"


def srt(result: Result, options: SubtitleOptions | None = None) -> str:
    """Return SubRip subtitles."""
    blocks = []
    for number, cue in enumerate(cues(result, options), start=1):
        times = f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}"
        first, *rest = cue.lines
        blocks.append("\n".join([str(number), times, _named(cue.channel) + first, *rest]) + "\n")
    return "\n".join(blocks)


def vtt(result: Result, options: SubtitleOptions | None = None) -> str:
    """Return WebVTT subtitles (W3C WebVTT 1, section 4), channels as voices."""
    blocks = ["WEBVTT\n"]
    for cue in cues(result, options):
        times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        voice = "" if cue.channel is None else f"<v {cue.channel}>"
        first, *rest = map(_vtt_escaped, cue.lines)
        blocks.append("\n".join([times, voice + first, *rest]) + "\n")
    return "\n".join(blocks)


def tsv(result: Result) -> str:
    """Return a table of segments: start and end in milliseconds, and text, separated by tabs.

    Where channels were heard each by itself, a fourth column has their numbers.
    """
    apart = any(segment.channel is not None for segment in result.segments)
    rows = ["start\tend\ttext" + "\tchannel" * apart]
    for segment in result.segments:
        if segment.text:
            times = f"{milliseconds(segment.start)}\t{milliseconds(segment.end)}"
            rows.append(f"{times}\t{_one_line(segment.text)}" + f"\t{segment.channel}" * apart)
    return "\n".join(rows) + "\n"


def ctm(result: Result) -> str:
    """Return time marked words for NIST's sclite: file, channel, start, duration, word, confidence."""
    name = "_".join(Path(result.audio).stem.split()) or "audio"
    rows = []
    for channel in channels_of(result):
        for word in spoken(result, channel):
            start, end = milliseconds(word.start), milliseconds(word.end)
            times = f"{start / 1000:.3f} {(end - start) / 1000:.3f}"
            rows.append(f"{name} {channel or 1} {times} {word.text} {word.confidence:.4f}\n")
    return "".join(rows)


def to_json(result: Result) -> str:
    """Return everything the result holds as JSON; `Result.from_dict` reads it back."""
    return json.dumps(result.to_dict(), ensure_ascii=False, indent=2) + "\n"


Writer = Callable[[Result], str]
SUBTITLES = ("srt", "vtt")
WRITERS: dict[str, Callable[..., str]] = {
    "txt": txt,
    "srt": srt,
    "vtt": vtt,
    "tsv": tsv,
    "ctm": ctm,
    "json": to_json,
}


def writers_of(names: Iterable[str], options: SubtitleOptions | None = None) -> dict[str, Writer]:
    """The writers of some formats, subtitles as asked for."""
    return {
        name: partial(WRITERS[name], options=options) if name in SUBTITLES else WRITERS[name]
        for name in names
    }


def _named(channel: int | None) -> str:
    """What a line of a channel begins with."""
    return "" if channel is None else f"{channel}: "


def _clock(time_ms: int, point: str) -> str:
    minutes, rest = divmod(time_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
