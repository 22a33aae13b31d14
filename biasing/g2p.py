"""How words are said: several pronunciations with their probabilities, for words that no lexicon knows.

pronouncer = Pronouncer.load()
pronouncer.pronounce("siobhan")         # [Pronunciation(("SH", "AH", "V", "AO", "N"), 0.93), ...]
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from biasing.graphone_search import Limits, search
from biasing.graphones import LETTERS, GraphoneModel, read_model
from biasing.lexicon import Lexicon, read_lexicon
from biasing.normalise import phones_of, spoken_form
from biasing.phone_set import PHONES

MODEL_FILE = Path(__file__).parent / "pretrained" / "g2p-en.npz"
LONGEST_WORD = 60
WORDS_REMEMBERED = 1 << 16

_WORD = re.compile(r"[a-z']*[a-z][a-z']*")
_NO_VOWEL = re.compile(r"[^aeiouy']+")
_LONGEST_INITIALS = 5
_BY_LETTERS = (
    0.75  # three of four words without a vowel are said by their letters in CMUdict: tv, but not hmm
)
_LETTER = {letter: number for number, letter in enumerate(LETTERS)}
_PHONE = {phone: number for number, phone in enumerate(PHONES)}

_NAMES = (
    "A EY, B B IY, C S IY, D D IY, E IY, F EH F, G JH IY, H EY CH, I AY, J JH EY, K K EY, L EH L, M EH M, "
    "N EH N, O OW, P P IY, Q K Y UW, R AA R, S EH S, T T IY, U Y UW, V V IY, W D AH B AH L Y UW, X EH K S, "
    "Y W AY, Z Z IY"
)
LETTER_NAMES: dict[str, tuple[str, ...]] = {
    name.split()[0].lower(): tuple(name.split()[1:]) for name in _NAMES.split(",")
}
"""How each letter is called."""


class PronunciationError(ValueError):
    """A word that cannot be pronounced, or a number that cannot be asked for; the message says why."""


@dataclass(frozen=True)
class Pronunciation:
    """One way to say a word or a phrase.

    Attributes:
        phones: ARPAbet without stress, of `biasing.phone_set.PHONES`.
        probability: how probable this way is among all ways to say the same spelling.
    """

    phones: tuple[str, ...]
    probability: float


@dataclass(frozen=True)
class SearchOptions:
    """How widely is searched between spelling and sound.

    Attributes:
        beam: hypotheses kept after each letter or phone.
        reach: nats; hypotheses so much worse than the best of the same place are dropped.
        silent: letters in a row that a spelling may have without a phone of their own.
    """

    beam: int = 12
    reach: float = 8.0
    silent: int = 2

    def __post_init__(self) -> None:
        if self.beam < 1 or not self.reach > 0 or self.silent < 0:
            raise PronunciationError(f"{self}: beam is 1 or more, reach more than 0, silent 0 or more")


class Pronouncer:
    """Pronounces words by a user's lexicon where it has them, else by a joint n-gram model.

    Source: Bisani & Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion". Probabilities are
    those of the model given the spelling, over the hypotheses that the search reaches. Safe to share between
    threads; a word that was asked for is remembered.
    """

    _shipped: ClassVar[Pronouncer | None] = None
    _loading: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self, model: GraphoneModel, lexicon: Lexicon | None = None, options: SearchOptions | None = None
    ) -> None:
        self._model = model
        self._lexicon = lexicon or {}
        self._options = options or SearchOptions()
        remembered: Callable[[str], tuple[Pronunciation, ...]] = lru_cache(WORDS_REMEMBERED)(self._ways)
        self._remembered = remembered

    @classmethod
    def load(cls, path: str | Path | None = None, lexicon_path: str | Path | None = None) -> Pronouncer:
        """The pronouncer of a model file, or the shipped one, which a process loads once.

        Args:
            path: a model that `recipes/g2p` made; None for the shipped one.
            lexicon_path: a lexicon in CMUdict's format whose words are said as it says.

        Raises:
            GraphoneError: the model cannot be read.
            LexiconError: the lexicon cannot be read.
        """
        if path is None:
            with cls._loading:
                if cls._shipped is None:
                    cls._shipped = cls(read_model(MODEL_FILE))
            if lexicon_path is None:
                return cls._shipped
            return cls(cls._shipped._model, read_lexicon(lexicon_path))
        return cls(read_model(Path(path)), read_lexicon(lexicon_path) if lexicon_path else None)

    def pronounce(self, word: str, count: int = 3) -> list[Pronunciation]:
        """The `count` most probable ways to say a word, or fewer if no more are found; best first.

        Words of the lexicon are said as there, all ways equally probable. Single letters, and initials as in
        "bbc", are most probably said by the names of their letters.

        Raises:
            PronunciationError: the word is not of a-z and apostrophes, or `count` is below 1.
        """
        if count < 1:
            raise PronunciationError(f"{count} pronunciations are asked for; ask for 1 or more")
        return list(self._remembered(word)[:count])

    def pronounce_phrase(self, words: str | Sequence[str], count: int = 3) -> list[Pronunciation]:
        """The `count` most probable ways to say words in a row, each as `pronounce` says it; best first.

        Raises:
            PronunciationError: no word at all, or as for `pronounce`.
        """
        row = words.split() if isinstance(words, str) else list(words)
        if not row:
            raise PronunciationError("there is no word to pronounce; give words of a-z and apostrophes")
        ways: dict[tuple[str, ...], float] = {(): 1.0}
        for word in row:
            longer: dict[tuple[str, ...], float] = {}
            for phones, probability in ways.items():
                for way in self.pronounce(word, count):
                    whole = phones + way.phones
                    longer[whole] = longer.get(whole, 0.0) + probability * way.probability
            ways = dict(_best(longer.items(), count))
        return [Pronunciation(*way) for way in ways.items()]

    def spell(self, phones: Sequence[str], count: int = 5) -> list[tuple[str, float]]:
        """The `count` most probable ways to write phones as one word, with their probabilities; best first.

        Raises:
            PronunciationError: no phones, one that is none of the 39, or `count` is below 1.
        """
        strange = [phone for phone in phones if phone not in _PHONE]
        if strange or not phones or count < 1:
            problem = f"{strange[0]} is no ARPAbet phone" if strange else "there is nothing to spell"
            raise PronunciationError(
                f"{problem}; give phones of {' '.join(PHONES)}, and a count of 1 or more"
            )
        model, options = self._model, self._options
        scores, paths = search(
            model.ngrams,
            (model.phones, model.letters),
            np.array([_PHONE[phone] for phone in phones], np.int32),
            len(PHONES),
            Limits(options.beam, options.reach, options.silent),
        )
        written = ("".join(model.graphones[one][0] for one in path) for path in paths)
        return list(zip(written, _shares(scores), strict=True))[:count]

    def _ways(self, word: str) -> tuple[Pronunciation, ...]:
        """All that is found for a word, best first."""
        if not _WORD.fullmatch(word) or len(word) > LONGEST_WORD:
            raise PronunciationError(
                f"{word!r:.80} cannot be pronounced; give one word of a-z and apostrophes in lower case, "
                f"{LONGEST_WORD} letters at most"
            )
        known = self._lexicon.get(word)
        if known:
            return tuple(Pronunciation(phones, 1 / len(known)) for phones in known)
        found = self._found(word)
        if is_initials(word):
            rest = {way.phones: way.probability * (1 - _BY_LETTERS) for way in found}
            letters = said_by_letters(word)
            rest[letters] = rest.get(letters, 0.0) + _BY_LETTERS
            found = [Pronunciation(*way) for way in _best(rest.items(), len(rest))]
        return tuple(found)

    def _found(self, word: str) -> list[Pronunciation]:
        """What the model gives for a word, best first."""
        model, options = self._model, self._options
        scores, paths = search(
            model.ngrams,
            (model.letters, model.phones),
            np.array([_LETTER[letter] for letter in word], np.int32),
            len(LETTERS),
            Limits(options.beam, options.reach, 0),  # every graphone has letters
        )
        said = (tuple(phone for one in path for phone in model.graphones[one][1]) for path in paths)
        found = zip(said, _shares(scores), strict=True)
        return [Pronunciation(phones, share) for phones, share in found if phones]


def sounds(text: str, pronouncer: Pronouncer, count: int = 3) -> list[Pronunciation]:
    """What the user says that something sounds like, as phones: words ("zuh LEN skee"), or "/Z AH L EH N/".

    Raises:
        SpellingError: neither words of a-z nor ARPAbet phones between slashes.
    """
    stripped = text.strip()
    if len(stripped) > 1 and stripped.startswith("/") and stripped.endswith("/"):
        return [Pronunciation(phones_of(stripped[1:-1]), 1.0)]
    return pronouncer.pronounce_phrase(spoken_form(text)[0], count)


def is_initials(word: str) -> bool:
    """Whether a word is most likely said letter by letter: one letter, or a few without any vowel."""
    return len(word) == 1 or (len(word) <= _LONGEST_INITIALS and bool(_NO_VOWEL.fullmatch(word)))


def said_by_letters(word: str) -> tuple[str, ...]:
    """The names of the letters of a word in a row; apostrophes are silent."""
    return tuple(phone for letter in word for phone in LETTER_NAMES.get(letter, ()))


def _best(ways: Iterable[tuple[tuple[str, ...], float]], count: int) -> list[tuple[tuple[str, ...], float]]:
    return sorted(ways, key=lambda way: (-way[1], way[0]))[:count]


def _shares(scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    """Each hypothesis's share of the probability of all of them; rounding never makes their sum exceed 1."""
    if not len(scores):
        return []
    shares = np.exp(scores - scores[0])
    return [float(share) for share in shares / (shares.sum() * (1 + 1e-12))]
