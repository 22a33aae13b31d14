"""From sentences to clips: the plan (what, by whom, how fast), the audio files and their manifest."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import soundfile

from .errors import SynthesisError
from .espeak import spell
from .kokoro import SAMPLE_RATE, Kokoro, Samples
from .phones import from_sounds, sentence_phones
from .text import Phrase, Sentence, find_phrases, normalise, with_entities
from .voices import Voice, draw_voice

log = logging.getLogger(__name__)

ENCODINGS = {"opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}


@dataclass(frozen=True)
class Options:
    """How sentences are spoken.

    Attributes:
        voices: names of the voices to draw from.
        blend: share of the clips spoken by a blend of two or three voices, 0 to 1.
        slowest: lower end of the speaking rate; 1 is the voice's own.
        fastest: upper end of the speaking rate.
        takes: clips made of each sentence.
        seed: every draw depends on it and on the sentence, not on the sentence's place in the list.
        encoding: "opus" or "flac".
    """

    voices: tuple[str, ...]
    blend: float = 0.7
    slowest: float = 0.85
    fastest: float = 1.15
    takes: int = 1
    seed: int = 0
    encoding: str = "opus"


@dataclass(frozen=True)
class Clip:
    """One recording to be made.

    Attributes:
        name: file name; the same for the same sentence, pronunciations, voice and rate.
        text: the sentence as printed.
        sounds: pronunciations by phrase, for the phrases of the sentence that have one.
        entities: names in it, as in a transcript.
        category: kind of name, where known.
        voice: who speaks.
        rate: how fast; 1 is the voice's own.
    """

    name: str
    text: str
    sounds: tuple[tuple[str, str], ...]
    entities: tuple[str, ...]
    category: str | None
    voice: Voice
    rate: float


class Speaker(Protocol):
    """Who speaks a recording."""

    @property
    def name(self) -> str:
        """What the manifest calls the speaker."""


class Planned(Protocol):
    """A recording to be made, by whatever synthesiser; see `Clip` for the attributes."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def entities(self) -> tuple[str, ...]: ...
    @property
    def category(self) -> str | None: ...
    @property
    def voice(self) -> Speaker: ...


AnyClip = TypeVar("AnyClip", bound=Planned)
Speak = Callable[[AnyClip], Samples]
"""Speech (samples,) at 16 kHz for a clip."""


def plan_clips(sentences: Sequence[Sentence], phrases: Sequence[Phrase], options: Options) -> Iterator[Clip]:
    """Choose voice, rate and pronunciations for every take of every sentence."""
    takes: Counter[str] = Counter()
    for sentence in sentences:
        found = [phrase for _, _, phrase in find_phrases(sentence.text, phrases)]
        complete = with_entities(sentence, (phrase.text for phrase in found))
        for _ in range(options.takes):
            rng = random.Random(f"{options.seed}/{takes[sentence.text]}/{sentence.text}")
            takes[sentence.text] += 1
            yield _clip(complete, found, options, rng)


def make_clips(
    clips: Sequence[AnyClip], folder: Path, make_speaker: Callable[[], Speak[AnyClip]], workers: int = 1
) -> tuple[list[dict[str, Any]], list[str]]:
    """Make the clips that are not in `folder` yet and write its `manifest.jsonl`.

    Args:
        clips: what to make; a name that comes twice is made once.
        folder: where clips and manifest go.
        make_speaker: called once in each worker process; must be picklable when there are several.
        workers: processes; 1 works in this one.

    Returns:
        The manifest's records in the order of the clips, and a message for each clip that could not be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unique = list({clip.name: clip for clip in clips}.values())
    missing = [clip for clip in unique if not (folder / clip.name).is_file()]
    log.info("%d clips, %d of them there already", len(unique), len(unique) - len(missing))
    failures = [message for message in _run(missing, folder, make_speaker, workers) if message]
    records = [record(clip, folder) for clip in unique if (folder / clip.name).is_file()]
    write_lines(folder / "manifest.jsonl", (json.dumps(item, ensure_ascii=False) for item in records))
    return records, failures


def record(clip: Planned, folder: Path) -> dict[str, Any]:
    """The manifest line of a finished clip."""
    fields: dict[str, Any] = {
        "audio_filepath": clip.name,
        "duration": round(float(soundfile.info(folder / clip.name).duration), 3),
        "text": normalise(clip.text),
        "speaker": clip.voice.name,
        "source": "synthetic",
        "synthetic": True,
    }
    if clip.entities:
        fields["entities"] = list(clip.entities)
    if clip.category:
        fields["category"] = clip.category
    return fields


def write_lines(path: Path, lines: Iterator[str]) -> None:
    """Write a text file in one step, so that a reader never sees half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    part.replace(path)


