"""Decoding with a phrase list: boosted search, rescoring and veto by phones, pronunciation lookup."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from asr.align import TimedWord
from asr.decoding import Decoder
from asr.encoder_bias import Adapted, Sound
from asr.evidence import Reading, evidence
from asr.prepared import PreparedPhrases
from asr.search import Hypothesis
from biasing.attention import AttentionPart
from biasing.finder import Found
from biasing.lookup import look_up
from biasing.phone_alignment import PhoneFrames, align_words, phone_frames
from biasing.phonetic import Place, Verdict, differences, rescore, restored, veto
from biasing.report import Event, Outcome

LogProbs = NDArray[np.float32]


@dataclass(frozen=True)
class PhraseWord:
    """A word of the transcript, or all words of a phrase where it is written otherwise than they are said.

    Attributes:
        word: text, times and confidence.
        phrase: display form of the phrase it belongs to; None for other words.
    """

    word: TimedWord
    phrase: str | None = None

    @property
    def text(self) -> str:
        """The word."""
        return self.word.text

    @property
    def confidence(self) -> float:
        """How sure it is, by its sound alone."""
        return self.word.confidence


@dataclass(frozen=True)
class Heard:
    """An utterance decoded with phrases.

    Attributes:
        words: the transcript.
        events: where phrases were in it, or in readings that lost.
        plain: what is heard without the list.
        attention: where the encoder looked, if its adapter had a say.
    """

    words: tuple[PhraseWord, ...] = ()
    events: tuple[Event, ...] = ()
    plain: tuple[TimedWord, ...] = ()
    attention: AttentionPart | None = None


def plainly_heard(words: Iterable[TimedWord]) -> Heard:
    """An utterance decoded without phrases."""
    shown = tuple(PhraseWord(word) for word in words)
    return Heard(shown, (), tuple(word.word for word in shown))


@dataclass(frozen=True)
class _Item:
    """A word on its way into the transcript, and the place where its phrase was found."""

    word: TimedWord
    found: Found | None = None


@dataclass(frozen=True)
class _Sound:
    """What both heads say of one utterance."""

    log_probs: LogProbs
    phones: PhoneFrames


class PhraseDecoder:
    """Decodes utterances with one prepared list; one decoder serves one thread."""

    def __init__(self, plain: Decoder, biased: Decoder, prepared: PreparedPhrases) -> None:
        """Take the list, and the decoders that hear without it and with it in their language model."""
        self._plain, self._biased, self.prepared = plain, biased, prepared
        self._bias = prepared.tools.bias
        boosted = self._bias.boosting and not plain.options.greedy
        self._graph = prepared.graph if boosted else None
        self._alike = biased is plain and not boosted

    def decode(self, log_probs: LogProbs, phone_log_probs: LogProbs, states: LogProbs | None = None) -> Heard:
        """The words of one utterance, and what became of the phrases in it.

        Where no phrase is heard the words are those that are heard without the list, to the letter: phrases
        that come near push other readings out of the beam, and a list must do no harm where it has no part.

        Args:
            log_probs: (T, V) of the sub-words.
            phone_log_probs: (T, 40) of the phones.
            states: (layers, T, D) that the adapter reads, where the model has one.
        """
        adapted = self._adapted(log_probs, phone_log_probs, states)
        readings = self._biased.readings(adapted.log_probs, self._graph)
        alike = self._alike and adapted.log_probs is log_probs
        unbiased = readings[0] if alike else self._plain.readings(log_probs)[0]
        if not (readings[0].tokens or unbiased.tokens):
            return Heard(attention=adapted.attention)
        sound = _Sound(log_probs, phone_frames(phone_log_probs))
        if self._bias.rescoring:
            readings = self._rescored(readings, sound)
        plain = self._read(self._plain, unbiased, sound)
        best = self._read(self._biased, readings[0], sound)
        discouraged = self._discouraged(plain)
        if not (self.prepared.finder.find(best.texts) or discouraged):
            best = plain
        found = self.prepared.finder.find(best.texts)
        events = self._nearly(readings, best, sound)
        items = [_Item(word) for word in best.words]
        if found:
            verdicts = self._judged(best, found, plain, sound)
            events += self._chosen(best, found, plain, verdicts, sound)
            places = {one.place for one in verdicts if one.vetoed}
            places |= _without_part(best, found, plain, discouraged)
            items = restored(_marked(best.words, found), [_Item(word) for word in plain.words], places)
        if self._bias.lookup:
            items, looked_up = self._looked_up(items, sound)
            events += looked_up
        return Heard(self._shown(items), tuple(events), plain.words, adapted.attention)

    def _adapted(self, log_probs: LogProbs, phone_log_probs: LogProbs, states: LogProbs | None) -> Adapted:
        """The log-probs as the encoder gives them with the list, and where it looked."""
        tools, encoded = self.prepared.tools, self.prepared.encoded
        if encoded is None or states is None or tools.encoder is None:
            return Adapted(log_probs)
        return tools.encoder(Sound(log_probs, phone_log_probs, states), encoded, self._bias.encoder)

    def _discouraged(self, plain: Reading) -> list[Found]:
        """The phrases of negative boost that are heard without the list."""
        found = self.prepared.finder.find(plain.texts)
        return [one for one in found if (self.prepared.spelled[one.entry].boost or 0.0) < 0]

    def _rescored(self, readings: list[Hypothesis], sound: _Sound) -> list[Hypothesis]:
        """The readings in the order that search and phones agree on; as they are where none has a phrase."""
        texts = [self._biased.text(reading).split() for reading in readings]
        if not any(self.prepared.finder.find(words) for words in texts):
            return readings
        scores = [reading.score for reading in readings]
        order = rescore(texts, scores, sound.phones, self.prepared.book, self._bias.phonetic).order
        return [readings[rank] for rank in order]

    def _read(self, decoder: Decoder, reading: Hypothesis, sound: _Sound) -> Reading:
        return Reading(reading.tokens, decoder.words(reading, sound.log_probs))

    def _judged(self, best: Reading, found: Sequence[Found], plain: Reading, sound: _Sound) -> list[Verdict]:
        """What the phones say of each phrase; where there is no veto, only what was heard in its place."""
        places = [(one.first, one.end) for one in found]
        book, options = self.prepared.book, self._bias.phonetic
        verdicts = veto(best.texts, places, plain.texts, sound.phones, book, options)
        return [verdict if self._bias.veto else replace(verdict, vetoed=False) for verdict in verdicts]

    def _chosen(
        self,
        best: Reading,
        found: Sequence[Found],
        plain: Reading,
        verdicts: Sequence[Verdict],
        sound: _Sound,
    ) -> list[Event]:
        """The phrases of the best reading, fired or vetoed."""
        paid = self._paid(best)
        gone = [verdict.replaces for verdict in verdicts if verdict.vetoed]
        events = []
        for one, verdict in zip(found, verdicts, strict=True):
            vetoed = any(low <= one.first and one.end <= high for low, high in gone)
            tokens = plain.part(verdict.other)
            last = best.words[one.end - 1].last + 1
            event = Event(
                one.entry,
                Outcome.vetoed if vetoed else Outcome.fired,
                best.words[one.first].start,
                best.words[one.end - 1].end,
                paid.get((best.words[one.first].first, last), 0.0),
                evidence(sound.log_probs, best, verdict.replaces, tokens),
                " ".join(verdict.instead),
                _confidence(best.words[one.first : one.end]),
            )
            events.append(event)
        return events

    def _paid(self, reading: Reading) -> dict[tuple[int, int], float]:
        """Nats that boosting paid, by the tokens it paid them for."""
        if self._graph is None:
            return {}
        return {(match.first, match.end): match.nats for match in self._graph.walk(reading.tokens)}

    def _nearly(self, others: Sequence[Hypothesis], best: Reading, sound: _Sound) -> list[Event]:
        """Phrases that the best reading lacks, in the best of the others that has them."""
        known = {one.entry for one in self.prepared.finder.find(best.texts)}
        events = []
        for other in others:
            found = self.prepared.finder.find(self._biased.text(other).split())
            if new := [one for one in found if one.entry not in known]:
                reading = self._read(self._biased, other, sound)
                events += [self._lost(one, reading, best, sound) for one in new]
                known.update(one.entry for one in new)
        return events

    def _lost(self, one: Found, reading: Reading, best: Reading, sound: _Sound) -> Event:
        words = reading.words[one.first : one.end]
        start, end = words[0].start, words[-1].end
        instead = best.during(start, end)
        ratio = evidence(sound.log_probs, reading, (one.first, one.end), best.part(instead))
        lost_to = " ".join(best.texts[slice(*instead)])
        return Event(one.entry, Outcome.nearly, start, end, 0.0, ratio, lost_to, _confidence(words))

    def _looked_up(self, items: list[_Item], sound: _Sound) -> tuple[list[_Item], list[Event]]:
        """The transcript with words replaced that sound exactly like a phrase."""
        prepared = self.prepared
        alignment = align_words([item.word.text for item in items], sound.phones, prepared.book)
        found = look_up(alignment, sound.phones, prepared.index, prepared.tools.common)
        events, replaced = [], list(items)
        for one in sorted(found, key=lambda one: -one.first):
            words = [item.word for item in items[one.first : one.end]]
            merged = replace(_merged(words), text=one.text)
            replaced[one.first : one.end] = [_Item(merged, Found(one.entry, one.first, one.end))]
            instead = " ".join(word.text for word in words)
            events.append(
                Event(
                    one.entry,
                    Outcome.fired,
                    merged.start,
                    merged.end,
                    0.0,
                    one.gain,
                    instead,
                    merged.confidence,
                    "pronunciation",
                )
            )
        return replaced, events

    def _shown(self, items: Sequence[_Item]) -> tuple[PhraseWord, ...]:
        """The transcript with phrases as they are written."""
        words: list[PhraseWord] = []
        for found, group in groupby(items, key=lambda item: item.found):
            said = [item.word for item in group]
            if found is None:
                words += [PhraseWord(word) for word in said]
                continue
            display = self.prepared.spelled[found.entry].display
            written = display.split()
            if len(written) != len(said):
                said, written = [_merged(said)], [display]
            words += [
                PhraseWord(replace(word, text=text), display)
                for word, text in zip(said, written, strict=True)
            ]
        return tuple(words)


def _without_part(
    best: Reading, found: Sequence[Found], plain: Reading, discouraged: Sequence[Found]
) -> set[Place]:
    """Where the two readings differ although neither has a phrase there."""

    def apart(phrases: Sequence[Found], part: tuple[int, int]) -> bool:
        return not any(one.first < part[1] and part[0] < one.end for one in phrases)

    return {
        (ours, theirs)
        for ours, theirs in differences(best.texts, plain.texts)
        if apart(found, ours) and apart(discouraged, theirs)
    }


def _marked(words: Sequence[TimedWord], found: Iterable[Found]) -> list[_Item]:
    """Words with the phrases they belong to."""
    items = [_Item(word) for word in words]
    for one in found:
        items[one.first : one.end] = [replace(item, found=one) for item in items[one.first : one.end]]
    return items


def _confidence(words: Sequence[TimedWord]) -> float:
    """Of several words: the geometric mean."""
    return math.prod(word.confidence for word in words) ** (1 / len(words))


def _merged(words: Sequence[TimedWord]) -> TimedWord:
    """Several words as one."""
    text = " ".join(word.text for word in words)
    first, last = words[0], words[-1]
    return TimedWord(text, first.start, last.end, _confidence(words), first.first, last.last)
