"""The one thing training and evaluation ask of data: a batch for given indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, default_collate

from yoto.errors import YotoError

Transform = Callable[[Tensor], Tensor]
Augment = Callable[[Tensor, torch.Generator], Tensor]


@runtime_checkable
class Data(Protocol):
    """A fixed number of examples, read in batches by index.

    The caller decides the order, so that a run can be resumed at any step: nothing here has a state.
    """

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        """The examples at `indices`.

        Args:
            indices: [B] int64 on the CPU, each in [0, len).
            generator: Source of random augmentation, on the CPU; None for evaluation, without augmentation.

        Returns:
            A batch on the data's device. Images are float [B, C, H, W] in [0, 1].
        """
        ...

    def to(self, device: torch.device | str) -> Data:
        """The same examples, whose batches lie on `device`."""
        ...


@final
class ArrayData:
    """Examples held in one tensor, on any device; whole small data sets fit on a GPU as uint8.

    Args:
        images: [N, ...], usually uint8 [N, C, H, W].
        transform: Applied to every batch of rows, for example `to_unit`.
        augment: Applied after `transform` when a generator is given: `augment(batch, generator)`.

    Raises:
        YotoError: If it is no tensor, or there is no example.
    """

    def __init__(self, images: Tensor, transform: Transform | None = None, augment: Augment | None = None) -> None:
        if not isinstance(images, Tensor):
            raise YotoError(
                f"`images` should be one tensor [N, ...]. Found {type(images).__name__}. Usually: torch.as_tensor of "
                "an array; what belongs together comes as DatasetData(TensorDataset(x, y))."
            )
        if images.dim() < 1 or len(images) == 0:
            raise YotoError(f"`images` should hold at least one example. Found: shape {tuple(images.shape)}.")
        self.images = images
        self.transform = transform
        self.augment = augment

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Rows `indices` [B], transformed, and augmented if `generator` is given."""
        check_indices(indices, len(self))
        rows = self.images[indices.to(self.images.device)]
        if self.transform is not None:
            rows = self.transform(rows)
        if self.augment is not None and generator is not None:
            rows = self.augment(rows, generator)
        return rows

    def to(self, device: torch.device | str) -> ArrayData:
        """The same examples on `device`."""
        return ArrayData(self.images.to(device), self.transform, self.augment)


@final
class DatasetData:
    """A map-style `torch.utils.data.Dataset` as `Data`.

    The data set's own random augmentation, if it has any, is outside the reach of `generator`. A training run repeats
    it where it draws from the global random numbers of torch, Python or numpy.

    Args:
        dataset: Has `__len__` and `__getitem__`.
        device: Where collated batches go.
    """

    def __init__(self, dataset: Any, device: torch.device | str = "cpu") -> None:
        missing = [name for name in ("__len__", "__getitem__") if not hasattr(dataset, name)]
        if missing or isinstance(dataset, IterableDataset):  # the latter inherits a __getitem__ that does nothing
            lacks = " and ".join(missing) or "__getitem__"
            raise YotoError(
                f"`dataset` should be a map-style data set. Found: {type(dataset).__name__} without {lacks}. "
                "Usually: an iterable data set, which has no order to resume from."
            )
        self.dataset = dataset
        self.device = torch.device(device)

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        """Examples `indices` [B], put together by torch's `default_collate`.

        Raises:
            YotoError: If they do not fit together.
        """
        check_indices(indices, len(self))
        examples = [self.dataset[index] for index in indices.tolist()]
        try:
            batch = default_collate(examples)
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            raise YotoError(
                "Examples of a data set should fit together as a batch, as torch's default_collate puts them. Found: "
                f"{' '.join(str(error).split()) or type(error).__name__}. Usually: pad or crop them to one size."
            ) from None
        return move(batch, self.device)

    def to(self, device: torch.device | str) -> DatasetData:
        """The same data set, its batches on `device`."""
        return DatasetData(self.dataset, device)


@final
class SubsetData:
    """Some of the examples of another `Data`, in the order given.

    Args:
        data: Where the examples are.
        members: [N] int64 on the CPU, their indices there.
    """

    def __init__(self, data: Data, members: Tensor) -> None:
        check_indices(members, len(data))
        self.data = data
        self.members = members

    def __len__(self) -> int:
        return len(self.members)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        """Examples `indices` [B] of the subset."""
        check_indices(indices, len(self))
        return self.data.batch(self.members[indices], generator)

    def to(self, device: torch.device | str) -> SubsetData:
        """The same examples on `device`. All of `data` goes there, not the members alone."""
        return SubsetData(self.data.to(device), self.members)


def check_indices(indices: Any, size: int) -> None:
    """Refuse indices outside [0, size), of which a GPU tells late and without a name, and masks, whose values would be
    taken for indices 0 and 1.
    """
    if not isinstance(indices, Tensor) or indices.dtype not in (torch.int64, torch.int32) or indices.ndim != 1:
        found = f"{indices.dtype}, {indices.ndim} dimensions" if isinstance(indices, Tensor) else type(indices).__name__
        raise YotoError(f"`indices` should be a tensor [B] of int64. Found: {found}. A mask has mask.nonzero()[:, 0].")
    if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= size):
        raise YotoError(f"`indices` should lie in 0..{size - 1}. Found: {int(indices.min())}..{int(indices.max())}.")


def move(batch: Any, device: torch.device) -> Any:
    """Every tensor of a nested batch on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(move(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(move(value, device) for value in batch)
    return batch
