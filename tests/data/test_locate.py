from __future__ import annotations

from dataclasses import replace

import pooch
import pytest

from yoto.data import locate
from yoto.errors import YotoError

CIFAR = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
TRAIN = ("train-images-idx3-ubyte.gz",)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty cache, no system folder, and a download that fails."""
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
    for name, source in locate.SOURCES.items():
        monkeypatch.setitem(locate.SOURCES, name, replace(source, system=(str(tmp_path / "system" / name),)))

    def offline(*arguments, **options):
        raise OSError("no network\nhere")

    monkeypatch.setattr(pooch, "retrieve", offline)


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("inside", [".", "fashion-mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"])
def test_a_given_folder_is_searched(tmp_path, inside, name):
    file = put(tmp_path / "data" / inside / name)
    assert locate.find("fashion-mnist", TRAIN, str(tmp_path / "data")) == file


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py/x", "cifar-10-batches-bin/x"])
def test_every_form_of_cifar_is_found(tmp_path, name):
    file = put(tmp_path / name)
    file = file.parent if file.name == "x" else file
    assert locate.find("cifar10", CIFAR, str(tmp_path)) == file
    assert locate.find("cifar10", CIFAR, str(file)) == file


def test_the_file_itself_may_be_given_under_any_name(tmp_path):
    file = put(tmp_path / "mine.h5")
    assert locate.find("shapes3d", ("3dshapes.h5",), str(file)) == file


def test_a_given_folder_is_searched_alone(tmp_path):
    put(tmp_path / "system/fashion-mnist" / TRAIN[0])
    (tmp_path / "data").mkdir()
    for folder, found in (("data", "a folder without it"), ("none", "no such folder")):
        with pytest.raises(YotoError, match=f"should contain train-images-idx3-ubyte.gz. Found: {found}"):
            locate.find("fashion-mnist", TRAIN, str(tmp_path / folder))


def test_environment_then_system_then_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("YOTO_DATA", str(tmp_path / "mine"))
    cached = put(tmp_path / "cache/fashion-mnist" / TRAIN[0])
    assert locate.find("fashion-mnist", TRAIN) == cached
    system = put(tmp_path / "system/fashion-mnist" / TRAIN[0])
    assert locate.find("fashion-mnist", TRAIN) == system
    mine = put(tmp_path / "mine/fashion-mnist" / TRAIN[0])
    assert locate.find("fashion-mnist", TRAIN) == mine


def test_data_sets_with_the_same_file_names_are_not_mixed_up(tmp_path, monkeypatch):
    monkeypatch.setenv("YOTO_DATA", str(tmp_path / "mine"))
    put(tmp_path / "mine" / TRAIN[0])
    put(tmp_path / "mine/mnist" / TRAIN[0])
    with pytest.raises(YotoError, match="fashion-mnist should be on this machine"):
        locate.find("fashion-mnist", TRAIN)


def test_a_download_is_checked_and_kept(tmp_path, monkeypatch):
    asked = {}

    def retrieve(url, known_hash, fname, path, downloader):
        asked.update(url=url, known_hash=known_hash)
        return str(put(path / fname))

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    path = locate.find("cifar10", CIFAR)
    assert path == tmp_path / "cache/cifar10/cifar-10-binary.tar.gz"
    assert asked["url"] == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert asked["known_hash"].startswith("sha256:c4a38c50a1bc")
    monkeypatch.setattr(pooch, "retrieve", None)
    assert locate.find("cifar10", CIFAR) == path


@pytest.mark.parametrize("dataset", sorted(locate.SOURCES))
def test_every_file_has_a_checksum_and_a_failure_says_what_to_do(dataset):
    for name, checksum in locate.SOURCES[dataset].files.items():
        assert len(bytes.fromhex(checksum)) == 32
        with pytest.raises(YotoError) as caught:
            locate.find(dataset, (name,))
        message = str(caught.value)
        assert name in message
        assert "data=FOLDER" in message
        assert "no network here" in message
        assert "\n" not in message


def test_nothing_is_fetched_when_downloads_are_off(monkeypatch):
    monkeypatch.setattr(pooch, "retrieve", None)
    with pytest.raises(YotoError, match="put it in"):
        locate.find("mnist", TRAIN, download=False)


def test_a_wrong_checksum_is_refused(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")

    class Server:
        def __call__(self, url, output_file, *rest, **options):
            with open(output_file, "wb") as file:  # noqa: PTH123 (a name or an open file)
                file.write(b"something else")

    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **options: Server())
    with pytest.raises(YotoError, match="The download failed"):
        locate.find("mnist", TRAIN)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
