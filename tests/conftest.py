"""Made once for all tests: a tokenizer, a model folder and a corpus, all tiny and all made up."""

import pytest
from samples import lines, write_corpus


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory):
    """A SentencePiece model of 64 pieces."""
    from asr.tokenizer import train_tokenizer

    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    train_tokenizer(lines(200), file, 64)
    return file


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file):
    """The tokenizer of the file."""
    from asr.tokenizer import Tokenizer

    return Tokenizer(tokenizer_file)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, tokenizer_file):
    """A whole model folder with random weights: blank on digital silence, some tokens on noise."""
    import shutil

    import torch

    from asr.decoding import DecodingOptions, save_decoding_options
    from asr.model import SIZES, ConformerCTC, save_model
    from lm.estimate import EstimateOptions, train

    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(3)
    model = ConformerCTC(SIZES["tiny"]).eval()
    with torch.inference_mode():
        model.head.linear.weight *= 6
        silence = model(torch.zeros(1, 32_000), torch.tensor([32_000])).log_probs[0]
        model.head.linear.bias[0] += (silence[:, 1:].max() - silence[:, 0].min()) + 6.0
    save_model(model, folder)
    shutil.copyfile(tokenizer_file, folder / "tokenizer.model")
    (folder.parent / "text.txt").write_text("\n".join(lines(100)))
    train([folder.parent / "text.txt"], folder / "lm.bin", EstimateOptions(order=2, prune=(0,)))
    save_decoding_options(DecodingOptions(beam=4, lm_weight=0.3, word_bonus=0.5), folder)
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A data folder with a few clips of made-up sound."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))
