"""How a recorded name is said: the phones that the phone head hears in it."""

from __future__ import annotations

from asr.audio import AudioSource, read_audio
from asr.recognizer import Recognizer
from biasing.phone_book import names, without_repeats

LONGEST_SECONDS = 10.0


class HearingError(ValueError):
    """A recording in which no name can be heard."""


def phones_heard(recognizer: Recognizer, audio: AudioSource) -> tuple[str, ...]:
    """ARPAbet phones of a recording that holds a name or a term alone: the best class of each frame.

    Raises:
        AudioError: the recording cannot be read.
        HearingError: it is longer than `LONGEST_SECONDS`, or no phone is heard in it.
    """
    samples = read_audio(audio)
    seconds = len(samples) / 16_000
    if seconds > LONGEST_SECONDS:
        raise HearingError(
            f"{audio}: {seconds:.0f} s; give a clip of the name alone, {LONGEST_SECONDS:.0f} s at most"
        )
    (heard,) = recognizer.acoustics([samples])
    phones = names(without_repeats(heard.phone_log_probs.argmax(axis=1).tolist()))
    if not phones:
        raise HearingError(f"{audio}: no speech is heard in it; record the name again, louder")
    return phones
