"""`yoto compress` and `decompress` on folders, at a size of all files, and beside classic codecs."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.codec.golden import DATA, opened
from yoto import codec
from yoto.apps.codec import beside, search
from yoto.data import images

ORIGINAL = DATA / "rgb-original.png"


@pytest.fixture(autouse=True)
def tiny_by_name(monkeypatch):
    monkeypatch.setenv("YOTO_MODELS", str(DATA))


@pytest.fixture
def album(tmp_path):
    """Three pictures in two folders, and what is no picture."""
    folder = tmp_path / "album"
    (folder / "Spring" / ".hidden").mkdir(parents=True)
    for name in ("one.png", "Spring/two.PNG", "Spring/three.v2.png", "Spring/.hidden/four.png"):
        (folder / name).write_bytes(ORIGINAL.read_bytes())
    (folder / "notes.txt").write_text("no picture")
    return folder


def found(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_folders_keep_their_structure_there_and_back(yoto, album, tmp_path):
    small, back = tmp_path / "small", tmp_path / "back"
    assert yoto("compress", album, "-o", small, "--model", "tiny").code == 0
    assert found(small) == ["Spring/three.v2.yoto", "Spring/two.yoto", "one.yoto"]
    assert yoto("decompress", small, "-o", back).code == 0
    assert found(back) == ["Spring/three.v2.png", "Spring/two.png", "one.png"]
    assert opened(back / "Spring" / "two.png").size == (100, 70)


def test_an_output_inside_the_folder_is_no_input(yoto, album):
    out = album / "small"
    for force in ((), ("--force",)):
        assert yoto("compress", album, "-o", out, "--model", "tiny", *force).code == 0
        (out / "leftover.png").write_bytes(ORIGINAL.read_bytes())
    assert "leftover.yoto" not in found(out)
    assert (
        yoto("compress", album / "Spring", "-o", album / "Spring", "--model", "tiny").code == 0
    )  # beside the pictures
    assert (album / "Spring" / "two.yoto").exists()


def test_a_file_and_a_folder_with_one_picture_go_to_a_folder(yoto, album, tmp_path):
    (album / "Spring" / "two.PNG").unlink()
    assert yoto("compress", ORIGINAL, album / "Spring", "-o", tmp_path / "out", "--model", "tiny").code == 0
    assert found(tmp_path / "out") == ["rgb-original.yoto", "three.v2.yoto"]
    assert yoto("compress", album / "Spring", "-o", tmp_path / "single", "--model", "tiny").code == 0
    assert found(tmp_path / "single") == ["three.v2.yoto"]


def test_a_bad_file_in_a_folder_stops_no_other(yoto, album, tmp_path):
    for name in ("bad1.png", "Spring/bad2.png"):
        (album / name).write_bytes(ORIGINAL.read_bytes()[:900])
    for options in ((), ("--total-size", 6000)):
        code, out, err = yoto(
            "compress", album, "-o", tmp_path / "out", "--model", "tiny", "--json", "--force", *options
        )
        assert code == 2
        assert len(json.loads(out)) == 3
        assert sorted(line.split("/")[-1].split("'")[0] for line in err.splitlines()) == ["bad1.png", "bad2.png"]


def test_what_a_folder_cannot_give_stops_no_other(yoto, album, tmp_path):
    """A link to nothing is named as a bad file is; a pipe is no picture, and nobody waits for what comes out of it."""
    (album / "gone.png").symlink_to("nowhere")
    (album / "gone.yoto").symlink_to("nowhere")
    os.mkfifo(album / "pipe.png")
    code, _, err = yoto("compress", album, "-o", tmp_path / "out", "--model", "tiny")
    assert (code, len(err.splitlines())) == (2, 5)  # a title and three rows
    assert "gone.png' should be a picture. Found no such file" in err
    assert len(found(tmp_path / "out")) == 3
    code, _, err = yoto("decompress", album, "-o", tmp_path / "back")
    assert code == 2
    assert "gone.yoto: No such file" in err


def test_standard_input_has_no_name_in_a_folder(yoto, album):
    for command in ("compress", "decompress"):
        code, _, err = yoto(command, "-", "-o", album)
        assert code == 2
        assert "standard input has no name for a file in" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("compress {empty} -o out", "the folder '{empty}' should have pictures in it. Found none"),
        ("decompress {album} -o out", "should have .yoto files in it. Found none"),
        ("compress {album} -o {png}", "-o should be a folder. Found the file"),
        ("compress {album} {album} -o out", "different names before the suffix. Found 'one' twice"),
        ("compress {album} -o -", "- is for one picture"),
        ("compress {album} -o out --total-size 0", "--total-size should be above 0"),
        ("compress {album} -o out --total-size 9 --bpp 1", "one of --quality, --bpp, --psnr, --size and --total-size"),
        ("compress - -o out.yoto --total-size 900", "give --size"),
        ("compress {png} -o out.yoto --effort 3", "--effort should be 0, 1 or 2. Found 3"),
        ("compress {album} -o out --model tiny --total-size 99", "--total-size of 99 bytes is out of"),
        ("compress {album} -o out --model tiny --total-size 99", "for these 3 pictures. The nearest is"),
        ("compress {album}/one.png -o x.yoto --model tiny --total-size 99", "for this picture. The nearest is"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_2(yoto, album, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    places = {"album": album, "empty": tmp_path / "empty", "png": ORIGINAL}
    result = yoto(*arguments.format(**places).split())
    assert result.code == 2
    assert message.format(**places) in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_total_size_gives_all_pictures_the_best_level_that_fits(yoto, album, tmp_path, tiny):
    Image.fromarray(np.asarray(opened(ORIGINAL).convert("RGB"))[:40, :50]).save(album / "one.png")
    names = ("one.png", "Spring/two.PNG", "Spring/three.v2.png")
    pictures = [images.read_picture(album / name) for name in names]
    assert len({picture.pixels.shape for picture in pictures}) == 2

    def total(level):
        return sum(len(codec.compress(picture, quality=level / 2.55, model=tiny)) for picture in pictures)

    wanted = (total(100) + total(101)) // 2
    rows = json.loads(
        yoto("compress", album, "-o", tmp_path / "out", "--model", "tiny", "--total-size", wanted, "--json").out
    )
    assert len({row["quality"] for row in rows}) == 1
    sizes = [path.stat().st_size for path in (tmp_path / "out").rglob("*.yoto")]
    assert sorted(sizes) == sorted(row["bytes"] for row in rows)
    assert 0.97 * wanted < sum(sizes) <= wanted
    assert rows[0]["trials"] <= search.TRIALS


def test_more_than_all_pictures_take_is_the_best_level(yoto, album, tmp_path):
    rows = json.loads(
        yoto("compress", album, "-o", tmp_path / "out", "--model", "tiny", "--total-size", 10**7, "--json").out
    )
    assert {row["quality"] for row in rows} == {100.0}


def test_the_comparison_says_who_is_closest(yoto, tmp_path):
    out = tmp_path / "photo.yoto"
    result = yoto("compress", DATA / "tiles-original.png", "-o", out, "--model", "tiny", "--compare", "--json")
    (row,) = json.loads(result.out)
    by_name = {each["codec"]: each for each in row["compared"]}
    assert {"yoto", "JPEG 4:2:0", "WebP", "PNG"} <= set(by_name)
    assert by_name["yoto"]["bytes"] == out.stat().st_size
    assert by_name["yoto"]["psnr"] == row["psnr"]
    fitting = [each for each in row["compared"] if each["fits"]]
    assert row["closest"] == max(fitting, key=lambda each: each["psnr"])["codec"]
    assert by_name["PNG"]["psnr"] == 100
    assert not by_name["PNG"]["fits"]
    told = yoto("compress", DATA / "tiles-original.png", "-o", out, "--model", "tiny", "--compare", "--force").err
    assert f"closest to the original is {row['closest']}" in told
    assert "larger: not counted" in told


def test_each_classic_codec_comes_as_near_to_the_size_as_it_can(photo):
    picture = images.of_image(Image.fromarray(photo))
    own = beside.Made("yoto", 50, 3000, 30.0, 0.9)
    rows, _ = beside.compared(picture, own)
    for row in rows[1:-1]:  # but PNG
        classic = beside.available()[row.codec]
        for quality in (row.quality - 1, row.quality + 1):
            if 1 <= quality <= 100:
                buffer = io.BytesIO()
                options = {"quality": int(quality), **classic.options}
                beside.plain(picture).save(buffer, classic.format, **options)
                assert abs(row.bytes - 3000) <= abs(buffer.tell() - 3000)
        assert row.fits == (row.bytes <= 3150)


def test_graphics_are_best_left_to_others(yoto, tmp_path):
    board = np.kron(np.indices((16, 16)).sum(0) % 2 * 255, np.ones((16, 16))).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "board.png")
    options = ("--model", "tiny", "--quality", 100, "--compare")
    result = yoto("compress", tmp_path / "board.png", "-o", tmp_path / "board.yoto", *options)
    assert "closest to the original is" in result.err
    assert "closest to the original is yoto" not in result.err
    assert "lossless" in result.err


def test_a_pillow_without_avif_says_so(yoto, tmp_path, monkeypatch):
    from yoto.apps.codec import rate_distortion

    there = {name: each for name, each in rate_distortion.available().items() if each.format != "AVIF"}
    monkeypatch.setattr(beside, "available", lambda: there)
    result = yoto("compress", ORIGINAL, "-o", tmp_path / "photo.yoto", "--model", "tiny", "--compare")
    assert result.code == 0
    assert result.err.splitlines()[0] == "AVIF is left out: this Pillow cannot write it."
    assert "WebP" in result.err
