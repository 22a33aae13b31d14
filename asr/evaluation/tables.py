"""What a report says, before it is Markdown or a page: a verdict, tables, and the worst utterances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asr.evaluation.measures import Absent, Evaluation, Measured
from asr.evaluation.techniques import NONE
from biasing.alignment import align
from biasing.intervals import Comparison, Estimate
from biasing.utterances import UtterancePhrases

WORST = 20
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Table:
    """Cells of text under headings; rows marked `strong` are the ones to look at first."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Cell:
    """Words above each other in an alignment: said, heard without and with the technique; "" for a gap.

    `phrase` says whether the word belongs to a phrase of the list that was spoken, or heard by mistake.
    """

    said: str
    plain: str
    helped: str
    phrase: bool


@dataclass(frozen=True)
class Example:
    """One utterance: what went wrong, and its alignment."""

    id: str
    summary: str
    cells: tuple[Cell, ...]


def featured(evaluation: Evaluation) -> tuple[str, str]:
    """Name the technique and the condition that are shown in detail.

    The technique is the last one asked for, the condition the first with a list: neither is chosen by result.
    """
    with_list = [one.name for one in evaluation.material.conditions if one.mean_size > 0]
    return evaluation.techniques[-1], (with_list or [evaluation.material.conditions[0].name])[0]


@dataclass(frozen=True)
class Tile:
    """A number to be seen first: its title, its value, and what it means."""

    title: str
    value: str
    detail: str


def tiles(evaluation: Evaluation) -> list[Tile]:
    """The numbers that tell whether a list helps, what it costs, and how long it may be."""
    technique, condition = featured(evaluation)
    if technique == NONE:
        return []
    plain, row = evaluation.row(NONE, condition), evaluation.row(technique, condition)
    found = [
        _tile("spoken phrases recognized", "recall", plain, row),
        _tile("F1 of phrases", "f1", plain, row),
        _tile("errors at all other words (U-WER)", "u_wer", plain, row),
    ]
    mistakes = _absent_of(evaluation, technique, condition)
    if mistakes is not None:
        before = _absent_of(evaluation, NONE, condition) or mistakes
        value = f"{before.false_accepts.value:.2f} → {mistakes.false_accepts.value:.2f}"
        rate, minutes = mistakes.false_accepts, mistakes.minutes
        detail = (
            f"95 % interval {rate.low:.2f} to {rate.high:.2f}, by {minutes:.0f} min without any; "
            f"{_percent(mistakes.changed)} of texts change"
        )
        found.append(Tile("phrases a minute heard by mistake", value, detail))
    return found


def _tile(title: str, number: str, plain: Measured, row: Measured) -> Tile:
    value = f"{_short(plain.numbers[number])} → {_short(row.numbers[number])} %"
    versus = row.versus_none.get(number)
    low, high = (f"{100 * one:.1f}" for one in (row.numbers[number].low, row.numbers[number].high))
    return Tile(title, value, _difference(versus) if versus else f"95 % interval {low} to {high}")


def _short(found: Estimate) -> str:
    return "-" if math.isnan(found.value) else f"{100 * found.value:.1f}"


def _absent_of(evaluation: Evaluation, technique: str, condition: str) -> Absent | None:
    wanted = technique, condition
    return next((one for one in evaluation.absent if (one.technique, one.condition) == wanted), None)


def _growth(evaluation: Evaluation) -> list[str]:
    """How the featured technique does with longer lists."""
    technique, condition = featured(evaluation)
    names = [
        one.name for one in evaluation.material.conditions if one.mean_size > 0 and one.name != condition
    ]
    if not names:
        return []
    f1 = ", ".join(_short(evaluation.row(technique, name).numbers["f1"]) for name in names)
    sentence = f"As the list grows to {', '.join(names)} distractors, F1 is {f1} %"
    mistakes = [_absent_of(evaluation, technique, name) for name in names]
    rates = ", ".join(f"{one.false_accepts.value:.2f}" for one in mistakes if one is not None)
    return [f"{sentence}, and {rates} phrases a minute are heard by mistake." if rates else f"{sentence}."]


