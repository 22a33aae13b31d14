"""Perceptual denoising in real time: PercepNet (Valin et al. 2020) at 16 and 48 kHz."""

from asr.percepnet.bands import FormatError
from asr.percepnet.denoiser import DenoiseError, DenoiseOptions, Denoiser, DenoiserStream, Trace
from asr.percepnet.model import DenoiserModelError

__all__ = [
    "DenoiseError",
    "DenoiseOptions",
    "Denoiser",
    "DenoiserModelError",
    "DenoiserStream",
    "FormatError",
    "Trace",
]
