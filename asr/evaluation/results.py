"""An evaluation as plain values for JSON, and the files beside the report."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asr.evaluation.engine import Hypothesis
from asr.evaluation.measures import Absent, Evaluation, Measured, calibration_error, reliability
from asr.files import write_text_atomic
from biasing.lists import format_lists


def to_dict(evaluation: Evaluation, settings: dict[str, Any]) -> dict[str, Any]:
    """Return everything that was measured; None stands for undefined."""
    material = evaluation.material
    return {
        "settings": settings,
        "utterances": len(material.conditions[0].given),
        "minutes": round(evaluation.minutes, 3),
        "conditions": [
            {"name": one.name, "phrases_per_utterance": round(one.mean_size, 1)}
            for one in material.conditions
        ],
        "rows": [_row(one) for one in evaluation.rows],
        "absent": [_absent(one) for one in evaluation.absent],
        "confidence": [_confidence(evaluation, one) for one in evaluation.rows],
        "left_out": list(material.left_out),
        "notes": list(material.notes),
    }


def write_results(evaluation: Evaluation, settings: dict[str, Any], out: Path) -> None:
    """Write results.json, the hypotheses and the lists that `onoma score` takes.

    Raises:
        OutputError: a file cannot be written.
    """
    found = json.dumps(to_dict(evaluation, settings), indent=1, ensure_ascii=False)
    write_text_atomic(out / "results.json", found + "\n")
    material = evaluation.material
    _write_lines(out / "said.jsonl", [{"id": name, "text": text} for name, text in material.texts.items()])
    for folder in ("hypotheses", "lists"):
        (out / folder).mkdir(exist_ok=True)
    for condition in material.conditions:
        ids = condition.given
        if not condition.is_shared:
            write_text_atomic(out / "lists" / f"{condition.name}.tsv", format_lists(condition.lists))
        for technique in evaluation.techniques:
            found_texts = evaluation.recognized.of(technique, condition.name)
            rows = [_hypothesis(name, found_texts[name]) for name in ids]
            _write_lines(out / "hypotheses" / f"{technique}.{condition.name}.jsonl", rows)


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    write_text_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _hypothesis(name: str, one: Hypothesis) -> dict[str, Any]:
    return {"id": name, "text": one.text, "confidence": [confidence for _, confidence in one.words]}


def _row(row: Measured) -> dict[str, Any]:
    totals = row.score.totals
    return {
        "technique": row.technique,
        "condition": row.condition,
        "numbers": {name: _plain(asdict(found)) for name, found in row.numbers.items()},
        "versus_none": {
            name: _plain({**asdict(found.difference), "p": found.p_value})
            for name, found in row.versus_none.items()
        },
        "phrases": {"spoken": totals.spoken, **asdict(totals)},
        "fates": asdict(row.fates),
        "each_phrase": {
            phrase: [counts.spoken, counts.hits, counts.false_accepts]
            for phrase, counts in row.score.phrases.items()
        },
        "search_seconds_per_minute": round(row.seconds_per_minute, 4),
    }


def _absent(one: Absent) -> dict[str, Any]:
    return {
        "technique": one.technique,
        "condition": one.condition,
        "utterances": one.utterances,
        "minutes": round(one.minutes, 3),
        "changed": _plain(asdict(one.changed)),
        "false_accepts_per_minute": _plain(asdict(one.false_accepts)),
    }


def _confidence(evaluation: Evaluation, row: Measured) -> dict[str, Any]:
    found = evaluation.recognized.of(row.technique, row.condition)
    bins = reliability(evaluation.material.texts, found)
    return {
        "technique": row.technique,
        "condition": row.condition,
        "bins": [_plain(asdict(one)) for one in bins],
        "calibration_error": calibration_error(bins),
    }


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else round(value, 6) for key, value in values.items()}
