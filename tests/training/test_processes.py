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

TESTS = Path(__file__).parents[1]
SCRIPT = """
import sys, torch
sys.path.insert(0, {tests!r})
from training.toy import Still, recipe
from yoto.training import train
train(recipe(**{overrides}), sys.argv[1], task=Still(), devices=2, accelerator="cpu", progress=False,
      resume="resume" in sys.argv, max_minutes=0.0 if "stop" in sys.argv else None)
"""


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
