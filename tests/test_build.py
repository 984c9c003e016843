import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from training.toy import ToyTask, recipe
from yoto import condition, load, save
from yoto.build import build_data, build_objective, build_task, evaluation_points, own_lam, recipe_of
from yoto.bundle import Header
from yoto.errors import YotoError
from yoto.objective import SmoothChebyshev


def test_points_are_listed_ones_or_a_grid_and_a_given_count_comes_first():
    listed, grid = recipe(), recipe(evaluation={"grid": 5})
    assert evaluation_points(listed)[:, 1].tolist() == pytest.approx([0.1, 1.0, 10.0])
    assert torch.equal(evaluation_points(grid), grid.loss_space().grid(5))
    assert torch.equal(evaluation_points(listed, 7), grid.loss_space().grid(7))
    assert own_lam(listed) is None


def test_a_network_for_one_lambda_is_measured_there_alone():
    alone = recipe(fixed={"kl": 2.0})
    assert own_lam(alone).tolist() == [1.0, 2.0]
    assert evaluation_points(alone).tolist() == evaluation_points(alone, 7).tolist() == [[1.0, 2.0]]


def test_the_objective_is_as_the_recipe_says():
    assert build_objective(recipe(balance=0.5)).balance == 0.5
    assert build_objective(recipe(per_batch=True)).per_batch
    smooth = build_objective(recipe(objective={"scalarisation": "smooth-chebyshev", "smoothing": 0.2}))
    assert smooth.scalarisation == SmoothChebyshev(smoothing=0.2)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"scalarisation": "chebychev"}, "Did you mean 'chebyshev'"),
        ({"scalarisation": "chebyshev", "smoothing": 1.0}, "settings of its own"),
        ({"scalarisation": "chebyshev", "ideal": {"kI": 1.0}}, "Did you mean 'kl'"),
    ],
)
def test_an_objective_that_there_is_not_is_refused_with_the_recipe(section, message):
    with pytest.raises(YotoError, match=message):
        recipe(objective=section)


def test_a_model_without_a_recipe_is_an_error(tmp_path):
    header = Header(tmp_path / "a", 0, 0, "", recipe().loss_space(), None, None, None, {})
    with pytest.raises(YotoError, match="carry its recipe"):
        recipe_of(header)


@pytest.mark.parametrize(
    "data", [torch.zeros(4, 2), TensorDataset(torch.zeros(4, 2)), DataLoader(TensorDataset(torch.zeros(4, 2))), None]
)
def test_examples_of_another_kind_are_refused_in_one_line(data):
    class Other(ToyTask):
        def data(self, split):
            return data

    with pytest.raises(YotoError, match=rf"Other.data\('train'\) .*Found {type(data).__name__}") as info:
        build_data(Other(), "train")
    assert "\n" not in str(info.value)


def test_a_class_in_the_place_of_a_task_is_refused(tmp_path):
    with pytest.raises(YotoError, match=r"should be an object, ToyTask\(…\). Found the class"):
        build_task(recipe(), ToyTask)
    model = condition(torch.nn.Linear(2, 2), recipe().loss_space())
    save(model, tmp_path / "model.safetensors")
    with pytest.raises(YotoError, match="Found the class"):
        load(tmp_path / "model.safetensors", task=ToyTask)
