"""Checkpoints: whole or absent, and the best ones are kept and averaged."""

import random

import pytest
import torch

from asr.training.checkpoint import BestWeights, Progress, load_checkpoint, save_checkpoint


def weights(value):
    return {"a": torch.full((2, 3), float(value)), "b": torch.arange(4.0) * value}


def test_what_is_saved_is_loaded(tmp_path):
    assert load_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path / "run", weights(1), [{"state": {}}], Progress(3, 1, 2))
    loaded, optimizer, progress = load_checkpoint(tmp_path / "run")
    assert progress == Progress(3, 1, 2)
    assert optimizer == [{"state": {}}]
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights(1).items())


def test_a_crash_while_writing_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, weights(1), [], Progress(1))

    def crash(_state, file):
        file.write_bytes(b"half a checkp")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, weights(2), [], Progress(2))
    monkeypatch.undo()
    loaded, _, progress = load_checkpoint(tmp_path)
    assert progress.step == 1
    assert torch.equal(loaded["a"], weights(1)["a"])
    save_checkpoint(tmp_path, weights(3), [], Progress(3))
    assert load_checkpoint(tmp_path)[2].step == 3
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_best_are_kept_and_averaged(tmp_path):
    rng = random.Random(4)
    best = BestWeights(tmp_path, 3)
    offered = []
    for step in range(1, 13):
        wer = rng.choice([0.1, 0.2, 0.3, 0.4])
        offered.append((wer, step))
        best.offer(wer, step, weights(step))
        kept = sorted(offered)[:3]
        assert best.entries() == kept
        assert sorted(file.name for file in best.folder.glob("*.safetensors")) == sorted(
            f"step-{step:07d}.safetensors" for _, step in kept
        )
        mean = sum(step for _, step in kept) / len(kept)
        assert torch.equal(best.average(1)["a"], weights(kept[0][1])["a"])
        assert all(
            torch.allclose(best.average(len(kept))[name], tensor) for name, tensor in weights(mean).items()
        )
    assert BestWeights(tmp_path, 3).entries() == best.entries()


def test_a_step_that_is_scored_again_counts_once(tmp_path):
    best = BestWeights(tmp_path, 2)
    best.offer(0.5, 10, weights(1))
    best.offer(0.4, 10, weights(2))
    best.offer(0.6, 20, weights(4))
    assert best.entries() == [(0.4, 10), (0.6, 20)]
    best.offer(0.1, 30, weights(8))
    assert torch.equal(best.average(2)["a"], weights(5)["a"])


def test_keeping_none_keeps_none(tmp_path):
    best = BestWeights(tmp_path, 0)
    best.offer(0.5, 10, weights(1))
    assert best.entries() == []
    assert not list(best.folder.glob("*.safetensors"))
