"""`yoto polish`."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from yoto import bundle

TASK = """
from torch import nn, rand, Generator
from yoto.data import ArrayData

class Own:
    def network(self):
        return nn.Linear(2, 3)
    def terms(self, net, batch, at):
        return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    def metrics(self, net, batch, at):
        return {}
    def data(self, split):
        return ArrayData(rand(64, 2, generator=Generator().manual_seed(len(split))))
"""


def test_the_loss_falls_and_sweep_and_export_take_the_result(yoto, model, tmp_path):
    code, out, err = yoto("polish", model, "--at", "kl=2", "--steps", 40, "-o", "plain.safetensors", "--json")
    assert code == 0
    assert "polish: step 40 of 40, loss " in err
    told = json.loads(out)
    assert (told["file"], told["at"], told["steps"]) == ("plain.safetensors", {"kl": 2.0}, 40)
    assert told["gain"] == pytest.approx(told["before"]["loss"] - told["after"]["loss"])
    assert told["gain"] > 5 * told["error"] > 0
    assert (told["split"], told["n"]) == ("validation", 20)

    header = bundle.read_header("plain.safetensors")
    assert header.conditioning is None
    assert header.recipe["fixed"] == {"kl": 2.0}
    assert header.info["polished_from"]["sha256"] == bundle.sha256(model)
    code, out, _ = yoto("sweep", "plain.safetensors", "--split", "validation", "--json")
    assert code == 0
    assert json.loads(out)["loss"] == pytest.approx([told["after"]["loss"]], rel=1e-5)
    assert yoto("export", "plain.safetensors", "-o", "weights.safetensors").code == 0
    network = bundle.load("plain.safetensors").model
    exported = load_file(tmp_path / "weights.safetensors")
    assert all(torch.equal(value, exported[name]) for name, value in network.state_dict().items())


def test_for_people_a_table_and_a_file_named_after_the_point(yoto, model, tmp_path):
    code, out, _ = yoto("polish", model, "--at", "kl=0.5", "--steps", 2, "--seed", 3)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("kl = 0.5: 2 steps in ")
    assert [line.split()[0] for line in lines[1:5]] == ["before", "loss", "reconstruction", "kl"]
    assert lines[5].endswith(" on 20 examples (validation)")
    assert lines[6] == "digits-kl-0.5.safetensors"
    assert bundle.read_header(tmp_path / lines[6]).recipe["seed"] == 3
    code, _, err = yoto("polish", model, "--at", "kl=0.5", "--steps", 2)
    assert code == 2
    assert "--force replaces it" in err


def test_a_rate_that_is_too_high_is_told(yoto, model):
    code, out, err = yoto("polish", model, "--at", "kl=8", "--steps", 1, "--lr", 0.5, "-o", "worse.safetensors")
    assert code == 0
    assert "loss higher by" in out
    assert "polishing made it worse: more steps or a lower --lr may help" in err


def test_a_task_of_ones_own(yoto, tmp_path, monkeypatch):
    (tmp_path / "polishing_task.py").write_text(TASK)
    recipe = {
        "name": "own",
        "space": {"fit": 1.0, "size": {"distribution": "log-uniform", "low": 0.25, "high": 4.0}},
        "training": {"steps": 3, "batch": 8},
    }
    (tmp_path / "own.yaml").write_text(json.dumps(recipe))
    named = ["--task", "polishing_task:Own"]
    monkeypatch.setattr("sys.path", [str(tmp_path), *__import__("sys").path])
    assert yoto("train", "own.yaml", *named, "-o", "run").code == 0
    code, _, err = yoto("polish", "run", "--at", "size=4")
    assert code == 2
    assert "yoto polish run --task polishing_task:Own" in err
    code, out, _ = yoto("polish", "run", "--at", "size=4", "--steps", 300, "--lr", 0.05, *named, "--json")
    assert code == 0
    assert json.loads(out)["after"]["loss"] == pytest.approx(0.8, rel=0.01)  # 4 / (1 + 4), the least
    header = bundle.read_header("run-size-4.safetensors")
    assert header.info["task_class"] == "polishing_task:Own"
    assert yoto("sweep", "run-size-4.safetensors", *named).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", 3], "--at should say for which λ, such as --at kl=…"),
        (["--at", "kl=99"], "`kl` should lie in [0.125, 8]"),
        (["--at", "beta=1"], "'beta' is no loss parameter"),
        (["--at", "kl=1,2,a=b"], "--at should be repeated for each name: --at kl=1,2 --at a=b. Found 'kl=1,2,a=b'"),
        (["--at", "kl=1,2"], "--at should give one value of 'kl'. Found 2"),
        (["--at", "kl=1", "--steps", 0], "--steps"),
        (["--at", "kl=1", "--lr", 0], "--lr should be above 0. Found 0"),
        (["--at", "kl=1", "--split", "rest"], "--split should be one of"),
        (["--at", "kl=1", "-o", "plain.onnx"], "-o should end in .safetensors."),
        (["--at", "kl=1", "--task", "mine"], "--task should be MODULE:CLASS"),
    ],
)
def test_bad_input_is_one_line(yoto, model, tmp_path, arguments, message):
    code, out, err = yoto("polish", model, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_models_without_a_range_or_a_recipe_are_refused(yoto, fixed_model, tmp_path):
    from torch import nn

    from yoto import LogUniform, LossSpace, condition, save

    code, _, err = yoto("polish", fixed_model, "--at", "kl=4")
    assert code == 2
    assert "was trained for one λ already" in err
    save(condition(nn.Linear(3, 2), LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))), tmp_path / "own.safetensors")
    code, _, err = yoto("polish", "own.safetensors", "--at", "size=1")
    assert code == 2
    assert "has no recipe to train by: polish it in Python, yoto.polish(" in err
