"""An n-gram language model asked by words (`NGram`, `WeightedNGram`) or by tokens (`TokenScorer`)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import kenlm

from lm.beginnings import NO_WORDS, Beginnings
from lm.vocabulary import UNKNOWN, Lookahead, read_vocabulary

WORD_START = "▁"
MOST_WORDS_REMEMBERED = 1 << 17  # about 50 MB of answers, then all are forgotten

_NATS = math.log(10.0)
_SENTENCE_END = "</s>"

Context = Hashable
State = tuple[Hashable, str]


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
        except (OSError, RuntimeError, UnicodeDecodeError) as error:
            # KenLM quotes what it found, which for a file of another kind is no text.
            binary = isinstance(error, UnicodeDecodeError)
            reason = "not text" if binary else " ".join(str(error.__cause__ or error).split())
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

    def end(self, state: Any) -> float:
        """What the end of the utterance is worth."""

    @property
    def beginnings(self) -> Beginnings | None:
        """The rule by which `paid` pays letters in most states; None where there is none."""

    def pays_by_rule(self, state: Any) -> bool:
        """Whether `paid` follows `beginnings` in this state; it then pays 0 for no letters."""


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

    def end(self, state: Context) -> float:
        """What the end of the sentence is worth, if the options score it."""
        return self.options.weight * self.ngram.finish(state) if self.options.score_sentence_end else 0.0

    @property
    def beginnings(self) -> Beginnings | None:
        """The rule by which letters are paid; None for a model that does not store its words."""
        if self.ngram.lookahead is None:
            return None
        words, one = self.ngram.lookahead.sorted_words, self.options
        unknown = self.ngram.unknown_score + one.unk_penalty
        return Beginnings(words, one.weight, one.word_bonus, unknown, NO_WORDS)

    def pays_by_rule(self, state: Context) -> bool:  # noqa: ARG002 - other models look at the state
        """Always: no state has a say in `paid`."""
        return True

    def _pay(self, letters: str) -> float:
        lookahead = self.ngram.lookahead
        best = lookahead(letters) if lookahead is not None else 0.0
        if best == -math.inf:
            best = self.ngram.unknown_score + self.options.unk_penalty
        if len(self._paid) >= MOST_WORDS_REMEMBERED:
            self._paid = {"": 0.0}
        paid = self.options.weight * best + self.options.word_bonus
        self._paid[letters] = paid
        return paid


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
        self.pieces = pieces
        self._begins = [piece.startswith(WORD_START) for piece in pieces]
        self._letters = [piece.removeprefix(WORD_START) for piece in pieces]
        self._completed: dict[State, tuple[Hashable, float]] = {}

    def start(self) -> State:
        """The state before the first token."""
        return self.model.start(), ""

    def step(self, state: State, token: int) -> tuple[State, float]:
        """The state after `token`, and the nats by which it changes what the prefix is worth."""
        words, letters = state
        if self._begins[token] and letters:
            words, settled = self._completed.get(state) or self._complete(state)
            letters = ""
        else:
            settled = -self.model.paid(words, letters)
        letters += self._letters[token]
        return (words, letters), settled + self.model.paid(words, letters)

    def finish(self, state: State) -> float:
        """Nats of the last word and of the end, less what was paid in advance."""
        words, settled = self.settled(state)
        return settled + self.model.end(words)

    def close(self, state: State) -> float:
        """Nats of the last word alone, less what was paid in advance: others may follow it."""
        return self.settled(state)[1]

    def after(self, words: Sequence[str]) -> State:
        """The state after complete words, of which the last ones decide."""
        state = self.model.start()
        for word in words[1 - self.model.order :]:
            state = self.settled((state, word))[0]
        return state, ""

    def words(self, tokens: Iterable[int]) -> list[str]:
        """The words that the tokens spell."""
        text = "".join(WORD_START * self._begins[token] + self._letters[token] for token in tokens)
        return [word for word in text.split(WORD_START) if word]

    def settled(self, state: State) -> tuple[Hashable, float]:
        """The model's state after the last word, if there is one, and its worth less what was paid."""
        words, letters = state
        if not letters:
            return words, -self.model.paid(words, letters)
        return self._completed.get(state) or self._complete(state)

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
