"""What `onoma tune` says: a table of what was tried, what was chosen, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from asr.evaluation.tuning import Trial, Tuned, constants_of
from biasing.intervals import Estimate, upper_limit

NAMED = 5
HEADER = (
    "boost",
    "class",
    "doubt",
    "F1 %",
    "recall %",
    "precision %",
    "B-WER %",
    "U-WER %",
    "mistakes",
    "unspoken",
)
EXPLAINED = (
    "Boost and class: nats that a phrase is paid at most by the search and by the language model; doubt: "
    "nats that its phones may fit worse than what is heard without the list. Mistakes: phrases of the list a "
    "minute, heard where they are not spoken; unspoken: the same of a list of as many phrases of which none "
    "is spoken in these clips."
)


def format_trials(tuned: Tuned) -> str:
    """A row for each setting, the chosen one marked by a star, and what the columns are."""
    rows = [HEADER, *(_row(one, one is tuned.chosen) for one in (tuned.plain, *tuned.trials))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, "", EXPLAINED])


def _row(one: Trial, chosen: bool) -> tuple[str, ...]:
    star = "*" if chosen else ""
    constants = [f"{nats:g}" for nats in constants_of(one.bias)] if one.bias else [one.name, "", ""]
    constants[0] = star + constants[0]
    numbers = (_percent(one.row.numbers[name]) for name in ("f1", "recall", "precision", "b_wer", "u_wer"))
    return (*constants, *numbers, f"{one.own / one.minutes:.2f}", f"{one.strange / one.minutes:.2f}")


def conclusion(tuned: Tuned) -> list[str]:
    """Say what was chosen and how sure that is, or why nothing was."""
    if tuned.chosen is not None:
        return [_chosen(tuned, tuned.chosen), *_doubts(tuned, tuned.chosen), *_unspoken_phrases(tuned)]
    best, allowed = tuned.best, f"{tuned.most:g} phrases a minute heard by mistake"
    if best.mistakes <= tuned.most:
        return [
            f"No setting that keeps to {allowed} is better than no list: F1 is {100 * best.f1:.1f} % "
            f"({best.name}) and {100 * tuned.plain.f1:.1f} %. Nothing is written."
        ]
    sentences = [
        f"None of the {len(tuned.trials)} settings keeps to {allowed}. The fewest are {best.mistakes:.2f} "
        f"({best.name}); without the list it is {tuned.plain.mistakes:.2f}. Nothing is written."
    ]
    wrong = _mistaken(best)
    if wrong:
        sentences.append(
            f"Most often heard by mistake: {', '.join(wrong)}. Take such phrases out, or give them a smaller "
            "boost in the list."
        )
    return [*sentences, *_doubts(tuned, best)]


def comments(tuned: Tuned, command: str) -> list[str]:
    """What stands at the head of the file that is written."""
    return [f"Chosen by: {command}", *conclusion(tuned)]


def _chosen(tuned: Tuned, best: Trial) -> str:
    before, after = (
        {name: _percent(one.row.numbers[name]) for name in ("f1", "u_wer")} for one in (tuned.plain, best)
    )
    return (
        f"Chosen: {best.name}. F1 goes from {before['f1']} to {after['f1']} %, errors at other words (U-WER) "
        f"from {before['u_wer']} to {after['u_wer']} %; a minute {best.own / best.minutes:.2f} phrases are "
        f"heard by mistake, of a list of which none is spoken {best.strange / best.minutes:.2f} "
        f"(allowed: {tuned.most:g})."
    )


def _doubts(tuned: Tuned, best: Trial) -> list[str]:
    """Say what so much audio can show."""
    limit = upper_limit(max(best.own, best.strange)) / best.minutes
    sentence = (
        f"That is {best.own} and {best.strange} mistakes in {best.minutes:.1f} minutes: with 95 % confidence "
        f"fewer than {limit:.2f} a minute."
    )
    if limit <= tuned.most:
        return [sentence]
    if tuned.most == 0:
        return [f"{sentence} No recording is long enough to show that there are none."]
    needed = upper_limit(0) / tuned.most
    return [f"{sentence} To show {tuned.most:g}, {needed:.0f} minutes without any mistake are needed."]


def _unspoken_phrases(tuned: Tuned) -> list[str]:
    score = tuned.plain.row.score
    never, spoken = len(score.never_spoken), score.totals.spoken
    if not never:
        return []
    return [
        f"Phrases are spoken {spoken} times in the clips; {never} of the list never are, and count by their "
        "mistakes alone."
    ]


def _mistaken(best: Trial) -> Sequence[str]:
    """The phrases heard by mistake most often, with how often."""
    counts = [(one.false_accepts, phrase) for phrase, one in best.row.score.phrases.items()]
    worst = sorted((pair for pair in counts if pair[0]), key=lambda pair: (-pair[0], pair[1]))
    return [f"{phrase} ({count})" for count, phrase in worst[:NAMED]]


def _percent(found: Estimate) -> str:
    return "-" if math.isnan(found.value) else f"{100 * found.value:.1f}"
