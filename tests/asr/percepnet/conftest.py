"""Denoisers that need no training."""

import pytest
from random_networks import random_network

from asr.percepnet.model import DenoiserModel, assemble, quantised


@pytest.fixture(scope="session")
def random_model():
    """`random_model(rate)`: a denoiser's model with weights drawn at random."""
    return lambda rate: DenoiserModel("random", rate, assemble(quantised(random_network(rate))))
