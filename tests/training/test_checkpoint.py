import json

import pytest
import torch

from yoto.errors import YotoError
from yoto.training import checkpoint
from yoto.training.checkpoint import load_checkpoint, load_state, save_checkpoint

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "nothing": torch.zeros(0, 4),
    "scalar": torch.tensor(3),
    "half": torch.ones(5, dtype=torch.bfloat16),
    "layout": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
}


def test_what_was_saved_comes_back(tmp_path):
    save_checkpoint(tmp_path / "last", TENSORS, {"step": 7, "best": None, "seconds": 1.5})
    tensors, state = load_checkpoint(tmp_path / "last")
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)
    assert (state["step"], state["best"], state["seconds"]) == (7, None, 1.5)


def test_large_tensors_are_cut_into_shards_below_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "LIMIT", 4096)
    tensors = {"large": torch.randn(70, 50), "small": torch.randn(10), "other": torch.randn(900)}
    save_checkpoint(tmp_path, tensors, {"step": 1})
    shards = list(tmp_path.glob("*.safetensors"))
    assert len(shards) == 5
    assert all(shard.stat().st_size < 4096 + 400 for shard in shards)
    loaded, _ = load_checkpoint(tmp_path)
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())


def test_default_limit_keeps_files_under_16_mib(tmp_path):
    save_checkpoint(tmp_path, {"w": torch.zeros(5 * 2**20)}, {"step": 1})
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 16 * 2**20


def test_a_newer_checkpoint_replaces_the_older_one(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, {"w": torch.full((3,), float(step))}, {"step": step})
    assert len(list(tmp_path.iterdir())) == 2
    assert load_checkpoint(tmp_path)[0]["w"].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_crash_while_writing_leaves_the_older_one(tmp_path, monkeypatch, fails_at):
    monkeypatch.setattr(checkpoint, "LIMIT", 64)
    save_checkpoint(tmp_path, {"w": torch.ones(16), "v": torch.ones(16)}, {"step": 1})
    real, calls = checkpoint.write_atomic, []

    def failing(path, data):
        calls.append(path)
        if len(calls) == fails_at + 1:
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(checkpoint, "write_atomic", failing)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, {"w": torch.zeros(16), "v": torch.zeros(16)}, {"step": 2})
    monkeypatch.setattr(checkpoint, "write_atomic", real)
    tensors, state = load_checkpoint(tmp_path)
    assert state["step"] == 1
    assert tensors["w"].sum() == 16
    save_checkpoint(tmp_path, {"w": torch.zeros(16), "v": torch.zeros(16)}, {"step": 3})
    assert len(list(tmp_path.iterdir())) == 3


def one_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def other_step(path):
    state = json.loads(path.read_text())
    state["step"] = 99
    path.write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("*.safetensors", one_byte),
        ("*.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-5])),
        ("*.safetensors", lambda path: path.unlink()),
        ("state.json", lambda path: path.write_bytes(path.read_bytes()[:-20])),
        ("state.json", lambda path: path.write_text("[]")),
        ("state.json", other_step),
    ],
    ids=["flipped bit", "truncated", "missing", "half a state", "no object", "edited state"],
)
def test_damage_is_one_clear_line(tmp_path, name, damage):
    save_checkpoint(tmp_path, TENSORS, {"step": 7})
    damage(next(tmp_path.glob(name)))
    with pytest.raises(YotoError, match="should be as it was written") as info:
        load_checkpoint(tmp_path)
    assert "\n" not in str(info.value)


def test_no_checkpoint_and_another_format(tmp_path):
    with pytest.raises(YotoError, match="should hold a checkpoint"):
        load_state(tmp_path / "last")
    (tmp_path / "state.json").write_text('{"format": 9, "sha256": ""}')
    with pytest.raises(YotoError, match="format 1"):
        load_state(tmp_path)
