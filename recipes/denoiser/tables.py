"""Means over recordings, as Markdown."""

from __future__ import annotations

import numpy as np

Table = dict[str, dict[str, float]]
DECIMALS = {"STOI": 3}


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure."""
    return {measure: float(np.mean([row[measure] for row in rows])) for measure in rows[0]}


def format_table(table: Table) -> str:
    """A Markdown table, a line each row."""
    measures = list(next(iter(table.values())))
    lines = [f"| | {' | '.join(measures)} |", "| --- |" + " --- |" * len(measures)]
    for name, row in table.items():
        cells = (f"{value:.{DECIMALS.get(measure, 2)}f}" for measure, value in row.items())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
