"""Recipes of the style task complete themselves with the names of the paintings."""

import pytest

from apps.style import toy
from yoto.apps.style.options import BANK, BUNDLED, PARAMETERS, name_of, painting_file, pictures
from yoto.errors import YotoError
from yoto.recipe import from_dict, read


def test_the_bank_is_the_default():
    recipe = read("style/bank")
    assert tuple(recipe.options["paintings"]) == BANK
    assert recipe.loss_space().names == (*PARAMETERS, *(f"painting:{name}" for name in BANK))
    assert len(BANK) >= 8


def test_a_folder_of_paintings_takes_its_place(tmp_path):
    toy.paintings(tmp_path / "mine")
    recipe = toy.recipe(tmp_path / "mine")
    assert recipe.options["paintings"] == list(toy.NAMES)
    assert recipe.loss_space().parameters["painting"].to_dict()["options"] == list(toy.NAMES)
    assert from_dict(recipe.to_dict()) == recipe


def test_one_painting_needs_no_choice(tmp_path):
    recipe = read("style/bank", ["paintings=[great-wave]"])
    assert "painting" not in recipe.loss_space().names
    assert len(recipe.loss_space().names) == len(PARAMETERS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("styles=nowhere", "Found none in 'nowhere'"),
        ("paintings=[a, a]", "different names"),
        ("paintings=['a b']", "different names"),
        ("space.content=null", "`content` should be a number"),
        ("crop=50", "crop"),
        ("styles=2024", "styles"),
        ("blocks=[1]", "`blocks` should have one number"),
        ("judge=lite0", "other features"),
        ("space.smoothness=0.05", "log-uniform"),
        ("space.coarse={distribution: log-uniform, low: 2, high: 5, weight: false}", "include 1"),
        ("space.content={distribution: uniform, low: 0, high: 1}", "should be a number"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(YotoError, match=message):
        read("style/bank", [change])


def test_another_space_is_refused():
    data = read("style/bank").to_dict()
    del data["space"]["coarse"]
    with pytest.raises(YotoError, match="should have content, style, smoothness"):
        from_dict(data)


def test_names_of_files_become_names_of_styles(tmp_path):
    assert name_of(tmp_path / "My Painting (2).jpg") == "My-Painting-2"
    assert name_of(tmp_path / "1889.png") == "style-1889"
    for name in ("one.png", "One two.png", "one-two.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures(tmp_path)] == ["One two.png", "one.png", "one-two.jpg"]
    (tmp_path / "one two.webp").touch()
    with pytest.raises(YotoError, match="different names"):
        pictures(tmp_path)


def test_pictures_of_paintings_are_found(tmp_path, monkeypatch):
    assert painting_file("great-wave", None).parent == BUNDLED
    monkeypatch.delenv("YOTO_DATA", raising=False)
    with pytest.raises(YotoError, match="YOTO_DATA"):
        painting_file("starry-night", None)
    (tmp_path / "empty/paintings").mkdir(parents=True)
    monkeypatch.setenv("YOTO_DATA", str(tmp_path / "empty"))
    assert painting_file("great-wave", None).parent == BUNDLED
    assert painting_file("great-wave", "a folder that is gone").parent == BUNDLED
    toy.paintings(tmp_path / "paintings")
    monkeypatch.setenv("YOTO_DATA", str(tmp_path))
    assert painting_file("dots", None) == tmp_path / "paintings/dots.png"
    assert painting_file("great-wave", None).parent == BUNDLED


def test_no_picture_whose_file_is_not_free_comes_with_the_package():
    names = {path.stem for path in BUNDLED.glob("*.jpg")}
    assert names == set(BANK) - {"starry-night"}
