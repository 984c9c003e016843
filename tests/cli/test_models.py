"""`yoto models` and `yoto export`."""

from __future__ import annotations

import json

import pytest
import torch

from yoto import bundle
from yoto.cli.models import size


@pytest.fixture
def folder(model, fixed_model, monkeypatch):
    """A folder of models, of which one is damaged."""
    monkeypatch.setenv("YOTO_MODELS", str(model.parent))
    (model.parent / "broken.safetensors").write_bytes(model.read_bytes()[:-5])
    yield model.parent
    (model.parent / "broken.safetensors").unlink()


def test_models_lists_what_is_whole(yoto, folder):
    code, out, err = yoto("models")
    assert (code, err) == (0, "")
    line = next(line for line in out.splitlines() if line.startswith("digits "))
    assert "local" in line
    assert "kl 0.125 to 8" in line
    assert "broken" not in out


def test_models_fit_into_a_hundred_columns(yoto, folder):
    lines = yoto("models").out.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("…" in line for line in lines) >= 2


def test_models_as_json(yoto, folder, model):
    entries = {entry["name"]: entry for entry in json.loads(yoto("models", "--json").out)}
    assert entries["digits"]["path"] == str(model)
    assert entries["digits"]["bytes"] == model.stat().st_size
    assert entries["digits"]["conditional"]
    assert entries["digits"]["space"]["kl"]["distribution"] == "log-uniform"


def test_models_says_what_a_fixed_model_was_trained_for(yoto, fixed_model, monkeypatch):
    monkeypatch.setenv("YOTO_MODELS", str(fixed_model.parent))
    assert "fixed kl=4.0" in yoto("models").out


def test_no_models(yoto, monkeypatch):
    monkeypatch.setattr("yoto.bundle.listing", list)
    assert yoto("models").out == "no models yet: yoto train vae/digits makes one\n"


@pytest.mark.parametrize(("count", "text"), [(900, "1 kB"), (123_456, "123 kB"), (4_200_000, "4.2 MB")])
def test_size(count, text):
    assert size(count) == text


def test_export_of_plain_weights_is_the_baked_network(yoto, model, tmp_path):
    from safetensors.torch import load_file

    code, out, err = yoto("export", model, "-o", "beta4.safetensors", "--at", "kl=4")
    assert (code, out, err) == (0, "beta4.safetensors\n", "")
    loaded = bundle.load(model)
    found = load_file(tmp_path / "beta4.safetensors")
    for name, tensor in loaded.conditional.bake(kl=4.0).state_dict().items():
        torch.testing.assert_close(found[name], tensor)


def test_weights_of_a_plain_network_need_no_task(yoto, tmp_path):
    from safetensors import safe_open
    from torch import nn

    from yoto.space import LogUniform, LossSpace

    net = nn.Linear(3, 2)
    bundle.save(net, tmp_path / "mine.safetensors", space=LossSpace(a=1.0, b=LogUniform(0.1, 10.0)))
    assert yoto("export", "mine.safetensors", "-o", "weights.safetensors").code == 0
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("weight"), net.weight)
    code, _, err = yoto("export", "mine.safetensors", "-o", "net.pt2")
    assert code == 2
    assert "names no task that knows its network: give --net MODULE:CLASS" in err


def test_weights_at_one_lambda_need_no_task(yoto, tmp_path):
    from safetensors.torch import load_file
    from torch import nn

    from yoto.conditioning import condition
    from yoto.space import LogUniform, LossSpace

    model = condition(nn.Linear(3, 2), LossSpace(a=1.0, b=LogUniform(0.1, 10.0)))
    bundle.save(model, tmp_path / "mine.safetensors")
    assert yoto("export", "mine.safetensors", "-o", "weights.safetensors", "--at", "b=3").code == 0
    assert torch.equal(load_file(tmp_path / "weights.safetensors")["weight"], model.bake(b=3.0).weight)


def test_a_file_says_at_which_lambda_it_was_baked(yoto, model, tmp_path):
    from safetensors import safe_open

    yoto("export", model, "-o", "beta4.safetensors", "--at", "kl=4")
    with safe_open(tmp_path / "beta4.safetensors", "pt") as file:
        assert json.loads(file.metadata()["yoto"]) == {"task": "vae", "at": {"kl": 4.0}}


def test_one_lambda_for_the_batch(yoto, model, tmp_path):
    assert yoto("export", model, "-o", "decoder.pt2", "--method", "decode", "--per-batch").code == 0
    files = {"yoto": ""}
    torch.export.load(tmp_path / "decoder.pt2", extra_files=files)
    facts = json.loads(files["yoto"])
    assert facts["inputs"]["lambda"] == [2]
    assert facts["lambda"]["ranges"]["kl"] == [0.125, 8.0]
    code, _, err = yoto("export", model, "-o", "b.pt2", "--per-batch", "--at", "kl=4")
    assert code == 2
    assert "--per-batch is for files that have λ as an input" in err


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
@pytest.mark.parametrize("at", [[], ["--at", "kl=4"]], ids=["conditional", "baked"])
def test_export_of_a_method(yoto, model, tmp_path, suffix, at):
    code, out, _ = yoto("export", model, "-o", f"decoder.{suffix}", "--method", "decode", *at)
    assert (code, out) == (0, f"decoder.{suffix}\n")
    assert (tmp_path / f"decoder.{suffix}").stat().st_size > 1000


def test_export_refuses_an_unknown_method(yoto, model):
    code, _, err = yoto("export", model, "-o", "a.pt2", "--method", "paint")
    assert code == 2
    assert "forward, encode, decode" in err
