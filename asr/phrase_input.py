"""What callers may give as a phrase list."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Number
from pathlib import Path

from biasing.phrases import Phrase, PhraseError, PhraseList, make_phrases, read_phrases

Phrases = PhraseList | str | os.PathLike[str] | Iterable[str | Phrase]
"""A phrase list, a phrase file, or its items."""


def phrase_list(phrases: Phrases) -> PhraseList:
    """The list that was given, read from its file or made of its items. Raises `PhraseError`."""
    if isinstance(phrases, PhraseList):
        return phrases
    if isinstance(phrases, str | os.PathLike):
        return _from_file(phrases)
    if isinstance(phrases, Number):
        raise PhraseError(
            f"phrases are {phrases!r:.60}; a sample rate goes with its samples, as the pair (samples, rate), "
            "and phrases are a phrase file, a list of strings and Phrase(...), or a PhraseList"
        )
    return make_phrases(phrases)


def _from_file(name: str | os.PathLike[str]) -> PhraseList:
    """The list of a file; who gave a phrase in the place of its name is told how to give one."""
    try:
        return read_phrases(Path(name))
    except PhraseError as error:
        there = isinstance(error.__cause__, IsADirectoryError | PermissionError | UnicodeError)
        if there or not isinstance(name, str):
            raise
        raise PhraseError(
            f"{name!r:.60}: no such phrase file; a string is the name of one, and phrases are given as a list"
        ) from error
