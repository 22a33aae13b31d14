"""SentencePiece sub-words with the CTC blank as token 0."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import sentencepiece

from asr.files import write_bytes_atomic, write_text_atomic
from asr.reasons import last_line

log = logging.getLogger(__name__)

TOKENIZER_FILE = "tokenizer.model"
ALPHABET = "abcdefghijklmnopqrstuvwxyz'"
"""Characters of transcripts and normalised phrases, besides the space."""
REMEMBERED_TEXTS = 1 << 16
"""Spellings of phrases whose sub-words are kept for later lists."""

TOKENS_FILE = "tokens.txt"
"""In a model folder: the tokens that its weights were trained with, one a line."""


class TokenizerError(ValueError):
    """A tokenizer file or a text that cannot be used."""


class SubWords(Protocol):
    """Sub-words that a search can spell with: token 0 is the blank, "▁" begins a word."""

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text of every token."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text in a-z, apostrophe and space."""

    def segmentations(self, text: str, count: int) -> list[list[int]]:
        """The `count` best ways to cut a text into tokens, or fewer, best first; not to be written to."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids."""


class Tokenizer:
    """Text to token ids and back. Id 0, SentencePiece's `<unk>`, is the CTC blank: no text encodes to it."""

    def __init__(self, model: str | Path) -> None:
        if not Path(model).is_file():
            raise TokenizerError(f"{model}: no such tokenizer file; a SentencePiece .model file is needed")
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.Load(str(model))
        except (RuntimeError, OSError) as error:
            raise TokenizerError(
                f"{model}: not a SentencePiece model; train one with `onoma train`"
            ) from error
        self.pieces: tuple[str, ...] = tuple(
            self._processor.IdToPiece(index) for index in range(self._processor.GetPieceSize())
        )
        if len(self.pieces) < 2 or 0 in self._processor.EncodeAsIds(" ".join(ALPHABET)):
            raise TokenizerError(
                f"{model}: token 0 is taken, or a letter of a-z is missing; train one with `onoma train`"
            )
        self.segmentations = lru_cache(REMEMBERED_TEXTS)(self._segmentations)

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text in a-z, apostrophe and space. Raises `TokenizerError` on other characters."""
        strangers = sorted(set(text) - set(ALPHABET + " "))
        if strangers:
            raise TokenizerError(
                f"{text!r}: cannot spell {strangers}; accepted are a-z, apostrophe and space"
            )
        return list(self._processor.EncodeAsIds(text))

    def _segmentations(self, text: str, count: int) -> list[list[int]]:
        """The `count` most probable ways to cut a text into tokens, or fewer, best first.

        Raises:
            TokenizerError: see `encode`.
        """
        best = self.encode(text)
        if count == 1:
            return [best]
        others = self._processor.NBestEncodeAsIds(text, count)
        return [best, *(list(one) for one in others if list(one) != best)][:count]

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids; blanks are not expected here."""
        return "".join(self.pieces[token] for token in tokens).replace("▁", " ").strip()


def copy_tokenizer(file: Path, folder: Path) -> None:
    """Put a tokenizer into a model folder, and down there what its tokens are."""
    write_bytes_atomic(folder / TOKENIZER_FILE, file.read_bytes())
    write_text_atomic(folder / TOKENS_FILE, "\n".join(Tokenizer(file).pieces) + "\n")


def folder_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder.

    Raises:
        TokenizerError: it cannot be used, or has other tokens than the weights were trained with, as far as
            the folder tells these.
    """
    tokenizer, told = Tokenizer(folder / TOKENIZER_FILE), folder / TOKENS_FILE
    if told.is_file():
        tokens = told.read_text(encoding="utf-8", errors="replace").splitlines()
        if tuple(tokens) != tokenizer.pieces:
            raise TokenizerError(
                f"{folder / TOKENIZER_FILE}: other tokens than the model was trained with ({TOKENS_FILE}); "
                "put the tokenizer back that belongs to it"
            )
    return tokenizer


def train_tokenizer(lines: Iterable[str], out: Path, size: int = 256) -> Tokenizer:
    """Train a unigram model (Kudo 2018) of `size` pieces, blank included, and write it to `out`.

    Raises:
        TokenizerError: the lines have too few different words for so many pieces.
    """
    alphabet_lines = [" ".join(ALPHABET), ALPHABET]
    model = io.BytesIO()  # a file would have its own path inside
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=iter([*alphabet_lines, *lines]),
            model_writer=model,
            vocab_size=size,
            model_type="unigram",
            character_coverage=1.0,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            add_dummy_prefix=True,
            normalization_rule_name="identity",
            minloglevel=2,
        )
    except RuntimeError as error:
        raise TokenizerError(
            f"{out}: no tokenizer of {size} pieces can be trained ({last_line(error)}); "
            "give more text or fewer pieces"
        ) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(out, model.getvalue())
    log.info("wrote %s with %d pieces", out, size)
    return Tokenizer(out)
