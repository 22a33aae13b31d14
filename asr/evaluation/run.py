"""One evaluation from a manifest to a folder of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asr.evaluation.acoustics import ACOUSTIC_FILES, DECODING_FILES, AcousticStore, digest_files
from asr.evaluation.engine import TextStore, count_searches, hear_all, search_all
from asr.evaluation.markdown import report
from asr.evaluation.material import Material
from asr.evaluation.measures import Evaluation, measure
from asr.evaluation.page import figures, page
from asr.evaluation.results import write_results
from asr.evaluation.techniques import Technique
from asr.files import OutputError, write_text_atomic
from asr.progress import step_progress
from asr.recognizer import Recognizer, model_folder
from biasing.intervals import Bootstrap


@dataclass(frozen=True)
class Workplace:
    """Where an evaluation keeps what it computes.

    Attributes:
        model: shipped name or folder of the model.
        cache: folder for log-probs and hypotheses, which later evaluations take up again.
        shown: whether progress is shown.
    """

    model: str
    cache: Path
    shown: bool = True


def evaluate(
    recognizer: Recognizer,
    material: Material,
    techniques: Sequence[Technique],
    place: Workplace,
    bootstrap: Bootstrap | None = None,
) -> Evaluation:
    """Recognize everything, what is kept from earlier runs excepted, and measure it.

    Recordings that cannot be read are left out, and stand in the material of the result.

    Raises:
        OutputError: something cannot be kept.
        MaterialError: no recording can be read.
    """
    folder = model_folder(place.model)
    try:
        store = AcousticStore(place.cache / "acoustics", recognizer, digest_files(folder, ACOUSTIC_FILES))
        texts = TextStore(place.cache / "texts")
    except OSError as error:
        raise OutputError(f"{place.cache}: cannot be made ({error.strerror})") from error
    with step_progress(0, len(material.utterances), place.shown, "hearing") as advance:
        keys, failed = hear_all(material, store, advance)
    material = material.without(failed)
    kept = texts, digest_files(folder, DECODING_FILES)
    with step_progress(0, count_searches(material, techniques), place.shown, "searching") as advance:
        recognized = search_all(material, techniques, store, kept, advance, keys)
    ngram = recognizer.ngram
    known = frozenset(ngram.lookahead.ranked) if ngram is not None and ngram.lookahead is not None else None
    return measure(material, recognized, bootstrap, known)


def write_report(evaluation: Evaluation, settings: dict[str, Any], out: Path) -> None:
    """Write report.md, report.html, results.json, figures, hypotheses and lists.

    Raises:
        OutputError: a file cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror})") from error
    write_results(evaluation, settings, out)
    write_text_atomic(out / "report.md", report(evaluation, settings))
    write_text_atomic(out / "report.html", page(evaluation, settings))
    for name, chart in figures(evaluation).items():
        write_text_atomic(out / name, chart)


def describe(recognizer: Recognizer, techniques: Sequence[Technique], command: str) -> dict[str, Any]:
    """Return what a reader needs to repeat the evaluation."""
    return {
        "command": command,
        "onoma": version("onoma"),
        "model": recognizer.name,
        "decoding": asdict(recognizer.options),
        "techniques": {one.name: one.settings for one in techniques},
    }
