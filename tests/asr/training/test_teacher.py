"""A teacher's states: on the student's frames, at the speed it hears, and a loss that training can lower."""

import numpy as np
import pytest
import torch
from samples import tones, write_wav

from asr.training.augment import Augmenter
from asr.training.cache import AudioCache
from asr.training.config import AugmentConfig, ConfigError
from asr.training.data import BatchMaker, BatchPlan, Example
from asr.training.distributed import Team
from asr.training.feature_cache import extract
from asr.training.teacher import Teacher, TeacherHead

FRAME_SECONDS = 0.024
SECONDS = (0.9, 1.7)


@pytest.fixture
def recordings(tmp_path):
    return [write_wav(tmp_path / f"{i}.wav", tones(seconds, i)) for i, seconds in enumerate(SECONDS)]


@pytest.fixture
def teacher(recordings, tmp_path):
    """Its states are the time at which they stand, and a constant."""

    def encode(path):
        frames = int(SECONDS[recordings.index(path)] / FRAME_SECONDS)
        return np.stack([np.arange(frames) * FRAME_SECONDS, np.full(frames, 7.0)], axis=1).astype(np.float16)

    extract(recordings, tmp_path / "states", encode, 2)
    return Teacher(tmp_path / "states", FRAME_SECONDS, 0.04)


def times_of(states):
    """Frame times up to one scale and shift, which normalising took away."""
    return np.diff(states[:, 0])


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_states_run_with_the_speed(recordings, teacher, speed):
    plain = times_of(teacher.states(recordings[1], 30, 1.0))
    assert plain == pytest.approx(np.full(29, plain[0]), rel=2e-2)
    assert times_of(teacher.states(recordings[1], 30, speed)).mean() == pytest.approx(
        speed * plain.mean(), rel=1e-2
    )


def test_states_beyond_the_end_are_the_last_one(recordings, teacher):
    states = teacher.states(recordings[0], 40, 1.0)
    assert not times_of(states)[24:].any()
    assert np.isfinite(states).all()


def test_a_batch_brings_states_for_what_is_said(recordings, teacher, tmp_path):
    examples = [
        Example(file, seconds, "a", (1,), None, 1.0)
        for file, seconds in zip(recordings, SECONDS, strict=True)
    ]
    cache = AudioCache.build(recordings, tmp_path / "cache")
    plan = BatchPlan(examples, 60, 1)
    for share in (0.0, 1.0):
        augmenter = Augmenter(AugmentConfig(silence_probability=share), None, ())
        batch = BatchMaker(plan, cache, augmenter, Team(), teacher)(0, 0, [0, 1])
        expected = [0 if share else int(int(length) / 640) for length in batch.lengths]
        assert batch.teacher_frames.tolist() == expected
        assert batch.teacher.shape == (2, max(expected), 2)


@torch.no_grad()
def test_the_loss_is_of_the_known_frames_alone():
    head, states = TeacherHead(3, 2), torch.randn(2, 5, 3)
    targets = head.linear(states)
    frames = torch.tensor([5, 2])
    spoilt = targets.clone()
    spoilt[1, 2:] = 9.0
    assert float(head(states, spoilt, frames)) == 0.0
    spoilt[1, 1] += 2.0
    assert float(head(states, spoilt, frames)) == pytest.approx(4.0, rel=1e-5)


def test_missing_states_are_named(recordings, teacher, tmp_path):
    other = write_wav(tmp_path / "other.wav", tones(0.5, 3))
    with pytest.raises(ConfigError, match=r"no features of .*other\.wav"):
        teacher.states(other, 3, 1.0)
    with pytest.raises(ConfigError, match="holds no features"):
        Teacher(tmp_path / "nowhere", FRAME_SECONDS, 0.04)
