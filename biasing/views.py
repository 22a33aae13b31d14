"""An `EntityScore` shown: a summary, a table of phrases, a dictionary for JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from biasing.alignment import ErrorCounts, some
from biasing.entities import PhraseCounts
from biasing.intervals import Comparison, Estimate
from biasing.metrics import MACROS, MEASURES, NUMBERS, RATES, EntityScore

_UNITS = {
    "wer": ("words", "words"),
    "cer": ("characters", "characters"),
    "b_wer": ("biased", "words of spoken phrases"),
    "u_wer": ("unbiased", "other words"),
    "unknown_wer": ("unknown", "out-of-vocabulary words"),
    "known_wer": ("known", "in-vocabulary words"),
}


def word_count(phrase: str) -> str:
    """Name the group of a phrase by its words."""
    words = len(phrase.split())
    return {1: "1 word", 2: "2 words"}.get(words, "3 words or more")


def letter_count(phrase: str) -> str:
    """Name the group of a phrase by its letters; short ones are the ones heard by mistake."""
    letters = sum(char.isalnum() for char in phrase)
    return "1-3 letters" if letters <= 3 else "4-5 letters" if letters <= 5 else "6 letters or more"


def familiarity(vocabulary: frozenset[str]) -> Callable[[str], str]:
    """Return the grouping of phrases by whether all their words are in the vocabulary."""
    return lambda phrase: "in vocabulary" if vocabulary.issuperset(phrase.split()) else "out of vocabulary"


def groupings(score: EntityScore) -> dict[str, Callable[[str], str]]:
    """Return the ways phrases are grouped: by words, by letters, and by vocabulary where there is one."""
    found: dict[str, Callable[[str], str]] = {"words": word_count, "letters": letter_count}
    if score.vocabulary is not None:
        found["vocabulary"] = familiarity(score.vocabulary)
    return found


def format_summary(score: EntityScore) -> str:
    """Return error rates, then precision, recall and F1, with intervals and counts, a number a line."""
    shown = [name for name in _UNITS if score.vocabulary is not None or "known" not in name]
    lines = [
        error_line(_title(name), score.estimate(name), score.errors(_UNITS[name][0]), _UNITS[name][1])
        for name in shown
    ]
    aligned = score.errors("biased") + score.errors("unbiased")
    lines.insert(
        4, f"  (B-WER and U-WER together: {aligned.errors} errors, {score.value('aligned_wer'):.2%})"
    )
    lines += [_line(title, score.estimate(name)) for name, title in _phrase_titles().items()]
    lines.append(f"phrases spoken {_counts_text(score.totals)}")
    distractors = sum(one.distractors for one in score.utterances)
    hidden = sum(one.hidden_distractors for one in score.utterances)
    lines.append(
        f"  {distractors} of the false accepts are phrases not spoken in the utterance; "
        f"B-WER does not see {hidden} of them"
    )
    for group in groupings(score).values():
        estimates = score.estimates_by(group)
        lines += [
            f"  {_line(f'F1, {name}', estimates[name])}; spoken {_counts_text(counts)}"
            for name, counts in score.by(group).items()
        ]
    if score.never_spoken:
        lines.append(f"never spoken: {some(score.never_spoken)} phrases")
    if score.empty_references:
        lines.append(f"empty references: {some(score.empty_references)}")
    return "\n".join(lines) + "\n"


def error_line(title: str, rate: Estimate, counts: ErrorCounts, unit: str) -> str:
    """Return an error rate with its interval and what it was counted from."""
    return (
        f"{_line(title, rate)}: {counts.errors} errors in {counts.reference} {unit}, "
        f"{counts.substitutions} substituted, {counts.deletions} deleted, {counts.insertions} inserted"
    )


def format_phrases(score: EntityScore) -> str:
    """Return a table of the phrases that were spoken or heard, those with the most mistakes first."""
    rows = sorted(
        score.phrases.items(), key=lambda row: (-row[1].misses - row[1].false_accepts, -row[1].hits, row[0])
    )
    width = max([len("phrase"), *(len(phrase) for phrase, _ in rows)])
    lines = [f"{'phrase':{width}}  spoken  hit  missed  falsely accepted"]
    lines += [
        f"{phrase:{width}}  {one.spoken:6}  {one.hits:3}  {one.misses:6}  {one.false_accepts:16}"
        for phrase, one in rows
    ]
    return "\n".join(lines) + "\n"


def format_comparison(name: str, found: Comparison) -> str:
    """Return one line on two systems, A and B."""
    low, high = found.difference.low, found.difference.high
    return (
        f"{_title(name)}: A {_percent(found.a)}, B {_percent(found.b)}, difference "
        f"{100 * found.difference.value:+.2f} points (95 % interval {100 * low:+.2f} to {100 * high:+.2f}); "
        f"p = {found.p_value:.4f} that B is not better\n"
    )


def to_dict(score: EntityScore) -> dict[str, Any]:
    """Return everything but the utterances as numbers, strings, lists and dictionaries; None for nan."""
    kinds = dict.fromkeys(kind for kind, _ in _UNITS.values())
    return {
        "utterances": len(score.utterances),
        "numbers": {name: _plain(score.estimate(name)) for name in NUMBERS},
        "errors": {kind: _errors(score.errors(kind)) for kind in kinds},
        "phrases_total": _phrase(score.totals),
        "distractors": sum(one.distractors for one in score.utterances),
        "hidden_distractors": sum(one.hidden_distractors for one in score.utterances),
        "groups": {key: _group(score, group) for key, group in groupings(score).items()},
        "phrases": {phrase: _phrase(counts) for phrase, counts in score.phrases.items()},
        "never_spoken": list(score.never_spoken),
        "empty_references": list(score.empty_references),
        "bootstrap": asdict(score.bootstrap),
    }


def _phrase_titles() -> dict[str, str]:
    return {name: _title(name) for name in ("f1", "precision", "recall", *MACROS)}


def _title(name: str) -> str:
    if name in MACROS:
        return f"macro {RATES[MACROS[name]].title}"
    title = RATES[name].title
    return f"micro {title}" if name in MEASURES else title


def _line(title: str, found: Estimate) -> str:
    if math.isnan(found.value):
        return f"{title} undefined"
    return f"{title} {_percent(found.value)} (95 % interval {_percent(found.low)} to {_percent(found.high)})"


def _percent(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2%}"


def _counts_text(counts: PhraseCounts) -> str:
    return (
        f"{counts.spoken}, hit {counts.hits}, missed {counts.misses}, falsely accepted {counts.false_accepts}"
    )


def _group(score: EntityScore, group: Callable[[str], str]) -> dict[str, Any]:
    measured = {name: score.estimates_by(group, name) for name in MEASURES}
    return {
        name: _phrase(counts) | {measure: _plain(found[name]) for measure, found in measured.items()}
        for name, counts in score.by(group).items()
    }


def _plain(found: Estimate) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in asdict(found).items()}


def _phrase(counts: PhraseCounts) -> dict[str, int]:
    return {"spoken": counts.spoken, **asdict(counts)}


def _errors(counts: ErrorCounts) -> Mapping[str, int]:
    return {"reference": counts.reference, **asdict(counts)}
