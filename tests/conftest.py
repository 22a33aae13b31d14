"""Made once for all tests: a tokenizer, a model folder and a corpus, all tiny and all made up."""

import numpy as np
import pytest
from samples import bursts, lines, tones, write_corpus


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
    """A whole model folder with random weights, which hears blanks in digital silence and tokens in sound."""
    import shutil

    import torch

    from asr.decoding import DecodingOptions, save_decoding_options
    from asr.model import SIZES, ConformerCTC, save_model
    from lm.estimate import EstimateOptions, train

    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(3)
    model = ConformerCTC(SIZES["tiny"]).eval()
    listen_for_sound(model)
    save_model(model, folder)
    shutil.copyfile(tokenizer_file, folder / "tokenizer.model")
    (folder.parent / "text.txt").write_text("\n".join(lines(100)))
    train([folder.parent / "text.txt"], folder / "lm.bin", EstimateOptions(order=2, prune=(0,)))
    save_decoding_options(DecodingOptions(beam=4, lm_weight=0.3, word_bonus=0.5), folder)
    return folder


def listen_for_sound(model):
    """Turn the last layer so that silence is surely blank and half of the frames of sound are not."""
    import torch

    sound = torch.from_numpy(np.concatenate([tones(3.0, 1), bursts(3.0, 2), tones(3.0, 3)]))[None]
    with torch.inference_mode():
        heard = model(sound, torch.tensor([sound.shape[1]])).states[-1][0]
        silence = model(torch.zeros(1, 32_000), torch.tensor([32_000])).states[-1][0].mean(0)
        linear, middle = model.head.linear, heard.mean(0)
        away = silence - middle
        linear.weight *= 10
        linear.weight[0] = 60 * away / away.square().sum()
        linear.bias.copy_(-linear.weight @ middle)
        logits = linear(heard)
        linear.bias[0] += (logits[:, 1:].amax(1) - logits[:, 0]).median()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A data folder with a few clips of made-up sound."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory):
    """A Hugging Face folder with a whole Whisper of random weights, whose window is 2 s."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(1)
    shape = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "max_source_positions": 100}
    shape |= {"encoder_ffn_dim": 32, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
    settings = transformers.WhisperConfig(**shape, vocab_size=300, pad_token_id=0)
    folder = tmp_path_factory.mktemp("encoders") / "whisper"
    transformers.WhisperModel(settings).save_pretrained(folder, safe_serialization=True)
    return folder
