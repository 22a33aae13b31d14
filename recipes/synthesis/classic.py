"""Speech by small classic synthesisers, a hundred times faster than real time: SVOX Pico and Flite.

python -m recipes.synthesis.classic --text sentences.tsv --out clips

They pronounce as they like and sound alike from clip to clip, so each clip is spoken at a rate and
pitch of its own and played faster or slower, which moves the formants as another vocal tract would.
Meant for training, a matter of many sentences; for practice speech of a list use `python -m
recipes.synthesis`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from .clips import ENCODINGS, make_clips
from .errors import MissingError, PhoneError, SynthesisError
from .kokoro import SAMPLE_RATE, Samples, finish
from .split import SPLITS, keep_sentences
from .text import Sentence, normalise, read_sentences, readable

log = logging.getLogger("recipes.synthesis.classic")

SHARES = {
    "pico-en-US": 0.26,
    "pico-en-GB": 0.26,
    "flite-slt": 0.14,
    "flite-rms": 0.14,
    "flite-awb": 0.14,
    "flite-kal16": 0.06,
}
"""The voices, and the share of the clips that each of them speaks."""
RATES, PITCHES, SIZES = (0.75, 1.1), (0.75, 1.15), (0.84, 1.12)
"""Ranges of the speaking rate, of Pico's pitch, and of the factor on all frequencies."""


@dataclass(frozen=True)
class ClassicVoice:
    """A voice of one of the synthesisers and how it is bent.

    Attributes:
        engine_voice: a key of `SHARES`.
        pitch: factor on the pitch alone; Pico only.
        size: factor on all frequencies, pitch and formants.
    """

    engine_voice: str
    pitch: float
    size: float

    @property
    def name(self) -> str:
        """`pico-en-GB@0.91/1.05`: voice, frequencies, pitch."""
        return f"{self.engine_voice}@{self.size:.2f}/{self.pitch:.2f}"


@dataclass(frozen=True)
class ClassicClip:
    """One recording to be made; the fields are those of `recipes.synthesis.clips.Clip`."""

    name: str
    text: str
    entities: tuple[str, ...]
    category: str | None
    voice: ClassicVoice
    rate: float


def plan(sentences: Sequence[Sentence], seed: int, encoding: str) -> Iterator[ClassicClip]:
    """Choose voice, rate, pitch and size for every sentence, from the seed and its words alone."""
    for sentence in sentences:
        rng = random.Random(f"classic/{seed}/{sentence.text}")
        (engine_voice,) = rng.choices(list(SHARES), list(SHARES.values()))
        rate, pitch, size = (round(rng.uniform(*bounds), 2) for bounds in (RATES, PITCHES, SIZES))
        voice = ClassicVoice(engine_voice, pitch if engine_voice.startswith("pico") else 1.0, size)
        written = normalise(sentence.text)
        digest = hashlib.sha256(json.dumps([written, voice.name, rate]).encode()).hexdigest()[:12]
        entities = tuple(normalise(name) for name in sentence.entities)
        opening = "-".join(written.replace("'", "").split()[:4])
        yield ClassicClip(f"{opening}-{digest}.{encoding}", written, entities, sentence.category, voice, rate)


@dataclass(frozen=True)
class ClassicSpeaker:
    """Makes the function that speaks clips; called once in each worker."""

    def __call__(self) -> Callable[[ClassicClip], Samples]:
        """The function.

        Raises:
            MissingError: Flite or py-nanotts is not installed.
        """
        pico, flite = _find_pico(), _find_flite()

        def speak(clip: ClassicClip) -> Samples:
            engine, _, voice = clip.voice.engine_voice.partition("-")
            text, speed = clip.text.capitalize() + ".", clip.rate / clip.voice.size
            if engine == "pico":
                samples = pico(text, voice, speed, clip.voice.pitch)
            else:
                samples = flite(text, voice, speed)
            if not samples.size:
                raise PhoneError(f"{clip.voice.engine_voice} has nothing to say for {clip.text!r}: reword it")
            return finish(samples, SAMPLE_RATE * clip.voice.size)

        return speak


def _find_pico() -> Callable[[str, str, float, float], Samples]:
    try:
        from py_nanotts import NanoTTS
    except ImportError as error:
        raise MissingError("py-nanotts is not installed: pip install py-nanotts") from error
    synthesiser = NanoTTS()

    def speak(text: str, voice: str, speed: float, pitch: float) -> Samples:
        pcm = synthesiser.speak(text, voice=voice, speed=speed, pitch=pitch)
        return np.frombuffer(pcm, np.int16).astype(np.float32) / 32768

    return speak


def _find_flite() -> Callable[[str, str, float], Samples]:
    program = shutil.which("flite")
    if program is None:
        raise MissingError("flite is not installed: on Debian or Ubuntu, apt-get install flite")

    def speak(text: str, voice: str, speed: float) -> Samples:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            stretch = f"duration_stretch={1 / speed:.3f}"
            command = [program, "-voice", voice, "--setf", stretch, "-t", text, "-o", file.name]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode:
                raise PhoneError(f"flite cannot read {text!r}: reword it")
            samples, rate = soundfile.read(file.name, dtype="float32")
        assert rate == SAMPLE_RATE, "the voices of SHARES are made at 16 kHz"
        return np.asarray(samples)

    return speak


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all clips made, 1 some sentences could not be spoken, 2 nothing could be done."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sentences, messages = readable(read_sentences(options.text), ())
        kept = keep_sentences(sentences, options.split)
        clips = list(plan(kept.sentences, options.seed, options.format))[: options.limit]
        records, failures = make_clips(clips, options.out, ClassicSpeaker(), options.workers)
    except SynthesisError as error:
        log.error("%s", error)
        return 2
    for message in messages:
        log.warning("left out: %s", message)
    if kept.dropped:
        log.warning(
            "left out: %d sentences with names that --split %s must not use", kept.dropped, options.split
        )
    for message in failures:
        log.warning("not made: %s", message)
    hours = sum(item["duration"] for item in records) / 3600
    log.info("%s: %d clips, %.2f hours", options.out / "manifest.jsonl", len(records), hours)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m recipes.synthesis.classic", description="Make training speech with Pico and Flite."
    )
    add = parser.add_argument
    add("--text", type=Path, required=True, help="sentences, one a line; columns: entities, category")
    add("--out", type=Path, required=True, help="folder for clips and manifest.jsonl")
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=2, help="processes")
    add("--limit", type=int, help="at most this many clips")
    add("--format", choices=sorted(ENCODINGS), default="flac")
    add("--split", choices=SPLITS, default="train", help="which names may be used; 'any': all")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
