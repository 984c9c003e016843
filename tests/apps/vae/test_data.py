from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from yoto.apps.vae import data as vae_data
from yoto.apps.vae.data import load_images
from yoto.apps.vae.options import VAEOptions
from yoto.data import cifar, hdf5, locate
from yoto.errors import YotoError
from yoto.task import SPLITS

FASHION = Path(locate.SOURCES["fashion-mnist"].system[0])
fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="Fashion-MNIST is not installed")


def check(data, channels, side):
    batch = data.batch(torch.arange(min(20, len(data))), None)
    assert batch.dtype == torch.float32
    assert batch.shape[1:] == (channels, side, side)
    assert batch.min() >= 0
    assert batch.max() <= 1
    assert batch.max() > 0.5
    return batch


def test_digits_are_split_once_and_for_all():
    parts = [load_images(VAEOptions(dataset="digits"), split) for split in SPLITS]
    assert [len(part) for part in parts] == [1297, 200, 300]
    for part in parts:
        check(part, 1, 8)
    pixels = torch.cat([part.batch(torch.arange(len(part))) for part in parts]).flatten(1)
    from sklearn.datasets import load_digits

    known = torch.from_numpy(load_digits().data).float() / 16
    assert torch.allclose(pixels.sum(0), known.sum(0), rtol=1e-3, atol=0.5)
    assert torch.equal(
        load_images(VAEOptions(dataset="digits"), "test").batch(torch.arange(5)), parts[2].batch(torch.arange(5))
    )


def test_a_limit_shortens_training_only():
    options = VAEOptions(dataset="digits", limit=50)
    assert [len(load_images(options, split)) for split in SPLITS] == [50, 200, 300]


@fashion
def test_fashion_mnist_has_the_known_entropy_and_sizes():
    parts = {split: load_images(VAEOptions(dataset="fashion-mnist"), split) for split in SPLITS}
    assert [len(parts[split]) for split in SPLITS] == [55_000, 5_000, 10_000]
    check(parts["train"], 1, 28)
    images = parts["test"].batch(torch.arange(10_000)).double()
    entropy = -(torch.xlogy(images, images) + torch.xlogy(1 - images, 1 - images)).sum() / 10_000
    assert float(entropy) == pytest.approx(189.858, abs=0.01)


@fashion
def test_validation_images_are_the_last_of_the_training_file():
    from yoto.data.idx import read_idx

    file = torch.from_numpy(read_idx(FASHION / "train-images-idx3-ubyte.gz"))
    found = load_images(VAEOptions(), "validation").batch(torch.tensor([0, 4999]))
    assert torch.equal(found.mul(255).round().byte()[:, 0], file[[55_000, 59_999]])


def test_an_idx_file_of_another_size_is_refused(tmp_path):
    content = struct.pack(">BBBB3I", 0, 0, 8, 3, 5, 28, 28) + bytes(5 * 28 * 28)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    with pytest.raises(YotoError, match=r"60000 images of 28x28 bytes\. Found: uint8 of shape 5x28x28"):
        load_images(VAEOptions(dataset="mnist", data=str(tmp_path)), "train")


def test_cifar_is_augmented_in_training_only(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "PER_FILE", 20)
    monkeypatch.setattr(vae_data, "HELD_OUT", 10)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records = np.random.default_rng(0).integers(0, 256, (20, 3073), dtype=np.uint8)
    records[:, 0] = 0
    for name in (*cifar.FILES["train"], *cifar.FILES["test"]):
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    parts = {split: load_images(VAEOptions(dataset="cifar10", data=str(folder)), split) for split in SPLITS}
    assert [len(parts[split]) for split in SPLITS] == [90, 10, 20]
    for split, part in parts.items():
        plain = check(part, 3, 32)
        changed = part.batch(torch.arange(len(plain)), torch.Generator().manual_seed(0))
        assert changed.shape == plain.shape
        assert torch.equal(changed, plain) == (split != "train")


def test_shapes_are_drawn_in_every_split():
    parts = {split: load_images(VAEOptions(dataset="shapes", limit=1000), split) for split in SPLITS}
    assert [len(parts[split]) for split in SPLITS] == [1000, 4_000, 96_000]
    check(parts["test"], 3, 64)


def test_3d_shapes_share_the_split_of_the_drawn_ones(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    from yoto.apps.vae.world import shapes

    monkeypatch.setattr(hdf5, "SHAPES3D", (40, 64, 64, 3))
    monkeypatch.setattr(shapes, "members", lambda split: torch.tensor([39, 0, 7]))
    images = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
        file.create_dataset("images", data=images, compression="gzip")
    data = load_images(VAEOptions(dataset="shapes3d", data=str(tmp_path)), "test")
    batch = check(data, 3, 64)
    assert torch.equal(batch.mul(255).round().byte(), torch.from_numpy(images[[39, 0, 7]]).movedim(-1, 1))


def test_a_folder_of_photographs(tmp_path):
    for number in range(40):
        Image.effect_noise((80, 60), 90).save(tmp_path / f"{number}.png")
    options = VAEOptions(dataset="folder", data=str(tmp_path), size=16, limit=100)
    parts = {split: load_images(options, split) for split in SPLITS}
    assert len(parts["train"]) == 100
    for split, part in parts.items():
        plain = check(part, 3, 16)
        changed = part.batch(torch.arange(len(plain)), torch.Generator().manual_seed(0))
        assert torch.equal(changed, plain) == (split != "train")
    with pytest.raises(YotoError, match="`data` should be a folder"):
        load_images(VAEOptions(dataset="folder"), "train")


def test_an_unknown_split_is_refused():
    with pytest.raises(YotoError, match=r"train, validation, test\. Found: 'eval'"):
        load_images(VAEOptions(dataset="digits"), "eval")


def test_deep_greys_keep_their_levels(deep_greys):
    data = load_images(VAEOptions(dataset="folder", data=str(deep_greys), size=16), "train")
    assert (data.batch(torch.arange(len(data))).mul(255) == 128).all()
