"""Data sets as random access to batches, and readers of the standard formats."""

from yoto.data.arrays import ArrayData, Augment, Data, DatasetData, SubsetData, Transform, to_unit

__all__ = ["ArrayData", "Augment", "Data", "DatasetData", "SubsetData", "Transform", "to_unit"]
