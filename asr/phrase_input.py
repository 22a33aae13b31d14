"""What callers may give as a phrase list."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from biasing.phrases import Phrase, PhraseList, make_phrases, read_phrases

Phrases = PhraseList | str | os.PathLike[str] | Iterable[str | Phrase]
"""A phrase list, a phrase file, or its items."""


def phrase_list(phrases: Phrases) -> PhraseList:
    """The list that was given, read from its file or made of its items. Raises `PhraseError`."""
    if isinstance(phrases, PhraseList):
        return phrases
    if isinstance(phrases, str | os.PathLike):
        return read_phrases(Path(phrases))
    return make_phrases(phrases)
