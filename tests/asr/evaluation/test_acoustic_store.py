"""What is kept of a recording is what a transcription would hear of it."""

import numpy as np
from samples import RATE, tones, write_wav

from asr.evaluation.acoustics import AcousticStore
from asr.recognizer import Recognizer


def test_hiss_is_not_heard_and_sound_is_and_both_are_kept(model_folder, tmp_path):
    recognizer = Recognizer.from_pretrained(model_folder)
    store = AcousticStore(tmp_path / "kept", recognizer, "a model")
    hiss = (0.01 * np.random.default_rng(3).normal(size=2 * RATE)).astype(np.float32)
    for name, sound, parts in (("hiss", hiss, 0), ("sound", tones(2.0, 1), 1)):
        write_wav(tmp_path / f"{name}.wav", sound)
        heard = [store.hear(tmp_path / f"{name}.wav") for _ in range(2)]
        assert [len(one.segments) for one in heard] == [parts, parts]
        assert len(list((tmp_path / "kept").glob("*.npz"))) == 1 + (name == "sound")
