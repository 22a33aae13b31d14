"""Phones in Kokoro's notation, from ARPAbet, from eSpeak's IPA, and from a mix of both in one sentence.

Kokoro was trained on a broad English IPA in which each diphthong and affricate is one symbol (misaki's set):
A eɪ, I aɪ, O oʊ (American), Q əʊ (British), W aʊ, Y ɔɪ, ʤ, ʧ, and stress stands right before the vowel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from itertools import pairwise

from .errors import PhoneError

Speller = Callable[[str, str], str]
"""(text without pauses, accent "en-us" or "en-gb") -> eSpeak's IPA with ^ as tie."""

VOWELS = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ",
    "EY": "A", "IH": "ɪ", "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u",
}  # fmt: skip
CONSONANTS = {
    "B": "b", "CH": "ʧ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "ʤ", "K": "k", "L": "l",
    "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v",
    "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_REDUCED = {"AH": "ə", "ER": "əɹ"}
_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}

# Applied in this order: longer sequences before the symbols they contain.
_IPA_BOTH = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("t^ʃ", "ʧ"), ("e^ɪ", "A"), ("ɔ^ɪ", "Y"), ("o^ʊ", "O"),
    ("ə^ʊ", "Q"), ("ə^l", "ᵊl"), ("dʒ", "ʤ"), ("tʃ", "ʧ"), ("n̩", "ᵊn"), ("l̩", "ᵊl"), ("ʔᵊn", "tᵊn"),
    ("ɚ", "əɹ"), ("ɐ", "ə"), ("ɬ", "l"), ("ç", "k"), ("r", "ɹ"), ("g", "ɡ"), ("ʔ", "t"), ("̃", ""), ("ʲ", ""),
)  # fmt: skip
_IPA_ACCENT = {
    "en-us": (("e^ə", "ɛə"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("o", "ɔ"), ("Q", "O"), ("ː", "")),
    "en-gb": (("e^ə", "ɛː"), ("i^ə", "ɪə"), ("iə", "ɪə"), ("o", "ɔ"), ("O", "Q"), ("æ", "a")),
}
_PAUSES = re.compile(r"(?<!\bMr)(?<!\bDr)(?<!\bMrs)[,.;:!?…]+(?=\s|$)|—|\s[–-]\s")
_PLAIN_SPACE = re.compile(r"\s+")

# Words that no text holds; one begins with a consonant and one with a vowel, for the sound of "the" and "a".
_STAND_INS = {False: "zubvazik", True: "obvazook"}


def from_arpabet(phones: Sequence[str], accent: str = "en-us") -> str:
    """Kokoro's notation for ARPAbet phones, e.g. S IY1 R SH AH0 or, without stress, S IY R SH AH.

    Without any stress digit the first vowel carries the stress and later AH and ER are reduced.

    Raises:
        PhoneError: a phone that ARPAbet does not have.
    """
    marked = any(phone[-1:].isdigit() for phone in phones)
    stressed = False
    out = []
    for phone in phones:
        name, digit = (phone[:-1], phone[-1]) if phone[-1:].isdigit() else (phone, "")
        if name in CONSONANTS and not digit:
            out.append(CONSONANTS[name])
            continue
        if name not in VOWELS or digit not in ("", *_STRESS):
            raise PhoneError(f"{phone!r} is not an ARPAbet phone: use CMUdict's 39, e.g. /S IY R SH AH/")
        level = digit or ("0" if marked or stressed else "1")
        stressed = stressed or level == "1"
        out.append(_STRESS[level] + (_REDUCED.get(name, VOWELS[name]) if level == "0" else VOWELS[name]))
    return _accented("".join(out), accent)


def from_ipa(ipa: str, accent: str = "en-us") -> str:
    """Kokoro's notation for eSpeak's IPA or for IPA written by hand; ties (^) may be left out."""
    for pattern, symbol in (*_IPA_BOTH, *_IPA_ACCENT[accent]):
        ipa = ipa.replace(pattern, symbol)
    return ipa.replace("^", "")


def from_sounds(sounds: str, accent: str, spell: Speller) -> str:
    """Kokoro's notation for a phrase file's `sounds like`: /ARPAbet/, /IPA/ or words.

    Raises:
        PhoneError: nothing between the slashes.
    """
    if not (sounds.startswith("/") and sounds.endswith("/") and len(sounds) > 1):
        return from_ipa(spell(sounds, accent), accent)
    inner = sounds.strip("/").strip()
    if not inner:
        raise PhoneError(f"{sounds!r} is empty: write phones between the slashes, e.g. /S IY R SH AH/")
    if re.fullmatch(r"[A-Z]{1,2}[0-2]?(\s+[A-Z]{1,2}[0-2]?)*", inner):
        return from_arpabet(inner.split(), accent)
    tied = re.sub(r"(aɪ|aʊ|eɪ|ɔɪ|oʊ|əʊ)", lambda match: "^".join(match[0]), inner)
    return from_ipa(tied, accent)


def sentence_phones(text: str, fixed: Sequence[tuple[int, int, str]], accent: str, spell: Speller) -> str:
    """Phones of a sentence, its pauses kept as punctuation.

    Args:
        text: the sentence as printed.
        fixed: (start, end, phones) of the stretches whose phones are already known, in order.
        accent: "en-us" or "en-gb".
        spell: gives the IPA of everything else.
    """
    pieces = []
    for start, end, pause in _clauses(text, fixed):
        inside = [(a - start, b - start, phones) for a, b, phones in fixed if start <= a and b <= end]
        phones = _clause_phones(text[start:end], inside, accent, spell)
        pieces.append(phones + pause)
    joined = _PLAIN_SPACE.sub(" ", " ".join(piece for piece in pieces if piece)).strip()
    return joined if joined[-1:] in ".!?…" else joined.rstrip(",;:— ") + "."


def check_symbols(phones: str, vocabulary: Container[str]) -> str:
    """The phones as they are.

    Raises:
        PhoneError: symbols that the voice does not know.
    """
    if strange := sorted({symbol for symbol in phones if symbol not in vocabulary}):
        raise PhoneError(
            f"{phones!r} holds {' '.join(strange)}, which Kokoro cannot speak: use English phones"
        )
    return phones


def _accented(phones: str, accent: str) -> str:
    return phones.replace("O", "Q").replace("æ", "a") if accent == "en-gb" else phones


def _clauses(text: str, fixed: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """(start, end, pause mark) of the stretches between pauses; a pause inside a fixed stretch is none."""
    marks = [
        match for match in _PAUSES.finditer(text) if not any(a <= match.start() < b for a, b, _ in fixed)
    ]
    bounds = [0, *(match.end() for match in marks), len(text)]
    ends = [match.start() for match in marks] + [len(text)]
    signs = [match[0].strip()[-1].translate({ord("–"): "—", ord("-"): "—"}) for match in marks] + [""]
    spans = zip((bound for bound, _ in pairwise(bounds)), ends, signs, strict=True)
    return [(start, end, sign) for start, end, sign in spans if text[start:end].strip()]


def _clause_phones(text: str, fixed: Sequence[tuple[int, int, str]], accent: str, spell: Speller) -> str:
    """Phones of a clause: each fixed stretch is replaced by a stand-in, which is found again in the IPA."""
    if not fixed:
        return from_ipa(spell(text, accent), accent)
    words = [_STAND_INS[_starts_with_vowel(phones)] for _, _, phones in fixed]
    ends = [0, *(end for _, end, _ in fixed)]
    starts = [*(start for start, _, _ in fixed), len(text)]
    between = [text[end:start] for end, start in zip(ends, starts, strict=True)]
    filled = "".join(piece + word for piece, word in zip(between, [*words, ""], strict=True))
    ipa = spell(filled, accent)
    pattern = "|".join(_any_stress(spell(word, accent)) for word in dict.fromkeys(words))
    rest = re.split(pattern, ipa)
    if len(rest) != len(fixed) + 1:
        # eSpeak changed a stand-in (stress, linking): read what lies between on its own.
        rest = [spell(piece, accent) if re.search(r"\w", piece) else "" for piece in between]
    parts = [from_ipa(rest[0], accent)]
    for (_, _, phones), after in zip(fixed, rest[1:], strict=True):
        parts += [phones, from_ipa(after, accent)]
    return " ".join(part.strip() for part in parts if part.strip())


def _any_stress(ipa: str) -> str:
    return "[ˈˌ]?".join(["", *(re.escape(symbol) for symbol in re.sub("[ˈˌ]", "", ipa.strip()))])


def _starts_with_vowel(phones: str) -> bool:
    return phones.lstrip("ˈˌ")[:1] in set("AIOQWYaeiouæɑɐɒɔəɚɛɜɪʊʌᵊᵻ")
