"""`yoto compress`, `decompress` and `inspect`."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from apps.codec.golden import DATA, opened
from yoto import bundle
from yoto.training.machine import processor


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setenv("YOTO_MODELS", str(DATA))


ORIGINAL = DATA / "rgb-original.png"


def test_there_and_back(yoto, tmp_path):
    file, back = tmp_path / "photo.yoto", tmp_path / "photo.png"
    assert yoto("compress", ORIGINAL, "-o", file, "--model", "tiny", "--quality", 60).code == 0
    assert yoto("decompress", file, "-o", back).code == 0
    assert opened(back).size == opened(ORIGINAL).size
    told = json.loads(yoto("inspect", file, "--json").out)[0]
    assert told["bytes"] == file.stat().st_size
    assert (told["width"], told["height"], told["level"], told["model"]) == (100, 70, 153, "tiny")
    assert "quality 60" in yoto("inspect", file).out


def test_json_has_the_figures(yoto, tmp_path):
    file = tmp_path / "photo.yoto"
    row = json.loads(yoto("compress", ORIGINAL, "-o", file, "--model", "tiny", "--bpp", 0.5, "--json").out)[0]
    assert row["bpp"] == pytest.approx(8 * file.stat().st_size / 7000)
    assert row["bpp"] == pytest.approx(0.5, rel=0.05)
    yoto("decompress", file, "-o", tmp_path / "back.png")
    a, b = (np.asarray(opened(p).convert("RGB")).astype(float) for p in (ORIGINAL, tmp_path / "back.png"))
    assert row["psnr"] == pytest.approx(-10 * np.log10(np.square(a - b).mean() / 255**2), abs=0.02)
    assert 0 < row["ms_ssim"] < 1
    assert row["trials"] <= 8


def test_a_file_that_becomes_larger_than_its_picture_is_pointed_out(yoto, tmp_path):
    """Dots and drawings are not what the codec is for: nobody should find that out by looking at the result."""
    dots, plain = tmp_path / "dots.png", tmp_path / "plain.bmp"
    Image.fromarray((np.indices((96, 128)).sum(0) % 2 * 255).astype(np.uint8)).save(dots)
    Image.new("RGB", (128, 96), (90, 120, 60)).save(plain)
    done = yoto("compress", dots, plain, "-o", tmp_path / "out", "--model", "tiny")
    before, after = dots.stat().st_size, (tmp_path / "out" / "dots.yoto").stat().st_size
    assert done.code == 0
    assert after > before
    assert f"1 of 2 files take more bytes than the picture that went in ({dots}: {after:,} in place of" in done.err
    done = yoto("compress", plain, "-o", tmp_path / "plain.yoto", "--model", "tiny")
    assert done.code == 0
    assert "more bytes" not in done.err


def test_several_files_go_to_a_folder(yoto, tmp_path):
    out = tmp_path / "small"
    files = [ORIGINAL, DATA / "grey-original.png", DATA / "alpha-original.png"]
    assert yoto("compress", *files, "-o", out, "--model", "tiny", "--jobs", 2).code == 0
    names = sorted(p.name for p in out.iterdir())
    assert names == ["alpha-original.yoto", "grey-original.yoto", "rgb-original.yoto"]
    assert yoto("decompress", *sorted(out.iterdir()), "-o", tmp_path / "back").code == 0
    assert opened(tmp_path / "back" / "grey-original.png").mode == "L"
    assert opened(tmp_path / "back" / "alpha-original.png").mode == "RGBA"


def test_pipes():
    import subprocess
    import sys

    def piped(command, data):
        done = subprocess.run([sys.executable, "-m", "yoto", *command], input=data, capture_output=True, check=True)
        assert (b"closest to the original" in done.stderr) == ("--compare" in command)
        return done.stdout

    command = ["compress", "-", "-o", "-", "--model", "tiny", "--quality", "30", "--compare"]
    coded = piped(command, ORIGINAL.read_bytes())
    assert coded[:4] == b"\x93YTO"
    assert Image.open(io.BytesIO(piped(["decompress", "-", "-o", "-"], coded))).size == (100, 70)


def test_outputs_are_not_overwritten(yoto, tmp_path):
    file = tmp_path / "photo.yoto"
    file.write_text("mine")
    refused = yoto("compress", ORIGINAL, "-o", file, "--model", "tiny")
    assert refused.code == 2
    assert "--force replaces it" in refused.err
    assert file.read_text() == "mine"
    assert yoto("compress", ORIGINAL, "-o", file, "--model", "tiny", "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("compress none.png -o a.yoto", "'none.png' does not exist"),
        ("compress {text} -o a.yoto --model tiny", "format that Pillow does not know"),
        ("compress {png} -o a.jpg", "-o should end in .yoto"),
        ("compress {png} -o a.yoto --quality 101", "--quality should lie in 0 to 100"),
        ("compress {png} -o a.yoto --bpp 1 --size 5", "one of --quality, --bpp, --psnr, --size and --total-size"),
        ("compress {png} -o a.yoto --bpp -1", "--bpp should be above 0"),
        ("compress {png} -o a.yoto --model vae/fashion-mnist", "--model should be a codec"),
        ("compress {png} -o a.yoto --model tiny --size 10", "out of this codec's reach"),
        ("compress {png} -o a.yoto --model tiny --psnr 99", "The nearest is"),
        ("compress {png} -o - --json", "cannot share standard output"),
        ("decompress {png} -o a.png", "should be a .yoto image"),
        ("decompress {broken} -o a.png", "damaged"),
        ("decompress {coded} -o a.txt", "-o should end in .png"),
        ("decompress {alpha} -o a.jpg", "no alpha channel"),
        ("inspect {text}", "should be a .yoto image"),
        ("inspect {broken}", "checksum"),
    ],
)
def test_bad_input_is_one_line_and_2(yoto, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("text")
    coded = (DATA / "rgb.yoto").read_bytes()
    (tmp_path / "broken.yoto").write_bytes(coded[:200] + b"\0\0" + coded[202:])
    places = {"png": ORIGINAL, "text": "text", "broken": "broken.yoto", "coded": DATA / "rgb.yoto",
              "alpha": DATA / "alpha.yoto"}  # fmt: skip
    result = yoto(*arguments.format(**places).split())
    assert result.code == 2
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not list(tmp_path.glob("a.*"))


def test_one_broken_file_does_not_stop_the_others(yoto, tmp_path):
    (tmp_path / "text.png").write_text("text")
    result = yoto("compress", tmp_path / "text.png", ORIGINAL, "-o", tmp_path / "out", "--model", "tiny")
    assert result.code == 2
    assert "text.png" in result.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["rgb-original.yoto"]
    result = yoto("decompress", tmp_path / "text.png", DATA / "rgb.yoto", "-o", tmp_path / "back")
    assert result.code == 2
    assert [p.name for p in (tmp_path / "back").iterdir()] == ["rgb.png"]
    result = yoto("inspect", tmp_path / "text.png", DATA / "rgb.yoto")
    assert result.code == 2
    assert "100x70" in result.out


def test_sweep_measures_files_beside_classic_codecs(yoto, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(ORIGINAL.read_bytes())
    out = tmp_path / "rd"
    result = yoto("sweep", DATA / "tiny.safetensors", "--data", folder, "--grid", 3, "-o", out)
    assert result.code == 0, result.err
    assert "JPEG 4:2:0" in result.out
    values = json.loads((out / "points.json").read_text())
    assert [point["quality"] for point in values["points"]["yoto"]] == [0, 50, 100]
    assert values["images"] == ["a"]
    header = bundle.read_header(DATA / "tiny.safetensors")
    assert values["info"]["trained"] == header.info
    assert values["info"]["machine"]["processor"] == processor()  # times are of this one, not of the training's
    assert f"Times on {processor()}" in (out / "report.md").read_text()


def test_every_bad_file_is_named_and_json_has_the_others(yoto, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        (tmp_path / f"bad{number}.png").write_bytes(ORIGINAL.read_bytes()[:900])
        (tmp_path / f"bad{number}.yoto").write_bytes((DATA / "rgb.yoto").read_bytes()[:-3])
    for command in ("compress bad1.png {png} bad2.png -o out --model tiny --json",
                    "decompress bad1.yoto {coded} bad2.yoto -o back --json",
                    "inspect bad1.yoto {coded} bad2.yoto --json"):  # fmt: skip
        code, out, err = yoto(*command.format(png=ORIGINAL, coded=DATA / "rgb.yoto").split())
        assert code == 2
        assert len(json.loads(out)) == 1
        lines = err.splitlines()
        assert len(lines) == 2
        assert "bad1." in lines[0]
        assert "bad2." in lines[1]
        assert all(line.startswith(f"yoto {command.split()[0]}: ") for line in lines)


def test_every_input_that_is_missing_is_named(yoto):
    code, _, err = yoto("compress", "a.png", "b.png", ORIGINAL, "-o", "out")
    assert code == 2
    assert "input 'a.png' does not exist; input 'b.png' does not exist" in err
