"""A manifest of made-up sound, and techniques that know what was said."""

import json

from samples import tones, write_wav

from asr.align import TimedWord
from asr.evaluation.acoustics import ACOUSTIC_FILES, AcousticStore, digest_files
from asr.evaluation.run import Workplace, evaluate
from asr.evaluation.techniques import NONE, Technique
from biasing.intervals import Bootstrap

TEXTS = {
    "one": "call priya sharma in the office",
    "two": "the new office in wilmington",
    "three": "call zoe and call priya sharma",
    "four": "nothing rare is said in here",
}
COMMON = ["call", "in", "the", "office", "new", "and", "nothing", "rare", "is", "said", "here"]
DISTRACTORS = ["brahms", "delhi", "osprey", "quito", "umbra", "lisbon", "tonga", "oslo", "zagreb", "zoe"]


def write_manifest(folder, texts=TEXTS, extra=()):
    """Write clips and a manifest of them; `extra` lines stand at its end as they are."""
    rows = []
    for number, (name, text) in enumerate(texts.items()):
        write_wav(folder / "clips" / f"{name}.wav", tones(0.6 + 0.2 * number, number))
        seconds = 0.6 + 0.2 * number
        rows.append(json.dumps({"audio_filepath": f"clips/{name}.wav", "duration": seconds, "text": text}))
    manifest = folder / "manifest.jsonl"
    manifest.write_text("\n".join([*rows, *extra]) + "\n", encoding="utf-8")
    return manifest


def spoken(text, confidence=0.75):
    """Words of a text."""
    return [TimedWord(word, 0.0, 0.1, confidence, 0, 0) for word in text.split()]


class Toys:
    """Techniques by name; `said` maps the acoustics of an utterance to its text, and calls are counted."""

    def __init__(self, said):
        self.said, self.calls = said, 0

    def make(self, name, words):
        """A technique that hears `words(text, phrases)`."""

        def decode(acoustics, phrases):
            self.calls += 1
            text = self.said[acoustics.log_probs.tobytes()]
            return spoken(words(text, [entry.display for entry in phrases]))

        return Technique(name, "made up", decode)

    def all(self):
        """One that hears common words alone, one that hears all that is listed, one that hears the list."""
        return [
            self.make(NONE, lambda text, _: " ".join(word for word in text.split() if word in COMMON)),
            self.make("perfect", _with),
            self.make("parrot", lambda text, phrases: " ".join([_with(text, phrases), *phrases[:1]])),
        ]


def _with(text, phrases):
    known = {word for phrase in phrases for word in phrase.split()} | set(COMMON)
    return " ".join(word for word in text.split() if word in known)


def toys_for(material, recognizer, model_folder, cache):
    """Toys that know the utterances of the material."""
    store = AcousticStore(cache / "acoustics", recognizer, digest_files(model_folder, ACOUSTIC_FILES))
    return Toys(
        {
            store.hear(one.audio).segments[0].log_probs.tobytes(): one.text
            for one in material.utterances.values()
        }
    )


def run(recognizer, material, techniques, model_folder, cache):
    """Evaluate, quickly and silently."""
    place = Workplace(str(model_folder), cache, shown=False)
    return evaluate(recognizer, material, techniques, place, Bootstrap(rounds=50))
