"""A task of the user's own in the present folder: `yoto new-task`, and what every command does with it."""

import json
import sys

import pytest
import torch

TASK = ("--task", "line_fit:LineFit")


@pytest.fixture
def run(yoto, monkeypatch):
    """A command line in a folder that holds the new task; modules of that folder are forgotten afterwards."""
    assert yoto("new-task", "line_fit").code == 0
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield yoto
    sys.modules.pop("line_fit", None)


@pytest.fixture
def trained(run):
    assert run("train", "line_fit.yaml", "training.steps=3", *TASK).code == 0
    return run


def test_what_it_writes_is_small_and_says_what_is_next(yoto, tmp_path):
    found = yoto("new-task", "line_fit")
    assert found.out.split() == ["line_fit.py", "line_fit.yaml"]
    assert "yoto compare line_fit.yaml --task line_fit:LineFit" in found.err
    text = (tmp_path / "line_fit.py").read_text()
    assert "class LineFit(BaseTask)" in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("name", ["2fast", "class", "a-b", "Big", "a/b"])
def test_a_name_that_no_module_can_have_is_refused(yoto, name):
    found = yoto("new-task", name)
    assert found.code == 2
    assert "module's name" in found.err


@pytest.mark.parametrize("name", ["torch", "random", "sys", "yoto", "pytest", "package"])
def test_a_name_that_python_finds_elsewhere_is_refused(yoto, tmp_path, name):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    found = yoto("new-task", name)
    assert found.code == 2
    assert f"no module that there is already. Found {name!r}" in found.err
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_its_own_file_is_not_in_the_way_where_python_looks_here(run, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run("new-task", "line_fit", "--force").code == 0


def test_nothing_is_overwritten_unless_told(run, tmp_path):
    (tmp_path / "line_fit.py").write_text("mine")
    assert run("new-task", "line_fit").code == 2
    assert (tmp_path / "line_fit.py").read_text() == "mine"
    assert run("new-task", "line_fit", "--force").code == 0


def test_the_task_goes_through_every_command(trained, tmp_path):
    swept = trained("sweep", "runs/line_fit", "--grid", "3", "--limit", "50", *TASK)
    assert swept.code == 0, swept.err
    assert "roughness" in swept.out
    assert trained("export", "runs/line_fit", "-o", "line.pt2", *TASK).code == 0
    program = torch.export.load(tmp_path / "line.pt2").module()
    assert program(torch.rand(5, 32), torch.ones(5, 2)).shape == (5, 32)
    settings = ("training.steps=2", "comparison.points={roughness: [1.0]}", "evaluation.grid=2")
    compared = trained("compare", "line_fit.yaml", *settings, *TASK)
    assert compared.code == 0, compared.err
    page = trained("demo", "runs/line_fit", "--check", *TASK)
    assert page.code == 0, page.err
    assert "model.json" in page.err


def test_without_its_name_each_command_prints_itself_with_the_name_filled_in(trained, tmp_path):
    for command, rest in {"sweep": "", "demo": "--check", "compare": "", "export": "-o line.onnx"}.items():
        found = trained(command, "runs/line_fit", *rest.split())
        assert found.code == 2
        assert f"yoto {command} runs/line_fit" in found.err
        assert "--task line_fit:LineFit" in found.err
        assert "line_fit" not in sys.modules or "Traceback" not in found.err
    (tmp_path / "runs/line_fit/model.safetensors").unlink()
    found = trained("train", "line_fit.yaml", "training.steps=3", "--resume")
    assert (found.code, "--task line_fit:LineFit" in found.err) == (2, True)
    assert json.loads((tmp_path / "runs/line_fit/run.json").read_text())["task_class"] == "line_fit:LineFit"


def test_a_recipe_that_names_no_task_is_refused_in_one_line(run):
    found = run("train", "line_fit.yaml")
    assert found.code == 2
    assert "yoto train line_fit.yaml --task MODULE:CLASS" in found.err
    assert len(found.err.strip().splitlines()) == 1


def test_a_model_says_in_python_what_it_was_trained_by(trained):
    import yoto
    from yoto import YotoError

    with pytest.raises(YotoError, match="trained by line_fit:LineFit"):
        yoto.load("runs/line_fit")


FAULTS = {
    "terms": ("y = net(batch[:, 0])", "y = net(batch[:, 0, :7])", "in terms: RuntimeError: "),
    "metrics": (
        'return {"noise"',
        'return {"noise": 1 / 0, "other"',
        "in metrics: ZeroDivisionError: division by zero",
    ),
    "data": ("phase = ", "phase = open('no.csv') or ", "in data: FileNotFoundError: "),
    "network": ("self.width = width", "self.width = width + ''", "in __init__: TypeError: "),
    "module": ("POINTS = 32", "POINTS = undefined", "NameError: name 'undefined' is not defined"),
    "text": ("POINTS = 32", "POINTS = = 32", "SyntaxError: invalid syntax"),
    "picture": ("picture = np.full", "picture = np.fall", "in picture: AttributeError: "),
}


@pytest.mark.parametrize("part", FAULTS)
def test_an_error_in_the_users_code_is_said_to_be_there(run, tmp_path, part):
    good, bad, expected = FAULTS[part]
    file = tmp_path / "line_fit.py"
    text = file.read_text()
    assert good in text
    line = next(number for number, each in enumerate(text.splitlines(), 1) if good in each)
    file.write_text(text.replace(good, bad, 1))
    later = {"metrics": "sweep", "picture": "demo"}
    command, target = (later[part], "runs/line_fit") if part in later else ("train", "line_fit.yaml")
    if part in later:
        assert run("train", "line_fit.yaml", "training.steps=1", "training.validate_every=0", *TASK).code == 0
    found = run(command, target, *TASK, *["--check"] * (part == "picture"))
    assert found.code == 2
    assert f"yoto {command}: your code failed at line_fit.py, line {line}" in found.err
    assert expected in found.err
    assert "internal error" not in found.err
    assert len(found.err.strip().splitlines()[-1:]) == 1
    assert "Traceback" not in found.err
