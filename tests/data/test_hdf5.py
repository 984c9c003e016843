from __future__ import annotations

import os

import numpy as np
import pytest

from yoto.data.hdf5 import read_images
from yoto.errors import YotoError

h5py = pytest.importorskip("h5py")
SHAPE = (50, 8, 8, 3)
IMAGES = np.random.default_rng(0).integers(0, 4, SHAPE, dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
        file.create_dataset("images", data=IMAGES, compression="gzip", chunks=(7, 4, 4, 1))
        file.create_dataset("labels", data=np.zeros((50, 6)))
    return tmp_path / "3dshapes.h5"


def test_images_are_unpacked_once_and_then_mapped(path):
    np.testing.assert_array_equal(read_images(path, SHAPE), IMAGES)
    unpacked = path.with_name("3dshapes-images.npy")
    written = unpacked.stat().st_mtime_ns
    np.testing.assert_array_equal(read_images(path, SHAPE), IMAGES)
    assert unpacked.stat().st_mtime_ns == written
    assert sorted(file.name for file in path.parent.iterdir()) == ["3dshapes-images.npy", "3dshapes.h5"]


def test_a_newer_file_is_unpacked_again(path):
    read_images(path, SHAPE)
    with h5py.File(path, "r+") as file:
        file["images"][0] = 0
    later = path.with_name("3dshapes-images.npy").stat().st_mtime + 10
    os.utime(path, (later, later))
    assert not read_images(path, SHAPE)[0].any()


def test_writing_to_the_images_changes_no_file(path):
    read_images(path, SHAPE)[:] = 0
    np.testing.assert_array_equal(read_images(path, SHAPE), IMAGES)


def test_another_shape_or_name_is_refused(path):
    with pytest.raises(YotoError, match=r"shape 10x8x8x3\. Found: uint8 of shape 50x8x8x3"):
        read_images(path, (10, 8, 8, 3))
    with pytest.raises(YotoError, match=r"data set 'pictures'\. Found: images, labels"):
        read_images(path, SHAPE, key="pictures")


@pytest.mark.parametrize("held", [h5py.Empty("u1"), h5py.ExternalLink("elsewhere.h5", "/images"), h5py.SoftLink("/no")])
def test_a_name_without_images_behind_it_is_refused(path, held):
    with h5py.File(path, "w") as file:
        file["images"] = held
    with pytest.raises(YotoError, match="should have a data set 'images'"):
        read_images(path, SHAPE)


@pytest.mark.parametrize("damage", ["cut", "overwritten", "foreign"])
def test_a_damaged_file_is_refused_and_leaves_nothing_behind(path, damage):
    content = path.read_bytes()
    with h5py.File(path) as file:
        start = file["images"].id.get_chunk_info(20).byte_offset + 4
    damaged = {
        "cut": content[:-100],
        "overwritten": content[:start] + bytes(30) + content[start + 30 :],
        "foreign": b"no such format",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(YotoError, match="whole HDF5 file") as caught:
        read_images(path, SHAPE)
    assert "\n" not in str(caught.value)
    assert [file.name for file in path.parent.iterdir()] == ["3dshapes.h5"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(YotoError, match=r"none\.h5"):
        read_images(tmp_path / "none.h5", SHAPE)


def test_a_damaged_unpacked_file_is_refused(path):
    read_images(path, SHAPE)
    unpacked = path.with_name("3dshapes-images.npy")
    unpacked.write_bytes(unpacked.read_bytes()[:-5])
    with pytest.raises(YotoError, match="delete it, it is written again"):
        read_images(path, SHAPE)
