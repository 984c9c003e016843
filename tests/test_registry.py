"""The one table of applications, and applications of installed packages."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from torch import nn

from yoto import bundle, recipe, registry
from yoto.errors import YotoError
from yoto.registry import Application
from yoto.space import LossSpace
from yoto.task import BaseTask

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "examples" / "yoto-lines"
LINE = "0.1,0.4,0.2,0.5,0.3,0.6,0.4,0.7"


class Installed:
    """A virtual environment that sees this one, with the package in it and a trained model in the package."""

    def __init__(self, folder):
        source = shutil.copytree(PACKAGE, folder / "source")
        venv.create(folder / "env", with_pip=False)
        self.python, self.home = folder / "env" / "bin" / "python", folder / "home"
        self.home.mkdir()
        (site,) = (folder / "env" / "lib").glob("python*/site-packages")
        seen = [str(Path(registry.__file__).parents[1]), sysconfig.get_path("purelib")]
        (site / "beside.pth").write_text("\n".join(seen) + "\n")
        self.install(source)
        self.yoto("train", "lines/mini")
        self.done(ROOT / "scripts" / "bundle.py", "runs/mini", "lines/mini")

    def install(self, source):
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            "--disable-pip-version-check",
            "install",
            "--quiet",
        ]
        plain = ["--no-deps", "--no-build-isolation", "--no-index"]
        subprocess.run([*pip, *plain, source], check=True)

    def run(self, *arguments):
        """What the environment's Python does, in an empty folder."""
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "YOTO", "PYTEST", "VIRTUAL"))}
        return subprocess.run([self.python, *arguments], cwd=self.home, env=variables, capture_output=True, text=True)

    def done(self, *arguments):
        """The same, where it must succeed: what it printed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout or result.stderr

    def yoto(self, *arguments):
        """What a command prints, which must succeed."""
        return self.done("-m", "yoto", *arguments)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.mark.slow
def test_commands_of_an_installed_application_are_the_programs(installed):
    assert "Smooth the points of a line." in installed.yoto("--help")
    rough, smooth = (installed.yoto("line", LINE, "--roughness", w).split(",") for w in ("0.01", "10"))
    assert len(rough) == len(smooth) == 8
    assert rough != smooth
    refusal = installed.run("-m", "yoto", "line", "a,b")
    assert (refusal.returncode, refusal.stderr.count("\n")) == (2, 1)
    assert refusal.stderr.startswith("yoto line: VALUES should be a number")
    refusal = installed.run("-m", "yoto", "line", "1,2,3")
    assert (refusal.returncode, refusal.stderr) == (2, "yoto line: A line should have 8 points. Found 3.\n")


@pytest.mark.slow
def test_help_with_an_installed_application_imports_no_torch(installed):
    code = "import sys, yoto.cli; yoto.cli.run(['--help']); print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    assert installed.run("-c", code).stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_models_and_recipes_of_an_installed_application_are_found_by_name(installed):
    found = {entry["name"]: entry for entry in json.loads(installed.yoto("models", "--json"))}
    assert (found["lines/mini"]["task"], found["lines/mini"]["bundled"]) == ("lines", True)
    assert Path(found["lines/mini"]["path"]).parent.parts[-2:] == ("yoto_lines", "models")
    assert len(found["lines/mini"]["curve"]["points"]) > 1
    assert "lines/mini" in installed.yoto("models")
    assert "fit" in installed.yoto("sweep", "lines/mini", "--grid", "3")
    refusal = installed.run("-m", "yoto", "train", "lines/mini", "points=1")
    assert (refusal.returncode, "points" in refusal.stderr) == (2, True)


@pytest.mark.slow
def test_the_page_of_an_installed_application_is_served(installed):
    loaded = installed.yoto("demo", "--check")
    for part in ("lines.html", "api/lines.json", "js/lines.js", "compression.html"):
        assert part in loaded
    code = f"""
from starlette.testclient import TestClient
from yoto.web import server
from yoto.web.pages import all_pages
with TestClient(server.create(all_pages(), warm=False), base_url="http://127.0.0.1:8000") as client:
    print("Lines" in client.get("/compression.html").text, client.get("/api/lines.json").json()["model"])
    body = dict(values=[{LINE}], roughness=0.1)
    print(len(client.post("/api/lines/smooth", json=body).json()["values"]))
