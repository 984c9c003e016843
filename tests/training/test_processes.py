import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.toy import Still, recipe
from yoto.training import train
from yoto.training.state import State

TESTS = Path(__file__).parents[1]
SCRIPT = """
import sys, torch
sys.path.insert(0, {tests!r})
from training.toy import Still, recipe
from yoto.training import train
train(recipe(**{overrides}), sys.argv[1], task=Still(), devices=2, accelerator="cpu", progress=False,
      resume="resume" in sys.argv, max_minutes=0.0 if "stop" in sys.argv else None)
"""


GOES_ON = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
import torch
from training.toy import Still, recipe
from yoto.training import train

class Works(Still):
    def terms(self, net, batch, at):
        if net.training and {devices} == 1 and self.calls == 7:  # between two rows of the log
            os.kill(os.getpid(), signal.SIGTERM)
        if {devices} == 2 and torch.distributed.get_rank() == 1 and self.calls == 0:
            end = time.process_time() + 3.0
            while time.process_time() < end:
                pass
        return super().terms(net, batch, at)

train(recipe(steps=15), sys.argv[1], task=Works(), devices={devices}, accelerator="cpu", progress=False,
      resume={devices} == 2)
"""


@pytest.mark.parametrize("steps", [0, 7, 10])
def test_a_process_that_does_not_see_the_checkpoint_of_another_saves_as_often(tmp_path, monkeypatch, steps):
    asked = []
    monkeypatch.setattr(State, "save_checkpoint", lambda self, folder: asked.append(self.step))
    overrides = {"steps": max(1, steps), "checkpoint_every": 5}
    train(recipe(**overrides), tmp_path, task=Still(), progress=False, max_minutes=None if steps else 0.0)
    assert asked == {0: [0], 7: [5, 7], 10: [5, 10]}[steps]


@pytest.mark.slow
def test_two_processes_that_save_but_once_end_together(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(TESTS), overrides={"steps": 6}))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "two")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "two" / "run.json").read_text())["steps"] == 6


@pytest.mark.slow
def test_two_processes_go_on_with_what_one_began_and_count_the_time_of_both(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    for devices in (1, 2):
        script = tmp_path / "script.py"
        script.write_text(GOES_ON.format(tests=str(TESTS), devices=devices))
        subprocess.run(
            [sys.executable, str(script), str(tmp_path / "two")],
            env=environment, check=True, timeout=120, capture_output=True,
        )  # fmt: skip
        record = json.loads((tmp_path / "two" / "run.json").read_text())
        assert (record["processes"], record["steps"]) == (devices, (8, 15)[devices - 1])
    assert 3.0 < record["cpu_seconds"] < 2 * record["seconds"]
    assert json.loads((tmp_path / "two" / "last" / "state.json").read_text())["cpu_seconds"] > 3.0
    train(recipe(steps=15), tmp_path / "one", task=Still(), progress=False)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
    for mine, expected in zip(log(tmp_path / "two"), log(tmp_path / "one"), strict=True):
        assert float(mine["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-3)


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(tmp_path):
    overrides = {"optimiser": "muon", "eps": 1e-3, "ema": 0.9, "validate_every": 10, "steps": 15}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(TESTS), overrides=overrides))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    for mode in ("stop", "resume"):
        subprocess.run(
            [sys.executable, str(script), str(tmp_path / "two"), mode],
            env=environment, check=True, timeout=120, capture_output=True,
        )  # fmt: skip
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert (record["processes"], record["steps"], record["finished"]) == (2, 15, True)
    train(recipe(**overrides), tmp_path / "one", task=Still(), progress=False)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
    ours, theirs = (log(tmp_path / name) for name in ("two", "one"))
    assert len(ours) == len(theirs) == 3
    for mine, expected in zip(ours, theirs, strict=True):  # of the whole batch, not of one process's share
        assert mine.keys() == expected.keys()
        for name in mine.keys() - {"seconds"}:
            assert float(mine[name]) == pytest.approx(float(expected[name]), rel=1e-3, abs=1e-5)
    kept = [json.loads((tmp_path / name / "last" / "state.json").read_text())["best"] for name in ("two", "one")]
    assert kept[0] == pytest.approx(kept[1], rel=1e-3)


def log(folder):
    """The rows of a run's log."""
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


EXPLODES = """
import sys
sys.path.insert(0, {tests!r})
import torch
from lightning_fabric import Fabric
from training.toy import Still, recipe
from yoto import YotoError
from yoto.training import train

class Explodes(Still):
    def terms(self, net, batch, at):
        found = super().terms(net, batch, at)
        self.steps = getattr(self, "steps", 0) + (1 if net.training else 0)
        rank = torch.distributed.get_rank()
        worse = {worse} if rank == 1 and self.steps > 6 else 1.0  # on one rank alone
        return {{name: value * worse for name, value in found.items()}}

try:
    train(recipe(steps=20), sys.argv[1], task=Explodes(), devices=2, accelerator="cpu", progress=False)
except YotoError as error:
    print(f"{{torch.distributed.get_rank()}} {{error}}\\n", end="", flush=True)  # in one write
"""


@pytest.mark.slow
@pytest.mark.parametrize(("worse", "message"), [("1e6", "should stay below"), ("float('nan')", "should be finite")])
def test_what_goes_wrong_on_one_rank_ends_all_of_them_with_the_same_words(tmp_path, worse, message):
    script = tmp_path / "script.py"
    script.write_text(EXPLODES.format(tests=str(TESTS), worse=worse))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    shown = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "run")],
        env=environment, check=True, timeout=120, capture_output=True, text=True,
    ).stdout  # fmt: skip
    lines = sorted(line for line in shown.splitlines() if message in line)
    assert [line[0] for line in lines] == ["0", "1"]
    assert lines[0][1:] == lines[1][1:]
