"""An n-gram language model asked by words (`NGram`, `WeightedNGram`) or by tokens (`WordScorer`)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import kenlm
import numpy as np
from numpy.typing import NDArray

from lm.vocabulary import UNKNOWN, Lookahead, read_vocabulary, spelling_hash

WORD_START = "▁"
NO_WORD = "\U0010fffd"  # letters that no word of a model begins with
MOST_WORDS_REMEMBERED = 1 << 17  # about 50 MB of answers, then all are forgotten

_NATS = math.log(10.0)
_SENTENCE_END = "</s>"

Context = Hashable
State = tuple[Hashable, str]
Inner = tuple[Hashable, str | None]


class LanguageModelError(ValueError):
    """A language model that cannot be loaded, or that does not fit; the message says what is needed."""


class NGram:
    """A KenLM model, ARPA or binary. Scores are natural logarithms.

    A context is a KenLM state: hashable, never changed here, and equal to another exactly when the model
    keeps the same words of both, so that equal contexts give equal scores from there on.

    Attributes:
        lookahead: the best ln P, out of context, of the words that begin with some letters; None for a binary
            model that does not store its words.
        unknown_score: ln P of an unknown word, out of context.
    """

    def __init__(self, path: str | Path) -> None:
        """Load the model; a binary one is mapped into memory and is ready at once.

        Raises:
            LanguageModelError: no such file, or not a model that KenLM can load.
        """
        if not Path(path).is_file():
            raise LanguageModelError(f"{path}: no such language model; name an ARPA file or a KenLM binary")
        config = kenlm.Config()
        config.show_progress = False
        config.arpa_complain = kenlm.ARPALoadComplain.NONE
        try:
            self._model = kenlm.Model(str(path), config)
        except (OSError, RuntimeError) as error:
            reason = str(error.__cause__ or error).replace("\n", " ").strip()
            raise LanguageModelError(
                f"{path}: not a language model that KenLM can load ({reason}); give ARPA or a KenLM binary"
            ) from error
        words = read_vocabulary(Path(path))
        scores = self.out_of_context([*words, UNKNOWN])
        self.lookahead = Lookahead(words, scores[:-1]) if words else None
        self.unknown_score = scores[-1]

    @property
    def order(self) -> int:
        """Words in the longest n-gram."""
        return int(self._model.order)

    def __contains__(self, word: str) -> bool:
        """Whether the model knows the word."""
        return word in self._model

    def start(self) -> Context:
        """The context at the begin of a sentence."""
        context: Context = kenlm.State()
        self._model.BeginSentenceWrite(context)
        return context

    def score_word(self, context: Context, word: str) -> tuple[Context, float]:
        """The context after `word`, and ln P(word | context); unknown words share the model's <unk>."""
        after = kenlm.State()
        return after, self._model.BaseScore(context, word, after) * _NATS

    def finish(self, context: Context) -> float:
        """ln P(the sentence ends | context)."""
        return self.score_word(context, _SENTENCE_END)[1]

    def out_of_context(self, words: Iterable[str]) -> list[float]:
        """ln P of each word when nothing is known of what was said before."""
        nothing, after = kenlm.State(), kenlm.State()
        self._model.NullContextWrite(nothing)
        return [self._model.BaseScore(nothing, word, after) * _NATS for word in words]

    def score(self, words: Iterable[str], sentence_end: bool = True) -> float:
        """ln P of a sentence of words, with its end or open-ended."""
        context, total = self.start(), 0.0
        for word in words:
            context, added = self.score_word(context, word)
            total += added
        return total + self.finish(context) if sentence_end else total


@dataclass(frozen=True)
class LMOptions:
    """How much a language model has to say in a search.

    Attributes:
        weight: factor on natural log probabilities; 0 leaves only the word bonus.
        word_bonus: nats added for every word, against the liking of language models for few words.
        unk_penalty: nats added to the log probability of a word the model does not know, before the weight;
            usually negative.
        score_sentence_end: whether the end of the utterance is scored as the end of a sentence.
    """

    weight: float = 0.5
    word_bonus: float = 0.0
    unk_penalty: float = -5.0
    score_sentence_end: bool = True


