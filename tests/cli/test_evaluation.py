"""`yoto sweep` and `yoto compare`."""

from __future__ import annotations

import json

import pytest

from yoto.curves import TradeoffCurve


def test_sweep_writes_the_curve_and_prints_a_table(yoto, model, tmp_path):
    code, out, err = yoto("sweep", model, "-o", "out")
    assert code == 0
    assert err.startswith("out: curve.csv, curve.json, curve.png\n")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"curve.csv", "curve.json", "curve.png"}
    curve = TradeoffCurve.from_json(tmp_path / "out/curve.json")
    assert len(curve) == 3
    assert (curve.info["n"], curve.info["split"]) == (20, "test")
    lines = out.splitlines()
    assert lines[0].split() == ["at", "kl", "reconstruction", "kl", "loss", "mse", "psnr"]
    assert [line.split()[0] for line in lines[1:]] == ["0.125", "1", "8"]
    assert len(lines) == 4


def test_sweep_options_change_the_points_and_the_data(yoto, model, tmp_path):
    code, out, _ = yoto("sweep", model, "--grid", 2, "--limit", 7, "--split", "validation", "--seed", 3, "--json")
    assert code == 0
    curve = TradeoffCurve.from_dict(json.loads(out))
    assert len(curve) == 2
    assert (curve.info["n"], curve.info["split"], curve.info["seed"]) == (7, "validation", 3)
    assert (tmp_path / "digits/sweep/curve.csv").exists()


def test_sweep_says_that_an_untrained_model_does_not_follow_lam(yoto, model):
    code, _, err = yoto("sweep", model, "--grid", 7)
    assert code == 0
    assert "decorative conditioning: " in err


def test_sweep_refuses_its_earlier_output_without_force(yoto, model):
    assert yoto("sweep", model, "-o", "out").code == 0
    assert yoto("sweep", model, "-o", "out").code == 2
    assert yoto("sweep", model, "-o", "out", "--force").code == 0


def test_sweep_of_a_fixed_model_has_its_own_lam(yoto, fixed_model):
    code, out, _ = yoto("sweep", fixed_model, "--json")
    assert code == 0
    assert json.loads(out)["points"] == [{"kl": pytest.approx(4.0)}]


SMALL = ["training.steps=4", "training.batch=8", "training.warmup=0", "limit=32", "evaluation.limit=8"]


@pytest.mark.slow
def test_compare_writes_a_report_and_keeps_what_is_finished(yoto, tmp_path):
    command = ["compare", "vae/digits", *SMALL, "evaluation.points=null", "evaluation.grid=2", "--fixed", "kl=1,4"]
    code, out, err = yoto(*command, "-o", "out")
    assert code == 0
    assert "conditional" in out
    assert err.rstrip().endswith("report: out/report.html")
    assert {"report.html", "report.json", "report.md", "table.csv"} <= {p.name for p in (tmp_path / "out").iterdir()}
    code, out, err = yoto(*command, "-o", "out", "--json")
    assert code == 0
    assert "3 of 3 runs are finished already" in err
    assert json.loads(out)["points"] == [{"kl": 1.0}, {"kl": 4.0}]
    code, _, err = yoto(*command, "-o", "out", "training.steps=5")
    assert code == 2
    assert "training.steps" in err
    code, _, err = yoto(*command, "-o", "out", "training.steps=5", "--force", "--max-minutes", "0")
    assert (code, "stopped after 0 of 3 runs" in err) == (0, True)


def test_compare_takes_the_recipe_of_a_model(yoto, model):
    code, _, err = yoto("compare", model, "training.steps=2", "--fixed", "kl=1", "--max-minutes", "0", "-o", "out")
    assert (code, "stopped after 0 of 2 runs" in err) == (0, True)
