import pytest
import torch

from yoto.errors import YotoError
from yoto.training.streams import Order, derive, generator


def test_a_stream_depends_on_seed_and_keys_alone():
    assert derive(0, "noise", 5) == derive(0, "noise", 5)
    others = {derive(seed, name, step) for seed in (0, 1) for name in ("noise", "lambda") for step in range(10)}
    assert len(others) == 40
    assert all(0 <= value < 2**63 for value in others)


def test_derived_seeds_never_change():
    assert derive(0, "init") == 7797302695267191734


def test_generators_of_one_stream_draw_the_same():
    draws = [torch.rand(3, generator=generator(1, "lambda", 2)) for _ in range(2)]
    assert torch.equal(*draws)


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
