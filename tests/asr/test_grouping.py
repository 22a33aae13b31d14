"""Groups that are padded: everything once and in order, within the size, and none could take one more."""

from itertools import pairwise

import numpy as np
import pytest

from asr.grouping import grouped


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_whole_within_the_size_and_full(seed):
    chance = np.random.default_rng(seed)
    lengths = [int(length) for length in chance.integers(1, 40, chance.integers(0, 50))]
    groups = list(grouped(lengths, float, 60))
    assert [length for group in groups for length in group] == lengths
    assert all(group and (max(group) * len(group) <= 60 or len(group) == 1) for group in groups)
    for group, after in pairwise(groups):
        assert max([*group, after[0]]) * (len(group) + 1) > 60
