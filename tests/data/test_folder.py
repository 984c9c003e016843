from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from yoto.data.folder import photograph, pictures_in, read_crops, split_of
from yoto.errors import YotoError

NAMES = [f"photograph-{number}.png" for number in range(40)]


def paint(path, width=100, height=70, value=0):
    """A picture whose red and green are the pixel's column and row, and whose blue tells it from others."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    Image.fromarray(np.stack([x, y, np.full_like(x, value)], axis=2).astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "more").mkdir()
    for value, name in enumerate(NAMES):
        paint((tmp_path / "more" if value % 2 else tmp_path) / name, value=value)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_crops_are_parts_of_the_photographs_without_overlap(folder):
    crops = read_crops(folder, "train", size=32)
    assert crops.dtype == np.uint8
    corners = {tuple(crop[:, 0, 0]) for crop in crops}
    assert len(corners) == len(crops)
    assert {corner[0] for corner in corners} == {2, 34, 66}
    assert {corner[1] for corner in corners} == {3, 35}
    assert all((np.diff(crop[0], axis=1) == 1).all() and (np.diff(crop[1], axis=0) == 1).all() for crop in crops)


def test_a_photograph_is_in_one_split_only(folder):
    origin = {split: set(read_crops(folder, split)[:, 2, 0, 0].tolist()) for split in ("train", "validation", "test")}
    assert origin["train"] | origin["validation"] | origin["test"] == set(range(len(NAMES)))
    assert sum(map(len, origin.values())) == len(NAMES)
    assert len(origin["train"]) > len(origin["validation"]) + len(origin["test"])
    assert origin["test"] == {value for value, name in enumerate(NAMES) if split_of(name) == "test"}


def test_new_photographs_leave_the_others_where_they_were(folder):
    before = read_crops(folder, "test")
    for number in range(40, 60):
        paint(folder / f"photograph-{number}.png", value=number)
    after = read_crops(folder, "test")
    assert len(after) > len(before)
    np.testing.assert_array_equal(after[after[:, 2, 0, 0] < 40], before)


def test_a_limit_keeps_the_first_crops(folder):
    np.testing.assert_array_equal(read_crops(folder, "train", limit=7), read_crops(folder, "train")[:7])


def test_large_photographs_are_shrunk_and_turned_upright(tmp_path):
    paint(tmp_path / "a.png", 640, 320)
    assert photograph(tmp_path / "a.png", 8).shape == (64, 128, 3)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (90, 60)).save(tmp_path / "b.jpg", exif=turned)
    assert photograph(tmp_path / "b.jpg", 32).shape == (90, 60, 3)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_other_colour_modes_become_rgb(tmp_path, mode):
    name = "a.jpg" if mode == "CMYK" else "a.png"
    Image.new("RGB", (40, 40), (255, 255, 255)).convert(mode).save(tmp_path / name)
    assert (photograph(tmp_path / name, 32) == 255).all()


def test_damaged_and_small_photographs_are_named(tmp_path):
    paint(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.jpg").write_text("hello")
    paint(tmp_path / "small.png", 31, 90)
    for name, message in (("cut.png", "damaged"), ("text.jpg", "damaged"), ("small.png", "Found: 31x90")):
        with pytest.raises(YotoError, match=message) as caught:
            photograph(tmp_path / name, 32)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(YotoError, match="no such folder"):
        read_crops(tmp_path / "none", "train")
    with pytest.raises(YotoError, match="Found: 0 photographs"):
        read_crops(tmp_path, "train")


def test_links_to_folders_are_followed_and_no_folder_is_read_twice(tmp_path):
    root, beside = tmp_path / "photos", tmp_path / "beside"
    for folder in (root / "own", beside / "inner"):
        folder.mkdir(parents=True)
        (folder / f"{folder.name}.png").touch()
    (root / "linked").symlink_to(beside)
    (root / "again").symlink_to(beside / "inner")
    (beside / "inner" / "loop").symlink_to(root)
    assert sorted(file.name for file in pictures_in(root)) == ["inner.png", "own.png"]


def test_pictures_of_one_name_come_in_the_order_of_their_folders(tmp_path, monkeypatch):
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0001.png").touch()
    walk = os.walk
    for order in (list, lambda found: list(found)[::-1]):
        monkeypatch.setattr(os, "walk", lambda *given, order=order, **named: order(walk(*given, **named)))
        assert [file.parent.name for file in pictures_in(tmp_path)] == ["a", "b", "c"]


def test_a_folder_that_cannot_be_read_is_no_folder_without_pictures(tmp_path):
    with pytest.raises(YotoError, match="can be read") as info:
        pictures_in(tmp_path / "gone")
    assert "\n" not in str(info.value)
