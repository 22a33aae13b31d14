"""`Denoiser`: noisy speech in, clean speech out, frame by frame or whole files, 30 ms later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.percepnet.analysis import analyse, empty_analysis, new_analysis_state
from asr.percepnet.bands import LOOKAHEAD, audio_format
from asr.percepnet.inference import infer, new_network_state
from asr.percepnet.model import DenoiserModel, DenoiserModelError, load_model
from asr.percepnet.shipped import shipped_folder
from asr.percepnet.synthesis import Shaping, new_synthesis_state, synthesise

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Signal = NDArray[np.floating[Any]]

BLOCK = 500
"""Frames of a long signal that are worked on at once."""
HIGHEST_PEAK = 100.0
"""Full scale is 1; a little more is clipping, 40 dB more is integer samples in the wrong type."""


class DenoiseError(ValueError):
    """Samples or options that the denoiser cannot use."""


@dataclass(frozen=True)
class DenoiseOptions:
    """How the network's answer is used."""

    mix: float = 0.0
    """Share of the noisy signal, delayed as the denoised one is, in the output: 0 none, 1 nothing else."""
    floor_db: float = -80.0
    """Least gain of a band; -15 to -20 leaves a recognizer the noise it knows."""
    post_filter: bool = False
    """Whether bands are pushed towards speech or silence (PercepNet, section 5); for listening only."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.mix <= 1.0:
            raise DenoiseError(f"mix is {self.mix}; accepted are 0 (denoised alone) to 1 (noisy alone)")
        if not self.floor_db <= 0.0:
            raise DenoiseError(f"floor_db is {self.floor_db}; accepted are 0 and less")


class Trace(NamedTuple):
    """What the denoiser found in `n` frames; frame `l` is centred on sample `l * frame_size`."""

    gains: Float64
    """Of the bands `(n, bands)`, 0 to 1; near 0 where there is no speech."""
    strengths: Float64
    """Of the comb filter `(n, bands)`, 0 to 1."""
    pitch: Float64
    """`(n, 2)`: period in samples, and how periodic the frame is, up to 1."""


class Denoiser:
    """PercepNet (Valin et al. 2020) with weights trained by this project; one per stream and thread."""

    def __init__(
        self,
        sample_rate: int = 16_000,
        model: str | os.PathLike[str] | DenoiserModel | None = None,
        options: DenoiseOptions | None = None,
    ) -> None:
        """Load a model folder, or the one that comes with this version for `sample_rate` (16000 or 48000 Hz).

        Raises:
            FormatError: another rate.
            DenoiserModelError: no weights for this rate, or a folder that cannot be used.
        """
        self.form = audio_format(sample_rate)
        if not isinstance(model, DenoiserModel):
            model = load_model(shipped_folder(sample_rate) if model is None else Path(model))
        self.model = model
        if self.model.sample_rate != sample_rate:
            raise DenoiserModelError(
                f"{self.model.name}: trained for {self.model.sample_rate} Hz, asked for {sample_rate} Hz; "
                "give that rate, or another model"
            )
        self.options = options or DenoiseOptions()
        self.sample_rate = sample_rate
        self.frame_size = self.form.hop
        self.latency_samples = (1 + LOOKAHEAD) * self.form.hop
        self.reset()

    def reset(self) -> None:
        """Forget all that was heard; what follows is processed as if by a new denoiser."""
        self._analysis = new_analysis_state(self.form)
        self._network = new_network_state(self.model.weights)
        self._synthesis = new_synthesis_state(self.form)
        self._past = np.zeros((1 + LOOKAHEAD, self.form.hop))
        self._frames = 0
        self.trace = _empty_trace(0, self.form.bands)

    def process(self, frame: Signal) -> Float32:
        """Take `frame_size` samples, full scale -1..1, and return as many, `latency_samples` later.

        `trace` then holds gains and pitch of the frame that this call has finished, none for the first calls.

        Raises:
            DenoiseError: another number of samples, or samples that are not finite or far beyond full scale.
        """
        samples = _checked(frame)
        if len(samples) != self.frame_size:
            raise DenoiseError(
                f"a frame of {len(samples)} samples; process takes {self.frame_size}. "
                "DenoiserStream takes any number, denoise a whole signal"
            )
        return self._advance(samples.reshape(1, -1)).ravel()

    def flush(self) -> Float32:
        """The last `latency_samples` of output. Call `reset` before the next signal."""
        return self._advance(np.zeros((1 + LOOKAHEAD, self.frame_size))).ravel()

    def denoise(self, samples: Signal) -> Float32:
        """A whole signal `(N,)` to as many samples, in time with it; what was heard before is forgotten.

        Raises:
            DenoiseError: samples that are not finite or far beyond full scale.
        """
        parts = [output for output, _ in self._blocks(_checked(samples))]
        begin = self.latency_samples
        return np.concatenate(parts).ravel()[begin : begin + len(samples)]

    def trace_of(self, samples: Signal) -> Trace:
        """Gains, strengths and pitch of all frames of a whole signal; see `denoise`."""
        traces = [trace for _, trace in self._blocks(_checked(samples))]
        return Trace(*(np.concatenate(column) for column in zip(*traces, strict=True)))

    def _blocks(self, samples: Float64) -> Iterator[tuple[Float32, Trace]]:
        self.reset()
        hop = self.frame_size
        frames = -(-len(samples) // hop) + 1 + LOOKAHEAD
        for first in range(0, frames, BLOCK):
            hops = np.zeros((min(BLOCK, frames - first), hop))
            part = samples[first * hop : (first + len(hops)) * hop]
            hops.ravel()[: len(part)] = part
            yield self._advance(hops), self.trace
        self.reset()

    def _advance(self, hops: Float64) -> Float32:
        """Samples `(n, hop)` to output `(n, hop)`; the frames before the signal give zeros."""
        found = empty_analysis(self.form, len(hops))
        analyse(self.form, self._analysis, hops, found)
        begin = min(max(LOOKAHEAD - self._frames, 0), len(hops))
        self._frames += len(hops)
        trace = _empty_trace(len(hops) - begin, self.form.bands)
        infer(self.model.weights, self._network, found.features[begin:], trace.gains, trace.strengths)
        trace.pitch[:] = found.pitch[begin:]
        self.trace = trace
        output = np.zeros(hops.shape)
        synthesise(
            self.form,
            self._synthesis,
            found.spectra[begin:],
            found.combed[begin:],
            trace.gains,
            trace.strengths,
            Shaping(10 ** (self.options.floor_db / 20), self.options.post_filter),
            output[begin:],
        )
        delayed = np.concatenate((self._past, hops))
        self._past = delayed[len(hops) :]
        mix = self.options.mix
        return ((1 - mix) * output + mix * delayed[: len(hops)]).astype(np.float32)


class DenoiserStream:
    """Takes chunks of any size; holds back up to a frame less one sample beyond the denoiser's latency."""

    def __init__(self, denoiser: Denoiser) -> None:
        denoiser.reset()
        self.denoiser = denoiser
        self._held = np.zeros(0)
        self._due = 0

    def feed(self, chunk: Signal) -> Float32:
        """Samples `(n,)` to those that are finished: whole frames, perhaps none."""
        samples = np.concatenate((self._held, _checked(chunk)))
        size = self.denoiser.frame_size
        whole = len(samples) // size * size
        self._held = samples[whole:]
        self._due += len(chunk) - whole
        return self.denoiser._advance(samples[:whole].reshape(-1, size)).ravel()

    def finish(self) -> Float32:
        """The rest, so that all output together is the input's length plus `latency_samples`."""
        due = self._due + self.denoiser.latency_samples
        padding = np.zeros(-len(self._held) % self.denoiser.frame_size)
        rest = np.concatenate((self.feed(padding), self.denoiser.flush()))
        self.denoiser.reset()
        self._due = 0
        return rest[:due]


def _empty_trace(frames: int, bands: int) -> Trace:
    return Trace(np.zeros((frames, bands)), np.zeros((frames, bands)), np.zeros((frames, 2)))


def _checked(samples: Signal) -> Float64:
    """The samples as float64. Raises `DenoiseError`."""
    array = np.asarray(samples)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
        raise DenoiseError(
            f"samples {array.shape} of type {array.dtype}; needed is one channel (n,) of float"
        )
    # A comparison that NaN fails.
    if not np.abs(array).max(initial=0.0) <= HIGHEST_PEAK:
        raise DenoiseError(
            f"samples that are not finite or beyond {HIGHEST_PEAK:g}; full scale is 1, "
            "so divide 16-bit samples by 32768"
        )
    return array.astype(np.float64)
