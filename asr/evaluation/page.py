"""An evaluation as one HTML page that needs nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from asr.evaluation import charts, groups, tables
from asr.evaluation.charts import Axes, Point, Series
from asr.evaluation.markdown import COST, EXPLAINED, FATES
from asr.evaluation.measures import Evaluation, reliability
from asr.evaluation.style import CHART_STYLE, PAGE_STYLE, chart_file
from asr.evaluation.tables import Cell, Example, Table
from asr.evaluation.techniques import NONE
from biasing.intervals import Estimate

PHRASES_SHOWN = 30
INTERVAL = re.compile(r" \((-?[\d.]+) to (-?[\d.]+)\)")
KINDS = ("hit", "substituted", "split", "deleted", "inserted")
KIND_COLOURS = (3, 5, 2, 0, 4)


def page(evaluation: Evaluation, settings: Mapping[str, Any]) -> str:
    """Return the page."""
    technique, condition = tables.featured(evaluation)
    first, *others = tables.verdict(evaluation)
    minutes = f"{len(evaluation.material.conditions[0].given)} utterances, {evaluation.minutes:.1f} minutes"
    body = [
        "<h1>Phrases recognized</h1>",
        f'<p class="verdict">{escape(first)}</p>{_tiles(evaluation)}<p>{escape(" ".join(others))}</p>',
        f'<p class="soft">{minutes}; {escape(technique)}, list {escape(condition)}.</p>',
        f'<div class="charts">{"".join(_charts(evaluation))}</div>',
        _section("By list and technique", EXPLAINED, _table(tables.main_table(evaluation))),
    ]
    if evaluation.absent:
        title = "The same lists where none of it is spoken"
        body.append(_section(title, "", _table(tables.absent_table(evaluation))))
    title = f"Which phrases (list {condition})"
    body.append(_section(title, groups.EXPLAINED, _table(groups.group_table(evaluation))))
    body.append(_section("Where the errors went", FATES, _table(tables.fate_table(evaluation))))
    body.append(_section("Cost", COST, _table(tables.cost_table(evaluation))))
    worst = "".join(_example(one, technique) for one in tables.examples(evaluation))
    if worst:
        body.append(
            _section(
                "Worst utterances",
                f"{technique}, list {condition}. Marked: phrases. Underlined: errors.",
                worst,
            )
        )
    body.append(
        _section("What was left out", "", _bullets(evaluation.material.left_out) or "<p>Nothing.</p>")
    )
    if evaluation.material.notes:
        body.append(_section("Notes", "", _bullets(evaluation.material.notes)))
    body.append(
        _section(
            "How it was measured", "", _bullets([f"{name}: {value}" for name, value in settings.items()])
        )
    )
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>Phrases recognized</title>'
        f"<style>{CHART_STYLE}{PAGE_STYLE}</style></head>\n<body>\n{chr(10).join(body)}\n</body></html>\n"
    )


def figures(evaluation: Evaluation) -> dict[str, str]:
    """Return the charts of F1, B-WER and U-WER as SVG files, by name."""
    titles = {"f1": "F1", "b_wer": "B-WER", "u_wer": "U-WER"}
    names = drawn_techniques(evaluation) if len(evaluation.material.conditions) > 1 else []
    return {
        f"{number}.svg": chart_file(number_chart(evaluation, number, title), names)
        for number, title in titles.items()
    }


def drawn_techniques(evaluation: Evaluation) -> list[str]:
    """The techniques that charts show: no more than there are colours, and not those that leave one out."""
    return [name for name in evaluation.techniques if "-" not in name][: charts.COLOURS]


def number_chart(evaluation: Evaluation, number: str, title: str) -> str:
    """Return the chart of one number over the lists; bars where there is one list."""
    names = drawn_techniques(evaluation)
    conditions = [one.name for one in evaluation.material.conditions]
    if len(conditions) == 1:
        return charts.bar_chart(
            title, [(name, _point(evaluation.row(name, conditions[0]).numbers[number])) for name in names]
        )
    series = [
        Series(name, [_point(evaluation.row(name, one).numbers[number]) for one in conditions], shaded)
        for name, shaded in _shaded(names, evaluation)
    ]
    return charts.line_chart(title, Axes(conditions, "distractors in the list", title), series)


def _charts(evaluation: Evaluation) -> list[str]:
    technique, condition = tables.featured(evaluation)
    found = [
        _figure(title, number_chart(evaluation, number, title))
        for number, title in (("f1", "F1"), ("b_wer", "B-WER"), ("u_wer", "U-WER"))
    ]
    if evaluation.absent:
        found.append(_figure("Phrases falsely heard a minute, none being spoken", _false_accepts(evaluation)))
    rows = [
        (name, [int(cell) for cell in row[3:]])
        for name in evaluation.techniques
        for row in tables.fate_table(evaluation).rows
        if (row[1], row[0]) == (name, condition)
    ]
    found.append(
        _figure(
            f"Where the errors went, list {condition}",
            charts.stacked_chart("Fates", KINDS, rows, KIND_COLOURS),
        )
    )
    texts, shown = evaluation.material.texts, dict.fromkeys((NONE, technique))
    curves = [
        (
            name,
            [
                (one.confidence, one.correct)
                for one in reliability(texts, evaluation.recognized.of(name, condition))
            ],
        )
        for name in shown
    ]
    drawn = drawn_techniques(evaluation)
    colours = [drawn.index(name) if name in drawn else charts.COLOURS - 1 for name in shown]
    reliable = charts.reliability_chart("Reliability", curves, colours)
    found.append(_figure(f"Confidence, list {condition}", reliable))
    said = f"Recall of phrases without a list (ring) and by {technique}, list {condition} (times spoken)"
    return [*found, _figure(said, _recalls(evaluation))]


def _false_accepts(evaluation: Evaluation) -> str:
    title, names = "False accepts a minute", drawn_techniques(evaluation)
    conditions = list(dict.fromkeys(one.condition for one in evaluation.absent))
    points = {(one.technique, one.condition): _point(one.false_accepts) for one in evaluation.absent}
    if len(conditions) == 1:
        return charts.bar_chart(title, [(name, points[name, conditions[0]]) for name in names], percent=False)
    series = [
        Series(name, [points[name, one] for one in conditions], shaded)
        for name, shaded in _shaded(names, evaluation)
    ]
    return charts.line_chart(title, Axes(conditions, "distractors in the list", title, percent=False), series)


def _recalls(evaluation: Evaluation) -> str:
    """The phrases said most often, and among equals those missed most."""
    technique, condition = tables.featured(evaluation)
    score, plain = (evaluation.row(name, condition).score.phrases for name in (technique, NONE))
    spoken = [(phrase, counts) for phrase, counts in score.items() if counts.spoken]
    spoken.sort(key=lambda row: (-row[1].spoken, -row[1].misses, row[0]))
    rows = [
        (f"{phrase} ({counts.spoken})", plain[phrase].hits / counts.spoken, counts.hits / counts.spoken)
        for phrase, counts in spoken[:PHRASES_SHOWN]
    ]
    return charts.change_chart("Recall of phrases", rows)


def _shaded(names: Sequence[str], evaluation: Evaluation) -> list[tuple[str, bool]]:
    """Techniques, and whether their intervals are drawn: of more than two, bands hide each other."""
    return [(name, name in {NONE, tables.featured(evaluation)[0]}) for name in names]


def _point(found: Estimate) -> Point:
    return Point(found.value, found.low, found.high)


def _figure(caption: str, chart: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{chart}</figure>"


def _section(title: str, text: str, content: str) -> str:
    said = f'<p class="soft">{escape(text)}</p>' if text else ""
    return f"<h2>{escape(title)}</h2>{said}{content}"


def _table(found: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in found.header)
    rows = "".join(
        f"<tr{' class=strong' if number in found.strong else ''}>"
        f"{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>"
        for number, row in enumerate(found.rows)
    )
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def _cell(cell: str) -> str:
    """A cell, its interval in small print."""
    return INTERVAL.sub(r" <small>\1 to \2</small>", escape(cell))


def _tiles(evaluation: Evaluation) -> str:
    found = "".join(
        f"<div><b>{escape(one.value)}</b><span>{escape(one.title)}</span>"
        f'<span class="soft">{escape(one.detail)}</span></div>'
        for one in tables.tiles(evaluation)
    )
    return f'<div class="tiles">{found}</div>' if found else ""


def _bullets(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _example(one: Example, technique: str) -> str:
    words = {
        "said": [_word(cell, cell.said, cell.said) for cell in one.cells],
        NONE: [_word(cell, cell.plain, cell.said) for cell in one.cells],
        technique: [_word(cell, cell.helped, cell.said) for cell in one.cells],
    }
    rows = "".join(f"<tr><th>{escape(name)}</th>{''.join(row)}</tr>" for name, row in words.items())
    title = f"<p><b>{escape(one.id)}</b> {escape(one.summary)}</p>"
    return f'{title}<div class="words"><table>{rows}</table></div>'


def _word(cell: Cell, word: str, said: str) -> str:
    classes = [name for name, on in (("phrase", cell.phrase), ("wrong", word != said)) if on]
    mark = f' class="{" ".join(classes)}"' if classes else ""
    return f"<td{mark}>{escape(word) or ('·' if said else '')}</td>"
