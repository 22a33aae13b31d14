"""The feature cache: a killed extraction goes on, a changed recording is refused, batches are its rows."""

import numpy as np
import pytest
import torch

from asr.frontends import PretrainedConfig
from asr.pretrained_encoder import PretrainedEncoder
from asr.training.config import AugmentConfig, ConfigError, FeaturesConfig
from asr.training.data import FRAME_STEP, BatchPlan, Example, collate
from asr.training.distributed import Team
from asr.training.feature_batches import FeatureBatchMaker, FeatureMaker
from asr.training.feature_cache import DATA_FILE, INDEX_FILE, FeatureCache, extract

DIM = 6


def made_up(path):
    """Features that only this recording has."""
    seed = int(path.stem)
    return np.random.default_rng(seed).normal(size=(3 + seed % 5, DIM)).astype(np.float16)


@pytest.fixture
def recordings(tmp_path):
    paths = [tmp_path / f"{index}.wav" for index in range(150)]
    for path in paths:
        path.write_bytes(b"sound")
    return paths


@pytest.mark.parametrize("threads", [1, 3])
def test_every_recording_gets_its_own_features(recordings, tmp_path, threads):
    cache = extract(recordings, tmp_path / "cache", made_up, DIM, threads)
    assert len(cache) == len(recordings)
    assert tmp_path / "other.wav" not in cache
    for path in recordings:
        assert path in cache
        np.testing.assert_array_equal(cache[path], made_up(path))


def test_what_is_there_is_not_computed_again_and_more_is_added(recordings, tmp_path):
    seen = []

    def encode(path):
        seen.append(path)
        return made_up(path)

    extract(recordings[:100], tmp_path / "cache", encode, DIM)
    cache = extract(recordings, tmp_path / "cache", encode, DIM)
    assert sorted(seen) == sorted(recordings)
    np.testing.assert_array_equal(cache[recordings[149]], made_up(recordings[149]))
    np.testing.assert_array_equal(cache[recordings[0]], made_up(recordings[0]))


def test_a_killed_extraction_goes_on_as_if_unbroken(recordings, tmp_path):
    def killed(path):
        if path == recordings[70]:
            raise KeyboardInterrupt
        return made_up(path)

    with pytest.raises(KeyboardInterrupt):
        extract(recordings, tmp_path / "cache", killed, DIM)
    # A kill may also come between the frames and the lines, and within a line.
    with (tmp_path / "cache" / DATA_FILE).open("ab") as data:
        data.write(b"\1\2\3")
    with (tmp_path / "cache" / INDEX_FILE).open("a") as lines:
        lines.write('{"path": "half')
    cache = extract(recordings, tmp_path / "cache", made_up, DIM)
    for path in recordings:
        np.testing.assert_array_equal(cache[path], made_up(path))


def test_another_size_a_changed_recording_and_lost_data_are_refused(recordings, tmp_path):
    folder = tmp_path / "cache"
    extract(recordings, folder, made_up, DIM)
    with pytest.raises(ConfigError, match="features of 6 values, not 7"):
        extract(recordings, folder, made_up, 7)
    recordings[0].write_bytes(b"another sound")
    with pytest.raises(ConfigError, match=r"0\.wav changed since it was read"):
        extract(recordings, folder, made_up, DIM)
    (folder / DATA_FILE).write_bytes(b"")
    with pytest.raises(ConfigError, match=f"shorter than {INDEX_FILE} says"):
        FeatureCache(folder)


def test_features_are_padded_with_zeros():
    examples = [Example(None, 1.0, "a", (1,), (1,), 1.0)] * 2
    rows = [np.ones((5, DIM), np.float16), np.ones((FRAME_STEP + 1, DIM), np.float16)]
    batch = collate(examples, rows)
    assert batch.samples.shape == (2, 2 * FRAME_STEP, DIM)
    assert batch.lengths.tolist() == [5, FRAME_STEP + 1]
    assert batch.samples.sum(dim=(1, 2)).tolist() == [5 * DIM, (FRAME_STEP + 1) * DIM]


def test_batches_repeat_and_draw_from_all_copies(recordings, tmp_path):
    examples = [Example(path, 1.0, "a", (1,), (1,), 1.0) for path in recordings]
    clean = extract(recordings, tmp_path / "clean", made_up, DIM)
    louder = extract(recordings, tmp_path / "louder", lambda path: 100 + made_up(path), DIM)
    plan = BatchPlan(examples, 1000.0, 1)
    maker = FeatureBatchMaker(plan, [clean, louder], Team())
    indices = list(range(150))
    batch, again = maker(0, 0, indices), maker(0, 0, indices)
    torch.testing.assert_close(batch.samples, again.samples)
    loud = batch.samples[:, 0, 0] > 50
    assert 40 < int(loud.sum()) < 110
    shares = [FeatureBatchMaker(plan, [clean, louder], Team(rank, 2))(0, 0, indices) for rank in (0, 1)]
    torch.testing.assert_close(shares[1].samples, batch.samples[1::2])
    assert not maker(0, 0, []).samples.numel()
    with pytest.raises(ConfigError, match="neither"):
        FeatureBatchMaker(plan, [], Team())


class Level(PretrainedEncoder):
    """An encoder whose states are the level of the recording."""

    dim = DIM

    def states(self, samples):
        return np.full((3, DIM), samples.max(), np.float32)


class Louder:
    """Augmentation that can be told from none."""

    config = AugmentConfig()

    def __call__(self, samples, _generator):
        return samples + 1000


def test_a_source_may_have_fewer_copies(recordings, tmp_path):
    """What lacks an augmented copy is drawn from those it has, and only what has a copy is extracted."""
    plain = [Example(path, 1.0, "a", (1,), (1,), 1.0, copies=0) for path in recordings[:50]]
    both = [Example(path, 1.0, "a", (1,), (1,), 1.0) for path in recordings[50:]]
    options = FeaturesConfig(cache=str(tmp_path / "features"), copies=1)
    maker = FeatureMaker(Level(), PretrainedConfig("moonshine-tiny", "0" * 64, DIM, 40.0), options, threads=1)
    audio = {path: np.zeros(4, np.float32) for path in recordings}
    clean = maker.clean(audio, recordings)
    [copy] = maker.augmented(audio, [*plain, *both], Louder(), 1)
    assert [path in copy for path in recordings] == [False] * 50 + [True] * 100
    batch = FeatureBatchMaker(BatchPlan([*plain, *both], 1000.0, 1), [clean, copy], Team())(0, 0, range(150))
    loud = batch.samples[:, 0, 0] >= 1000
    assert not loud[:50].any()
    assert 20 < int(loud[50:].sum()) < 80
