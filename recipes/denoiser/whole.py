"""From an analysed recording, gains and strengths back to a recording, all of it at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.percepnet.analysis import Analysis
from asr.percepnet.bands import Format
from asr.percepnet.synthesis import Shaping, new_synthesis_state, synthesise

Float64 = NDArray[np.float64]


def heard_with(
    form: Format, found: Analysis, gains: Float64, strengths: Float64, shaping: Shaping
) -> NDArray[np.float32]:
    """Samples in time with those that were analysed, and a few more; `gains`, `strengths` `(n, bands)`."""
    out = np.zeros((len(gains), form.hop))
    state = new_synthesis_state(form)
    synthesise(form, state, found.spectra, found.combed, gains, strengths, shaping, out)
    return out.ravel()[form.hop :].astype(np.float32)
