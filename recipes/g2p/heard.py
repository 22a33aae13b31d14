"""How often what is heard in place of a rare word is among the variants of that word.

python -m recipes.g2p.heard [DATA]      greedy transcripts of speech/dev.jsonl by the shipped model
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from asr.decoding import DecodingOptions
from asr.manifest import Utterance, read_manifest
from asr.recognizer import Recognizer
from biasing.alignment import align
from biasing.g2g import VariantOptions, variants
from biasing.g2p import Pronouncer

DEV = "speech/dev.jsonl"
COMMON = "biasing/common_words_5k.txt"
COUNTS = (1, 2, 4, 8, 16, 32)


def misheard(utterances: list[Utterance], common: Collection[str]) -> Iterator[tuple[str, str]]:
    """The rare words that are not heard, and what is heard where nothing else is wrong beside them."""
    recognizer = Recognizer.from_pretrained("base-en")
    for utterance in utterances:
        said = utterance.text.split()
        heard = recognizer.transcribe(utterance.audio, options=DecodingOptions(greedy=True)).text.split()
        yield from _wrong_alone(said, heard, common)


def _wrong_alone(said: list[str], heard: list[str], common: Collection[str]) -> Iterator[tuple[str, str]]:
    """Between two right words: one rare word, and the words heard for it."""
    words: list[str] = []
    others: list[str] = []
    for i, j in (*align(said, heard), (None, None)):
        right = i is not None and j is not None and said[i] == heard[j]
        if right or (i is None and j is None):
            if len(words) == 1 and words[0] not in common:
                yield words[0], " ".join(others)
            words, others = [], []
        else:
            words += [said[i]] if i is not None else []
            others += [heard[j]] if j is not None else []


def main(data: Path) -> None:
    """Print what was misheard and the share that each number of variants covers."""
    common = frozenset((data / COMMON).read_text(encoding="utf-8").split())
    pairs = list(misheard(read_manifest(data / DEV), common))
    pronouncer = Pronouncer.load()
    found, same_sound = [], 0
    for word, heard in pairs:
        options = VariantOptions(most=max(COUNTS), least=-30.0)
        listed = [one.words for one in variants(word, pronouncer, options, common)]
        place = listed.index(heard) + 1 if heard in listed else 0
        found.append(place)
        sounds = {way.phones for way in pronouncer.pronounce(word)}
        same = heard and pronouncer.pronounce_phrase(heard, 1)[0].phones in sounds
        same_sound += bool(same)
        print(f"{word}\t{heard}\t{place or '-'}\t{'same sound' if same else ''}", flush=True)
    print(f"{len(pairs)} rare words misheard on their own, {same_sound} as something that sounds the same")
    print(f"of {sum(heard in common for _, heard in pairs)} a common word was heard")
    for count in COUNTS:
        hits = sum(0 < place <= count for place in found)
        print(f"{count} variants: {hits} ({100 * hits / max(len(pairs), 1):.1f} %)")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2] or ["../shared/data"]))
