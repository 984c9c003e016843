import pytest
import torch

from yoto.errors import YotoError
from yoto.training.order import Order


def test_every_epoch_visits_each_sample_once_and_in_another_order():
    order = Order(10, 4, seed=0)
    visited = torch.cat([order.indices(step) for step in range(5)])
    assert sorted(visited[:10].tolist()) == sorted(visited[10:].tolist()) == list(range(10))
    assert visited[:10].tolist() != visited[10:].tolist()


def test_the_order_of_a_step_does_not_depend_on_earlier_steps():
    first = Order(10, 4, seed=3)
    for step in range(7):
        first.indices(step)
    assert torch.equal(first.indices(7), Order(10, 4, seed=3).indices(7))


def test_a_batch_may_exceed_the_data():
    assert sorted(Order(3, 9, seed=0).indices(1).tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_no_data_is_an_error():
    with pytest.raises(YotoError, match="at least one sample"):
        Order(0, 4, seed=0)