"""
    assert installed.run("-W", "ignore", "-c", code).stdout.split() == ["True", "lines/mini", "8"]


@pytest.mark.slow
def test_the_page_of_an_installed_application_is_browsed(installed):
    from playwright.sync_api import sync_playwright

    from web.tabs import WIDE, Tab, executable

    found = executable()
    command = [installed.python, "-m", "yoto", "demo", "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, cwd=installed.home, stderr=subprocess.PIPE, text=True)
    try:
        base = re.match(r"yoto demo: (http://127\.0\.0\.1:\d+/)", process.stderr.readline())[1]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
            tab = Tab(browser.new_context(viewport=WIDE).new_page(), base, ())
            tab.page.goto(base)
            tab.until(lambda: tab.done, "the start page")
            tab.page.locator(".card[data-name=lines] h3 a").click()
            tab.until(lambda: tab.page.url.endswith("/lines.html") and tab.done, "the first result")
            before = tab.text("#after")
            tab.press("#slider-roughness", "End")
            assert tab.text("#after") != before
            assert tab.page.locator("#plot .now").count() == 1
            assert tab.problems == []
            browser.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.slow
def test_an_entry_point_of_a_task_alone_still_works(installed):
    text = (PACKAGE / "yoto_lines/recipes/mini.yaml").read_text("utf-8").replace("task: lines", "task: plain-lines")
    (installed.home / "plain.yaml").write_text(text)
    installed.yoto("train", "plain.yaml", "-o", "plain")
    assert "roughness" in installed.yoto("sweep", "plain", "--grid", "2")


def test_a_broken_entry_point_takes_nothing_else_along(monkeypatch, capsys):
    monkeypatch.setattr(registry, "entry_points", lambda: {"odd": "json:APPLICATION", "gone": "no_such:APPLICATION"})
    said = []
    assert list(registry.applications(said.append)) == list(registry.BUILT_IN)
    assert len(said) == 2
    assert "'odd' is left out" in said[0]
    with pytest.raises(YotoError, match="^Application 'no_such:APPLICATION' should be importable"):
        registry.find("gone")


def test_a_broken_built_in_application_takes_nothing_else_along(monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "mine", "yoto.apps.no_such:APPLICATION")
    said = []
    assert list(registry.applications(said.append)) == [name for name in registry.BUILT_IN if name != "mine"]
    assert len(said) == 1
    assert "'mine' is left out" in said[0]


def test_commands_that_cannot_be_imported_take_no_others_along():
    code = """
import sys, types
from yoto import registry
sys.modules["mine"] = types.ModuleType("mine")
sys.modules["mine"].APPLICATION = registry.Application(task="mine:Task", commands="mine:register")
registry.BUILT_IN["mine"] = "mine:APPLICATION"
from yoto import cli
sys.exit(cli.run(["--version"]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0
    assert result.stdout.startswith("yoto ")
    assert result.stderr.startswith("yoto: the commands of 'mine' are left out: Commands 'mine:register' should be")
    assert result.stderr.count("\n") == 1


def test_a_built_in_name_is_not_taken_by_a_package(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda: {"vae": "decimal:Context"})
    assert registry.applications(pytest.fail)["vae"] == registry.find("vae") == registry.row(registry.BUILT_IN["vae"])


def test_a_class_inside_of_another_is_found_by_the_name_that_runs_record():
    assert registry.imported("json:JSONDecoder.decode", "Task") is json.JSONDecoder.decode


def test_a_message_says_which_part_cannot_be_imported():
    with pytest.raises(YotoError, match="^Page 'json:Nothing' should be importable as module:Name"):
        registry.imported("json:Nothing", "Page")
    with pytest.raises(YotoError, match="^Task 'json:Nothing' should be importable as module:Name"):
        registry.typed_task("json:Nothing")


def test_an_application_in_the_table_keeps_its_recipes_and_models_in_its_folder(tmp_path, monkeypatch):
    folder = tmp_path / "of_its_own"
    for name in ("recipes", "models"):
        (folder / name).mkdir(parents=True)
    row = (
        'from yoto.registry import Application\nAPPLICATION = Application(task="of_its_own:T", package="of_its_own")\n'
    )
    (folder / "__init__.py").write_text(row)
    text = (PACKAGE / "yoto_lines/recipes/mini.yaml").read_text("utf-8").replace("task: lines", "task: vae")
    (folder / "recipes" / "mini.yaml").write_text(text.replace("options: {points: 8}", ""))
    bundle.save(nn.Linear(2, 2), folder / "models" / "mini.safetensors", space=LossSpace(a=1.0))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.BUILT_IN, "mine", "of_its_own:APPLICATION")
    assert recipe.read("mine/mini").name == "mini"
    assert bundle.locate("mine/mini") == bundle.bundled()["mine/mini"] == folder / "models" / "mini.safetensors"


def test_an_entry_point_must_name_a_row(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda: {"odd": "string:APPLICATION"})
    monkeypatch.setattr("string.APPLICATION", {"task": "a:B"}, raising=False)
    with pytest.raises(YotoError, match=r"should be a yoto\.registry\.Application\. Found dict"):
        registry.find("odd")


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_every_part_of_a_built_in_application_is_there(name):
    row = registry.row(registry.BUILT_IN[name])
    for part, path in vars(row).items():
        if path is not None and part != "package":
            assert registry.imported(path, part) is not None
    assert issubclass(registry.imported(row.task, "task"), BaseTask)


def test_names_in_files_import_nothing(monkeypatch):
    monkeypatch.setattr(registry, "imported", pytest.fail)
    assert registry.find("os:system") is None
    assert registry.find("") is None
    with pytest.raises(YotoError, match="`task` should be one of compression, style, vae"):
        registry.named("json:loads")


def test_a_task_without_a_schema_takes_its_options_by_name():
    with pytest.raises(YotoError, match=r"`options` should be arguments of decimal:Context"):
        registry.made(Application(task="decimal:Context"), {"points": 1})
