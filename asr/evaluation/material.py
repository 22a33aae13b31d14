"""What is recognized, and with which phrases: utterances, lists, and what had to be left out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from asr.manifest import Utterance, read_manifest
from asr.scoring import load_lists, normalize
from biasing.entities import PhraseIndex
from biasing.lists import BiasingList, draw_lists, rare_words
from biasing.phrases import PhraseList, make_phrases, read_phrases


class MaterialError(ValueError):
    """Utterances and phrases with which nothing can be measured."""


@dataclass(frozen=True)
class Given:
    """The phrases that the recognizer is given for an utterance: words, or a list made of a phrase file."""

    words: tuple[str, ...] = ()
    made: PhraseList | None = None

    @cached_property
    def digest(self) -> str:
        """Identify the phrases, in whatever order."""
        if self.made is not None:
            return self.made.digest
        return hashlib.sha256("\n".join(sorted(self.words)).encode()).hexdigest()

    def phrases(self) -> PhraseList:
        """Make the phrases."""
        return make_phrases(self.words) if self.made is None else self.made

    def __len__(self) -> int:
        return len(self.words) if self.made is None else len(self.made)


@dataclass(frozen=True)
class Condition:
    """One setting of the lists.

    Attributes:
        name: as it stands in reports and file names, such as "100".
        given: what the recognizer is given, {id: phrases}; other ids are not part of it.
        lists: what is scored, {id: list}.
    """

    name: str
    given: Mapping[str, Given]
    lists: Mapping[str, BiasingList]

    @property
    def is_shared(self) -> bool:
        """Whether all utterances have one and the same list."""
        first, *others = self.lists.values()
        return first.spoken is None and all(one is first for one in others)

    @property
    def mean_size(self) -> float:
        """How many phrases an utterance is given."""
        return sum(map(len, self.given.values())) / max(1, len(self.given))


@dataclass(frozen=True)
class Material:
    """Everything that an evaluation needs but the recognizer.

    Attributes:
        utterances: by id, their texts after `normalize`.
        conditions: lists of growing size.
        absent: to each condition, the same lists for audio in which none of their phrases is spoken.
        left_out: what could not be used, with file and line.
        notes: what a reader should know.
    """

    utterances: Mapping[str, Utterance]
    conditions: tuple[Condition, ...]
    absent: Mapping[str, Condition]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def texts(self) -> dict[str, str]:
        """What is said, {id: text}."""
        return {name: one.text for name, one in self.utterances.items()}

    def without(self, failed: Mapping[str, str]) -> Material:
        """Leave out utterances; `failed` has a reason for each.

        Raises:
            MaterialError: none is left.
        """
        if not failed:
            return self
        kept = {name: one for name, one in self.utterances.items() if name not in failed}
        conditions = tuple(_within(one, kept) for one in self.conditions)
        absent = {name: _within(one, kept) for name, one in self.absent.items()}
        if not all(one.given for one in conditions):
            raise MaterialError(f"no utterance is left: {next(iter(failed.values()))}")
        return replace(
            self,
            utterances=kept,
            conditions=conditions,
            absent={name: one for name, one in absent.items() if one.given},
            left_out=(*self.left_out, *failed.values()),
        )


@dataclass
class Reading:
    """Utterances while they are read, with what was left out of them."""

    utterances: dict[str, Utterance]
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def texts(self) -> dict[str, str]:
        """What is said, {id: text}."""
        return {name: one.text for name, one in self.utterances.items()}

    def material(self, conditions: Sequence[Condition], absent: Mapping[str, Condition]) -> Material:
        """Put everything together."""
        return Material(self.utterances, tuple(conditions), absent, tuple(self.left_out), tuple(self.notes))


def read_utterances(manifest: Path) -> Reading:
    """Read a manifest; lines that cannot be used, and utterances in which nothing is said, are left out.

    Raises:
        ManifestError: no line can be used.
        MaterialError: nothing is said in any utterance.
    """
    faults: list[str] = []
    found = read_manifest(manifest, check_audio=True, faults=faults)
    utterances = {}
    for one in found:
        plain = replace(
            one, text=normalize(one.text), entities=tuple(filter(None, map(normalize, one.entities)))
        )
        if plain.text:
            utterances[one.id] = plain
        else:
            faults.append(f"{one.where}: the text is empty; there is nothing to count errors against")
    if not utterances:
        raise MaterialError(f"{manifest}: nothing is said in any utterance; give the texts that were said")
    return Reading(utterances, faults)


def shared_list(reading: Reading, file: Path, others: Reading | None = None) -> Material:
    """Take one phrase file for all utterances; it meets audio without its phrases among them, or in `others`.

    Raises:
        PhraseError: the file cannot be read.
        MaterialError: no line of it can be used, or no phrase of it is spoken.
    """
    made = read_phrases(file)
    reading.left_out += [f"{file}, line {bad.line}: {bad.text}: {bad.reason}" for bad in made.unusable]
    scored = {words: entry for entry in made if (words := normalize(entry.display))}
    if not scored:
        raise MaterialError(f"{file}: holds no phrase that can be used; give a phrase a line")
    index = PhraseIndex.of(scored)
    spoken = {name: {one.phrase for one in index.find(text.split())} for name, text in reading.texts.items()}
    never = [entry for words, entry in scored.items() if not any(words in found for found in spoken.values())]
    reading.notes += [
        f"{file}, line {', '.join(map(str, entry.lines))}: {entry.display} is never spoken" for entry in never
    ]
    if len(never) == len(scored):
        raise MaterialError(f"{file}: none of its phrases is spoken in the utterances; give phrases that are")
    given = Given(made=made)
    everyone = BiasingList(tuple(scored))
    condition = _same_for(file.name, reading.utterances, given, everyone)
    if others is not None:
        _join(reading, others)
        spoken = {
            name: {one.phrase for one in index.find(text.split())} for name, text in reading.texts.items()
        }
    among = others.utterances if others is not None else reading.utterances
    quiet = [name for name in among if not spoken[name]]
    if not quiet:
        reading.notes.append(
            "every utterance has a phrase of the list: mistakes show in audio without any; give --absent"
        )
    return reading.material(
        [condition], {file.name: _same_for(file.name, quiet, given, everyone)} if quiet else {}
    )


def _same_for(name: str, ids: Collection[str], given: Given, listed: BiasingList) -> Condition:
    return Condition(name, dict.fromkeys(ids, given), dict.fromkeys(ids, listed))


def _join(reading: Reading, others: Reading) -> None:
    """Add audio without phrases to the utterances, under names of their own."""
    reading.left_out += others.left_out
    twice = sorted(set(reading.utterances) & set(others.utterances))
    if twice:
        raise MaterialError(f"id {twice[0]!r} is in both manifests; give each utterance its own")
    reading.utterances |= others.utterances


def given_lists(reading: Reading, file: Path) -> Material:
    """Take the lists of a benchmark file; audio without their phrases is given the distractors alone.

    Raises:
        ListsError: no line of the file can be used.
        MaterialError: no utterance has a list.
    """
    lists = load_lists(file, reading.left_out)
    for name in [name for name in reading.utterances if name not in lists]:
        reading.left_out.append(f"{file}: {name}: has no list; give it a line")
        del reading.utterances[name]
    if not reading.utterances:
        raise MaterialError(f"{file}: has no list for any utterance; its ids must be those of the manifest")
    strangers = sum(name not in reading.utterances for name in lists)
    if strangers:
        reading.notes.append(f"{file}: {strangers} lists are of utterances that are not in the manifest")
    condition = _of_words(file.name, {name: lists[name] for name in reading.utterances})
    return reading.material([condition], {file.name: _only_distractors(condition)})


@dataclass(frozen=True)
class Pool:
    """Where drawn lists come from.

    Attributes:
        common: words that are nobody's own.
        distractors: phrases that are drawn.
        seed: the same seed draws the same lists.
    """

    common: frozenset[str]
    distractors: tuple[str, ...]
    seed: int = 0


def drawn_lists(reading: Reading, sizes: Sequence[int], pool: Pool) -> Material:
    """Draw a list for each utterance and size: its own phrases and so many distractors; size 0 is no list.

    Its own phrases are the "entities" of the manifest, or where it has none, the words that are not common.

    Raises:
        MaterialError: no utterance has a phrase of its own.
        ListsError: too few distractors.
    """
    own = {
        name: one.entities or rare_words(one.text, pool.common) for name, one in reading.utterances.items()
    }
    if not any(own.values()):
        raise MaterialError("no utterance has a word that is not common; give entities, or --phrases")
    texts, seed = reading.texts, pool.seed
    conditions, absent = [], {}
    for size in sorted(set(sizes)):
        lists = draw_lists(texts, own, pool.distractors, size, seed)
        condition = _of_words(str(size), lists)
        if size:
            absent[condition.name] = _only_distractors(condition)
        else:
            condition = replace(condition, given=dict.fromkeys(lists, Given()))
        conditions.append(condition)
    return reading.material(conditions, absent)


def _of_words(name: str, lists: Mapping[str, BiasingList]) -> Condition:
    return Condition(name, {key: Given(one.phrases) for key, one in lists.items()}, lists)


def _only_distractors(condition: Condition) -> Condition:
    """The lists without what is spoken, so that all that is heard of them is heard by mistake."""
    left = {}
    for name, one in condition.lists.items():
        own = set(one.spoken or ())
        words = f" {one.text} "
        left[name] = BiasingList(
            tuple(phrase for phrase in one.phrases if phrase not in own and f" {phrase} " not in words),
            (),
            one.text,
        )
    return _of_words(condition.name, left)


def _within(condition: Condition, kept: Collection[str]) -> Condition:
    return replace(
        condition,
        given={name: one for name, one in condition.given.items() if name in kept},
        lists={name: one for name, one in condition.lists.items() if name in kept},
    )
