from __future__ import annotations

import importlib
import json
import signal
import sys

import pytest

from comparison.toy import Toy, recipe
from yoto.comparison import Stopped, compare
from yoto.curves import TradeoffCurve
from yoto.errors import YotoError
from yoto.report.report import comparison_text


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    arguments = {"seeds": 2, "multiples": (1.0, 2.0), "others": [recipe(name="plain", training__optimiser="adam")]}
    return folder, arguments, compare(recipe(), folder, **arguments, task=Toy(), progress=False)


def test_it_leaves_runs_curves_and_a_report(done):
    folder, _, result = done
    runs = {path.name for path in (folder / "runs").iterdir()}
    assert len(runs) == 2 * (3 + 2)
    assert all((folder / "runs" / name / "curve.json").exists() for name in runs)
    for name in ("report.html", "report.md", "report.json", "table.csv", "tradeoff.png", "regret.png", "samples.png"):
        assert (folder / name).stat().st_size
    assert json.loads((folder / "report.json").read_text("utf-8"))["seeds"] == [0, 1]
    assert [contender.name for contender in result.contenders] == ["conditional-1x", "conditional-2x", "plain"]


def test_its_numbers_are_those_of_the_curves(done):
    folder, _, result = done
    assert result.floor == 0.5
    assert result.points == ({"size": 0.1}, {"size": 10.0})
    mine = TradeoffCurve.from_json(folder / "runs" / "conditional-2x-seed-1" / "curve.json")
    alone = TradeoffCurve.from_json(folder / "runs" / "fixed-size-10-seed-1" / "curve.json")
    assert result.contenders[1].curves[1] == mine
    regret = result.summaries[1].regrets[1]
    index = mine.values("size").index(alone.values("size")[0])
    assert regret.difference[1] == pytest.approx(mine.loss[index] - alone.loss[0])
    assert regret.excess_ratio[1] == pytest.approx((mine.loss[index] - 0.5) / (alone.loss[0] - 0.5))


def test_the_conditional_curve_has_the_grid_too(done):
    curve = done[2].contenders[0].curves[0]
    assert len(curve) == 5
    assert curve.info["units"]["loss"] == "squared units"
    assert curve.info["split"] == "test"


def test_costs_are_counted(done):
    result = done[2]
    assert [cost.steps for contender in result.contenders for cost in contender.costs] == [12, 12, 24, 24, 12, 12]
    assert [[cost.steps for cost in costs] for costs in result.reference_costs] == [[12, 12]] * 2
    assert result.spent.steps == 12 * (2 + 4 + 2 + 4)
    assert result.contenders[0].costs[0].parameters > result.reference_costs[0][0].parameters
    assert "squared units" in comparison_text(result)


def test_again_nothing_is_trained_or_measured(done, monkeypatch):
    folder, arguments, result = done
    notes = []
    monkeypatch.setattr("yoto.comparison.runs.train_one", None)
    monkeypatch.setattr("yoto.comparison.measure.sweep", None)
    again = compare(recipe(), folder, **arguments, task=Toy(), progress=False, note=notes.append)
    assert again == result
    assert notes[0] == "10 of 10 runs are finished already"


