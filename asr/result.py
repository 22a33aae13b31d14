"""What a recognizer returns: words with times, grouped in segments, and what became of the phrases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class ResultError(ValueError):
    """A result that contradicts itself, or a stored one that cannot be read."""


class BiasReport(Protocol):
    """Which phrases fired and why the others did not; all that is asked of it here is to be storable."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        ...


@dataclass(frozen=True)
class StoredReport:
    """A bias report read back from a file: its JSON values as they stand."""

    fields: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the values."""
        return dict(self.fields)


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes:
        text: the word as shown.
        start, end: seconds from the beginning of the recording.
        confidence: from 0 to 1.
        phrase: the phrase of the biasing list it was recognised as part of, where it was.
    """

    text: str
    start: float
    end: float
    confidence: float
    phrase: str | None = None

    def __post_init__(self) -> None:
        _check_times(f"word {self.text!r}", self.start, self.end)
        if not 0 <= self.confidence <= 1:
            raise ResultError(f"word {self.text!r}: confidence {self.confidence} is not from 0 to 1")

    def shifted(self, seconds: float) -> Word:
        """Return the word `seconds` later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True)
class Segment:
    """A stretch of the recording that was recognised at once: its text, times in seconds and words.

    Attributes:
        channel: number of the channel it was heard in, from 1 on; None where all were heard together.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    channel: int | None = None

    def __post_init__(self) -> None:
        _check_times("segment", self.start, self.end)

    def shifted(self, seconds: float) -> Segment:
        """Return the segment with its words `seconds` later."""
        words = tuple(word.shifted(seconds) for word in self.words)
        return replace(self, start=self.start + seconds, end=self.end + seconds, words=words)


@dataclass(frozen=True)
class Result:
    """The transcript of one recording.

    Attributes:
        segments: in the order of time.
        duration: length of the recording in seconds.
        audio: name of the recording, empty where it has none.
        language: code of the language it was taken for.
        model: name of the model that heard it.
        bias: what became of the phrases; None when none were given.
    """

    segments: tuple[Segment, ...]
    duration: float
    audio: str = ""
    language: str = "en"
    model: str = ""
    bias: BiasReport | None = None

    @property
    def text(self) -> str:
        """The whole transcript; empty when nothing was said."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values; `from_dict` reads them back."""
        return {
            "text": self.text,
            "audio": self.audio,
            "duration": self.duration,
            "language": self.language,
            "model": self.model,
            "segments": [
                {
                    "text": segment.text,
                    "start": segment.start,
                    "end": segment.end,
                    **({} if segment.channel is None else {"channel": segment.channel}),
                    "words": [asdict(word) for word in segment.words],
                }
                for segment in self.segments
            ],
            "bias": None if self.bias is None else self.bias.to_dict(),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Result:
        """Read what `to_dict` returned; a bias report comes back as a `StoredReport`.

        Raises:
            ResultError: a field is missing or of the wrong kind.
        """
        bias = _field(fields, "bias", (dict, type(None)))
        return cls(
            segments=tuple(_segment(one) for one in _field(fields, "segments", list)),
            duration=float(_field(fields, "duration", (int, float))),
            audio=_field(fields, "audio", str),
            language=_field(fields, "language", str),
            model=_field(fields, "model", str),
            bias=None if bias is None else StoredReport(bias),
        )

    @classmethod
    def join(cls, parts: Iterable[tuple[float, Result]], bias: BiasReport | None = None) -> Result:
        """Put together the results of consecutive parts of one recording.

        Args:
            parts: (where the part starts in the recording in seconds, its result), in the order of time.
            bias: the report over all parts; those of the parts are not merged.

        Raises:
            ResultError: there is no part, or one starts before the part ahead of it.
        """
        listed = list(parts)
        starts = [start for start, _ in listed]
        if not listed or starts != sorted(starts):
            raise ResultError(f"parts start at {starts}; one or more in the order of time are needed")
        segments = tuple(segment.shifted(start) for start, part in listed for segment in part.segments)
        duration = max(start + part.duration for start, part in listed)
        return replace(listed[0][1], segments=segments, duration=duration, bias=bias)


def _check_times(what: str, start: float, end: float) -> None:
    if not 0 <= start <= end:
        raise ResultError(f"{what}: times {start} to {end} s; needed is 0 <= start <= end")


def _segment(fields: Mapping[str, Any]) -> Segment:
    words = tuple(_word(one) for one in _field(fields, "words", (list, tuple)))
    start, end = (_field(fields, name, (int, float)) for name in ("start", "end"))
    channel = _field(fields, "channel", int) if "channel" in fields else None
    return Segment(_field(fields, "text", str), start, end, words, channel)


def _word(fields: Mapping[str, Any]) -> Word:
    start, end, confidence = (_field(fields, name, (int, float)) for name in ("start", "end", "confidence"))
    phrase = _field(fields, "phrase", (str, type(None)))
    return Word(_field(fields, "text", str), start, end, confidence, phrase)


def _field(fields: Mapping[str, Any], name: str, kind: type[T] | tuple[type, ...]) -> Any:
    if not isinstance(fields, Mapping) or name not in fields:
        raise ResultError(
            f"not a stored result: {name!r} is missing; give the json output of a transcription"
        )
    value = fields[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ResultError(
            f"not a stored result: {name!r} is {value!r}; give the json output of a transcription"
        )
    return value
