"""What became of every phrase of a list: fired, vetoed, nearly, never; where, and on what evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from biasing.attention import Attention, AttentionError
from biasing.phrases import Entry, PhraseList, Unusable


class Outcome(StrEnum):
    """The best that happened to a phrase."""

    fired = "fired"
    """It is in the transcript."""
    vetoed = "vetoed"
    """The search chose it, and the phones said that other words were spoken."""
    nearly = "nearly"
    """It is in a reading that the search kept to the end and that lost."""
    never = "never"
    """No reading that lived to the end has it."""


RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}


@dataclass(frozen=True)
class Event:
    """One place where a phrase was in a reading.

    Attributes:
        entry: place of the phrase in its list.
        outcome: what became of it there; never `never`.
        start, end: seconds from the beginning of the recording.
        bonus: nats that the list added to the reading for it: boosting and language model class.
        evidence: acoustic log-likelihood ratio in nats, free of all bonuses: how much better its sub-words
            fit the sound than `instead` does. 0 where both are the same words.
        instead: the words in its place without the list, or of the reading that it lost to.
        confidence: of its words, acoustic alone, from 0 to 1.
        way: "search", or "spotting" or "pronunciation" where the spotting or the lookup put it there.
    """

    entry: int
    outcome: Outcome
    start: float
    end: float
    bonus: float
    evidence: float
    instead: str
    confidence: float
    way: str = "search"

    def shifted(self, seconds: float) -> Event:
        """The same, `seconds` later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)

    @property
    def reason(self) -> str:
        """The event in words."""
        without = f'"{self.instead}"' if self.instead else "nothing"
        match self.outcome:
            case Outcome.vetoed:
                return f"vetoed: the phones fit {without} better"
            case Outcome.nearly:
                return f"lost to {without} (acoustic evidence {self.evidence:+.1f} nats)"
            case _ if self.way == "pronunciation":
                return f"the phones of {without} are its pronunciation"
            case _ if self.way == "spotting":
                return f"spotted; the phones fit it by {self.evidence:.1f} nats better than {without}"
            case _ if self.evidence == 0.0:
                return "heard without the list too"
            case _:
                return (
                    f"{without} without the list; bonus {self.bonus:.1f}, evidence {self.evidence:+.1f} nats"
                )


@dataclass(frozen=True)
class PhraseReport:
    """One phrase of the list, by the best that happened to it, with all events in the order of time."""

    phrase: str
    outcome: Outcome
    events: tuple[Event, ...] = ()

    @property
    def reason(self) -> str:
        """Why it fired or not, by its most telling event."""
        best = [event for event in self.events if event.outcome is self.outcome]
        return best[0].reason if best else "never begun: no reading that lived to the end has it"


@dataclass(frozen=True)
class BiasReport:
    """What became of the phrases of a list in one recording.

    Attributes:
        phrases: a report for every usable phrase, in the order of the list.
        unusable: what was given and could not be used.
        plain_text: the transcript without the list.
        attention: where the encoder looked; None where it had no adapter, or was not asked.
    """

    phrases: tuple[PhraseReport, ...]
    unusable: tuple[Unusable, ...] = ()
    plain_text: str = ""
    attention: Attention | None = field(default=None, compare=False, repr=False)

    @property
    def fired(self) -> tuple[PhraseReport, ...]:
        """The phrases that are in the transcript."""
        return tuple(one for one in self if one.outcome is Outcome.fired)

    def __iter__(self) -> Iterator[PhraseReport]:
        return iter(self.phrases)

    def __getitem__(self, phrase: str) -> PhraseReport:
        """The report of a phrase by its display form. Raises `KeyError` where the list has none such."""
        for one in self.phrases:
            if one.phrase == phrase:
                return one
        raise KeyError(phrase)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw where the encoder looked: attention over time, a row for each phrase, with the words.

        Writes a picture where `path` is given; returns matplotlib's figure.

        Raises:
            AttentionError: the encoder had no adapter or it was off, or nothing was heard.
        """
        if self.attention is None:
            raise AttentionError(
                "there is no attention to draw: it takes a model with a contextual adapter, "
                "phrases, and biasing with the adapter on"
            )
        return self.attention.plot(path)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; phrases that never came near are listed by name alone."""
        told = [one for one in self.phrases if one.outcome is not Outcome.never]
        return {
            "phrases": [
                {
                    "phrase": one.phrase,
                    "outcome": str(one.outcome),
                    "reason": one.reason,
                    "events": [_rounded(event) for event in one.events],
                }
                for one in told
            ],
            "never": [one.phrase for one in self.phrases if one.outcome is Outcome.never],
            "unusable": [asdict(one) for one in self.unusable],
            "plain_text": self.plain_text,
        }


def report(
    phrases: PhraseList, events: Iterable[Event], plain_text: str = "", attention: Attention | None = None
) -> BiasReport:
    """Gather the events of a recording by phrase."""
    found: dict[int, list[Event]] = {}
    for event in sorted(events, key=lambda one: (one.start, RANK[one.outcome])):
        found.setdefault(event.entry, []).append(event)
    told = tuple(_phrase_report(entry, found.get(number, ())) for number, entry in enumerate(phrases.entries))
    return BiasReport(told, phrases.unusable, plain_text, attention)


def format_report(found: BiasReport) -> str:
    """A line for every event of a phrase that fired or came near, then how many did not."""
    lines = []
    for one in sorted(found.phrases, key=lambda one: RANK[one.outcome]):
        for event in one.events:
            place = f"{event.start:8.2f}-{event.end:.2f} s"
            lines.append(f"{event.outcome:<7} {place}  {one.phrase}: {event.reason}")
    silent = sum(one.outcome is Outcome.never for one in found)
    lines.append(f"{silent} of {len(found.phrases)} phrases never begun")
    lines += [f"unusable, line {one.line}: {one.text!r}: {one.reason}" for one in found.unusable]
    return "\n".join(lines)


def _phrase_report(entry: Entry, events: Sequence[Event]) -> PhraseReport:
    outcome = min((event.outcome for event in events), key=RANK.__getitem__, default=Outcome.never)
    return PhraseReport(entry.display, outcome, tuple(events))


def _rounded(event: Event) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(event).items() if name != "entry"}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}
