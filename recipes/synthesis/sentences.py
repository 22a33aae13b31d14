"""Training sentences: book sentences as they are, and carrier sentences around names from the lists.

python -m recipes.synthesis.sentences --data ../shared/data --book 8000 --names 4000 --out sentences.tsv
"""

from __future__ import annotations

import argparse
import logging
import lzma
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .clips import write_lines
from .errors import MissingError, SynthesisError, TextError
from .split import allowed
from .text import Sentence, normalise, read_templates

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).with_name("templates.tsv")
LISTS = {
    "drug": ("drugs.txt",),
    "disease": ("diseases.txt",),
    "symptom": ("symptoms.txt",),
    "hospital": ("hospitals.txt",),
    "place": ("english_towns.txt", "us_cities.txt", "earnings21_GPE.tsv"),
    "company": ("fortune500.txt", "earnings21_ORG.tsv"),
    "known": ("scientists.txt", "celebrities.txt"),
}
FIRST_NAMES = ("nltk_names_female.txt", "nltk_names_male.txt")
SURNAMES = ("faker_last_names.txt",)
_SPOKEN_AS_SPELLED = re.compile(r"[^\W\d_][\w'’. -]*")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b|\b[A-Z]\.")
_MAX_WORDS = 6


def usable(name: str, split: str) -> bool:
    """Whether a name is read aloud as it is spelled (no digits, acronym, article) and is of the split."""
    if (
        name.lower().startswith("the ")
        or not _SPOKEN_AS_SPELLED.fullmatch(name)
        or _ACRONYM.search(name)
        or len(name.split()) > _MAX_WORDS
    ):
        return False
    try:
        normalise(name)
    except TextError:
        return False
    return allowed(name, split)


def read_names(data: Path, split: str) -> dict[str, list[str]]:
    """The usable names of every category; people are first names and surnames of the lists put together.

    Raises:
        MissingError: the data folder has no lists.
    """
    names = {
        category: [name for name in _entries(data, files) if usable(name, split)]
        for category, files in LISTS.items()
    }
    surnames = _entries(data, SURNAMES)
    rng = random.Random("people")
    people = [f"{first} {rng.choice(surnames)}" for first in _entries(data, FIRST_NAMES)]
    return names | {"person": [name for name in people if usable(name, split)]}


def name_sentences(
    names: dict[str, list[str]], templates: dict[str, list[str]], count: int, seed: int
) -> list[Sentence]:
    """Carrier sentences around names: categories in turn, every name once before any comes again.

    A name that comes again gets another carrier, as long as there are others.
    """
    rng = random.Random(f"names/{seed}")
    categories = sorted(category for category, entries in names.items() if entries)
    decks: dict[str, list[str]] = {category: [] for category in categories}
    uses: Counter[str] = Counter()
    sentences = []
    for number in range(count if categories else 0):
        category = categories[number % len(categories)]
        if not decks[category]:
            decks[category] = rng.sample(names[category], len(names[category]))
        name = decks[category].pop()
        carriers = templates.get(category, []) + (templates.get("any", []) if category != "any" else [])
        carriers = carriers or [line for lines in templates.values() for line in lines]
        first = random.Random(f"carrier/{seed}/{name}").randrange(len(carriers))
        carrier = carriers[(first + uses[name]) % len(carriers)]
        uses[name] += 1
        kind = None if category == "any" else category
        sentences.append(Sentence(carrier.replace("{}", name), (name,), kind))
    return sentences


def book_sentences(lines: Iterator[str], count: int, words: tuple[int, int], seed: int) -> list[Sentence]:
    """A uniform sample of the sentences of a suitable length (Vitter's reservoir, algorithm R)."""
    rng = random.Random(f"book/{seed}")
    kept: list[str] = []
    seen = 0
    for line in lines:
        if not words[0] <= len(line.split()) <= words[1]:
            continue
        seen += 1
        if len(kept) < count:
            kept.append(line.strip())
        elif (place := rng.randrange(seen)) < count:
            kept[place] = line.strip()
    return [Sentence(line) for line in kept]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write sentences as `text TAB entities TAB category`."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sentences = _collect(options)
    except SynthesisError as error:
        log.error("%s", error)
        return 2
    random.Random(f"order/{options.seed}").shuffle(sentences)
    rows = ("\t".join((s.text, "|".join(s.entities), s.category or "")).rstrip("\t") for s in sentences)
    write_lines(options.out, rows)
    log.info("%s: %d sentences", options.out, len(sentences))
    return 0


def _collect(options: argparse.Namespace) -> list[Sentence]:
    sentences: list[Sentence] = []
    words = (options.min_words, options.max_words)
    for count, file in ((options.book, "books.txt.xz"), (options.read, "librispeech_train_clean_100.txt.xz")):
        if count:
            sentences += book_sentences(_book_lines(options.data / "text" / file), count, words, options.seed)
    if options.names:
        names = read_names(options.data, options.split)
        log.info("%s", ", ".join(f"{len(entries)} {category}" for category, entries in names.items()))
        sentences += name_sentences(names, read_templates(options.templates), options.names, options.seed)
    return sentences


def _book_lines(path: Path) -> Iterator[str]:
    try:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            yield from lines
    except OSError as error:
        raise MissingError(f"{path}: cannot be read ({error.strerror}); give the data folder") from error


def _entries(data: Path, files: Sequence[str]) -> list[str]:
    entries: dict[str, None] = {}
    for name in files:
        path = data / "lists" / name
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise MissingError(f"{path}: cannot be read ({error.strerror}); give the data folder") from error
        entries.update(dict.fromkeys(line.split("\t")[0].strip() for line in lines if line.strip()))
    return list(entries)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recipes.synthesis.sentences", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--out", type=Path, required=True, help="TSV to write")
    parser.add_argument("--book", type=int, default=0, metavar="N", help="book sentences")
    parser.add_argument("--read", type=int, default=0, metavar="N", help="transcripts of read speech")
    parser.add_argument("--names", type=int, default=0, metavar="N", help="carrier sentences around names")
    parser.add_argument("--templates", type=Path, default=TEMPLATES, help="carrier sentences")
    parser.add_argument("--min-words", type=int, default=5, help="of a sentence")
    parser.add_argument("--max-words", type=int, default=22, help="of a sentence")
    parser.add_argument("--split", choices=("train", "test", "any"), default="train")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
