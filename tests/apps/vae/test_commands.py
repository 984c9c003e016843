"""`yoto reconstruct` and `yoto sample`."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image


class Bytes:
    """A text stream that has only its `buffer`."""

    def __init__(self, content=b""):
        self.buffer = io.BytesIO(content)

    def flush(self):
        pass


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_reconstruct_one_file(yoto, model, picture, tmp_path):
    code, out, err = yoto("reconstruct", picture, "-o", "out.png", "--beta", "1,4,8", "--model", model)
    assert (code, out, err) == (0, "", "")
    assert pixels(tmp_path / "out.png").shape[0] > 200  # four rows


def test_reconstruct_several_files_into_a_folder(yoto, model, picture, tmp_path):
    other = tmp_path / "other.jpeg"
    Image.new("RGB", (9, 20), "red").save(other)
    code, out, _ = yoto(
        "reconstruct", picture, other, "-o", "out", "--beta", 4, "--model", model, "--json", "--jobs", 2
    )
    assert code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"input.png", "other.png"}
    first, second = json.loads(out)
    assert (first["input"], second["output"]) == (str(picture), "out/other.png")
    assert first["betas"][0]["beta"] == 4
    assert first["betas"][0]["kl"] > 0
    assert {"reconstruction", "kl", "mse", "psnr"} < set(first["betas"][0])


def test_hidden_colours_do_not_count(yoto, model, tmp_path):
    made = []
    for hidden in (0, 255):
        sprite = np.full((20, 20, 4), hidden, np.uint8)
        sprite[..., 3] = 0
        sprite[5:15, 5:15] = 200, 90, 60, 255
        Image.fromarray(sprite).save(tmp_path / f"{hidden}.png")
        assert yoto("reconstruct", f"{hidden}.png", "-o", f"out-{hidden}.png", "--beta", 4, "--model", model).code == 0
        made.append(pixels(tmp_path / f"out-{hidden}.png"))
    assert np.array_equal(*made)


def test_reconstruct_takes_pipes(yoto, model, picture, monkeypatch):
    out = Bytes()
    monkeypatch.setattr(sys, "stdin", Bytes(picture.read_bytes()))
    monkeypatch.setattr(sys, "stdout", out)
    assert yoto("reconstruct", "-", "-o", "-", "--beta", 4, "--model", model).code == 0
    assert out.buffer.getvalue().startswith(b"\x89PNG")


def test_reconstruct_takes_sixteen_bits_for_what_they_are(yoto, model, tmp_path):
    grey = np.tile(np.linspace(0, 255, 28).astype(np.uint8), (28, 1))
    Image.fromarray(grey).save(tmp_path / "eight.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    for name in ("eight", "sixteen"):
        assert yoto("reconstruct", f"{name}.png", "-o", f"{name}-out.png", "--beta", 4, "--model", model).code == 0
    found = [pixels(tmp_path / f"{name}-out.png").astype(int) for name in ("eight", "sixteen")]
    assert np.abs(found[0] - found[1]).max() <= 1


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_reconstruct_refuses_what_is_no_picture(yoto, model, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    code, _, err = yoto("reconstruct", "a.png", "-o", "b.png", "--beta", 4, "--model", model)
    assert code == 2
    assert "'a.png' should be a picture" in err
    assert not (tmp_path / "b.png").exists()


def test_sample_depends_on_seed_and_beta_alone(yoto, model, tmp_path):
    def draw(name, *arguments):
        assert yoto("sample", "-o", name, "--model", model, "-n", 3, *arguments).code == 0
        return pixels(tmp_path / name)

    first = draw("a.png", "--beta", "1,8")
    np.testing.assert_array_equal(first, draw("b.png", "--beta", "1,8"))
    assert (first != draw("c.png", "--beta", "1,8", "--seed", 1)).any()
    assert draw("d.png", "--beta", "1").shape[0] < first.shape[0]


def test_sample_formats_and_force(yoto, model, tmp_path):
    command = ["sample", "-o", "a.jpg", "--beta", 4, "--model", model]
    assert yoto(*command).code == 0
    assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8")  # JPEG
    assert yoto(*command).code == 2
    assert yoto(*command, "--force").code == 0


def test_traverse_has_a_row_per_latent(yoto, model, tmp_path):
    assert yoto("sample", "-o", "a.png", "--beta", 4, "--model", model, "--traverse").code == 0
    assert pixels(tmp_path / "a.png").shape[0] > 8 * 56


def test_every_bad_picture_is_named_and_the_others_are_done(yoto, model, picture, tmp_path):
    for number in (1, 2):
        (tmp_path / f"bad{number}.png").write_bytes(picture.read_bytes()[:60])
    code, out, err = yoto(
        "reconstruct", "bad1.png", picture, "bad2.png", "-o", "out", "--beta", "4", "--model", model, "--json"
    )
    assert code == 2
    assert [row["input"] for row in json.loads(out)] == [str(picture)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["input.png"]
    assert [line.split(" should")[0] for line in err.splitlines()] == [
        f"yoto reconstruct: 'bad{n}.png'" for n in (1, 2)
    ]


def test_a_beta_out_of_range_gets_advice_that_a_command_line_can_follow(yoto, model):
    code, _, err = yoto("sample", "-o", "a.png", "--beta", "1e9", "--model", model)
    assert code == 2
    assert err.rstrip().endswith("Found 1e+09. Give a value inside")


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 10**40])
def test_seeds_that_torch_does_not_take_are_refused(yoto, model, picture, seed):
    for command in (["sample"], ["reconstruct", picture, "--json"]):
        code, _, err = yoto(*command, "-o", "out.png", "--beta", 4, "--model", model, "--seed", seed)
        assert (code, len(err.splitlines())) == (2, 1)
        assert "--seed" in err
