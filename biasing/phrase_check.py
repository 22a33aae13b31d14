"""What becomes of each line of a phrase file, for people to read: pieces, pronunciations, variants, risks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from biasing.g2g import VariantOptions, entry_variants
from biasing.g2p import Pronouncer, PronunciationError
from biasing.phrases import Entry, read_phrases

SHORT_LETTERS = 3
SHORT_TOKENS = 2
LONG_WORDS = 12
HIGH_BOOST = 20.0
SHOWN_PRONUNCIATIONS = 3
LEAST_SHOWN = 0.05  # a pronunciation that is less probable than this is no news


@dataclass(frozen=True)
class Row:
    """What is said of one phrase, or of one line that gave none (then `reason` is set).

    Attributes:
        lines: where it was given.
        text: how it is written.
        boost: as the user gave it.
        spellings: each way to hear it, with its pieces.
        pronunciations: phones that the user gave, then the most probable ones of its spellings.
        variants: other ways in which it may be heard, with what is then shown.
        risks: what may go wrong.
        reason: why it cannot be used.
    """

    lines: tuple[int, ...]
    text: str
    boost: float | None = None
    spellings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    pronunciations: tuple[tuple[str, ...], ...] = ()
    variants: tuple[tuple[str, str], ...] = ()
    risks: tuple[str, ...] = ()
    reason: str | None = None


def check(
    path: str | Path,
    encode: Callable[[str], list[int]],
    pieces: Sequence[str],
    common: Collection[str] = frozenset(),
    pronouncer: Pronouncer | None = None,
) -> list[Row]:
    """Say of each line of a phrase file what becomes of it, in the order of the file.

    Without a `pronouncer` only the phones that the user gave are shown, and no variants.

    Raises:
        PhraseError: as `read_phrases`.
    """
    phrases = read_phrases(path)
    rows = [Row((bad.line,), bad.text, reason=bad.reason) for bad in phrases.unusable]
    said = [_said(entry, pronouncer) for entry in phrases]
    alike = _alike(phrases, said)
    for entry, ways, others in zip(phrases, said, alike, strict=True):
        heard = entry_variants(entry, pronouncer, VariantOptions(), common) if pronouncer else []
        unsaid = ("no pronunciation: only the sub-words find it",) if pronouncer and not ways else ()
        rows.append(
            Row(
                lines=entry.lines,
                text=entry.display,
                boost=entry.boost,
                spellings=tuple(
                    (words, tuple(pieces[token] for token in encode(words))) for words in entry.spellings
                ),
                pronunciations=ways,
                variants=tuple((variant.words, variant.display) for variant in heard),
                risks=(*risks(entry, encode, common), *unsaid, *(f"sounds like {other}" for other in others)),
            )
        )
    return sorted(rows, key=lambda row: row.lines)


def _said(entry: Entry, pronouncer: Pronouncer | None) -> tuple[tuple[str, ...], ...]:
    """How an entry is said, surest first: as the user says, else as its spellings are."""
    found = list(entry.pronunciations)
    for words in entry.spellings if pronouncer else ():
        with suppress(PronunciationError):
            ways = pronouncer.pronounce_phrase(words, SHOWN_PRONUNCIATIONS) if pronouncer else []
            found += [way.phones for way in ways if way is ways[0] or way.probability >= LEAST_SHOWN]
    return tuple(dict.fromkeys(found))


def _alike(phrases: Iterable[Entry], said: Sequence[tuple[tuple[str, ...], ...]]) -> list[tuple[str, ...]]:
    """For each entry the display forms of those whose best pronunciation is the same."""
    entries = list(phrases)
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, ways in enumerate(said):
        for phones in ways[:1]:
            groups.setdefault(phones, []).append(number)
    alike: list[tuple[str, ...]] = [()] * len(entries)
    for members in groups.values():
        for one in members:
            alike[one] = tuple(entries[other].display for other in members if other != one)
    return alike


def risks(
    entry: Entry, encode: Callable[[str], list[int]] | None = None, common: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """What may go wrong with a phrase, in words; `encode` is the tokenizer's, `common` the frequent words."""
    found = list(entry.notes)
    for words in entry.spellings:
        letters = len(words.replace(" ", "").replace("'", ""))
        tokens = len(encode(words)) if encode else SHORT_TOKENS + 1
        short = f"{letters} letters" if letters <= SHORT_LETTERS else f"{tokens} tokens"
        if letters <= SHORT_LETTERS or tokens <= SHORT_TOKENS:
            found.append(f"{words} is short ({short}): it is easily heard where it was not said")
        if words in common:
            found.append(f"{words} is a common word: its boost pulls sound-alikes towards it")
        if len(words.split()) > LONG_WORDS:
            found.append(f"{len(words.split())} words: it counts only when it is said word for word")
    if not entry.spellings:
        found.append("has phones alone: the search cannot boost it, only the phone techniques find it")
    if entry.boost is not None and entry.boost > HIGH_BOOST:
        found.append(f"a boost of {entry.boost:g} forces it whatever is said; {HIGH_BOOST:g} is much")
    return tuple(found)


def format_check(rows: Sequence[Row]) -> str:
    """The rows for people to read, with a summary in the last line."""
    lines = [_format(row) for row in rows]
    unusable = sum(row.reason is not None for row in rows)
    risky = sum(bool(row.risks) for row in rows)
    return "\n".join([*lines, f"{len(rows) - unusable} phrases, {risky} with a note, {unusable} unusable"])


def _format(row: Row) -> str:
    where = ", ".join(map(str, row.lines))
    if row.reason is not None:
        return f"line {where}: UNUSABLE {row.text:.60}: {row.reason}"
    boost = "" if row.boost is None else f"  boost {row.boost:g}"
    parts = [f"line {where}: {row.text}{boost}"]
    parts += [f"    {words}: {' '.join(cut)}" for words, cut in row.spellings]
    parts += [f"    /{' '.join(phones)}/" for phones in row.pronunciations]
    if row.variants:
        heard = (words if shown == row.text else f"{words} ({shown})" for words, shown in row.variants)
        parts.append(f"    also heard as: {', '.join(heard)}")
    parts += [f"    note: {risk}" for risk in row.risks]
    return "\n".join(parts)
