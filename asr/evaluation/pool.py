"""Where drawn lists come from: common words and distractors, from files or from the language model."""

from __future__ import annotations

from pathlib import Path

from asr.evaluation.material import MaterialError, Pool
from asr.scoring import normalize
from biasing.lists import read_vocabulary
from lm.ngram import NGram
from lm.text import open_text

COMMON_WORDS = 5000  # as many as in the lists of Le et al. 2021


def make_pool(common: Path | None, distractors: Path | None, ngram: NGram | None, seed: int) -> Pool:
    """Take common words and distractors from files, a phrase a line; what is not given, from the model.

    The common words of the language model are its most probable ones out of any context, its other words the
    distractors.

    Raises:
        ListsError, MaterialError: a file cannot be read, or is missing and there is no language model.
    """
    ranked = ngram.lookahead.ranked if ngram is not None and ngram.lookahead is not None else []
    if not ranked and (common is None or distractors is None):
        raise MaterialError(
            "lists cannot be drawn: the model stores no words; give --common FILE and --distractors FILE, "
            "or the lists themselves by --phrases or --lists"
        )
    known = frozenset(map(normalize, read_vocabulary(common))) if common else frozenset(ranked[:COMMON_WORDS])
    drawn = _read_phrases(distractors) if distractors else tuple(ranked[COMMON_WORDS:])
    return Pool(known, tuple(phrase for phrase in drawn if phrase not in known), seed)


def rare_phrases(distractors: Path | None, ngram: NGram | None) -> tuple[str, ...]:
    """Phrases of a file, one a line, else the language model's words that are not common.

    Raises:
        MaterialError: the file cannot be read, or is missing and there is no language model.
    """
    if distractors is not None:
        return _read_phrases(distractors)
    ranked = ngram.lookahead.ranked if ngram is not None and ngram.lookahead is not None else []
    if len(ranked) <= COMMON_WORDS:
        raise MaterialError("the model stores no rare words; give --distractors FILE, a phrase a line")
    return tuple(ranked[COMMON_WORDS:])


def _read_phrases(file: Path) -> tuple[str, ...]:
    try:
        with open_text(file) as stream:
            found = dict.fromkeys(words for line in stream if (words := normalize(line)))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise MaterialError(f"{file}: cannot be read ({reason}); give a phrase a line") from error
    if not found:
        raise MaterialError(f"{file}: holds no phrases; give a phrase a line")
    return tuple(found)
