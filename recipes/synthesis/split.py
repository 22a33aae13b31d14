"""The line between training and testing: which voices and which names belong to which side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import SplitError, TextError
from .text import Sentence, normalise

SPLITS = ("train", "test", "any")
TEST_VOICES = frozenset({"af_nova", "am_onyx", "bf_lily", "bm_lewis", "em_alex", "zf_xiaoyi"})


@dataclass(frozen=True)
class Kept:
    """What a split lets through.

    Attributes:
        sentences: the sentences it lets through, in order.
        refused: the entities for which sentences were left out, in order, each once.
        dropped: how many sentences were left out.
    """

    sentences: list[Sentence]
    refused: list[str]
    dropped: int


def is_test_entity(name: str) -> bool:
    """Whether the name is kept for tests: the first byte of the MD5 of its lower case is divisible by 4."""
    return hashlib.md5(name.lower().encode()).digest()[0] % 4 == 0


def allowed(name: str, split: str) -> bool:
    """Whether `split` may use an entity.

    Training must avoid the name as printed and as written in a transcript ("Leigh-on-Sea", "leigh on sea"),
    for a test may have hashed either.
    """
    if split == "any":
        return True
    if split == "test":
        return is_test_entity(name)
    return not is_test_entity(name) and not is_test_entity(_transcript(name))


def keep_sentences(sentences: Sequence[Sentence], split: str) -> Kept:
    """Leave out the sentences with an entity that belongs to the other side."""
    kept: list[Sentence] = []
    refused: dict[str, None] = {}
    for sentence in sentences:
        wrong = [name for name in sentence.entities if not allowed(name, split)]
        refused.update(dict.fromkeys(wrong))
        if not wrong:
            kept.append(sentence)
    return Kept(kept, list(refused), len(sentences) - len(kept))


def choose_voices(wanted: str, available: Sequence[str], split: str) -> list[str]:
    """The voices of `wanted` that `split` may use, sorted.

    `wanted` is "all", "english" (American and British voices) or names between commas. The first two pass
    over the voices of the other side; one given by name is refused.

    Raises:
        SplitError: a voice by name that belongs to the other side or does not exist, or none left.
    """
    if wanted in ("all", "english"):
        pool = [name for name in available if wanted == "all" or name[0] in "ab"]
        voices = [name for name in pool if _voice_allowed(name, split)]
    else:
        voices = [name.strip() for name in wanted.split(",") if name.strip()]
        if wrong := [name for name in voices if name not in available]:
            raise SplitError(f"no voice {', '.join(wrong)}: there are {', '.join(sorted(available))}")
        if wrong := [name for name in voices if not _voice_allowed(name, split)]:
            raise SplitError(f"{', '.join(wrong)} may not be used with --split {split}: choose others")
    if not voices:
        raise SplitError(f"--voices {wanted!r} with --split {split} leaves no voice: name some, or 'all'")
    return sorted(set(voices))


def _voice_allowed(voice: str, split: str) -> bool:
    return split == "any" or (voice in TEST_VOICES) == (split == "test")


def _transcript(name: str) -> str:
    try:
        return normalise(name)
    except TextError:
        return name
