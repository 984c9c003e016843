"""The search by a Gaussian process."""

import pytest

from curves.selection.problems import MIXED, brute_force, mixed, problem
from yoto.curves.selection.evaluations import Budget
from yoto.errors import YotoError


def test_few_evaluations_come_close_to_brute_force():
    pytest.importorskip("optuna")
    wanted = ("a", None, ["b <= 3", "c <= 6"])
    task = problem(mixed, MIXED, wanted, method="optuna", budget=Budget(25))
    found, limited = task.solve()
    best = task.request.cost(brute_force(mixed, MIXED, wanted))
    assert task.request.feasible(found)
    assert task.request.cost(found) <= best + 0.1 * abs(best)
    assert task.budget.used <= 25
    assert limited in (None, "evaluations")


def test_its_absence_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    task = problem(mixed, MIXED, ("a", None, ["b <= 3"]), method="optuna")
    with pytest.raises(YotoError, match=r"needs optuna. Found none. Install it with pip install '.\[optuna\]'"):
        task.solve()
