from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from yoto.data import cifar
from yoto.errors import YotoError

COUNT = 6


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setattr(cifar, "PER_FILE", COUNT)


@pytest.fixture
def batches():
    generator = np.random.default_rng(0)
    names = [*cifar.FILES["train"], *cifar.FILES["test"]]
    return {
        name: (
            generator.integers(0, 256, (COUNT, 3072), dtype=np.uint8),
            generator.integers(0, 10, COUNT, dtype=np.uint8),
        )
        for name in names
    }


def binary(batches):
    return {
        f"cifar-10-batches-bin/{name}.bin": np.column_stack([labels, pixels]).tobytes()
        for name, (pixels, labels) in batches.items()
    }


def pickled(batches, protocol=2):
    files = {"cifar-10-batches-py/batches.meta": b"not read"}
    for name, (pixels, labels) in batches.items():
        content = {b"data": pixels, b"labels": labels.tolist(), b"batch_label": b"x", b"filenames": [b"a.png"] * COUNT}
        files[f"cifar-10-batches-py/{name}"] = pickle.dumps(content, protocol)
    return files


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def unpack(folder, files):
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    return target.parent


@pytest.mark.parametrize("make", [binary, pickled])
@pytest.mark.parametrize("lay", ["archive", "folder"])
def test_all_forms_hold_the_same_images(tmp_path, batches, make, lay):
    files = make(batches)
    path = archive(tmp_path / "a.tar.gz", files) if lay == "archive" else unpack(tmp_path, files)
    for split, names in cifar.FILES.items():
        images, labels = cifar.read_cifar10(path, split)
        assert images.dtype == labels.dtype == np.uint8
        np.testing.assert_array_equal(images.reshape(-1, 3072), np.concatenate([batches[name][0] for name in names]))
        np.testing.assert_array_equal(labels, np.concatenate([batches[name][1] for name in names]))


def test_the_files_may_come_in_any_order(tmp_path, batches):
    shuffled = dict(sorted(binary(batches).items(), reverse=True))
    images, _ = cifar.read_cifar10(archive(tmp_path / "a.tar.gz", shuffled), "train")
    np.testing.assert_array_equal(images[0].ravel(), batches["data_batch_1"][0][0])


def python2_batch():
    """A pickle as Python 2 wrote the original files, with byte strings for everything."""
    raw = bytes(range(256)) * 12 * COUNT
    return (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
        b"\x87Rq\x05(K\x01K" + bytes([COUNT]) + b"M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U"
        b"\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
        b"U\x06labelsq\x08](" + b"".join(b"K" + bytes([label]) for label in range(COUNT)) + b"eu."
    )


def test_the_pickles_of_python_2_are_read(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(python2_batch())
    reference = pickle.loads(python2_batch(), encoding="bytes")
    images, labels = cifar.read_cifar10(folder, "test")
    np.testing.assert_array_equal(images.reshape(COUNT, -1), reference[b"data"])
    assert labels.tolist() == reference[b"labels"] == list(range(COUNT))


def test_arrays_stored_by_columns_are_read(tmp_path, batches):
    pixels, _ = batches["test_batch"]
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(with_test_batch(batches, data=np.asfortranarray(pixels)))
    np.testing.assert_array_equal(cifar.read_cifar10(folder, "test")[0].reshape(COUNT, -1), pixels)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_in_a_pickle_is_executed(tmp_path, batches, protocol):
    files = pickled(batches)
    files["cifar-10-batches-py/test_batch"] = pickle.dumps(
        {b"data": Attack(str(tmp_path / "harm")), b"labels": []}, protocol
    )
    with pytest.raises(YotoError, match=r"nothing but arrays.*mkdir"):
        cifar.read_cifar10(unpack(tmp_path, files), "test")
    assert not (tmp_path / "harm").exists()


def with_test_batch(batches, **changes):
    pixels, labels = batches["test_batch"]
    content = {b"data": pixels, b"labels": labels.tolist()} | {key.encode(): value for key, value in changes.items()}
    return pickle.dumps(content, 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda batches: with_test_batch(batches)[:-2000],
        lambda batches: b"",
        lambda batches: b"garbage",
        lambda batches: pickle.dumps([1, 2], 2),
        lambda batches: with_test_batch(batches, data=np.zeros((COUNT, 3072), dtype=np.float32)),
        lambda batches: with_test_batch(batches, data=np.zeros((COUNT, 3071), dtype=np.uint8)),
        lambda batches: with_test_batch(batches, data=np.zeros((3072, COUNT), dtype=np.uint8)),
        lambda batches: with_test_batch(batches, labels=[1]),
        lambda batches: with_test_batch(batches, labels=[300] * COUNT),
        lambda batches: with_test_batch(batches, labels=[10] * COUNT),
    ],
)
def test_a_damaged_pickle_is_refused(tmp_path, batches, damage):
    files = pickled(batches) | {"cifar-10-batches-py/test_batch": damage(batches)}
    with pytest.raises(YotoError, match="test_batch in") as caught:
        cifar.read_cifar10(archive(tmp_path / "a.tar.gz", files), "test")
    assert "\n" not in str(caught.value)


def test_a_cut_off_binary_file_is_refused(tmp_path, batches):
    files = binary(batches)
    files["cifar-10-batches-bin/test_batch.bin"] = files["cifar-10-batches-bin/test_batch.bin"][:-1]
    with pytest.raises(YotoError, match=r"should have 18438 bytes\. Found: 18437"):
        cifar.read_cifar10(unpack(tmp_path, files), "test")


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.98])
def test_a_cut_off_archive_is_refused(tmp_path, batches, keep):
    path = archive(tmp_path / "a.tar.gz", binary(batches))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(YotoError, match=r"damaged data|should contain"):
        cifar.read_cifar10(path, "test")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(gzip.compress(b"no archive"))
    with pytest.raises(YotoError, match=r"whole \.tar\.gz archive"):
        cifar.read_cifar10(path, "train")
    with pytest.raises(YotoError, match="No such file"):
        cifar.read_cifar10(tmp_path / "none.tar.gz", "train")
    with pytest.raises(YotoError, match=r"should contain data_batch_1.bin or data_batch_1"):
        cifar.read_cifar10(tmp_path, "train")


def test_an_absurdly_large_file_is_not_read(tmp_path, batches, monkeypatch):
    monkeypatch.setattr(cifar, "LARGEST", 100)
    for path in (archive(tmp_path / "a.tar.gz", binary(batches)), unpack(tmp_path, binary(batches))):
        with pytest.raises(YotoError, match="under 64 MiB"):
            cifar.read_cifar10(path, "test")
