"""The acoustic model: padding changes nothing, shapes are as promised, bad folders are refused by name."""

import dataclasses
import json
import shutil

import pytest
import torch
from samples import tones
from torch import nn

from asr.conformer import EncoderConfigError, attend
from asr.model import SIZES, ConformerCTC, ModelError, config_from_dict, load_model, save_model
from asr.tokenizer import train_tokenizer

TINY = SIZES["tiny"]
FULL_RATE = dataclasses.replace(TINY, encoder=dataclasses.replace(TINY.encoder, half_rate=None))
FROM_THE_FIRST = dataclasses.replace(TINY, encoder=dataclasses.replace(TINY.encoder, half_rate=(1, 2)))


def made(config, seed=0):
    torch.manual_seed(seed)
    model = ConformerCTC(config).eval()
    for conditioner in model.conditioners.values():
        nn.init.normal_(conditioner.weight, std=1.0)  # as loud as after training, so that a leak is seen
    return model


def batch_of(counts, longest=0):
    samples = torch.zeros(len(counts), max(*counts, longest))
    for row, count in zip(samples, counts, strict=True):
        row[:count] = torch.from_numpy(tones(count / 16_000, count))
    return samples, torch.tensor(counts)


def heads(output, item, frames):
    several = (output.log_probs, *output.intermediate_log_probs, output.phone_log_probs, *output.states)
    return [head[item, :frames] for head in several]


@pytest.mark.parametrize("config", [TINY, FULL_RATE, FROM_THE_FIRST], ids=["half", "full", "first"])
@torch.inference_mode()
def test_padding_changes_nothing(config):
    model = made(config)
    counts = [1, 159, 640, 1281, 3000, 4480, 5000, 9001, 16_000]
    together = model(*batch_of(counts, longest=20_000))
    seen = set()
    for item, count in enumerate(counts):
        alone = model(*batch_of([count]))
        frames = int(alone.lengths[0])
        seen.add(frames % 4)
        assert int(together.lengths[item]) == frames == alone.log_probs.shape[1]
        for batched, single in zip(heads(together, item, frames), heads(alone, 0, frames), strict=True):
            torch.testing.assert_close(batched, single, atol=1e-4, rtol=1e-3)
    assert seen == {0, 1, 2, 3}


@torch.inference_mode()
def test_frames_are_a_quarter_and_normalised():
    model = made(TINY)
    for frames in (1, 2, 3, 4, 5, 8, 9, 40):
        output = model.encode(torch.randn(1, frames, 80), torch.tensor([frames]))
        assert output.log_probs.shape == (1, -(-frames // 4), 64)
        assert output.lengths.tolist() == [-(-frames // 4)]
        assert output.phone_log_probs.shape[2] == 40
        assert len(output.intermediate_log_probs) == 2
        for head in (output.log_probs, *output.intermediate_log_probs, output.phone_log_probs):
            torch.testing.assert_close(head.exp().sum(-1), torch.ones(1, -(-frames // 4)))
    assert model.frame_seconds == pytest.approx(0.04)


@pytest.mark.parametrize(("size", "least", "most"), [("base", 10e6, 20e6), ("large", 80e6, 200e6)])
def test_named_sizes_have_their_weights(size, least, most, monkeypatch):
    monkeypatch.setattr("asr.model.make_frontend", lambda _config: nn.Identity())
    with torch.device("meta"):
        model = ConformerCTC(SIZES[size])
    assert least < sum(p.numel() for p in model.parameters()) < most


def test_training_and_inference_attend_alike():
    torch.manual_seed(1)
    query, key, value = torch.randn(3, 2, 2, 9, 16)
    mask = torch.arange(9)[None, :] < torch.tensor([9, 4])[:, None]
    with torch.enable_grad():
        trained = attend(query, key, value, mask[:, None, None])
    with torch.no_grad():
        fused = attend(query, key, value, mask[:, None, None])
    torch.testing.assert_close(trained, fused, atol=1e-4, rtol=1e-4)
    model, batch = made(TINY), batch_of([4000, 9000])
    with torch.no_grad():
        expected = model(*batch).log_probs
    torch.testing.assert_close(model(*batch).log_probs.detach(), expected, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_a_hidden_frame_is_never_attended_to():
    query, key, value = torch.randn(3, 1, 1, 6, 8)
    mask = torch.tensor([True, True, True, True, False, False])[None, None, None]
    first = attend(query, key, value, mask)
    key[..., 4:, :], value[..., 4:, :] = 50.0, 50.0
    torch.testing.assert_close(attend(query, key, value, mask), first)


@torch.inference_mode()
def test_a_saved_model_is_the_same_model(tmp_path):
    model, batch = made(TINY, seed=4), batch_of([8000])
    expected = model(*batch).log_probs
    save_model(model, tmp_path / "exact", torch.float32)
    save_model(model, tmp_path / "small")
    exact, small = load_model(tmp_path / "exact"), load_model(tmp_path / "small")
    assert exact.config == small.config == model.config
    assert not small.training
    assert torch.equal(exact(*batch).log_probs, expected)
    assert next(small.parameters()).dtype == torch.float32
    torch.testing.assert_close(small(*batch).log_probs, expected, atol=0.02, rtol=0.02)
    assert not list(tmp_path.rglob("*part*"))


def changed(**values):
    return lambda folder: (folder / "config.json").write_text(
        json.dumps(json.loads((folder / "config.json").read_text()) | values)
    )


def cut(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


DAMAGES = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
    "no phones": (lambda folder: (folder / "phones.txt").unlink(), "phones.txt is missing"),
    "other phones": (lambda folder: (folder / "phones.txt").write_bytes(b"A\xff"), "other phones"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
    "broken config": (lambda folder: (folder / "config.json").write_text('{"vocab'), "not JSON"),
    "binary config": (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"), "not JSON"),
    "a list": (lambda folder: (folder / "config.json").write_text("[3]"), "table"),
    "unknown setting": (changed(colour=3), "colour"),
    "unknown encoder setting": (changed(encoder={"wheels": 4}), "wheels"),
    "ill-typed setting": (changed(vocab_size="many"), "config.json"),
    "ill-typed layers": (changed(encoder={"layers": 2.5}), "config.json"),
    "no such layer": (changed(phone_layer=9), "layers 1 to 3"),
    "ends at half rate": (changed(encoder={"layers": 3, "half_rate": [2, 3]}), "half_rate"),
    "other shape": (changed(vocab_size=65), "do not fit"),
    "other depth": (changed(intermediate_layers=[1]), "unknown for"),
    "cut weights": (cut, "not a whole"),
    "empty weights": (lambda folder: (folder / "model.safetensors").write_bytes(b""), "not a whole"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_in_one_line(model_folder, tmp_path, damage):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    spoil, words = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    assert words in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_foreign_tokenizer_is_refused(model_folder, tmp_path):
    from asr.recognizer import Recognizer

    folder = shutil.copytree(model_folder, tmp_path / "model")
    train_tokenizer(["abc abd bad cab"], folder / "tokenizer.model", 35)
    with pytest.raises(ModelError, match="35 pieces and the model 64"):
        Recognizer.from_pretrained(folder)


def test_a_config_survives_json():
    for config in (*SIZES.values(), FULL_RATE):
        assert config_from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    "shape", [{"dim": 30, "heads": 4}, {"kernel_size": 8}, {"layers": 0}, {"half_rate": (3, 2)}]
)
def test_impossible_encoders_are_refused(shape):
    with pytest.raises(EncoderConfigError):
        dataclasses.replace(TINY.encoder, **shape)
