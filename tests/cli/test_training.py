"""`yoto train`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

SMALL = ["training.steps=4", "training.batch=8", "training.warmup=0", "limit=32", "evaluation.limit=8"]


def test_a_run_leaves_a_model_that_every_other_command_takes(yoto, tmp_path):
    code, out, err = yoto("train", "vae/digits", *SMALL, "-o", "run")
    assert (code, out) == (0, "run/model.safetensors\n")
    assert "4 steps in" in err
    assert json.loads((tmp_path / "run/run.json").read_text())["finished"]
    assert yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())["training"]["steps"] == 4
    code, out, _ = yoto("sweep", "run", "--grid", 2)
    assert code == 0
    assert {path.name for path in (tmp_path / "run/sweep").iterdir()} == {"curve.csv", "curve.json", "curve.png"}


def test_the_default_folder_is_named_after_the_recipe(yoto, tmp_path):
    code, out, _ = yoto("train", "vae/digits", *SMALL, "--seed", 7)
    assert (code, out) == (0, "runs/digits/model.safetensors\n")
    assert yaml.safe_load((tmp_path / "runs/digits/recipe.yaml").read_text())["seed"] == 7
    assert "runs/digits" in yoto("models").out


def test_stopping_and_resuming(yoto, tmp_path):
    command = ["train", "vae/digits", *SMALL, "-o", "run"]
    code, out, err = yoto(*command, "--max-minutes", 0)
    assert (code, out) == (0, "")
    assert "stopped after step 0 of 4; --resume goes on with it" in err
    assert yoto(*command).code == 2
    assert yoto(*command, "--resume")[:2] == (0, "run/model.safetensors\n")
    assert (tmp_path / "run/model.safetensors").exists()
    code, _, err = yoto(*command, "training.lr=0.5", "--resume")
    assert code == 2
    assert "`training.lr`" in err


def test_force_starts_anew(yoto, tmp_path):
    command = ["train", "vae/digits", *SMALL, "-o", "run"]
    yoto(*command)
    (tmp_path / "run/keep.txt").touch()
    assert yoto(*command, "--force", "seed=1").code == 0
    assert (tmp_path / "run/keep.txt").exists()
    assert yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())["seed"] == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_a_checkpoint(tmp_path, number, code):
    arguments = ["train", "vae/digits", "training.steps=1000000", "training.log_every=1", "-o", str(tmp_path / "run")]
    process = subprocess.Popen([sys.executable, "-m", "yoto", *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    log = tmp_path / "run/log.csv"
    while time.monotonic() < deadline and not (log.exists() and log.read_text().count("\n") > 2):
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "--resume goes on with it" in err
    assert (tmp_path / "run/last/state.json").exists()


TASK = """
from yoto.tasks.vae.task import VAETask

class Loud(VAETask):
    def data(self, split):
        print("data of", split)
        return super().data(split)
"""


def test_a_task_of_the_users_own(yoto, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "loud_tasks.py").write_text(TASK)
    code, out, _ = yoto("train", "vae/digits", *SMALL, "-o", "run", "--task", "loud_tasks:Loud")
    assert code == 0
    assert "data of train" in out
    code, _, err = yoto("train", "vae/digits", *SMALL, "-o", "other", "--task", "loud_tasks:Soft")
    assert code == 2
    assert "loud_tasks:Soft" in err