def test_a_task_whose_module_was_changed_is_measured_anew(tmp_path, monkeypatch):
    text = (
        "from comparison.toy import Toy\n"
        "class Mine(Toy):\n"
        "    def terms(self, net, batch, at):\n"
        "        return {name: 1 * term for name, term in super().terms(net, batch, at).items()}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    losses = []
    for factor in ("1 *", "10 *"):
        (tmp_path / "mine_of_test_study.py").write_text(text.replace("1 *", factor))
        monkeypatch.delitem(sys.modules, "mine_of_test_study", raising=False)
        importlib.invalidate_caches()
        task = importlib.import_module("mine_of_test_study").Mine()
        result = compare(recipe(), tmp_path / "out", task=task, progress=False)
        losses.append(result.contenders[0].curves[0].loss[0])
    assert losses[1] == pytest.approx(10 * losses[0])


def test_other_evaluation_settings_measure_anew_without_training(done, monkeypatch):
    folder, _, result = done
    monkeypatch.setattr("yoto.comparison.runs.train_one", None)
    base = recipe(evaluation__limit=40, evaluation__grid=3)
    again = compare(base, folder, seeds=1, task=Toy(), progress=False)
    assert again.info["n"] == 40
    assert again.floor is None  # the floor is known for the whole split only
    assert len(again.contenders[0].curves[0]) == 3
    assert again.contenders[0].curves[0].loss[0] != result.contenders[0].curves[0].loss[0]


def test_a_changed_recipe_is_refused_before_anything_is_trained(done, monkeypatch):
    folder, arguments, _ = done
    monkeypatch.setattr("yoto.comparison.runs.train_one", None)
    with pytest.raises(YotoError, match=r"`training\.lr` should be as in the finished run"):
        compare(recipe(training__lr=0.005), folder, **arguments, task=Toy(), progress=False)


def test_it_goes_on_after_the_time_was_up(tmp_path):
    with pytest.raises(Stopped) as caught:
        compare(recipe(), tmp_path, task=Toy(), max_minutes=0.0, progress=False)
    assert (caught.value.finished, caught.value.total, caught.value.signal) == (0, 3, None)
    assert not (tmp_path / "report.html").exists()
    compare(recipe(), tmp_path, task=Toy(), progress=False)
    assert (tmp_path / "report.html").exists()


def test_force_removes_the_runs_of_the_comparison_alone_and_none_where_nothing_can_begin(tmp_path):
    kept = [tmp_path / "runs" / name for name in ("mine/model.safetensors", "conditional-1x-seed-0/last/state.json")]
    for file in kept:
        file.parent.mkdir(parents=True)
        file.touch()
    with pytest.raises(YotoError, match="Found the class"):
        compare(recipe(), tmp_path, task=Toy, force=True, max_minutes=0.0, progress=False)
    assert all(file.exists() for file in kept)
    with pytest.raises(Stopped):
        compare(recipe(), tmp_path, task=Toy(), force=True, max_minutes=0.0, progress=False)
    assert kept[0].exists()
    assert kept[1].stat().st_size


def test_a_task_that_no_other_process_can_be_given_is_told(tmp_path):
    class Inside(Toy):
        pass

    with pytest.raises(YotoError, match="task should pickle.*Inside") as info:
        compare(recipe(), tmp_path, task=Inside(), jobs=2, progress=False)
    assert "\n" not in str(info.value)


def test_a_signal_stops_it_and_is_told(tmp_path):
    class Interrupting(Toy):
        def terms(self, net, batch, at):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 15:
                signal.raise_signal(signal.SIGTERM)
            return super().terms(net, batch, at)

    with pytest.raises(Stopped) as caught:
        compare(recipe(), tmp_path, task=Interrupting(), progress=False)
    assert (caught.value.finished, caught.value.signal) == (1, signal.SIGTERM)


@pytest.mark.slow  # every process imports torch
def test_several_runs_at_a_time_give_the_same_weights(done, tmp_path):
    notes = []
    result = compare(recipe(), tmp_path, task=Toy(), jobs=2, progress=False, note=notes.append)
    assert result.contenders[0].curves[0].loss == pytest.approx(done[2].contenders[0].curves[0].loss, rel=1e-5)
    assert sum("runs are finished" in note for note in notes) == 3


def test_a_task_without_pictures_or_floor(tmp_path):
    class Bare(Toy):
        def floor(self, split):
            return None

        def picture(self, net, at, *, seed):
            return None

    result = compare(recipe(), tmp_path, task=Bare(), reference_point={"fit": 9.0, "size": 9.0}, progress=False)
    assert result.floor is None
    assert result.measure == "ratio"
    assert result.reference_point == {"fit": 9.0, "size": 9.0}
    assert not (tmp_path / "samples.png").exists()


def test_another_scalarisation_is_compared_under_its_own_loss(tmp_path):
    recipe_ = recipe(objective={"scalarisation": "chebyshev"}, evaluation__grid=2)
    result = compare(recipe_, tmp_path, task=Toy(), progress=False)
    for curve in (*result.references, *(each for contender in result.contenders for each in contender.curves)):
        for weights, loss, *terms in zip(curve.weights, curve.loss, *curve.terms.values(), strict=True):
            largest = max(weights[name] * term for name, term in zip(curve.terms, terms, strict=True))
            assert largest <= loss + 1e-6  # the mean of the largest is no less than the largest of the means
            assert loss < sum(weights[name] * term for name, term in zip(curve.terms, terms, strict=True))
    assert result.floor == 0.5
