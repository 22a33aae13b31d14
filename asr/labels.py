"""The labels of any CTC model as sub-words that the search knows: blank first, words begun by "▁"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asr.align import WORD_START, check_log_probs
from asr.tokenizer import ALPHABET, REMEMBERED_TEXTS

BLANKS = ("<pad>", "[PAD]", "<blank>", "<blk>", "<b>", "<eps>", "")
"""What blanks are called where none is named."""
DELIMITERS = frozenset({"|", " ", WORD_START, "<space>", "[SPACE]"})
SURE = -20.0
"""Log-probability of all that a frame without doubt is not."""
_SPECIAL = re.compile(r"<.+>|\[.+\]|⁇|")
_CONTINUES = "##"


class LabelsError(ValueError):
    """Labels that no decoding can be built on."""


class Labels:
    """The outputs of a model that is not ours, and how its log-probs become those of sub-words.

    Understood are characters with a delimiter of words ("|", a space), pieces with "▁" in front of words, and
    word pieces that go on with "##". Letters count without case and accents, as phrases do; labels that
    differ in nothing else are one sub-word, the probabilities added. Punctuation parts words and is not
    written; special tokens such as <s> and <unk> count as blank.

    Attributes:
        pieces: the sub-words, blank first.
    """

    def __init__(self, labels: Sequence[str] | Mapping[str, int], blank: int | str | None = None) -> None:
        """Take the labels in the order of the model's outputs, or each with its number.

        `blank` is the number or the name of the blank; `len(labels)` where it is one output more than there
        are labels; None looks for a usual name (`BLANKS`).

        Raises:
            LabelsError: no such blank, numbers that are not 0, 1, 2 and so on, or no labels to spell with.
        """
        named = _in_order(labels)
        self.blank = _blank_of(named, blank)
        if self.blank == len(named):
            named.append("<blank>")
        marked = any(WORD_START in label and label != WORD_START for label in named)
        goes_on = any(label.startswith(_CONTINUES) for label in named)
        spelled = [_piece(label, goes_on) for label in named]
        spelled[self.blank] = ""
        self.pieces: tuple[str, ...] = ("<blank>", *dict.fromkeys(piece for piece in spelled if piece))
        numbers = {piece: number for number, piece in enumerate(self.pieces)}
        self._sub_word = np.array([numbers.get(piece, 0) for piece in spelled], dtype=np.int64)
        self._number = {piece: number for piece, number in numbers.items() if number}
        self._longest = max(map(len, self._number), default=0)
        self.delimited = not marked and not goes_on and WORD_START in self._number
        self._refuse_poor(named)
        self.segmentations = lru_cache(REMEMBERED_TEXTS)(self._segmentations)

    def __len__(self) -> int:
        return len(self.pieces)

    def fold(self, log_probs: ArrayLike) -> NDArray[np.float32]:
        """Log-probs (T, labels) of the model as those (T, V) of the sub-words.

        Where words are parted by a delimiter, a first frame is put in front that is one: the search then
        finds the beginning of each word marked, the first one too.

        Raises:
            LogProbsError: not so many columns as labels, or frames that are no log-probabilities.
        """
        values = check_log_probs(log_probs, self.blank)
        if values.shape[1] != len(self._sub_word):
            raise LabelsError(
                f"the log-probs have {values.shape[1]} columns and there are {len(self._sub_word)} labels, "
                "the blank among them; give the labels of this model"
            )
        order = np.argsort(self._sub_word, kind="stable")
        starts = np.searchsorted(self._sub_word[order], np.arange(len(self.pieces)))
        folded = np.logaddexp.reduceat(values[:, order], starts, axis=1).astype(np.float32)
        if not self.delimited or not folded.argmax(axis=1).any():
            return folded
        first = np.full((1, len(self.pieces)), SURE, np.float32)
        first[0, self._number[WORD_START]] = 0.0
        return np.concatenate([first, folded])

    def encode(self, text: str) -> list[int]:
        """The fewest sub-words that spell a text in a-z, apostrophe and space.

        Raises:
            LabelsError: the labels lack a letter of it.
        """
        return list(self.segmentations(text, 1)[0])

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of sub-words; blanks are not expected here."""
        return " ".join("".join(self.pieces[token] for token in tokens).replace(WORD_START, " ").split())

    def _segmentations(self, text: str, count: int) -> list[list[int]]:
        """The `count` shortest ways to cut a text into sub-words, or fewer, best first.

        Raises:
            LabelsError: see `encode`.
        """
        written = text if "'" in self._letters else text.replace("'", "")
        whole = "".join(WORD_START + word for word in written.split())
        ways: list[list[tuple[int, ...]]] = [[()]]
        for end in range(1, len(whole) + 1):
            found = [
                (*way, number)
                for first in range(max(0, end - self._longest), end)
                if (number := self._number.get(whole[first:end])) is not None
                for way in ways[first]
            ]
            ways.append(sorted(found, key=len)[:count])
        if not (whole and ways[-1]):
            raise LabelsError(f"{text!r:.60} cannot be spelled with the labels; leave it out")
        return [list(way) for way in ways[-1]]

    @property
    def _letters(self) -> frozenset[str]:
        return frozenset("".join(self._number))

    def _refuse_poor(self, named: Sequence[str]) -> None:
        """Refuse labels that spell nothing in English, or do not show where words begin."""
        if missing := set(ALPHABET) - {"'"} - self._letters:
            raise LabelsError(
                f"the labels lack {' '.join(sorted(missing))}; needed are sub-words or letters of a-z, "
                f"not {', '.join(map(repr, named[:5]))}"
            )
        if not any(piece.startswith(WORD_START) for piece in self._number):
            raise LabelsError(
                "no label shows where a word begins; needed are '|' or ' ' between words, '▁' in front of "
                "them, or '##' inside"
            )


def _in_order(labels: Sequence[str] | Mapping[str, int]) -> list[str]:
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise LabelsError(f"labels are {labels!r:.60}; give a list of strings, or a dict of their numbers")
    if not isinstance(labels, Mapping):
        return list(labels)
    named = sorted(labels, key=lambda label: labels[label])
    if [labels[label] for label in named] != list(range(len(named))):
        raise LabelsError("the numbers of the labels are not 0, 1, 2 and so on; give each output one label")
    return named


def _blank_of(named: Sequence[str], blank: int | str | None) -> int:
    if isinstance(blank, int) and not isinstance(blank, bool) and 0 <= blank <= len(named):
        return blank
    known = [name for name in (BLANKS if blank is None else (blank,)) if name in named]
    if not known:
        what = "no label is a usual name of the blank" if blank is None else f"blank is {blank!r}"
        raise LabelsError(f"{what}; give its name, or its number from 0 to {len(named)}")
    return named.index(str(known[0]))


def _piece(label: str, goes_on: bool) -> str:
    """What a label writes, without case and accents, "▁" where it begins a word; "" for nothing."""
    if label in DELIMITERS:
        return WORD_START
    if _SPECIAL.fullmatch(label):
        return ""
    begins = not label.startswith(_CONTINUES) if goes_on else label.startswith(WORD_START)
    folded = unicodedata.normalize("NFKD", label.replace("’", "'").lower())
    letters = "".join(char for char in folded if char.isalnum() or char == "'")
    return (WORD_START if begins or not letters else "") + letters
