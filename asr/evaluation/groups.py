"""Which phrases a list helps with: by their length, and by whether the language model knows their words."""

from __future__ import annotations

from asr.evaluation.measures import Evaluation
from asr.evaluation.tables import Table, featured, with_interval
from asr.evaluation.techniques import NONE
from biasing.views import groupings

EXPLAINED = (
    "Phrases of the same kind, without a list and with it; a phrase is out of vocabulary where the language "
    "model does not know one of its words."
)


def group_table(evaluation: Evaluation) -> Table:
    """Recall and F1 of groups of phrases, without a list and by the featured technique."""
    technique, condition = featured(evaluation)
    names = tuple(dict.fromkeys((NONE, technique)))
    scores = [evaluation.row(name, condition).score for name in names]
    header = ["phrases", "spoken"]
    header += [f"{title}, {name}" for title in ("recall %", "F1 %") for name in names]
    rows = []
    for group in groupings(scores[0]).values():
        counts = {name: one.spoken for score in scores for name, one in score.by(group).items()}
        found = [score.estimates_by(group, measure) for measure in ("recall", "f1") for score in scores]
        rows += [
            [name, str(spoken), *(with_interval(one[name]) if name in one else "-" for one in found)]
            for name, spoken in counts.items()
            if spoken
        ]
    return Table(header, rows)
