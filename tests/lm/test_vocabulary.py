"""The words of a model are found again in every format it may be written in."""

from __future__ import annotations

import pytest

from lm.estimate import EstimateOptions, train
from lm.vocabulary import Lookahead, read_vocabulary


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz", "model.bin"])
def test_words_are_read_back_from_every_format(tmp_path, name):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat\nthe dog's bed\na cat\n" * 3)
    train([text], tmp_path / name, EstimateOptions(order=2, prune=(0,)))
    assert sorted(read_vocabulary(tmp_path / name)) == ["a", "bed", "cat", "dog's", "sat", "the"]


def test_lookahead_equals_a_search_through_all_words():
    words = ["cat", "catalogue", "car", "dog", "do", "é", "éa"]
    scores = [-3.0, -1.0, -2.0, -0.5, -4.0, -6.0, -5.0]
    lookahead = Lookahead(words, scores)
    for letters in ["c", "ca", "cat", "cata", "d", "do", "dog", "dogs", "x", "é", "", "cb"]:
        found = [s for w, s in zip(words, scores, strict=True) if w.startswith(letters)]
        assert lookahead(letters) == max(found, default=float("-inf"))
