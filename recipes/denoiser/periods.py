"""The comb filter with a pitch track from elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compiled
from asr.percepnet.bands import COMB_ORDER, LOOKAHEAD, Format
from asr.percepnet.comb import REACH_BACK, comb

Float64 = NDArray[np.float64]


@compiled
def comb_frames(form: Format, samples: Float64, first: int, periods: Float64, out: Float64) -> None:
    """Fill `out` (frames, 2 hop) with the comb output of frames that begin at `first`, a hop apart."""
    weights, kernel = form.comb, form.kernel
    for frame in range(len(out)):
        comb(weights, kernel, samples, first + frame * form.hop, periods[frame], out[frame])


def combed_at(form: Format, samples: NDArray[np.float32], periods: Float64) -> NDArray[np.complex128]:
    """Spectra `(frames, hop + 1)` of the comb output for given periods, as the analysis would give them."""
    history = COMB_ORDER * form.highest_lag + REACH_BACK + 1
    padded = np.zeros(history + (len(periods) + 2 + LOOKAHEAD) * form.hop)
    padded[history + form.hop : history + form.hop + len(samples)] = samples
    frames = np.zeros((len(periods), 2 * form.hop))
    comb_frames(form, padded, history, periods, frames)
    return np.asarray(np.fft.rfft(frames * form.window))