class WordModel(Protocol):
    """Anything that scores words one after the other, in nats with its weights applied.

    States are values: hashable, never changed, and equal only if all later scores are equal.
    """

    @property
    def order(self) -> int:
        """Words that decide about the next score, and the word itself."""

    def start(self) -> Hashable:
        """The state before the first word."""

    def word(self, state: Any, word: str) -> tuple[Hashable, float]:
        """The state after a complete word, and what the word is worth."""

    def paid(self, state: Any, letters: str) -> float:
        """What is paid in advance after `state` when a word, perhaps unfinished, has begun with `letters`."""

    def local(self, state: Any) -> Hashable:
        """Return the state less all that `paid` does not look at; `paid` takes it in its place."""

    def fold(self, local: Any, letters: str) -> str:
        """Return letters of an unfinished word that are worth the same, however the word goes on.

        All that lead to no word may become `NO_WORD`, so that a search has fewer of them to ask about.
        """

    def beginnings(self) -> NDArray[np.int64]:
        """The hashes (see `lm.vocabulary`) of at least all letters that some state folds and another not."""

    def end(self, state: Any) -> float:
        """What the end of the utterance is worth."""


class WeightedNGram:
    """What the words of a sentence are worth in a search: `weight * ln P + word_bonus` each.

    The letters of an unfinished word are worth the score, out of context, of the best word they may become.
    """

    def __init__(self, ngram: NGram, options: LMOptions | None = None) -> None:
        self.ngram = ngram
        self.options = options or LMOptions()
        self._paid: dict[str, float] = {"": 0.0}

    @property
    def order(self) -> int:
        """Words in the longest n-gram."""
        return self.ngram.order

    def start(self) -> Context:
        """The context at the begin of a sentence."""
        return self.ngram.start()

    def word(self, state: Context, word: str) -> tuple[Context, float]:
        """The context after a complete word, and what the word is worth."""
        after, nats = self.ngram.score_word(state, word)
        if word not in self.ngram:
            nats += self.options.unk_penalty
        return after, self.options.weight * nats + self.options.word_bonus

    def paid(self, state: Context, letters: str) -> float:  # noqa: ARG002 - other models look at the state
        """What the letters of an unfinished word are paid, in any context; 0.0 for none."""
        known = self._paid.get(letters)
        return self._pay(letters) if known is None else known

    def local(self, state: Context) -> Hashable:  # noqa: ARG002 - as in `paid`
        """Nothing: what is paid in advance does not depend on the context."""
        return None

    def fold(self, local: Hashable, letters: str) -> str:  # noqa: ARG002
        """The letters, or `NO_WORD`: the model treats all unknown words alike."""
        lookahead = self.ngram.lookahead
        return letters if lookahead is None or lookahead(letters) > -math.inf else NO_WORD

    def beginnings(self) -> NDArray[np.int64]:
        """The hashes of all that the model's words begin with."""
        lookahead = self.ngram.lookahead
        return lookahead.beginnings if lookahead is not None else np.zeros(0, dtype=np.int64)

    def end(self, state: Context) -> float:
        """What the end of the sentence is worth, if the options score it."""
        return self.options.weight * self.ngram.finish(state) if self.options.score_sentence_end else 0.0

    def _pay(self, letters: str) -> float:
        lookahead = self.ngram.lookahead
        best = lookahead(letters) if lookahead is not None else 0.0
        if best == -math.inf:
            best = self.ngram.unknown_score + self.options.unk_penalty
        if len(self._paid) >= MOST_WORDS_REMEMBERED:
            self._paid = {"": 0.0}
        self._paid[letters] = self.options.weight * best + self.options.word_bonus
        return self._paid[letters]


