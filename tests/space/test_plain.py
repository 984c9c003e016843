"""A loss space is a plain value: it pickles, copies and loads with weights_only."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch

from yoto.space import Choice, Fixed, LogUniform, LossSpace, Simplex, Uniform

SPACE = LossSpace(
    content=Fixed(0.3),
    kl=LogUniform(0.125, 512.0),
    offset=Uniform(-2.0, 3.0, weight=False),
    mix=Simplex("fine", "coarse", concentration=0.7, minimum=0.02),
    style=Choice("waves", "stars"),
)


def test_pickles_and_copies_are_equal():
    for again in (pickle.loads(pickle.dumps(SPACE)), copy.deepcopy(SPACE), copy.copy(SPACE)):
        assert again == SPACE
        assert again.names == SPACE.names
        assert hash(again) == hash(SPACE)


def test_a_checkpoint_with_a_space_loads_with_weights_only(tmp_path):
    torch.save({"hyper_parameters": {"space": SPACE, "lr": 0.1}, "state": torch.ones(2)}, tmp_path / "a.ckpt")
    loaded = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert loaded["hyper_parameters"] == {"space": SPACE, "lr": 0.1}


@pytest.mark.parametrize("imports", ["import torch, yoto", "import yoto, torch; yoto.LossSpace(a=1.0)"])
def test_it_loads_in_a_process_that_made_none(tmp_path, imports):
    torch.save({"space": SPACE}, tmp_path / "a.ckpt")
    code = f"{imports}; print(torch.load({str(tmp_path / 'a.ckpt')!r}, weights_only=True)['space'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == repr(SPACE)
