"""Decoding with a phrase list: boosted search, rescoring and veto by phones, pronunciation lookup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from asr.align import TimedWord
from asr.decoding import WHOLE, Decoder, Stretch
from asr.encoder_bias import Adapted
from asr.encoder_bias import Sound as States
from asr.evidence import Part, Reading, evidence
from asr.phrase_words import Item, PhraseWord, confidence_of, marked, merged, shown
from asr.prepared import PreparedPhrases
from asr.search import Hypothesis
from asr.sound import LogProbs, Sound, frames_of, parts_around
from biasing.attention import AttentionPart
from biasing.finder import Found
from biasing.lookup import look_up
from biasing.phone_alignment import WordAlignment, align_words, phone_frames
from biasing.phonetic import Place, Verdict, differences, joined, rescore, restored, veto
from biasing.report import Event, Outcome
from biasing.spotting import Spotted, Word, covered, place, without_conflicts


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
class _Candidate:
    """A reading of the search, its words and the phrases among them."""

    reading: Hypothesis
    texts: list[str]
    found: list[Found]


class PhraseDecoder:
    """Decodes utterances with one prepared list; one decoder serves one thread."""

    def __init__(self, plain: Decoder, biased: Decoder, prepared: PreparedPhrases) -> None:
        """Take the list, and the decoders that hear without it and with it in their language model."""
        self._plain, self._biased, self.prepared = plain, biased, prepared
        self._bias = prepared.tools.bias
        boosted = self._bias.boosting and not plain.options.greedy
        self._graph = prepared.graph if boosted else None

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
        sound = Sound(log_probs, adapted.log_probs, phone_frames(phone_log_probs))
        plain = self._read(self._plain, self._plain.best(log_probs, sound.phones), sound)
        said = align_words(plain.texts, sound.phones, self.prepared.book) if self.prepared.gated else None
        if said is None or said.reason:
            items, events = self._anew(sound, plain)
        else:
            items, events = self._where_open(sound, plain, said)
        if self._bias.lookup and items:
            items, looked_up = self._looked_up(items, sound)
            events += looked_up
        return Heard(shown(items, self.prepared.spelled), tuple(events), plain.words, adapted.attention)

    def _where_open(
        self, sound: Sound, plain: Reading, said: WordAlignment
    ) -> tuple[list[Item], list[Event]]:
        """The words of an utterance, heard anew where the gate says that a phrase may be."""
        seconds, texts = self._plain.frame_seconds, plain.texts
        unlisted = self.prepared.finder.find(texts)
        words = [Word(one.text, round(one.start / seconds), round(one.end / seconds)) for one in plain.words]
        spotted = self._passed(sound.log_probs, words, said, sound)
        places = [part for _, part in spotted]
        if sound.adapted is not sound.log_probs:
            places += [part for _, part in self._passed(sound.adapted, words, said, sound)]
        places += [(one.first, one.end) for one in unlisted if self._is_discouraged(one)]
        spans = [(one.first, one.end) for one in unlisted]
        outside, items, events, done = marked(plain.words, unlisted), list[Item](), list[Event](), 0
        parts = parts_around(places, spans, len(words), self._bias.gating.words)
        for part in parts:
            start, end = frames_of(plain.words, part, len(sound.log_probs), seconds)
            stretch = Stretch(tuple(texts[: part[0]]), part[1] == len(words), start)
            inside = [one for one, (first, last) in spotted if part[0] <= first and last <= part[1]]
            anew, found = self._anew(sound.cut(start, end), plain.cut(part), stretch, inside)
            items += [*outside[done : part[0]], *anew]
            events, done = events + found, part[1]
        apart = [one for one in unlisted if not any(low <= one.first < high for low, high in parts)]
        return items + outside[done:], events + [self._heard_too(one, plain) for one in apart]

    def _passed(
        self, log_probs: LogProbs, words: Sequence[Word], said: WordAlignment, sound: Sound
    ) -> list[tuple[Spotted, Part]]:
        """What the gate lets through, each with the words in its place, where these are not the phrase."""
        passed = self.prepared.gate.open(log_probs, sound.phones, said)
        placed = [(one, covered(words, one, self._bias.spotter.replaced)) for one in passed]
        return [
            (one, part)
            for one, part in placed
            if [word.text for word in words[slice(*part)]] != one.text.split()
        ]

    def _anew(
        self,
        sound: Sound,
        plain: Reading,
        stretch: Stretch = WHOLE,
        spotted: Sequence[Spotted] | None = None,
    ) -> tuple[list[Item], list[Event]]:
        """The words of an utterance or a part of it, searched with the list, and what became of phrases.

        Args:
            sound: of these frames.
            plain: what is heard there without the list.
            stretch: where in the utterance they are.
            spotted: phrases that are in the sub-words; None to look for them.
        """
        readings = self._biased.readings(sound.adapted, self._graph, stretch)
        if not (readings[0].tokens or plain.tokens):
            return [], []
        candidates = self._candidates(readings, sound)
        best = self._read(self._biased, candidates[0].reading, sound)
        found = self.prepared.finder.find(best.texts)
        unlisted = self.prepared.finder.find(plain.texts)
        discouraged = [one for one in unlisted if self._is_discouraged(one)]
        if not (found or discouraged):
            best, found = plain, unlisted
        events = self._nearly(candidates, best, found, sound)
        items = [Item(word) for word in best.words]
        if found or discouraged:
            verdicts = self._judged(best, found, plain, sound)
            places = {one.place for one in verdicts if one.vetoed}
            places |= _without_part(best, found, plain, discouraged)
            again = self._given_back(unlisted, places)
            events += self._chosen(best, found, plain, verdicts, sound)
            events += [self._heard_too(one, plain) for one in again]
            items = restored(marked(best.words, found), marked(plain.words, again), places)
        if self._bias.spotting:
            items, more = self._spotted(items, sound, spotted)
            events += more
        return items, events

    def _adapted(self, log_probs: LogProbs, phone_log_probs: LogProbs, states: LogProbs | None) -> Adapted:
        """The log-probs as the encoder gives them with the list, and where it looked."""
        tools, encoded = self.prepared.tools, self.prepared.encoded
        if encoded is None or states is None or tools.encoder is None:
            return Adapted(log_probs)
        return tools.encoder(States(log_probs, phone_log_probs, states), encoded, self._bias.encoder)

    def _is_discouraged(self, one: Found) -> bool:
        return (self.prepared.spelled[one.entry].boost or 0.0) < 0

    def _candidates(self, readings: Sequence[Hypothesis], sound: Sound) -> list[_Candidate]:
        """The readings in the order that search and phones agree on; as they are where none has a phrase."""
        texts = [self._biased.text(reading).split() for reading in readings]
        found = map(self.prepared.finder.find, texts)
        candidates = [_Candidate(*one) for one in zip(readings, texts, found, strict=True)]
        if not self._bias.rescoring or not any(one.found for one in candidates):
            return candidates
        scores = [reading.score for reading in readings]
        order = rescore(texts, scores, sound.phones, self.prepared.book, self._bias.phonetic).order
        return [candidates[rank] for rank in order]

    def _read(self, decoder: Decoder, reading: Hypothesis, sound: Sound) -> Reading:
        return Reading(reading.tokens, decoder.words(reading, sound.log_probs, sound.start))

    def _judged(self, best: Reading, found: Sequence[Found], plain: Reading, sound: Sound) -> list[Verdict]:
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
        sound: Sound,
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
                confidence_of(best.words[one.first : one.end]),
            )
            events.append(event)
        return events

    def _given_back(self, unlisted: Iterable[Found], places: Iterable[Place]) -> list[Found]:
        """Of phrases heard without the list those in `places`, which are given back to that reading."""
        back = [other for _, other in joined(places)]
        return [
            one
            for one in unlisted
            if not self._is_discouraged(one)
            and any(first <= one.first and one.end <= end for first, end in back)
        ]

    def _heard_too(self, one: Found, plain: Reading) -> Event:
        words = plain.words[one.first : one.end]
        said = " ".join(plain.texts[one.first : one.end])
        sure = confidence_of(words)
        return Event(one.entry, Outcome.fired, words[0].start, words[-1].end, 0.0, 0.0, said, sure)

    def _paid(self, reading: Reading) -> dict[tuple[int, int], float]:
        """Nats that boosting paid, by the tokens it paid them for."""
        if self._graph is None:
            return {}
        return {(match.first, match.end): match.nats for match in self._graph.walk(reading.tokens)}

    def _nearly(
        self, others: Sequence[_Candidate], best: Reading, found: Sequence[Found], sound: Sound
    ) -> list[Event]:
        """Phrases that the best reading lacks, in the best of the others that has them."""
        known = {one.entry for one in found}
        events = []
        for other in others:
            if new := [one for one in other.found if one.entry not in known]:
                reading = self._read(self._biased, other.reading, sound)
                events += [self._lost(one, reading, best, sound) for one in new]
                known.update(one.entry for one in new)
        return events

    def _lost(self, one: Found, reading: Reading, best: Reading, sound: Sound) -> Event:
        words = reading.words[one.first : one.end]
        start, end = words[0].start, words[-1].end
        instead = best.during(start, end)
        ratio = evidence(sound.log_probs, reading, (one.first, one.end), best.part(instead))
        lost_to = " ".join(best.texts[slice(*instead)])
        return Event(one.entry, Outcome.nearly, start, end, 0.0, ratio, lost_to, confidence_of(words))

    def _spotted(
        self, items: list[Item], sound: Sound, found: Sequence[Spotted] | None
    ) -> tuple[list[Item], list[Event]]:
        """The transcript with phrases that the search missed, where sub-words show them and phones agree."""
        seconds = self._plain.frame_seconds
        words = [
            Word(one.text, round(one.start / seconds), round(one.end / seconds), item.found is not None)
            for one, item in ((item.word, item) for item in items)
        ]
        spotter, book = self._bias.spotter, self.prepared.book
        most_doubt = spotter.doubt_among(len(self.prepared.spelled))
        if found is None:
            apart = self.prepared.spotter.find(sound.log_probs)
        else:
            long = [one for one in found if spotter.looks_for(one.text)]
            apart = without_conflicts(long, spotter.conflict)
        placed = place(words, apart, sound.phones, book, most_doubt, spotter)
        events, changed = [], list(items)
        for one in reversed(placed):
            spotted = one.spotted
            said = self._said(spotted, sound)
            mark = Found(spotted.entry, spotted.start, spotted.end)
            instead = " ".join(item.word.text for item in items[one.first : one.end])
            changed[one.first : one.end] = [Item(word, mark) for word in said]
            start, end, sure = said[0].start, said[-1].end, confidence_of(said)
            events.append(
                Event(spotted.entry, Outcome.fired, start, end, 0.0, one.gain, instead, sure, "spotting")
            )
        return changed, events

    def _said(self, spotted: Spotted, sound: Sound) -> tuple[TimedWord, ...]:
        """The words of a phrase where its sub-words are."""
        frames = spotted.start - sound.start, spotted.end - sound.start
        return self._plain.part(spotted.text, sound.log_probs, *frames, sound.start)

    def _looked_up(self, items: list[Item], sound: Sound) -> tuple[list[Item], list[Event]]:
        """The transcript with words replaced that sound exactly like a phrase."""
        prepared = self.prepared
        alignment = align_words([item.word.text for item in items], sound.phones, prepared.book)
        found = look_up(alignment, sound.phones, prepared.index, prepared.tools.common)
        events, replaced = [], list(items)
        for one in sorted(found, key=lambda one: -one.first):
            words = [item.word for item in items[one.first : one.end]]
            word = replace(merged(words), text=one.text)
            replaced[one.first : one.end] = [Item(word, Found(one.entry, one.first, one.end))]
            instead = " ".join(word.text for word in words)
            events.append(
                Event(
                    one.entry,
                    Outcome.fired,
                    word.start,
                    word.end,
                    0.0,
                    one.gain,
                    instead,
                    word.confidence,
                    "pronunciation",
                )
            )
        return replaced, events


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
