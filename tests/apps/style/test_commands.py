"""`yoto stylize` and `yoto styles` on files of every kind."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from apps.style import toy


@pytest.fixture
def stylize(yoto, style_model, tmp_path):
    """Runs `yoto stylize` with the toy model on a photograph in the present folder."""
    Image.fromarray(toy.photograph(40, 60)).save(tmp_path / "photo.png")

    def run(*arguments):
        return yoto("stylize", *arguments, "--model", style_model, "--engine", "torch")

    return run


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def test_one_picture(stylize, tmp_path):
    result = stylize("photo.png", "-o", "out.png", "--style", "dots", "--strength", "0.7", "--layer", "coarse=2")
    assert result.code == 0
    assert result.out == ""
    assert "out.png" in result.err
    assert opened(tmp_path / "out.png").size == (60, 40)


def test_what_was_done_as_json(stylize):
    result = stylize("photo.png", "-o", "out.jpg", "--style", "dots:1,stripes:3", "--smoothness", "0.1", "--json")
    (row,) = json.loads(result.out)
    assert row["style"] == {"dots": 0.25, "stripes": 0.75}
    assert (row["width"], row["height"], row["engine"]) == (60, 40, "torch")
    assert row["strength"] == 0.7
    assert row["smoothness"] == 0.1


def test_settings_reach_the_picture(stylize, tmp_path):
    made = {}
    for name, arguments in {
        "plain": (), "weak": ("--strength", "0.1"), "coarse": ("--layer", "coarse=5"), "kept": ("--keep-colours",)
    }.items():  # fmt: skip
        assert stylize("photo.png", "-o", f"{name}.png", "--style", "dots", *arguments).code == 0
        made[name] = np.asarray(opened(tmp_path / f"{name}.png")).astype(int)
    assert all(np.abs(made["plain"] - other).mean() > 0.3 for name, other in made.items() if name != "plain")


def test_a_folder_keeps_its_stems(stylize, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b.png", "a.jpg"):
        Image.fromarray(toy.photograph(30, 40)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    (folder / "._a.png").write_text("what macOS leaves beside a.png")
    assert stylize("photos", "-o", "painted", "--style", "dots", "--jobs", "2").code == 0
    assert sorted(path.name for path in (tmp_path / "painted").iterdir()) == ["a.png", "b.png"]


def test_a_folder_with_one_picture_makes_a_folder(stylize, tmp_path):
    (tmp_path / "one").mkdir()
    Image.fromarray(toy.photograph(30, 40)).save(tmp_path / "one/a.png")
    assert stylize("one", "-o", "painted", "--style", "dots").code == 0
    assert [path.name for path in (tmp_path / "painted").iterdir()] == ["a.png"]


def test_frames_are_ordered_by_their_numbers(tmp_path):
    from yoto.apps.style.arguments import expanded

    for name in ("f10.png", "f2.png", "f1.png", "e3.png"):
        (tmp_path / name).touch()
    assert [path.name for path in expanded([tmp_path], frames=True)] == ["e3.png", "f1.png", "f2.png", "f10.png"]


def test_alpha_needs_a_format_that_has_it(stylize, tmp_path):
    image = Image.fromarray(toy.photograph(40, 60))
    image.putalpha(100)
    image.save(tmp_path / "in.png")
    result = stylize("in.png", "-o", "out.jpg", "--style", "dots")
    assert result.code == 2
    assert "in.png: .jpg has no alpha" in result.err


def test_cells_of_a_sheet_may_be_large(stylize, tmp_path):
    Image.fromarray(toy.photograph(500, 900)).save(tmp_path / "large.png")
    assert stylize("large.png", "-o", "s.png", "--grid", "--style", "dots", "--steps", "2", "--cell", "850").code == 0
    assert opened(tmp_path / "s.png").width > 2 * 850


def test_sheets_of_several_pictures_at_once(stylize, tmp_path):
    Image.fromarray(toy.photograph(40, 60, 1)).save(tmp_path / "q.png")
    assert stylize("photo.png", "q.png", "-o", "out", "--grid", "--steps", "2", "--cell", "32", "--jobs", "2").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["photo.png", "q.png"]


def test_a_sheet_too_large_for_its_format_is_one_line(stylize):
    arguments = ["--grid", "--style", "dots", "--steps", "100", "--cell", "200"]
    result = stylize("photo.png", "-o", "s.webp", *arguments)
    assert result.code in (0, 2)
    assert len(result.err.splitlines()) <= 3


def test_one_bad_file_does_not_stop_the_others(stylize, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    result = stylize("photo.png", "bad.png", "-o", "painted", "--style", "dots")
    assert result.code == 2
    assert "'bad.png'" in result.err
    assert [path.name for path in (tmp_path / "painted").iterdir()] == ["photo.png"]


def test_standard_input_and_output(stylize, tmp_path, monkeypatch):
    class Stream(io.BytesIO):
        @property
        def buffer(self):
            return self

    source, sink = Stream((tmp_path / "photo.png").read_bytes()), Stream()
    sink.close = lambda: None
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", source)
        patched.setattr("yoto.cli.batch.sys.stdout", type("Out", (), {"buffer": sink, "flush": lambda self: None})())
        assert stylize("-", "-o", "-", "--style", "dots").code == 0
    with Image.open(io.BytesIO(sink.getvalue())) as image:
        assert (image.format, image.size) == ("PNG", (60, 40))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", ".png"), ("P", ".png"), ("1", ".png"), ("CMYK", ".jpg"), ("I;16", ".png"), ("RGBA", ".png"), ("LA", ".png")],
)
def test_pictures_of_every_kind(stylize, tmp_path, mode, suffix):
    grey = Image.fromarray(toy.photograph(40, 60)).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = Image.fromarray(toy.photograph(40, 60)).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(grey)
    image.save(tmp_path / f"in{suffix}")
    assert stylize(f"in{suffix}", "-o", "out.png", "--style", "dots").code == 0
    made = opened(tmp_path / "out.png")
    assert made.size == (60, 40)
    if mode in ("RGBA", "LA"):
        assert np.array_equal(np.asarray(made.getchannel("A")), np.asarray(grey))
    else:
        assert made.mode == "RGB"


def test_upright_and_with_its_profile(stylize, tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(toy.photograph(40, 60)).save(tmp_path / "turned.jpg", exif=exif, icc_profile=profile)
    assert stylize("turned.jpg", "-o", "out.png", "--style", "dots").code == 0
    made = opened(tmp_path / "out.png")
    assert made.size == (40, 60)
    assert made.info["icc_profile"] == profile


def animated(path):
    Image.new("RGB", (40, 40), "red").save(path, save_all=True, append_images=[Image.new("RGB", (40, 40), "blue")])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("bad.png", lambda path: path.write_bytes(b"PNG"), "should be a picture"),
        ("empty.png", lambda path: path.touch(), "should be a picture"),
        ("cut.png", lambda path: path.write_bytes((path.parent / "photo.png").read_bytes()[:200]), "damaged"),
        ("moving.gif", animated, "several frames"),
        ("float.tiff", lambda path: Image.new("F", (20, 20)).save(path), "floating point"),
        ("wide.png", lambda path: Image.new("L", (16385, 1)).save(path), "16384"),
    ],
)
def test_pictures_that_cannot_be_painted(stylize, tmp_path, name, make, message):
    make(tmp_path / name)
    result = stylize(name, "-o", "out.png", "--style", "dots")
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()


def test_a_sheet_over_styles_and_strengths(stylize, tmp_path):
    result = stylize("photo.png", "-o", "sheet.png", "--grid", "--steps", "3", "--cell", "40", "--json")
    (row,) = json.loads(result.out)
    assert row["styles"] == ["dots", "stripes"]
    assert row["positions"] == [0, 0.5, 1]
    made = opened(tmp_path / "sheet.png")
    assert made.width > 3 * 40
    assert made.height > 2 * 26


def test_a_sheet_over_another_slider_and_one_style(stylize):
    result = stylize(
        "photo.png", "-o", "s.png", "--grid", "--style", "stripes", "--over", "coarse", "--steps", "2", "--json"
    )
    (row,) = json.loads(result.out)
    assert (row["over"], row["styles"]) == ("coarse", ["stripes"])


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png"])
def test_an_animation(stylize, tmp_path, suffix):
    assert stylize("photo.png", "-o", f"m{suffix}", "--style", "dots", "--animate", "--steps", "4").code == 0
    with Image.open(tmp_path / f"m{suffix}") as image:
        assert image.n_frames == 6


def test_frames_of_a_film(stylize, tmp_path):
    folder = tmp_path / "film"
    folder.mkdir()
    for i in range(3):
        pixels = toy.photograph(48, 64)
        pixels[:, : 8 * i] = 255
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    result = stylize("film", "-o", "painted", "--style", "dots", "--frames", "--json")
    found = json.loads(result.out)
    assert found["frames"] == 3
    assert 0 < found["still"] < 1
    assert found["flicker"] >= 0
    assert sorted(path.name for path in (tmp_path / "painted").iterdir()) == ["000.png", "001.png", "002.png"]
    words = stylize("film", "-o", "painted", "--style", "dots", "--frames", "--force")
    assert "stands still" in words.out


def test_frames_of_two_sizes_are_refused(stylize, tmp_path):
    Image.fromarray(toy.photograph(40, 50)).save(tmp_path / "q.png")
    result = stylize("photo.png", "q.png", "-o", "painted", "--style", "dots", "--frames")
    assert result.code == 2
    assert "one size, 60x40" in result.err


def test_styles_are_listed(yoto, style_model, tmp_path):
    assert "Many Dots" in yoto("styles", "--model", style_model).out
    rows = json.loads(yoto("styles", "--model", style_model, "--json").out)
    assert [row["name"] for row in rows] == list(toy.NAMES)
    assert {"name", "title", "source", "licence"} <= set(rows[0])
    assert yoto("styles", "--model", style_model, "-o", "bank.png").code == 0
    assert opened(tmp_path / "bank.png").width > 400


def test_the_network_is_exported_where_stylize_finds_it(yoto, style_model, tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/model.safetensors").write_bytes(style_model.read_bytes())
    Image.fromarray(toy.photograph(40, 60)).save(tmp_path / "photo.png")
    arguments = ["stylize", "photo.png", "-o", "out.png", "--style", "dots", "--model", "run", "--json", "--force"]
    assert json.loads(yoto(*arguments).out)[0]["engine"] == "torch"
    assert yoto("export", "run", "-o", "run/model.onnx").code == 0
    assert json.loads(yoto(*arguments).out)[0]["engine"] == "onnxruntime"


def test_sweep_measures_the_sliders(yoto, style_model, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(toy.photograph(64, 80, i)).save(folder / f"{i}.png")
    result = yoto("sweep", style_model, "--data", folder, "-o", "out", "--json")
    assert result.code == 0
    assert set(json.loads(result.out)["sliders"]) == {"strength", "fine", "mid", "coarse", "coarser", "smoothness"}
    assert (tmp_path / "out/sliders.png").exists()


def sprite(hidden):
    """A disc on nothing, whose pixels under alpha 0 are `hidden`."""
    y, x = np.mgrid[:48, :64]
    alpha = np.where((y - 24) ** 2 + (x - 32) ** 2 < 300, 255, 0).astype(np.uint8)
    pixels = np.where(alpha[:, :, None] > 0, toy.photograph(48, 64), hidden).astype(np.uint8)
    return Image.fromarray(np.dstack([pixels, alpha]))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((), "out.png"),
        (("--keep-colours",), "out.png"),
        (("--grid", "--steps", "2"), "out.png"),
        (("--animate", "--steps", "2"), "out.png"),
        (("--animate", "--steps", "2"), "out.gif"),
    ],
)
def test_colours_under_alpha_0_have_no_influence(stylize, tmp_path, arguments, name):
    made = []
    for number, hidden in enumerate((0, np.random.default_rng(0).integers(0, 256, (48, 64, 3)))):
        sprite(hidden).save(tmp_path / f"{number}.png")
        assert stylize(f"{number}.png", "-o", f"{number}-{name}", "--style", "dots", *arguments).code == 0
        made.append((tmp_path / f"{number}-{name}").read_bytes())
    assert made[0] == made[1]


def test_frames_do_not_see_colours_under_alpha_0(stylize, tmp_path):
    made = []
    for folder, hidden in (("black", 0), ("white", 255)):
        (tmp_path / folder).mkdir()
        for number in range(2):
            sprite(hidden).save(tmp_path / folder / f"{number}.png")
        assert stylize(folder, "-o", f"{folder}-out", "--style", "dots", "--frames").code == 0
        made.append([path.read_bytes() for path in sorted((tmp_path / f"{folder}-out").iterdir())])
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["out.png", "out.webp", "out.gif"])
def test_an_animation_keeps_transparency(stylize, tmp_path, name):
    sprite(0).save(tmp_path / "sprite.png")
    assert stylize("sprite.png", "-o", name, "--style", "dots", "--animate", "--steps", "3").code == 0
    with Image.open(tmp_path / name) as image:
        for frame in range(image.n_frames):
            image.seek(frame)
            alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
            assert (alpha[0, 0], alpha[24, 32]) == (0, 255)


def test_a_sheet_shows_white_through_what_is_transparent(stylize, tmp_path):
    sprite(0).save(tmp_path / "sprite.png")
    assert stylize("sprite.png", "-o", "sheet.png", "--style", "dots", "--grid", "--steps", "2").code == 0
    sheet = np.asarray(opened(tmp_path / "sheet.png"))
    assert (sheet[-10, -70:] == 255).all()  # the lowest rows of the last picture: outside the disc


@pytest.mark.parametrize("arguments", [(), ("--grid", "--steps", "2"), ("--animate", "--steps", "2")])
@pytest.mark.parametrize("name", ["out.png", "out.webp"])
def test_the_colour_profile_is_kept(stylize, tmp_path, arguments, name):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(toy.photograph(40, 60)).save(tmp_path / "p3.png", icc_profile=icc)
    assert stylize("p3.png", "-o", name, "--style", "dots", *arguments).code == 0
    assert opened(tmp_path / name).info["icc_profile"] == icc


def test_every_bad_file_is_named_and_json_has_the_others(stylize, tmp_path):
    for name in ("bad1", "bad2"):
        (tmp_path / f"{name}.png").write_bytes((tmp_path / "photo.png").read_bytes()[:150])
    code, out, err = stylize("bad1.png", "photo.png", "bad2.png", "-o", "painted", "--style", "dots", "--json")
    assert code == 2
    assert [row["input"] for row in json.loads(out)] == ["photo.png"]
    assert [line.split(" should")[0] for line in err.splitlines()] == [f"yoto stylize: 'bad{n}.png'" for n in (1, 2)]


def test_every_bad_frame_is_named(stylize, tmp_path):
    for name in ("bad1", "bad2"):
        (tmp_path / f"{name}.png").write_bytes(b"nothing")
    code, out, err = stylize("bad1.png", "photo.png", "bad2.png", "-o", "painted", "--style", "dots", "--frames")
    assert (code, out) == (2, "")
    assert [line.split(" should")[0] for line in err.splitlines()] == [f"yoto stylize: 'bad{n}.png'" for n in (1, 2)]
