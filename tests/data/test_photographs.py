"""Packed photographs: crops lie inside, are the same on every path, and come from every size."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from yoto.data import photographs
from yoto.data.images import read_photograph
from yoto.data.photographs import PhotographCrops, files_of, packed, read_whole
from yoto.errors import YotoError


def packed_ramps():
    """Two pictures whose pixels tell where they are: red is the row, green the column, blue the picture."""
    parts, shapes, start = [], [], 0
    for number, (height, width) in enumerate([(40, 60), (50, 33)]):
        rows, columns = np.mgrid[:height, :width]
        image = np.stack([rows, columns, np.full_like(rows, number)]).astype(np.uint8)
        parts.append(image.ravel())
        shapes.append((start, height, width))
        start += image.size
    return torch.from_numpy(np.concatenate(parts)), torch.tensor(shapes)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_crops_are_parts_of_a_picture_turned_or_mirrored():
    data = PhotographCrops(*packed_ramps(), 16)
    seen = set()
    for seed in range(40):
        for crop in data.batch(torch.arange(4), generator(seed)).mul(255).round().long():
            rows, columns, number = crop
            assert number.unique().numel() == 1
            if (rows[0] != rows[0, 0]).any():
                rows, columns = rows.T, columns.T
                turned = True
            else:
                turned = False
            assert (rows == rows[:, :1]).all()
            steps = int(rows[1, 0] - rows[0, 0]), int(columns[0, 1] - columns[0, 0])
            assert abs(steps[0]) == abs(steps[1]) == 1
            height, width = ((40, 60), (50, 33))[int(number[0, 0])]
            assert rows.max() < height
            assert columns.max() < width
            seen.add((turned, *steps))
    assert len(seen) == 8


def test_gathering_gives_what_cutting_gives():
    pixels, shapes = packed_ramps()
    data = PhotographCrops(pixels, shapes, 16)
    draw = torch.rand(5, 64, generator=generator(0))
    which = (draw[0] * 2).long()
    start, height, width = shapes[which].unbind(1)
    top, left = (draw[1] * (height - 15)).long(), (draw[2] * (width - 15)).long()
    turn = (draw[3] * 8).long()
    together = data.gather(start, height, width, top, left, turn)
    for i in range(64):
        alone = data.cut(*(int(v[i]) for v in (start, height, width, top, left, turn)))
        assert torch.equal(together[i], alone)


def test_batches_repeat_with_the_generator():
    data = PhotographCrops(*packed_ramps(), 16)
    a, b = (data.batch(torch.arange(8), generator(3)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, data.batch(torch.arange(8), generator(4)))
    assert torch.equal(a, data.to("cpu").batch(torch.arange(8), generator(3)))


def test_pictures_are_drawn_by_their_area():
    data = PhotographCrops(*packed_ramps(), 16)
    crops = data.batch(torch.arange(4000), generator(0))
    share = (crops[:, 2, 0, 0] == 0).float().mean()
    assert share.item() == pytest.approx(2400 / (2400 + 1650), abs=0.03)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("validation", 2)):
        (tmp_path / split).mkdir()
        for i in range(count):
            size = (80, 130) if i % 2 else (140, 96)
            Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(tmp_path / split / f"{i}.png")
    return tmp_path


def test_every_size_that_holds_a_crop_is_kept(folder):
    pixels, shapes = packed(tuple(files_of(folder, "train")), 64)
    heights = sorted(int(min(h, w)) for _, h, w in shapes)
    assert heights[0] >= 64
    assert len(shapes) == 2 * 3 + 2  # 0.94, 0.80 and 0.68 of 96; 0.94 and 0.80 of 80
    assert int((shapes[:, 1] * shapes[:, 2] * 3).sum()) == len(pixels)


def test_whole_photographs_share_a_size(folder):
    data = read_whole(files_of(folder, "validation"), 32)
    batch = data.batch(torch.arange(2))
    assert batch.shape == (2, 3, 64, 128)
    assert 0 <= batch.min() < batch.max() <= 1


def test_folders_without_sub_folders_are_split_by_name(tmp_path):
    for i in range(40):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{i}.png")
    found = {split: {f.name for f in files_of(tmp_path, split)} for split in ("train", "validation", "test")}
    assert sum(map(len, found.values())) == 40
    assert len(found["train"]) > 20


def test_missing_and_damaged_files_are_named(folder, tmp_path):
    with pytest.raises(YotoError, match="no such folder"):
        files_of(tmp_path / "none", "train")
    with pytest.raises(YotoError, match="sub-folder test is missing"):
        files_of(folder, "test")
    (folder / "train" / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(YotoError, match=r"0\.png' should be a photograph. Found: damaged"):
        read_photograph(folder / "train" / "0.png")
    with pytest.raises(YotoError, match="at least 1000"):
        packed((folder / "train" / "1.png",), 940)
    assert photographs.SCALES[0] < 1


def test_a_sub_folder_of_any_split_says_that_there_are_such(folder, tmp_path):
    root = tmp_path / "some"
    shutil.copytree(folder / "train", root / "validation")
    assert len(files_of(root, "validation")) == len(list((folder / "train").iterdir()))
    with pytest.raises(YotoError, match="a sub-folder train is missing"):
        files_of(root, "train")
