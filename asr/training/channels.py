"""What lies between a voice and a recording: equalizers, telephones, lossy codecs."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import soundfile

from asr.features import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

BENDS_HZ = (60.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Where an equalizer is set; between them its gain runs straight over the logarithm of the frequency."""
CODECS = (("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"))
"""Container and coding, as libsndfile calls them."""


def equalize(samples: Samples, gains_db: npt.NDArray[np.float64]) -> Samples:
    """Filter without delay by a spectrum that has `gains_db` at `BENDS_HZ`."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), BENDS_HZ[0])
    gains = np.interp(np.log(frequencies), np.log(BENDS_HZ), gains_db)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gains / 20), len(samples)), np.float32)


def telephone(samples: Samples) -> Samples:
    """300 to 3400 Hz with edges of a sixth of an octave, then 8-bit mu-law at full scale (ITU-T G.711)."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    with np.errstate(divide="ignore"):
        above = np.clip(6 * np.log2(frequencies / 300.0) + 1, 0, 1)
        below = np.clip(1 - 6 * np.log2(frequencies / 3400.0), 0, 1)
    narrow = np.fft.irfft(np.fft.rfft(samples) * above * below, len(samples))
    scale = max(float(np.abs(narrow).max(initial=0.0)), 1e-9)
    companded = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / scale) / np.log(256)
    rounded = np.round(127 * companded) / 127
    expanded = np.sign(rounded) * np.expm1(np.abs(rounded) * np.log(256)) / 255
    return np.asarray(expanded * scale, np.float32)


def recode(samples: Samples, codec: tuple[str, str], compression: float) -> Samples:
    """Code with one of `CODECS` and decode; `compression` from 0 (best) to 1 (smallest). The length stays."""
    container, coding = codec
    file = io.BytesIO()
    soundfile.write(
        file, samples, SAMPLE_RATE, format=container, subtype=coding, compression_level=compression
    )
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32")[0][: len(samples)]
    return np.asarray(np.pad(decoded, (0, len(samples) - len(decoded))), np.float32)