def verdict(evaluation: Evaluation) -> list[str]:
    """Say in a few sentences whether a list helps, what it costs, and what becomes of it as it grows."""
    technique, condition = featured(evaluation)
    plain = evaluation.row(NONE, condition)
    if technique == NONE:
        return [
            f"Without a list, {_percent(plain.numbers['recall'])} of the spoken phrases are recognized "
            f"(F1 {_percent(plain.numbers['f1'])})."
        ]
    row = evaluation.row(technique, condition)
    size = next(one.mean_size for one in evaluation.material.conditions if one.name == condition)
    f1 = row.versus_none["f1"]
    before, after = ({name: _percent(found) for name, found in one.numbers.items()} for one in (plain, row))
    sentences = [
        f"{_judged(f1)} With a list of {size:.0f} phrases, {technique} finds {after['recall']} of the spoken "
        f"phrases, without it {before['recall']} are found; "
        f"F1 goes from {before['f1']} to {after['f1']} ({_difference(f1)}).",
        f"Errors at words of spoken phrases (B-WER) go from {before['b_wer']} to {after['b_wer']}, "
        f"those at all other words (U-WER) from {before['u_wer']} to {after['u_wer']}.",
    ]
    for one in evaluation.absent:
        if (one.technique, one.condition) == (technique, condition):
            sentences.append(
                f"On audio in which no phrase of the list is spoken, {_percent(one.changed)} of the "
                f"utterances change, and {one.false_accepts.value:.2f} phrases a minute are heard by mistake."
            )
    return sentences + _growth(evaluation)


def _judged(found: Comparison) -> str:
    """Whether the list helps, as far as these utterances can tell."""
    if found.p_value < SIGNIFICANT:
        return "The list helps."
    return "The list does harm." if found.difference.high < 0 else "Whether the list helps is not clear."


def main_table(evaluation: Evaluation) -> Table:
    """Everything that is measured with phrases spoken."""
    header = [
        "list",
        "technique",
        "F1 %",
        "precision %",
        "recall %",
        "B-WER %",
        "U-WER %",
        "WER %",
        "F1 gain, points",
    ]
    technique, condition = featured(evaluation)
    rows = [
        [
            row.condition,
            row.technique,
            *(
                with_interval(row.numbers[name])
                for name in ("f1", "precision", "recall", "b_wer", "u_wer", "wer")
            ),
            _difference(row.versus_none["f1"]).replace(" points", "") if row.versus_none else "",
        ]
        for row in evaluation.rows
    ]
    strong = {at for at, row in enumerate(rows) if (row[1], row[0]) == (technique, condition)}
    return Table(header, rows, frozenset(strong))


def absent_table(evaluation: Evaluation) -> Table:
    """What the same lists do to audio in which none of their phrases is spoken."""
    header = ["list", "technique", "utterances", "changed %", "phrases falsely heard a minute"]
    rows = [
        [
            one.condition,
            one.technique,
            f"{one.utterances} ({one.minutes:.1f} min)",
            with_interval(one.changed),
            with_interval(one.false_accepts, percent=False),
        ]
        for one in evaluation.absent
    ]
    return Table(header, rows)


def fate_table(evaluation: Evaluation) -> Table:
    """What became of the spoken phrases."""
    header = ["list", "technique", "spoken", "hit", "substituted", "split", "deleted", "inserted"]
    rows = [
        [row.condition, row.technique, str(row.score.totals.spoken), *map(str, _fates(row))]
        for row in evaluation.rows
    ]
    return Table(header, rows)


def cost_table(evaluation: Evaluation) -> Table:
    """What the search costs."""
    header = ["list", "technique", "processor seconds of search a minute of audio"]
    return Table(
        header, [[row.condition, row.technique, f"{row.seconds_per_minute:.3f}"] for row in evaluation.rows]
    )


