"""Where phones are: in order, inside the recording, found once, but for other phones."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch

from asr.model import SIZES, ConformerCTC
from asr.training.data import Example
from asr.training.feature_cache import extract
from asr.training.phone_cuts import aligned, phone_cuts

BANDS = 80


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return ConformerCTC(SIZES["tiny"])


@pytest.fixture
def corpus(tmp_path):
    """Examples of random phones and the cache of their features; the last one cannot be aligned."""
    rng = np.random.default_rng(1)
    examples = []
    for number in range(8):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(b"sound")
        phones = tuple(rng.integers(1, 40, 60 if number == 7 else rng.integers(2, 8)).tolist())
        examples.append(
            Example(path, 1.0, "a", (1,), phones, 1.0, speaker=f"flite-slt@{number}", source="made")
        )
    frames = {one.audio: 40 if index == 7 else 150 + index for index, one in enumerate(examples)}
    cache = extract(
        list(frames), tmp_path / "cache", lambda path: rng.normal(size=(frames[path], BANDS)), BANDS
    )
    return examples, cache


def test_cuts_are_in_order_and_inside_and_nothing_is_found_for_too_many_phones(model, corpus, tmp_path):
    examples, cache = corpus
    cuts = phone_cuts(model, examples, cache, tmp_path / "run" / "cuts.jsonl")
    for example in examples[:-1]:
        found = cuts[example.audio]
        assert len(found) == len(example.phones)
        assert all(a < b for a, b in itertools.pairwise((-1, *found, len(cache[example.audio]))))
    assert cuts[examples[-1].audio] == ()
    pieces = list(aligned(examples, cuts, cache))
    assert [one.cuts for one in pieces] == [cuts[one.audio] for one in examples[:-1]]
    assert {one.voice for one in pieces} == {"flite-slt"}
    assert model.training  # as it was


def test_a_killed_search_goes_on_and_what_is_known_stays(model, corpus, tmp_path, caplog):
    examples, cache = corpus
    file = tmp_path / "cuts.jsonl"
    whole = phone_cuts(model, examples, cache, file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:3]) + lines[3][: len(lines[3]) // 2])
    assert phone_cuts(model, examples, cache, file) == whole
    assert phone_cuts(model, examples, cache, file) == whole
    assert len({json.loads(line)[0] for line in file.read_text().splitlines()}) == len(examples)


def test_phones_of_another_lexicon_are_looked_for_anew(model, corpus, tmp_path):
    examples, cache = corpus
    file = tmp_path / "cuts.jsonl"
    phone_cuts(model, examples, cache, file)
    longer = dataclasses.replace(examples[0], phones=(*examples[0].phones, 1))
    unknown = dataclasses.replace(examples[1], phones=None)
    others = [longer, unknown, *examples[2:]]
    cuts = phone_cuts(model, others, cache, file)
    assert cuts == phone_cuts(model, others, cache, tmp_path / "new.jsonl")
    assert len(cuts[longer.audio]) == len(longer.phones)
    assert unknown.audio not in cuts
    assert phone_cuts(model, others, cache, file) == cuts
