"""The binary: KenLM says of it what it says of the ARPA file of the same model."""

import random
import shutil
import subprocess

import kenlm
import numpy as np
import pytest

from lm.arpa import write_arpa
from lm.binary import BinaryOptions, write_binary
from lm.counts import encode
from lm.estimate import EstimateOptions, estimate
from lm.murmur import murmur_hash_64a
from lm.quantise import make_bins, nearest_bin

MURMUR = [0x00758639BD217E70, 0x6BE0737DF1F76C0A, 0xB9898BABD4330DD1]  # of the three words below


def sentences(seed, count):
    rng = random.Random(seed)
    words = [f"{chr(97 + n % 26)}{'x' * (n // 26)}" for n in range(60)]
    return [
        " ".join(words[int(59 * rng.random() ** 2)] for _ in range(rng.randint(1, 10))) for _ in range(count)
    ]


def model(order, prune):
    return estimate(encode([(sentences(order, 500), 1)]), EstimateOptions(order=order, prune=prune))


def load(path):
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return kenlm.Model(str(path), config)


def scores(loaded, lines):
    """Numbers and, apart, which n-gram was found and which word is unknown."""
    answers = [answer for line in lines for answer in loaded.full_scores(line)]
    return np.array([answer[0] for answer in answers]), [answer[1:] for answer in answers]


def lines_with_unknown_words():
    rng = random.Random(0)
    return [
        " ".join(word if rng.random() < 0.9 else "oov" for word in line.split())
        for line in sentences(99, 300)
    ]


@pytest.mark.parametrize(
    ("order", "prune"), [(2, (0,)), (3, (0, 0, 1)), (4, (0,)), (4, (0, 1, 1, 3)), (5, (0, 0, 0, 1))]
)
def test_says_what_the_arpa_file_says(tmp_path, order, prune):
    found = model(order, prune)
    write_arpa(found, tmp_path / "lm.arpa")
    expected, found_ngrams = scores(load(tmp_path / "lm.arpa"), lines_with_unknown_words())
    for bits, tolerance in [(0, 1e-5), (16, 1e-3), (8, 0.3), (4, 2.0)]:
        write_binary(found, tmp_path / "lm.bin", BinaryOptions(bits, bits or 8))
        same, ngrams = scores(load(tmp_path / "lm.bin"), lines_with_unknown_words())
        assert ngrams == found_ngrams
        assert np.abs(same - expected).max() < tolerance


def test_contexts_are_as_short_as_those_of_the_arpa_file(tmp_path):
    """States of both models are equal in the same places, so a search joins the same hypotheses."""
    found = model(4, (0, 0, 1, 1))
    write_arpa(found, tmp_path / "lm.arpa")
    write_binary(found, tmp_path / "lm.bin")
    joined = []
    for loaded in (load(tmp_path / "lm.arpa"), load(tmp_path / "lm.bin")):
        states = {}
        groups = []
        for line in sentences(7, 200):
            context = kenlm.State()
            loaded.BeginSentenceWrite(context)
            for word in line.split():
                after = kenlm.State()
                loaded.BaseScore(context, word, after)
                context = after
                groups.append(states.setdefault(context, len(states)))
        joined.append(groups)
    assert joined[0] == joined[1]
    assert len(set(joined[0])) < len(joined[0])


@pytest.mark.skipif(shutil.which("build_binary") is None, reason="needs KenLM's build_binary on PATH")
def test_is_laid_out_as_kenlm_does_it(tmp_path):
    found = model(4, (0, 0, 1, 1))
    write_arpa(found, tmp_path / "lm.arpa")
    write_binary(found, tmp_path / "own.bin", BinaryOptions(0))
    command = ["build_binary", "-a", "22", "trie", str(tmp_path / "lm.arpa"), str(tmp_path / "kenlm.bin")]
    subprocess.run(command, check=True, capture_output=True)
    own, theirs = (tmp_path / "own.bin").read_bytes(), (tmp_path / "kenlm.bin").read_bytes()
    assert len(own) == len(theirs)
    assert own[:200] == theirs[:200]
    words = b"<unk>\0"
    assert own[own.rindex(words) :] == theirs[theirs.rindex(words) :]
    # Seven digits in the ARPA file: the last bits of some floats differ, nothing else.
    assert sum(a != b for a, b in zip(own, theirs, strict=True)) < len(own) / 5


def test_hashes_are_those_of_the_reference_implementation():
    assert murmur_hash_64a(b"") == 0
    assert [murmur_hash_64a(word.encode()) for word in ("<s>", "</s>", "recognizer")] == MURMUR


def test_bins_hold_equally_many_values():
    rng = np.random.default_rng(5)
    values = rng.normal(size=1000).astype(np.float32)
    centres = make_bins(values, 16)
    assert (np.diff(centres) > 0).all()
    sizes = np.bincount(nearest_bin(values, centres), minlength=16)
    assert sizes.min() > 20
    every = np.abs(values[:, None] - centres).argmin(1)
    assert (np.abs(values - centres[nearest_bin(values, centres)]) <= np.abs(values - centres[every])).all()


def test_few_values_are_kept_exactly():
    values = np.array([-3, -1, -1, -0.5], np.float32)
    centres = make_bins(values, 8)
    assert (centres[nearest_bin(values, centres)] == values).all()


@pytest.mark.parametrize("bits", [(1, 8), (8, 1), (17, 8), (-1, 8)])
def test_impossible_bits_are_refused(bits):
    with pytest.raises(ValueError, match="2 to 16"):
        BinaryOptions(*bits)