def _fates(row: Measured) -> tuple[int, ...]:
    found = row.fates
    return found.hits, found.substituted, found.split, found.deleted, found.inserted


def examples(evaluation: Evaluation, most: int = WORST) -> list[Example]:
    """Return the utterances where the featured technique does worst, by mistaken phrases, then words."""
    technique, condition = featured(evaluation)
    score = evaluation.row(technique, condition).score
    bad = [one for one in score.utterances if one.words.errors]
    bad.sort(key=lambda one: (-one.phrases.misses - one.phrases.false_accepts, -one.words.errors, one.id))
    return [_example(evaluation, one, technique, condition) for one in bad[:most]]


def _example(evaluation: Evaluation, one: UtterancePhrases, technique: str, condition: str) -> Example:
    said = evaluation.material.utterances[one.id].text.split()
    plain, helped = (
        evaluation.recognized.of(name, condition)[one.id].text.split() for name in (NONE, technique)
    )
    spoken = {
        at
        for finding in one.findings
        if finding.spoken
        for at in range(finding.spoken.start, finding.spoken.end)
    }
    mistaken = {
        at
        for finding in one.findings
        if finding.heard and not finding.spoken
        for at in range(finding.heard.start, finding.heard.end)
    }
    missed = [finding.phrase for finding in one.findings if not finding.heard]
    wrong = [finding.phrase for finding in one.findings if not finding.spoken]
    parts = [f"{one.words.errors} of {one.words.reference} words wrong"]
    parts += [f"missed: {', '.join(missed)}"] if missed else []
    parts += [f"heard by mistake: {', '.join(wrong)}"] if wrong else []
    return Example(one.id, "; ".join(parts), _cells((said, plain, helped), (spoken, mistaken)))


def _cells(
    texts: tuple[list[str], list[str], list[str]], marked: tuple[set[int], set[int]]
) -> tuple[Cell, ...]:
    """Put two hypotheses below one reference; words put in by them stand behind the word before."""
    said, plain, helped = texts
    sides: list[dict[int, list[tuple[int, str]]]] = []
    words: list[dict[int, str]] = []
    for hyp in (plain, helped):
        at, extra, matched = -1, dict[int, list[tuple[int, str]]](), dict[int, str]()
        for i, j in align(said, hyp):
            at = at if i is None else i
            if i is None and j is not None:
                extra.setdefault(at, []).append((j, hyp[j]))
            elif i is not None and j is not None:
                matched[i] = hyp[j]
        sides.append(extra)
        words.append(matched)
    place = {i: j for i, j in align(said, helped) if i is not None}
    cells = []
    for i in range(-1, len(said)):
        if i >= 0:
            phrase = i in marked[0] or place.get(i) in marked[1]
            cells.append(Cell(said[i], words[0].get(i, ""), words[1].get(i, ""), phrase))
        before, after = sides[0].get(i, []), sides[1].get(i, [])
        for n in range(max(len(before), len(after))):
            left = before[n][1] if n < len(before) else ""
            j, right = after[n] if n < len(after) else (-1, "")
            cells.append(Cell("", left, right, j in marked[1]))
    return tuple(cells)


def with_interval(found: Estimate, percent: bool = True) -> str:
    """A number and its interval in words."""
    if math.isnan(found.value):
        return "-"
    low, high = (f"{100 * value:.1f}" if percent else f"{value:.2f}" for value in (found.low, found.high))
    value = f"{100 * found.value:.1f}" if percent else f"{found.value:.2f}"
    return f"{value} ({low} to {high})"


def _percent(found: Estimate) -> str:
    return "an undefined share" if math.isnan(found.value) else f"{100 * found.value:.1f} %"


def _difference(found: Comparison) -> str:
    if math.isnan(found.difference.value):
        return "-"
    sign = f"{100 * found.difference.value:+.1f} points"
    return f"{sign}, p {'< 0.001' if found.p_value < 0.001 else f'= {found.p_value:.3f}'}"
