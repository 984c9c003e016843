from __future__ import annotations

from collections import namedtuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import IterableDataset, TensorDataset

from yoto.data import ArrayData, DatasetData, SubsetData, to_unit
from yoto.errors import YotoError

IMAGES = torch.arange(10 * 3 * 2 * 2, dtype=torch.uint8).reshape(10, 3, 2, 2)


def brighten(batch, generator):
    return batch + torch.rand(len(batch), 1, 1, 1, generator=generator)


def test_rows_are_gathered_in_the_order_asked_for():
    data = ArrayData(IMAGES)
    rows = torch.tensor([7, 0, 7])
    assert len(data) == 10
    assert torch.equal(data.batch(rows, None), IMAGES[rows])


def test_augmentation_needs_a_generator_and_follows_it():
    data = ArrayData(IMAGES, to_unit, brighten)
    rows = torch.arange(4)
    plain = data.batch(rows, None)
    first, again = (data.batch(rows, torch.Generator().manual_seed(3)) for _ in range(2))
    other = data.batch(rows, torch.Generator().manual_seed(4))
    assert torch.equal(plain, to_unit(IMAGES[:4]))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, plain)


@pytest.mark.parametrize("rows", [[-1], [10], [0, 3, 99]])
def test_indices_out_of_range_are_refused(rows):
    for data in (
        ArrayData(IMAGES),
        DatasetData(TensorDataset(IMAGES)),
        SubsetData(ArrayData(IMAGES), torch.arange(10)),
    ):
        with pytest.raises(YotoError, match=r"should lie in 0\.\.9"):
            data.batch(torch.tensor(rows))


def test_no_example_is_refused():
    with pytest.raises(YotoError, match="at least one example"):
        ArrayData(torch.zeros(0, 3, 2, 2))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.data())
def test_a_subset_of_a_subset_reads_the_same_rows(members, drawn):
    outer = SubsetData(ArrayData(IMAGES), torch.tensor(members))
    inner = drawn.draw(st.lists(st.integers(0, len(members) - 1), min_size=1, max_size=20))
    batch = SubsetData(outer, torch.tensor(inner)).batch(torch.arange(len(inner)))
    assert torch.equal(batch, IMAGES[[members[index] for index in inner]])


def test_a_map_style_data_set_is_collated():
    labels = torch.arange(10)
    images, found = DatasetData(TensorDataset(IMAGES, labels)).batch(torch.tensor([4, 2]), None)
    assert torch.equal(images, IMAGES[[4, 2]])
    assert found.tolist() == [4, 2]


def test_nested_batches_move_as_a_whole():
    Pair = namedtuple("Pair", "image label")
    items = [{"pair": Pair(torch.zeros(2), index), "name": str(index)} for index in range(3)]
    batch = DatasetData(items).to("meta").batch(torch.arange(3))
    assert batch["pair"].image.device.type == "meta"
    assert type(batch["pair"]).__name__ == "Pair"
    assert batch["name"] == ["0", "1", "2"]


def test_an_iterable_data_set_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(())

    class Counted(Stream):
        def __len__(self):
            return 3

    with pytest.raises(YotoError, match="Stream without __len__"):
        DatasetData(Stream())
    with pytest.raises(YotoError, match="Counted without __getitem__"):
        DatasetData(Counted())


@pytest.mark.parametrize(
    ("examples", "found"),
    [
        ([torch.zeros(3), torch.zeros(2)], "equal size"),
        ([None, None], "NoneType"),
        ([{"x": 1}, {"y": 1}], "'x'"),
        ([[1, 2], [1]], "equal size"),
    ],
)
def test_examples_that_do_not_fit_together_are_told_in_one_line(examples, found):
    with pytest.raises(YotoError, match=f"fit together as a batch.*{found}.*pad or crop"):
        DatasetData(examples).batch(torch.arange(2))


def test_moving_keeps_the_examples():
    assert len(ArrayData(IMAGES, to_unit).to("cpu")) == 10
    assert SubsetData(ArrayData(IMAGES), torch.arange(4)).to("meta").batch(torch.arange(2)).device.type == "meta"


@pytest.mark.parametrize("images", [IMAGES.numpy(), [[1.0, 2.0]], (IMAGES, IMAGES), None])
def test_what_is_no_tensor_is_refused_and_told_where_it_belongs(images):
    with pytest.raises(YotoError, match=f"one tensor.*Found {type(images).__name__}") as info:
        ArrayData(images)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    "members", [torch.ones(10, dtype=torch.bool), torch.tensor([1.0]), torch.tensor(3), [1, 2], range(3)]
)
def test_a_mask_or_something_else_is_not_taken_for_indices(members):
    with pytest.raises(YotoError, match=r"tensor \[B\] of int64"):
        SubsetData(ArrayData(IMAGES), members)
    with pytest.raises(YotoError, match=r"tensor \[B\] of int64"):
        ArrayData(IMAGES).batch(members)
