"""`yoto select`."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from yoto import load, sweep


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A conditional VAE of digits after a few steps, whose terms follow β."""
    from yoto.recipe import read
    from yoto.training import train

    folder = tmp_path_factory.mktemp("select") / "run"
    settings = ["training.steps=60", "training.warmup=5", "training.batch=32", "evaluation.limit=40"]
    train(read("vae/digits", settings), folder, progress=False)
    return folder


def test_select_prints_the_point_its_values_and_what_to_type_next(yoto, trained):
    code, out, err = yoto("select", trained, "--minimise", "reconstruction", "--subject-to", "kl<=6")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("kl = ")
    (bounded,) = [line for line in lines if "kl <= 6" in line]
    assert "standard errors inside" in bounded
    assert float(bounded.split()[1]) <= 6
    assert lines[-1].startswith(f"next: yoto export {trained} -o plain.safetensors --at kl=")
    code, _, _ = yoto(*lines[-1].removeprefix("next: yoto ").split())
    assert code == 0


def test_both_sides_of_a_bound_are_shown(yoto, trained):
    code, out, err = yoto("select", trained, "--minimise", "reconstruction", "--subject-to", "1<=kl<=6")
    assert (code, err) == (0, "")
    shown = [line for line in out.splitlines() if "standard errors inside" in line]
    assert ["kl >= 1" in shown[0], "kl <= 6" in shown[1], len(shown)] == [True, True, 2]


def test_select_as_json_and_the_plain_network(yoto, trained, tmp_path):
    command = [
        "select",
        trained,
        "--minimise=reconstruction",
        "--subject-to=kl<=6",
        "--json",
        "-o",
        "plain.safetensors",
    ]
    code, out, err = yoto(*command)
    found = json.loads(out)
    assert (code, err) == (0, "plain.safetensors\n")
    assert found["feasible"]
    assert found["values"]["kl"] <= 6
    assert found["margins"]["kl <= 6"] >= 0
    state = load_file(tmp_path / "plain.safetensors")
    plain = load(trained).conditional.bake(found["point"]).state_dict()
    assert all((state[name] == value).all() for name, value in plain.items())
    with safe_open(tmp_path / "plain.safetensors", "pt") as file:
        assert json.loads(file.metadata()["yoto"])["at"] == found["point"]
    assert yoto(*command).code == 2  # the file is there


def test_the_plain_network_is_trained_on_there(yoto, trained, tmp_path):
    command = [
        "select",
        trained,
        "--minimise=reconstruction",
        "--subject-to=kl<=6",
        "--polish=30",
        "-o",
        "p.safetensors",
    ]
    code, out, err = yoto(*command)
    assert code == 0, err
    assert out.splitlines()[0].startswith("kl = ")
    assert out.splitlines()[-1] == "p.safetensors"
    code, out, err = yoto(*command, "--json", "--force")
    found = json.loads(out)
    assert (code, found["feasible"], found["polished"]["file"]) == (0, True, "p.safetensors")
    polished = load(tmp_path / "p.safetensors")
    assert polished.header.conditioning is None
    assert polished.recipe.fixed == pytest.approx(found["point"])


def test_a_request_that_cannot_be_met_exits_with_the_nearest(yoto, trained):
    code, out, err = yoto("select", trained, "--minimise", "reconstruction", "--subject-to", "kl<=1e-6")
    assert (code, out) == (2, "")
    said = r"The request cannot be met: nearest is kl = \S+, where 'kl <= 1e-06' is missed by (\S+) \(.*\)\n"
    match = re.fullmatch(f"yoto select: {said}", err)
    assert match is not None
    bundle = load(trained)
    reached = sweep(bundle, bundle.task.data("validation"), bundle.task, bundle.space.grid(33), limit=40).series("kl")
    assert float(match[1]) <= min(reached) * 1.01  # after a few steps the term does not fall all the way


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of --minimise NAME, --maximise NAME and --ask should be given"),
        (["--minimise", "kl", "--maximise", "psnr"], "one of --minimise NAME"),
        (["--minimise", "kll"], "Did you mean 'kl'"),
        (["--minimise", "kl", "--subject-to", "psnr=3"], "A bound should be NAME <= NUMBER"),
        (["--minimise", "kl", "--subject-to", "mse>=2", "--subject-to", "mse<=1"], "leave room for a value"),
        (["--minimise", "kl", "--split", "vali"], "Did you mean 'validation'"),
        (["--minimise", "kl", "-o", "plain.onnx"], "-o should end in .safetensors"),
        (["--minimise", "kl", "--at", "kl=3"], "needs a free parameter"),
        (["--ask", "--minimise", "kl"], "--ask chooses by eye"),
        (["--ask", "--evaluations", "3"], "--ask chooses by eye"),
        (["--minimise", "kl", "--confidence", "2"], "`confidence` should lie between"),
        (["--minimise", "kl", "--confidence", "nan"], "`confidence` should lie between"),
        (["--minimise", "kl", "--limit", "1", "--subject-to", "kl<=9", "--confidence", ".9"], "at least 2 samples"),
        (["--minimise", "kl", "--seconds", "0"], "`seconds` should be above 0"),
        (["--minimise", "kl", "--seconds", "inf"], "`seconds` should be a finite number"),
    ],
)
def test_bad_input_is_one_line(yoto, trained, arguments, message):
    code, out, err = yoto("select", trained, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_model_for_one_lam_has_nothing_to_choose(yoto, fixed_model):
    code, _, err = yoto("select", fixed_model, "--minimise", "kl")
    assert code == 2
    assert "there is nothing to choose" in err


def answers(monkeypatch, decide):
    """Standard input that answers each question by the two pictures on disk."""

    class Scripted(io.StringIO):
        def readline(self, *_):
            return decide()

    monkeypatch.setattr("sys.stdin", Scripted())


def test_ask_narrows_lam_down_by_answers_alone(yoto, trained, monkeypatch):
    """Who always prefers the second gets the upper end, and is told the number of questions beforehand."""
    answers(monkeypatch, lambda: "2\n")
    code, out, err = yoto("select", trained, "--ask")
    assert code == 0
    assert err.startswith("7 questions. Two pictures each time: ")
    assert err.count(" of 7: ") == 7
    beta = float(out.rpartition("kl=")[2])
    assert beta > 6
    answers(monkeypatch, lambda: "1\n")
    _, out, _ = yoto("select", trained, "--ask", "--json")
    assert json.loads(out)["point"]["kl"] < 0.2


def test_ask_writes_pictures_takes_doubt_and_ends_early(yoto, trained, monkeypatch):
    from PIL import Image

    lines = iter(["what\n", "=\n", "q\n"])
    answers(monkeypatch, lambda: next(lines))
    code, out, err = yoto("select", trained, "--ask", "--json")
    assert code == 0
    files = [Path(word) for word in err.split() if word.endswith(".png")]
    for file in files:
        with Image.open(file) as picture:
            assert picture.mode == "RGB"
    assert files[0].read_bytes() != files[1].read_bytes()
    assert json.loads(out)["point"]["kl"] == pytest.approx(1.0, rel=0.05)  # the middle of 0.125 to 8


def test_ask_refuses_an_input_that_ends(yoto, trained, monkeypatch):
    answers(monkeypatch, lambda: "")
    code, _, err = yoto("select", trained, "--ask")
    assert code == 2
    assert err.splitlines()[-1] == (
        "yoto select: Answers should come until the last question, or q. Found the end of input at 1 of 7."
    )
