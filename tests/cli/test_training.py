"""`yoto train`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
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


def test_of_several_processes_the_first_alone_says_where_the_model_is(yoto, monkeypatch):
    for first, expected in ((False, ""), (True, "run/model.safetensors\n")):
        monkeypatch.setattr("yoto.training.launch.is_first", lambda first=first: first)
        code, out, err = yoto("train", "vae/digits", *SMALL, "-o", "run", "--force")
        assert (code, out) == (0, expected)
        assert ("4 steps in" in err) == bool(expected)


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
    assert "--from run" in err


def test_a_folder_without_a_checkpoint_is_no_run(yoto, tmp_path):
    assert yoto("train", "vae/digits", *SMALL, "-o", "run").code == 0
    for left in ("model.safetensors", "last", "best"):
        (tmp_path / "run" / left).rename(tmp_path / left) if (tmp_path / "run" / left).exists() else None
    assert yoto("train", "vae/digits", *SMALL, "seed=3", "-o", "run").code == 0
    assert yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())["seed"] == 3


def test_a_wider_range_begins_at_the_model_by_its_anchor(yoto, tmp_path):
    import torch

    from yoto.bundle import load

    assert yoto("train", "vae/digits", *SMALL, "-o", "run").code == 0
    wider = [
        "train",
        "vae/digits",
        "space.kl.low=0.01",
        *SMALL,
        "training.lr=1e-30",
        "training.optimiser=adam",
        "--from",
        "run/model.safetensors",
    ]
    assert "space.kl.anchor=[0.125,8]" in yoto(*wider, "--max-minutes", 0, "-o", "other").err
    code, _, err = yoto(*wider, "space.kl.anchor=[0.125,8]", "training.ema=null", "-o", "wider")
    assert (code, "anchor" in err) == (0, False)
    old, new = (load(tmp_path / run / "model.safetensors").model for run in ("run", "wider"))
    x, noise = torch.rand(4, 1, 8, 8), torch.zeros(4, old.plain.arch.latent)
    lam = old.space.sample(4)
    assert torch.equal(new(x, noise, at=lam).parameters, old(x, noise, at=lam).parameters)
    assert new.space.parameters["kl"].low == 0.01


def test_a_run_from_a_model_is_told_that_its_schedule_begins_with_a_part_of_the_range(yoto):
    assert "training.spread" not in yoto("train", "vae/digits", *SMALL, "training.spread=[0,1]", "-o", "run").err
    narrow = ["train", "vae/digits", *SMALL, "--from", "run/model.safetensors", "--max-minutes", 0]
    assert "add training.spread=null" in yoto(*narrow, "training.spread=[0,1]", "-o", "first").err
    for said in ("null", "[1,0.5]"):
        assert "training.spread" not in yoto(*narrow, f"training.spread={said}", "-o", f"other{len(said)}").err


def test_a_models_conditioning_takes_the_place_of_the_recipes_and_is_told(yoto):
    assert yoto("train", "vae/digits", *SMALL, "conditioning.fourier=1", "-o", "run").code == 0
    start = ["train", "vae/digits", *SMALL, "--from", "run", "--max-minutes", 0]
    code, _, err = yoto(*start, "-o", "told")
    assert (code, "conditioned as the model is: conditioning.fourier=1\n" in err) == (0, True)
    code, _, err = yoto(*start, "conditioning.fourier=5", "-o", "typed")
    assert code == 2
    assert "conditions the network as its model is, conditioning.fourier=1: leave that out" in err
    assert "conditioned as" not in yoto(*start, "conditioning.fourier=1", "-o", "same").err


def test_force_starts_anew(yoto, tmp_path):
    command = ["train", "vae/digits", *SMALL, "-o", "run"]
    yoto(*command)
    (tmp_path / "run/keep.txt").touch()
    assert yoto(*command, "--force", "seed=1").code == 0
    assert (tmp_path / "run/keep.txt").exists()
    assert yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())["seed"] == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_a_checkpoint(yoto, tmp_path, number, code):
    log = tmp_path / "run/log.csv"

    def send_when_training():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (log.exists() and log.read_text().count("\n") > 2):
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send_when_training)
    sender.start()
    outcome = yoto("train", "vae/digits", *SMALL, "training.steps=1000000", "training.log_every=1", "-o", "run")
    sender.join()
    assert (outcome.code, outcome.out) == (code, "")
    assert "--resume goes on with it" in outcome.err
    assert (tmp_path / "run/last/state.json").exists()


TASK = """
from yoto.apps.vae.task import VAETask

class Loud(VAETask):
    def __init__(self, **options):
        super().__init__(options)

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


LONG = ["training.steps=1000000", "training.log_every=1", "training.checkpoint_every=1"]


def second_while_the_first_lives(command, marker):
    """Outcomes of a command, plain and with --force, while another process with it has come as far as `marker`.

    The first is killed then.
    """
    first = subprocess.Popen([sys.executable, "-m", "yoto", *command], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not marker.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return [
            subprocess.run([sys.executable, "-m", "yoto", *command, *more], capture_output=True, text=True)
            for more in ([], ["--force"])
        ]
    finally:
        first.kill()
        first.wait()


def test_a_second_run_in_a_folder_is_refused_while_the_first_lives(yoto, tmp_path):
    command = ["train", "vae/digits", *SMALL, *LONG, "-o", "run"]
    for second in second_while_the_first_lives(command, tmp_path / "run/last/state.json"):
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.startswith("yoto train: 'run' should be a folder that nobody else works in.")
        assert second.stderr.count("\n") == 1
    assert (tmp_path / "run/last/state.json").exists()
    again = yoto(*command, "--resume", "--max-minutes", 0)  # the first was killed: its lock went with it
    assert again.code == 0
    assert "--resume goes on with it" in again.err


def test_a_second_comparison_in_a_folder_is_refused_while_the_first_lives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["compare", "vae/digits", *SMALL, *LONG, "--fixed", "kl=1", "-o", "study"]
    for second in second_while_the_first_lives(command, tmp_path / "study/.lock"):
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.startswith("yoto compare: 'study' should be a folder that nobody else works in.")


def test_a_lock_that_is_left_over_makes_no_folder_full(yoto, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.lock").touch()
    assert yoto("train", "vae/digits", *SMALL, "-o", "run").code == 0
    assert not (tmp_path / "run/.lock").exists()