@dataclass(frozen=True)
class KokoroSpeaker:
    """Makes the function that speaks clips with the model of a fetched folder."""

    folder: Path

    def __call__(self) -> Speak[Clip]:
        """Load the model; called once in each worker."""
        model = Kokoro(self.folder)
        return lambda clip: model.speak(clip_phones(clip), clip.voice, clip.rate)


def clip_phones(clip: Clip) -> str:
    """Phones of a clip's sentence in the voice's accent, its phrases pronounced as they ask for.

    Raises:
        PhoneError: a pronunciation that cannot be read.
        MissingError: eSpeak NG is not installed.
    """
    accent = clip.voice.accent
    phrases = [Phrase(text, (sounds,)) for text, sounds in clip.sounds]
    found = find_phrases(clip.text, phrases)
    fixed = [(start, end, from_sounds(phrase.sounds[0], accent, spell)) for start, end, phrase in found]
    return sentence_phones(clip.text, fixed, accent, spell)


def _clip(sentence: Sentence, found: Sequence[Phrase], options: Options, rng: random.Random) -> Clip:
    voice = draw_voice(options.voices, options.blend, rng)
    rate = round(rng.uniform(options.slowest, options.fastest), 2)
    sounds = tuple((phrase.text, rng.choice(phrase.sounds)) for phrase in found if phrase.sounds)
    identity = json.dumps([sentence.text, sounds, voice.parts, rate])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    opening = "-".join(normalise(sentence.text).replace("'", "").split()[:4])
    entities = tuple(normalise(name) for name in sentence.entities)
    name = f"{opening}-{digest}.{options.encoding}"
    return Clip(name, sentence.text, sounds, entities, sentence.category, voice, rate)


def _run(
    clips: Sequence[AnyClip], folder: Path, make_speaker: Callable[[], Speak[AnyClip]], workers: int
) -> Iterator[str | None]:
    if not clips:
        return
    if workers <= 1:
        speak = make_speaker()
        yield from (_make(speak, clip, folder) for clip in clips)
        return
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(make_speaker,)) as pool:
        yield from pool.map(_make_in_worker, clips, [folder] * len(clips), chunksize=4)


_SPEAK: list[Speak[Any]] = []


def _start(make_speaker: Callable[[], Speak[Any]]) -> None:
    _SPEAK[:] = [make_speaker()]


def _make_in_worker(clip: Planned, folder: Path) -> str | None:
    return _make(_SPEAK[0], clip, folder)


def _make(speak: Speak[AnyClip], clip: AnyClip, folder: Path) -> str | None:
    """Make one clip; a sentence that cannot be spoken becomes a message, for the others must go on."""
    container, subtype = ENCODINGS[Path(clip.name).suffix[1:]]
    part = folder / f".{clip.name}.part"
    try:
        samples = speak(clip)
    except SynthesisError as error:
        return f"{clip.text!r}: {error}"
    soundfile.write(part, samples, SAMPLE_RATE, format=container, subtype=subtype)
    part.replace(folder / clip.name)
    return None
