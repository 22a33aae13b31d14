"""A model of words as the language model of pyctcdecode, for its users and those of transformers."""

from __future__ import annotations

from typing import Any

from lm.ngram import WordModel

try:
    from pyctcdecode.language_model import AbstractLanguageModel
except ImportError as error:
    raise ImportError("lm.pyctcdecode needs pyctcdecode; install onoma[pyctcdecode]") from error


class PyctcdecodeLM(AbstractLanguageModel):  # type: ignore[misc]
    """What pyctcdecode asks of a language model, answered by a `WeightedNGram` or a `ClassModel`.

        BeamSearchDecoderCTC(Alphabet.build_alphabet(labels), PyctcdecodeLM(ClassModel(ngram, members)))

    Unlike pyctcdecode's own model it pays the letters of an unfinished word in advance, as they fit into
    known words and members. Weights are those of the model: the decoder's `reset_params` changes nothing. The
    decoder cannot be written to a folder.
    """

    def __init__(self, model: WordModel) -> None:
        self._model = model

    @property
    def order(self) -> int:
        """Words that pyctcdecode must keep apart; longer than the n-grams when members are."""
        return self._model.order

    def get_start_state(self) -> Any:
        """The state before the first word."""
        return self._model.start()

    def score_partial_token(self, partial_token: str) -> float:
        """Nats for the letters of an unfinished word; pyctcdecode takes them back before the next score."""
        return self._model.paid(self._model.start(), partial_token)

    def score(self, prev_state: Any, word: str, is_last_word: bool = False) -> tuple[float, Any]:
        """Nats of a complete word, "" for none, and the state after it; with the end if it is the last."""
        after, nats = self._model.word(prev_state, word) if word else (prev_state, 0.0)
        ahead = self._model.end(after) if is_last_word else self._model.paid(after, "")
        return nats + ahead - self._model.paid(prev_state, ""), after