class TokenScorer:
    """Scores the tokens of a search with a model of words.

    A word is complete when the next piece that begins a word arrives, or at the end; until then its letters
    are paid in advance, so that letters which lead to no word are pruned at once. What was paid is settled
    when the word is complete: the sum over an utterance does not depend on it. A state is (state of the model
    after the complete words, letters of the unfinished word).
    """

    def __init__(self, model: WordModel, pieces: Sequence[str]) -> None:
        """Take the text of every token; a piece that begins with "▁" begins a word, token 0 is the blank.

        Raises:
            LanguageModelError: a piece has "▁" elsewhere than in front.
        """
        wrong = [piece for piece in pieces[1:] if WORD_START in piece[1:]]
        if wrong:
            raise LanguageModelError(
                f"piece {wrong[0]!r} goes on into the next word; train pieces that do not"
            )
        self.model = model
        self.begins = [piece.startswith(WORD_START) for piece in pieces]
        self.letters = [piece.removeprefix(WORD_START) for piece in pieces]
        self.nowhere: Inner = model.local(model.start()), NO_WORD
        self._completed: dict[State, tuple[Hashable, float]] = {}

    def start(self) -> State:
        """The state before the first token."""
        return self.model.start(), ""

    def step(self, state: State, token: int) -> tuple[State, float]:
        """The state after `token`, and the nats by which it changes what the prefix is worth."""
        words, letters = state
        if self.begins[token] and letters:
            words, settled = self._completed.get(state) or self._complete(state)
            letters = ""
        else:
            settled = -self.model.paid(words, letters)
        letters += self.letters[token]
        return (words, letters), settled + self.model.paid(words, letters)

    def finish(self, state: State) -> float:
        """Nats of the last word and of the end, less what was paid in advance."""
        words, letters = state
        if letters:
            words, settled = self._completed.get(state) or self._complete(state)
        else:
            settled = -self.model.paid(words, letters)
        return settled + self.model.end(words)

    def begin(self) -> tuple[Hashable, Inner]:
        """The state before the first token, in two parts; see `asr.scorer.WordwiseScorer`."""
        words = self.model.start()
        return words, (self.model.local(words), "")

    def move(self, inner: Inner, token: int) -> tuple[Inner, float]:
        """The inner part after a token that completes no word, and the nats added, as `step` gives them.

        Behind a word that was just completed the letters are None: nothing is paid for them yet.
        """
        local, letters = inner
        settled = 0.0 if letters is None else -self.model.paid(local, letters)
        after = self.model.fold(local, (letters or "") + self.letters[token])
        return (local, after), settled + self.model.paid(local, after)

    def complete(self, words: Hashable, inner: Inner) -> tuple[Hashable, Inner, float]:
        """Both parts after the unfinished word, and its worth less what was paid for it."""
        if not inner[1]:
            return words, inner, 0.0
        state = words, inner[1]
        after, settled = self._completed.get(state) or self._complete(state)
        return after, (self.model.local(after), None), settled

    def beginnings(self) -> NDArray[np.int64]:
        """The hashes of the letters that lead to words."""
        return self.model.beginnings()

    def spelling(self, inner: Inner) -> tuple[int, float]:
        """The hash of the letters, and what a move adds that makes them lead to no word.

        It is NaN where moves have to be asked about one by one. Moves that lead to no word all lead to the
        same inner part, `nowhere`.
        """
        local, letters = inner
        value = spelling_hash(letters or "")
        if self.model.fold(local, 2 * NO_WORD) != NO_WORD:
            return value, math.nan
        settled = 0.0 if letters is None else -self.model.paid(local, letters)
        return value, settled + self.model.paid(local, NO_WORD)

    def close(self, words: Hashable, inner: Inner) -> float:
        """Nats of the last word and of the end, as `finish` gives them."""
        return self.finish((words, inner[1] or ""))

    def words(self, tokens: Iterable[int]) -> list[str]:
        """The words that the tokens spell."""
        text = "".join(WORD_START * self.begins[token] + self.letters[token] for token in tokens)
        return [word for word in text.split(WORD_START) if word]

    def _complete(self, state: State) -> tuple[Hashable, float]:
        """The model's state after a finished word, and the word's worth less what was paid in advance."""
        words, letters = state
        after, nats = self.model.word(words, letters)
        answer = after, nats - self.model.paid(words, letters)
        if len(self._completed) >= MOST_WORDS_REMEMBERED:
            self._completed.clear()
        self._completed[state] = answer
        return answer


class WordScorer(TokenScorer):
    """Scores the tokens of a search with an n-gram model alone."""

    def __init__(self, ngram: NGram, pieces: Sequence[str], options: LMOptions | None = None) -> None:
        """Take a model and its weights; `pieces` as `TokenScorer` does.

        Raises:
            LanguageModelError: a piece has "▁" elsewhere than in front.
        """
        super().__init__(WeightedNGram(ngram, options), pieces)
        self._ngram, self._options = ngram, options or LMOptions()

    def log_prob(self, tokens: Iterable[int]) -> float:
        """ln P of the text that the tokens spell, without weight, bonus and unknown word penalty.

        The end of the sentence is counted as the options say.
        """
        return self._ngram.score(self.words(tokens), self._options.score_sentence_end)
