from __future__ import annotations

import pytest

from comparison.toy import recipe
from yoto.comparison.plan import make_plan
from yoto.errors import YotoError


def planned(base=None, **changes):
    arguments = {"points": None, "seeds": None, "multiples": (1.0,), "others": (), **changes}
    return make_plan(base or recipe(), **arguments)


def test_a_run_per_seed_and_model():
    plan = planned(seeds=2, multiples=(1.0, 2.0), others=[recipe(name="The other one")])
    names = ["conditional-1x", "conditional-2x", "the-other-one", "fixed-size-0.1", "fixed-size-10"]
    assert list(plan.runs()) == [f"{name}-seed-{seed}" for seed in (0, 1) for name in names]
    assert [arm.label for arm in plan.arms] == ["conditional, 1x steps", "conditional, 2x steps", "The other one"]


def test_seeds_count_from_the_recipes():
    plan = planned(recipe(seed=5), seeds=2)
    assert plan.seeds == (5, 6)
    assert [r.seed for r in plan.runs().values()] == [5, 5, 5, 6, 6, 6]
    assert planned(seeds=[3]).seeds == (3,)
    assert planned(recipe(comparison__seeds=2)).seeds == (0, 1)


def test_the_fixed_side_has_its_point_and_its_overrides():
    fixed = planned().runs()["fixed-size-10-seed-0"]
    assert fixed.fixed == {"size": 10.0}
    assert fixed.training.lr == 0.02
    assert planned().runs()["conditional-1x-seed-0"].training.lr == 0.01


def test_more_steps_stretch_the_milestones_too():
    plan = planned(recipe(training__milestones=[4, 8]), multiples=(2.5,))
    training = plan.arms[0].recipes[0].training
    assert (training.steps, training.milestones) == (30, [10, 20])
    assert plan.references[0][0].training.steps == 12


def test_points_may_be_lists_or_complete():
    assert planned(points={"size": [1.0]}).points == ({"size": 1.0},)
    assert planned(points=[{"size": 1.0}, {"size": 2.0}]).points == ({"size": 1.0}, {"size": 2.0})


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        ({}, {"points": {"size": [100.0]}}, "size"),
        ({}, {"points": {"weight": [1.0]}}, "weight"),
        ({}, {"points": []}, "`points`"),
        ({"comparison__points": None}, {}, "`points`"),
        ({}, {"points": {"size": [1.0, 1.0]}}, "twice"),
        ({}, {"seeds": 0}, "`seeds`"),
        ({}, {"seeds": [1, 1]}, "`seeds`"),
        ({}, {"multiples": ()}, "`multiples`"),
        ({}, {"multiples": (0,)}, "`multiples`"),
        ({"fixed": {"size": 1.0}}, {}, "conditional"),
        ({}, {"others": [recipe(name="a"), recipe(name="a")]}, "twice"),
        ({}, {"others": [recipe(space={"fit": 2.0, "size": recipe().space["size"]})]}, "same loss"),
        ({}, {"others": [recipe(space={"other": 1.0, "size": recipe().space["size"]})]}, "loss parameters"),
    ],
)
def test_nothing_to_compare_is_an_error(base, changes, message):
    with pytest.raises(YotoError, match=message):
        planned(recipe(**base), **changes)
