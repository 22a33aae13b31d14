"""An evaluation as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asr.evaluation import groups, tables
from asr.evaluation.measures import Evaluation
from asr.evaluation.tables import Example, Table
from asr.evaluation.techniques import NONE

EXPLAINED = (
    "F1, precision and recall count phrases as units: a phrase is recognized when it stands whole in the "
    "text, at the place where it was said. B-WER and U-WER are those of Le et al. 2021: errors at words of "
    "phrases spoken in the utterance, and all others. A list of size 0 is no list; the other sizes are "
    "distractors beside the utterance's own phrases. Behind a value: its 95 % bootstrap interval over "
    "utterances; of a 0 that counts mistakes, where so much audio would have shown some. p: share of "
    "paired bootstrap draws in which the technique is not better than none."
)
FATES = (
    "Substituted: other words stand in the place of the phrase; split: more words; deleted: none. "
    "Inserted: heard where it was not said."
)
COST = (
    "Processor time, the preparation of a list for each utterance included, and on a first run the "
    "compilation of the search."
)


def report(evaluation: Evaluation, settings: Mapping[str, Any]) -> str:
    """Return the whole report."""
    technique, condition = tables.featured(evaluation)
    parts = ["# Phrases recognized", *tables.verdict(evaluation), EXPLAINED]
    parts += ["## By list and technique", table(tables.main_table(evaluation))]
    if evaluation.absent:
        parts += ["## The same lists where none of it is spoken", table(tables.absent_table(evaluation))]
    parts += [f"## Which phrases (list {condition})", groups.EXPLAINED, table(groups.group_table(evaluation))]
    parts += ["## Where the errors went", FATES, table(tables.fate_table(evaluation))]
    parts += ["## Cost", COST, table(tables.cost_table(evaluation))]
    found = tables.examples(evaluation)
    if found:
        parts.append(f"## Worst utterances ({technique}, list {condition})")
        parts.append("Phrases are in capitals; `***` is a gap.")
        parts += [example(one, technique) for one in found]
    parts += ["## What was left out", bullets(evaluation.material.left_out) or "Nothing."]
    if evaluation.material.notes:
        parts += ["## Notes", bullets(evaluation.material.notes)]
    parts += ["## How it was measured", bullets([f"{name}: {value}" for name, value in settings.items()])]
    return "\n\n".join(parts) + "\n"


def table(found: Table) -> str:
    """Return a table; what is strong is bold."""
    lines = [_row(found.header), _row(["---"] * len(found.header))]
    lines += [
        _row([f"**{cell}**" if number in found.strong and cell else cell for cell in row])
        for number, row in enumerate(found.rows)
    ]
    return "\n".join(lines)


def bullets(lines: Sequence[str]) -> str:
    """Return a list of lines."""
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)


def example(one: Example, technique: str) -> str:
    """Return rows of words above each other."""
    rows: list[list[str]] = [[name] for name in dict.fromkeys(("said", NONE, technique))]
    for cell in one.cells:
        words = [word.upper() if cell.phrase else word for word in (cell.said, cell.plain, cell.helped)]
        words = words[: len(rows)]
        width = max(map(len, words))
        for row, word in zip(rows, words, strict=True):
            row.append((word or "*" * width).ljust(width))
    head = max(len(row[0]) for row in rows)
    lines = [" ".join([row[0].ljust(head), *row[1:]]).rstrip() for row in rows]
    return "\n".join([f"`{one.id}`: {one.summary}", "", "```", *lines, "```"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
