"""Command line: `python -m recipes.synthesis --phrases phrases.txt --model kokoro --out clips`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from .clips import ENCODINGS, Clip, KokoroSpeaker, Options, make_clips, plan_clips
from .errors import SynthesisError
from .espeak import find_espeak
from .kokoro import voice_names
from .sentences import TEMPLATES, name_sentences
from .split import SPLITS, choose_voices, keep_sentences
from .text import (
    Phrase,
    Sentence,
    read_lexicon,
    read_phrases,
    read_sentences,
    read_templates,
    readable,
    sounds_from_lexicon,
)

log = logging.getLogger("recipes.synthesis")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all clips made, 1 some sentences could not be spoken, 2 nothing could be done."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.text and not options.phrases:
        parser.error("give --text, --phrases or both")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return _synthesise(options)
    except SynthesisError as error:
        log.error("%s", error)
        return 2


def _synthesise(options: argparse.Namespace) -> int:
    find_espeak()
    voices = choose_voices(options.voices, voice_names(options.model), options.split)
    clips = _plan(options, voices)
    records, failures = make_clips(clips, options.out, KokoroSpeaker(options.model), options.workers)
    for message in failures:
        log.warning("not made: %s", message)
    minutes = sum(item["duration"] for item in records) / 60
    log.info("%s: %d clips, %.1f minutes", options.out / "manifest.jsonl", len(records), minutes)
    return 1 if failures else 0


def _plan(options: argparse.Namespace, voices: Sequence[str]) -> list[Clip]:
    phrases = _phrases(options)
    sentences, unreadable = readable(_sentences(options, phrases), phrases)
    for message in unreadable:
        log.warning("left out: %s", message)
    kept = keep_sentences(sentences, options.split)
    if kept.dropped:
        log.warning(
            "left out: %d sentences with %d names (%s) that --split %s must not use; "
            "for a list of your own use --split any",
            kept.dropped,
            len(kept.refused),
            ", ".join(kept.refused[:5]) + (", ..." if len(kept.refused) > 5 else ""),
            options.split,
        )
    slowest, fastest = options.rate
    plan = Options(
        voices=tuple(voices),
        blend=options.blend,
        slowest=slowest,
        fastest=fastest,
        takes=options.takes if options.text else 1,
        seed=options.seed,
        encoding=options.format,
    )
    return list(plan_clips(kept.sentences, phrases, plan))[: options.limit]


def _phrases(options: argparse.Namespace) -> list[Phrase]:
    if not options.phrases:
        return []
    lexicon = read_lexicon(options.lexicon) if options.lexicon else {}
    phrases = []
    for phrase in read_phrases(options.phrases):
        sounds = None if phrase.sounds else sounds_from_lexicon(phrase.text, lexicon)
        phrases.append(Phrase(phrase.text, (sounds,)) if sounds else phrase)
    return phrases


def _sentences(options: argparse.Namespace, phrases: Sequence[Phrase]) -> list[Sentence]:
    if options.text:
        return read_sentences(options.text)
    names = {options.category: [phrase.text for phrase in phrases]}
    return name_sentences(
        names, read_templates(options.templates), options.takes * len(phrases), options.seed
    )


def _rate(value: str) -> tuple[float, float]:
    slowest, _, fastest = value.partition("..")
    try:
        bounds = float(slowest), float(fastest or slowest)
    except ValueError:
        bounds = (0.0, 0.0)
    if not 0.5 <= bounds[0] <= bounds[1] <= 2.0:
        raise argparse.ArgumentTypeError(f"{value!r}: give LOW..HIGH between 0.5 and 2, e.g. 0.85..1.15")
    return bounds


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError(f"{value!r}: give a share between 0 and 1")
    return share


def _count(value: str) -> int:
    if not value.isdigit() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r}: give a whole number from 1")
    return int(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recipes.synthesis", description="Make speech from text.")
    add = parser.add_argument
    add("--text", type=Path, help="sentences, one a line; optional columns: entities, category")
    add(
        "--phrases",
        type=Path,
        help="phrase file; without --text, carrier sentences are made around its phrases",
    )
    add(
        "--templates", type=Path, default=TEMPLATES, help="carrier sentences: category, tab, sentence with {}"
    )
    add("--category", default="any", help="category of the phrases, chooses the carrier sentences")
    add("--lexicon", type=Path, help="CMUdict-like file that pronounces phrases without a 'sounds like'")
    add("--model", type=Path, required=True, help="folder that fetch.sh filled")
    add("--out", type=Path, required=True, help="folder for clips and manifest.jsonl")
    add("--voices", default="all", help="'all', 'english' or names between commas")
    add("--blend", type=_share, default=0.7, help="share of clips spoken by blended voices")
    add("--rate", type=_rate, default=(0.85, 1.15), metavar="LOW..HIGH", help="speaking rate")
    add("--takes", type=_count, default=1, help="clips of each sentence, or of each phrase")
    add("--seed", type=int, default=0)
    add("--workers", type=_count, default=2, help="processes")
    add("--limit", type=_count, help="at most this many clips")
    add("--format", choices=sorted(ENCODINGS), default="opus")
    add("--split", choices=SPLITS, default="train", help="which voices and names may be used; 'any': all")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
